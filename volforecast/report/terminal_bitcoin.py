"""What a bitcoin-mixture run prints: errors over all test hours by model, against HAR, and in which set they are."""

import sys

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.objects import Objects
from volforecast.data.parquet import from_parquet
from volforecast.evaluation.hourly_order import ALL, HAR, SQUARED_ERROR, group_of, mode_order, model_order
from volforecast.printable import printable

SIGNIFICANCE = 0.05


def print_bitcoin_tables(objects: Objects) -> None:
    """A line a model: RMSE over all test hours by mode, with seed spread, test against HAR and confidence set."""
    metrics = _read(objects, "metrics")
    if metrics is None or metrics.empty:
        print(f"{objects.url}: no interval is complete yet, so there is no table")
        return
    modes = mode_order(metrics["mode"].astype(str))
    own = metrics[(metrics["metric"] == "RMSE") & (metrics["iteration"] == ALL)]
    blocks = metrics.loc[metrics["iteration"] != ALL, "iteration"].nunique()
    over = "one interval" if blocks == 1 else f"{blocks} intervals together"
    print(f"RMSE of hourly volatility / 100, {int(own['hours'].min()):,} test hours ({over}), mean over seeds")
    print("+ or -: better or worse than HAR by a Diebold-Mariano test (5%); *: in the model confidence set")
    # a pipe or a file has no width of its own; the table must not be cut to 80 columns there
    table = _table(own, modes, _marks(objects, own))
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    if objects.read("report.html") is not None:
        print(f"report:  {objects.url}/report.html")
    print(f"results: {objects.url} (forecasts/, tables/)")


def _table(own: pd.DataFrame, modes: list[str], marks: dict[tuple[str, str], str]) -> Table:
    table = Table()
    table.add_column("model", no_wrap=True)
    for mode in modes:
        table.add_column(f"{mode} mode", justify="right")
        table.add_column("spread", justify="right")
        table.add_column("", no_wrap=True)
    best = own.groupby("mode")["value"].min()
    rows = {(str(row.model), str(row.mode)): row for row in own.itertuples()}
    before: str | None = None
    for model in model_order(own["model"].astype(str)):
        if before is not None and group_of(model) != before:
            table.add_section()
        before = group_of(model)
        cells: list[str] = []
        for mode in modes:
            cells += _cells(rows.get((model, mode)), float(best.get(mode, np.nan)), marks.get((mode, model), ""))
        table.add_row(Text(printable(model)), *cells)
    return table


def _cells(row: object, best: float, mark: str) -> list[str]:
    value, spread = float(getattr(row, "value", np.nan)), float(getattr(row, "spread", np.nan))
    if np.isnan(value):
        return ["n/a", "", ""]
    text = f"{value:.4f}"
    return [f"[bold]{text}[/bold]" if value == best else text, "" if np.isnan(spread) else f"{spread:.4f}", mark]


def _marks(objects: Objects, own: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What tests and sets over all test hours say of a mode's models."""
    marks = {(str(mode), str(model)): "" for mode, model in own[["mode", "model"]].to_numpy()}
    tests, sets = _read(objects, "tests"), _read(objects, "confidence_sets")
    if tests is not None:
        tests = tests[(tests["iteration"] == ALL) & (tests["loss"] == SQUARED_ERROR) & (tests["benchmark"] == HAR)]
        for row in tests[tests["p_value"] < SIGNIFICANCE].itertuples():
            marks[str(row.mode), str(row.model)] = "+" if float(str(row.statistic)) > 0.0 else "-"
    if sets is not None:
        sets = sets[(sets["iteration"] == ALL) & (sets["loss"] == SQUARED_ERROR) & sets["included"].astype(bool)]
        for mode, model in sets[["mode", "model"]].to_numpy():
            marks[str(mode), str(model)] = marks.get((str(mode), str(model)), "") + "*"
    return marks


def _read(objects: Objects, name: str) -> pd.DataFrame | None:
    payload = objects.read(f"tables/{name}.parquet")
    return None if payload is None else from_parquet(payload).to_pandas()

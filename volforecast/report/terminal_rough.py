"""What a rough-transfer run prints: RMSE relative to HAR by model and horizon, and what tests say."""

import sys

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.objects import Objects
from volforecast.data.parquet import from_parquet
from volforecast.evaluation.rough_order import HAR, model_order
from volforecast.printable import printable
from volforecast.report.page.rough.names import section_of

MOST_HORIZONS = 3  # beside each other


def print_rough_tables(objects: Objects) -> None:
    """A line a model: RMSE relative to HAR and its tests at each horizon, mean over targets."""
    payload = objects.read("tables/table_across.parquet")
    across = None if payload is None else from_parquet(payload).to_pandas()
    if across is None or across.empty:
        print(f"{objects.url}: no target is complete yet, so there is no table")
        return
    horizons = sorted({int(horizon) for horizon in across["horizon"]})
    targets = int(across["targets"].max())
    over = "one target" if targets == 1 else f"mean over {targets:,} targets"
    print(f"RMSE of log RV relative to HAR (below 1 is better), {over}")
    print("+/-: for how many targets Diebold-Mariano tests (5%) find the model better/worse than HAR")
    # a pipe or a file has no width of its own; the table must not be cut to 80 columns there
    Console(width=None if sys.stdout.isatty() else 100).print(_table(across, horizons[:MOST_HORIZONS]))
    if len(horizons) > MOST_HORIZONS:
        rest = ", ".join(map(str, horizons[MOST_HORIZONS:]))
        print(f"tables/table_across.csv also has the horizons {rest}.")
    if objects.read("report.html") is not None:
        print(f"report:  {objects.url}/report.html")
    print(f"results: {objects.url} (forecasts/, curves/, tables/)")


def _table(across: pd.DataFrame, horizons: list[int]) -> Table:
    table = Table()
    table.add_column("model", no_wrap=True)
    for horizon in horizons:
        table.add_column(f"h={horizon}", justify="right")
        table.add_column("+/-", justify="right")
    best = across[across["model"] != HAR].groupby("horizon")["ratio"].min()
    rows = {(str(row.model), row.horizon): row for row in across.itertuples()}
    before: str | None = None
    for model in model_order(across["model"]):
        if before is not None and section_of(model) != before:
            table.add_section()
        before = section_of(model)
        cells: list[str] = []
        for horizon in horizons:
            cells += _cells(rows.get((model, horizon)), float(best.get(horizon, np.nan)))
        table.add_row(Text(printable(model)), *cells)
    return table


def _cells(row: object, best: float) -> list[str]:
    """The ratio, and for how many targets tests find the model better and worse."""
    ratio = float(getattr(row, "ratio", np.nan))
    if np.isnan(ratio):
        return ["n/a", ""]
    better, worse = getattr(row, "better_than_har", None), getattr(row, "worse_than_har", None)
    tests = "" if pd.isna(better) or pd.isna(worse) else f"{int(better)}/{int(worse)}"
    text = f"{ratio:.3f}"
    return [f"[bold]{text}[/bold]" if ratio == best else text, tests]

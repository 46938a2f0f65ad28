"""The paper's tables of one target, for one horizon or several beside each other: mean, and below it the spread."""

from collections.abc import Callable, Sequence, Set
from typing import Any, Final

import numpy as np
import pandas as pd

from volforecast.evaluation.rough_order import HAR, model_order
from volforecast.report.page.grids import NONE, Cell, Grid, Row
from volforecast.report.page.rough.names import PAPER_GROUPS, days, section_of

METRICS: Final = {"RMSE": "RMSE", "MAE": "MAE", "R2": "R\N{SUPERSCRIPT TWO}", "Correlation": "Correlation"}
METHODS: Final = ("R/S", "DFA", "Variogram", "Wavelet")
_LARGER: Final = ("R2", "Correlation")
SIGNIFICANCE: Final = 0.05

Line = tuple[str, str, list[Cell]]
"""A row before it is set: its name, its section, its cells."""


def performance(
    table: pd.DataFrame, horizons: Sequence[int], caption: str, partial: Set[tuple[str, int]] = frozenset()
) -> Grid:
    """Table 3: a row each model, columns RMSE, MAE, R2 and correlation; the best of a column stands out.

    Args:
        table: One target's rows of ``table_3``.
        horizons: Days ahead; each gives a group of columns.
        caption: What the numbers are.
        partial: Models and horizons whose numbers are over fewer targets than there are: they carry a dagger and do not
            compete.
    """
    columns = [(horizon, metric) for horizon in horizons for metric in METRICS]
    found = _cells(table, ["horizon", "metric"], "value", "spread")
    competing = {key: value for key, value in found.items() if key[:2] not in partial}
    best = {column: _best(competing, column, column[1] in _LARGER) for column in columns}
    lines = [
        (
            model,
            section_of(model),
            [_mean(found.get((model, *column)), best[column], (model, column[0]) in partial) for column in columns],
        )
        for model in model_order(table["model"])
    ]
    return _grid(caption, "Model", horizons, list(METRICS.values()), lines)


def improvement(table: pd.DataFrame, horizons: Sequence[int], caption: str) -> Grid:
    """Table 4: by how many per cent Transfer LSTM is better than LSTM, by metric.

    Args:
        table: One target's rows of ``table_4``.
        horizons: Days ahead.
        caption: What the numbers are.
    """
    rows = {(str(row.metric), int(row.horizon)): row for row in lines_of(table)}
    lines: list[Line] = []
    for metric, words in METRICS.items():
        cells: list[Cell] = []
        for horizon in horizons:
            row = rows.get((metric, horizon))
            if row is None:
                cells += [Cell(NONE)] * 3
                continue
            mean = Cell(percent(float(row.improvement)), _firm(row.improvement, row.p_value), spread(row.spread, 2))
            cells += [mean, Cell(p_text(float(row.p_value), dash=True)), Cell(f"{row.wins} of {row.seeds}")]
        lines.append((words, "", cells))
    return _grid(caption, "Metric", horizons, ["Improvement", "p-value", "Seeds won"], lines)


def architectures(table: pd.DataFrame, horizons: Sequence[int], har: "pd.Series[float]", caption: str) -> Grid:
    """Table 5: RMSE and its distance from HAR's, by group of models; HAR itself comes first.

    Args:
        table: One target's rows of ``table_5``.
        horizons: Days ahead.
        har: HAR's RMSE by horizon.
        caption: What the numbers are.
    """
    rmse = _cells(table, ["horizon"], "rmse", "spread")
    versus = _cells(table, ["horizon"], "versus_har", "spread")
    rmse |= {(HAR, horizon): (float(har.loc[horizon]), np.nan) for horizon in horizons if horizon in har.index}
    best = {(horizon,): _best(rmse, (horizon,), larger=False) for horizon in horizons}
    groups = dict(zip(table["model"].astype(str), table["group"].astype(str), strict=True))
    names = [HAR, *(name for name in model_order(groups) if name != HAR)]
    lines: list[Line] = []
    for model in names:
        cells: list[Cell] = []
        for horizon in horizons:
            distance = versus.get((model, horizon), (np.nan, np.nan))[0]
            cells += [_mean(rmse.get((model, horizon)), best[(horizon,)]), Cell(percent(distance))]
        group = groups.get(model, "")
        lines.append((model if model != HAR else "HAR (baseline)", group if model != HAR else "", cells))
    lines.sort(key=lambda line: _rank(line[1]))
    return _grid(caption, "Model", horizons, ["RMSE", "Versus HAR"], lines)


def tests(table: pd.DataFrame, horizons: Sequence[int], caption: str) -> Grid:
    """Table 6: Diebold-Mariano statistics and p-values against HAR, and against the LSTM from scratch.

    Args:
        table: One target's rows of ``table_6``.
        horizons: Days ahead.
        caption: What the numbers are.
    """
    benchmarks = list(dict.fromkeys(table["benchmark"].astype(str)))
    rows = {(str(row.model), int(row.horizon), str(row.benchmark)): row for row in lines_of(table)}
    lines: list[Line] = []
    for model in model_order(table["model"]):
        cells: list[Cell] = []
        for horizon in horizons:
            for benchmark in benchmarks:
                row = rows.get((model, horizon, benchmark))
                if row is None or np.isnan(row.statistic):
                    cells += [Cell(NONE)] * 2
                else:
                    firm = _firm(row.statistic, row.p_value)
                    cells += [Cell(signed(float(row.statistic), 2), firm), Cell(p_text(float(row.p_value)))]
        lines.append((model, section_of(model), cells))
    heads = [word for name in benchmarks for word in (f"against {name}", "p-value")]
    return _grid(caption, "Model", horizons, heads, lines)


def roughness(table: pd.DataFrame, assets: Sequence[str], caption: str) -> Grid:
    """Table 1: H by method with its 95% interval below, and the slope of the wavelet regression.

    Args:
        table: ``table_1``.
        assets: Rows, in their order.
        caption: What the numbers are.
    """
    rows = {(str(row.asset), str(row.method)): row for row in lines_of(table)}
    methods = [name for name in METHODS if name in set(table["method"])]
    methods += sorted(set(map(str, table["method"])) - set(methods))
    roles = dict(zip(table["asset"].astype(str), table["role"].astype(str), strict=True))
    counts = dict(zip(table["asset"].astype(str), table["observations"], strict=True))
    lines: list[Line] = []
    for asset in assets:
        cells: list[Cell] = []
        for method in methods:
            row = rows.get((asset, method))
            if row is None or np.isnan(row.hurst):
                cells += [Cell(NONE)]
            else:
                cells.append(Cell(f"{row.hurst:.3f}", "", within(float(row.low), float(row.high), 2)))
        wavelet = rows.get((asset, "Wavelet"))
        slope = Cell(NONE) if wavelet is None else Cell(signed(float(wavelet.slope), 3), "", r2_text(wavelet.r_squared))
        lines.append((asset, _role(roles[asset]), [*cells, slope, Cell(f"{counts[asset]:,}")]))
    return _flat(caption, "Asset", [*methods, "Wavelet slope", "Days"], lines)


def descriptive(table: pd.DataFrame, assets: Sequence[str], caption: str) -> Grid:
    """Table 2: moments and range of log RV.

    Args:
        table: ``table_2``.
        assets: Rows, in their order.
        caption: What the numbers are.
    """
    names = ("mean", "standard_deviation", "skewness", "kurtosis", "minimum", "maximum")
    heads = ["Mean", "Std dev", "Skewness", "Kurtosis", "Min", "Max", "Days"]
    rows = {str(row["asset"]): row for row in table.to_dict("records")}
    lines: list[Line] = [
        (
            asset,
            _role(str(rows[asset]["role"])),
            [
                *(Cell(signed(float(rows[asset][name]), 2, plus=False)) for name in names),
                Cell(f"{rows[asset]['observations']:,}"),
            ],
        )
        for asset in assets
        if asset in rows
    ]
    return _flat(caption, "Asset", heads, lines)


def moments(table: pd.DataFrame, assets: Sequence[str], caption: str) -> Grid:
    """How moments of increments scale with the lag: zeta by q, and the H that it implies below.

    Args:
        table: ``zeta``.
        assets: Rows, in their order.
        caption: What the numbers are.
    """
    orders = sorted(set(table["q"].astype(float)))
    rows = {(str(row.asset), float(row.q)): row for row in lines_of(table)}
    lines: list[Line] = []
    for asset in assets:
        found = [rows.get((asset, q)) for q in orders]
        cells = [Cell(NONE) if row is None else Cell(f"{row.zeta:.3f}", "", f"H {row.hurst:.3f}") for row in found]
        lines.append((asset, "", cells))
    return _flat(caption, "Asset", [f"q={q:g}" for q in orders], lines)


def parameters(table: pd.DataFrame, caption: str) -> Grid:
    """Table 7: true numbers of parameters by component, with each encoder's total."""
    lines: list[Line] = []
    for encoder, own in table.groupby("encoder", sort=False):
        for row in lines_of(own):
            cells = [Cell(str(row.configuration)), Cell(f"{row.parameters:,}")]
            lines.append((str(row.component), f"{encoder} encoder", cells))
        if "total" not in {str(name).lower() for name in own["component"]}:
            total = [Cell(""), Cell(f"{own['parameters'].sum():,}", "total")]
            lines.append(("Total", f"{encoder} encoder", total))
    return _flat(caption, "Component", ["Configuration", "Parameters"], lines)


def lines_of(table: pd.DataFrame) -> list[Any]:
    """The rows of a table, columns as attributes."""
    return list(table.itertuples())


def signed(value: float, digits: int, *, plus: bool = True) -> str:
    """``+1.50``, with a proper minus sign."""
    if np.isnan(value):
        return NONE
    text = f"{value:+.{digits}f}" if plus else f"{value:.{digits}f}"
    text = text if text.strip("+-0.") else text.replace("-", "+" if plus else "")  # no minus zero
    return text.replace("-", "\N{MINUS SIGN}")


def percent(value: float) -> str:
    """``+10.99%`` of 10.99; a dash where there is none."""
    return "\N{EN DASH}" if np.isnan(value) else f"{signed(value, 2)}%"


def p_text(value: float, *, dash: bool = False) -> str:
    """``0.042``, ``< 0.001``."""
    if np.isnan(value):
        return "\N{EN DASH}" if dash else NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def spread(value: float, digits: int) -> str:
    """The second line of a number: its spread, if it has one."""
    return "" if np.isnan(value) else f"\N{PLUS-MINUS SIGN} {value:.{digits}f}"


def within(low: float, high: float, digits: int) -> str:
    """``0.10 to 0.15``, if there is an interval."""
    if np.isnan(low) or np.isnan(high):
        return ""
    return f"{signed(low, digits, plus=False)} to {signed(high, digits, plus=False)}"


def r2_text(value: float) -> str:
    """The fit of a regression, if it is known."""
    return "" if np.isnan(value) else f"R\N{SUPERSCRIPT TWO} {value:.3f}"


def _rank(group: str) -> int:
    order = ["", *PAPER_GROUPS]
    return order.index(group) if group in order else len(order)


def _role(role: str) -> str:
    return {"source": "Sources", "target": "Targets"}.get(role, role)


def _firm(value: float, p_value: float) -> str:
    """Marks what a test finds better (``high``), or worse (``low``)."""
    if np.isnan(p_value) or p_value >= SIGNIFICANCE or value == 0.0:
        return ""
    return "high" if value > 0.0 else "low"


def _cells(
    table: pd.DataFrame, keys: Sequence[str], value: str, around: str
) -> dict[tuple[str | int, ...], tuple[float, float]]:
    """Values with their spreads by model and keys."""
    places = zip(table["model"].astype(str), *(table[key] for key in keys), strict=True)
    numbers = zip(table[value].astype(float), table[around].astype(float), strict=True)
    return dict(zip(places, numbers, strict=True))


def _best(
    found: dict[tuple[str | int, ...], tuple[float, float]], column: tuple[str | int, ...], larger: bool
) -> float:
    """The best value of a column of several models; NaN if it has one only."""
    values = [value for key, (value, _) in found.items() if key[1:] == column and not np.isnan(value)]
    if len(values) < 2:
        return np.nan
    choose: Callable[[list[float]], float] = max if larger else min
    return choose(values)


def _mean(found: tuple[float, float] | None, best: float, partial: bool = False) -> Cell:
    if found is None or np.isnan(found[0]):
        return Cell(NONE)
    text = signed(found[0], 3, plus=False) + "\N{DAGGER}" * partial
    return Cell(text, "top" if found[0] == best and not partial else "", spread(found[1], 3))


def _grid(caption: str, corner: str, horizons: Sequence[int], heads: Sequence[str], lines: Sequence[Line]) -> Grid:
    """With a group of columns for each horizon if there are several."""
    if len(horizons) == 1:
        return _flat(caption, corner, heads, lines)
    groups = [(f"{days(horizon)} ahead", len(heads)) for horizon in horizons]
    layout = "wide" if len(heads) * len(horizons) > 8 else "plain"
    return Grid(caption, corner, groups, list(heads) * len(horizons), _rows(lines), layout)


def _flat(caption: str, corner: str, heads: Sequence[str], lines: Sequence[Line]) -> Grid:
    return Grid(caption, corner, [], list(heads), _rows(lines))


def _rows(lines: Sequence[Line]) -> list[Row]:
    rows, before = [], ""
    for name, section, cells in lines:
        new = section != before
        rows.append(Row(name, cells, new, section if new else ""))
        before = section
    return rows

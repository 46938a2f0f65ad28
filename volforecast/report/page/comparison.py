"""A run beside the paper: its claims one by one, and its figures beside ours."""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from volforecast.evaluation.order import AGGREGATE, ALL
from volforecast.report import paper
from volforecast.report.page.evidence import Tables
from volforecast.report.page.grids import NONE, Cell, Grid, Row, period_text
from volforecast.report.page.names import model_class

_BESIDE: Final = {3: "errors relative to NF", 4: "model confidence sets", 5: "transition strategies",
                  6: "transition strategies by model", 15: "1-models", 16: "5-models", 17: "22-models"}  # fmt: skip
_SHOWN: Final = {3: (ALL,), 4: (AGGREGATE, ALL)}
"""Periods of a table that are set beside the paper's; all of them where a table is not named."""


class Beside(NamedTuple):
    """One of the paper's tables beside ours: heading, the table, and how far the two agree."""

    heading: str
    grid: Grid
    agreement: str


def besides(tables: Tables) -> list[Beside]:
    """Every table that can be set beside the paper's, with both figures in each cell's place."""
    shown = []
    for number, words in _BESIDE.items():
        if f"table_{number}" not in tables or (number == 4 and "table_3" not in tables):
            continue  # a first-days run's confidence sets are about other days than the paper's
        table = paper.beside(tables, number)
        if number in _SHOWN:
            table = table[table["period"].isin(_SHOWN[number])]
        if table["ours"].notna().any():
            caption = "Ours, and in the paper. The paper's targets and sources are other assets than this run's"
            grid = _grid(table, number, caption)
            shown.append(Beside(f"Table {number}: {words}", grid, _agreement(table)))
    return shown


def _grid(table: pd.DataFrame, number: int, caption: str) -> Grid:
    """Rows by model (or strategy), a group of two columns for each loss (and period)."""
    across, down = _layout(table)
    keys = list(dict.fromkeys(zip(*(table[name] for name in across), strict=True)))
    lines = list(dict.fromkeys(zip(*(table[name] for name in down), strict=True)))
    cells = {
        (tuple(row[name] for name in down), tuple(row[name] for name in across)): (row["ours"], row["paper"])
        for row in table.to_dict("records")
    }
    rows, before = [], ""
    for line in lines:
        numbers = [value for key in keys for value in cells.get((line, key), (np.nan, np.nan))]
        name = " ".join(map(str, line[::-1]))
        group = model_class(str(line[0]))
        rows.append(Row(name, [Cell(_number(float(value), number)) for value in numbers], group != before))
        before = group
    groups = [(_head(key, across), 2) for key in keys]
    corner = "Strategy" if down == ["row"] else "Model"
    return Grid(caption, corner, groups, ["ours", "paper"] * len(keys), rows)


def _layout(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    if "row" in table.columns:
        return ["loss", "column"], ["row"]
    return (["loss"], ["model", "strategy"]) if "strategy" in table.columns else (["period", "loss"], ["model"])


def _head(key: tuple[str, ...], across: list[str]) -> str:
    words = [
        period_text(value) if name == "period" else value for name, value in zip(across, map(str, key), strict=True)
    ]
    return ", ".join(words)


def _number(value: float, number: int) -> str:
    if np.isnan(value):
        return NONE
    if np.isinf(value) or value > 99.0:
        return "> 99"
    return f"{value:.0f}" if number == 4 else f"{value:.3f}"


def _agreement(table: pd.DataFrame) -> str:
    """How alike the two order the rows, by loss."""
    said = []
    period = table["period"].iloc[-1] if "period" in table.columns else None
    for loss, rows in table.groupby("loss", sort=False):
        both = rows[rows["ours"].notna() & rows["paper"].notna()]
        if period is not None and "strategy" not in both.columns:
            both = both[both["period"] == period]
        if len(both) >= 5 and both["ours"].nunique() > 1 and both["paper"].nunique() > 1:
            rank = float(spearmanr(both["ours"], both["paper"]).statistic)
            said.append(f"{rank:.2f} by {loss} ({len(both)} rows)")
    return f"Rank correlation (Spearman) of ours and the paper's: {', '.join(said)}." if said else ""

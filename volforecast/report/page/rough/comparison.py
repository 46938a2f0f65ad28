"""A run's tables beside the paper's: one of its targets in the place of Bitcoin, a source in that of the S&P 500."""

from typing import Final

import numpy as np
import pandas as pd

from volforecast.report import paper_rough
from volforecast.report.page.comparison import Beside
from volforecast.report.page.evidence import Tables
from volforecast.report.page.grids import NONE, Cell, Grid, Row
from volforecast.report.page.rough.grids import signed
from volforecast.report.page.rough.printed import targets_of

_HEADINGS: Final = {
    1: "Hurst exponents",
    2: "log RV in numbers",
    3: "forecasting performance",
    4: "transfer against training from scratch",
    5: "advanced architectures",
    6: "Diebold\N{EN DASH}Mariano tests",
    7: "parameters",
}
_WORDS: Final = {
    "hurst": "H",
    "slope": "slope",
    "standard_deviation": "standard deviation",
    "value": "",
    "improvement": "improvement, %",
    "p_value": "p-value",
    "rmse": "RMSE",
    "versus_har": "versus HAR, %",
    "R2": "R\N{SUPERSCRIPT TWO}",
}
_KEYS: Final = {
    1: ("asset", "method"),
    2: ("asset",),
    3: ("model", "metric"),
    4: ("metric",),
    5: ("group", "model"),
    6: ("model",),
    7: ("encoder", "component"),
}
"""What names a row of each table; the first makes the sections."""


def besides(tables: Tables) -> list[Beside]:
    """Every table that can be set beside the paper's, a printed figure a row; one day ahead."""
    pair = assets_beside(tables)
    if pair is None:
        return []
    source, target = pair
    shown = []
    for number, words in _HEADINGS.items():
        if f"table_{number}" not in tables or tables[f"table_{number}"].empty:
            continue
        table = paper_rough.beside(tables, number, source=source, target=target)
        if table["ours"].notna().any():
            caption = f"Ours ({source} to {target}) and in the paper (S&P 500 to Bitcoin), one day ahead"
            if number == 2:
                caption += "; its means and extremes are in another unit"
            shown.append(Beside(f"Table {number}: {words}", _grid(table, caption, number), ""))
    return shown


def assets_beside(tables: Tables) -> tuple[str, str] | None:
    """The source and the target that stand beside the paper's; Bitcoin itself where it is among the targets."""
    targets = targets_of(tables)
    if not targets:
        return None
    target = paper_rough.TARGET if paper_rough.TARGET in targets else targets[0]
    table = tables.get("table_1", pd.DataFrame({"role": [], "asset": []}))
    sources = sorted(map(str, table.loc[table["role"] == "source", "asset"].unique()))
    source = paper_rough.SOURCE if paper_rough.SOURCE in sources or not sources else sources[0]
    return source, target


def _grid(table: pd.DataFrame, caption: str, number: int) -> Grid:
    """A row each figure, sections by the first key (asset, model or group) in the paper's order."""
    sections: dict[str, list[Row]] = {}
    for row in table.to_dict("records"):
        keys = [str(row[key]) for key in _KEYS[number]]
        figure = str(row["figure"])
        words = [_WORDS.get(word, word) for word in (*keys[1:], figure)]
        name = ", ".join(word for word in words if word) or keys[0]
        cells = [Cell(_number(float(row[column]), figure)) for column in ("ours", "paper", "difference")]
        sections.setdefault(keys[0], []).append(Row(name, cells))
    rows = [
        line._replace(starts=place == 0, section=section if place == 0 else "")
        for section, lines in sections.items()
        for place, line in enumerate(lines)
    ]
    return Grid(caption, "Figure", [], ["ours", "paper", "difference"], rows)


def _number(value: float, figure: str) -> str:
    if np.isnan(value):
        return NONE
    if figure == "parameters":
        return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")
    return signed(value, 4 if figure == "p_value" else 3, plus=False)

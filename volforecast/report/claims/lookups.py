"""What the claims look up in a set of tables, a run's or the paper's: errors, pairs and confidence sets by model.

Models beyond the paper's 30 and the naive forecast are left out; figures are at the paper's three decimals.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Final

import pandas as pd

from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.evaluation.order import NAIVE

Tables = Mapping[str, pd.DataFrame]
Pair = tuple[str, str]
"""A model and the one it is compared with."""

LOSSES: Final = ("MSE", "MAE")
RATES: Final = ("MTL-25", "MTL-50", "MTL-75")
CLASSES: Final = ("HAR", "FNN", "XGB")
STD: Final = tuple(f"{name}-STD" for name in CLASSES)
EXT: Final = tuple(f"{name}-EXT" for name in CLASSES)
KINDS: Final = (*STD, *EXT)
PERIODS: Final = ("50", "150", "250", "350", "450")
Hits = Mapping[str, Sequence[bool]]
"""Comparisons that hold or not, by loss (or by whatever else the figures are told apart by)."""


def named(approaches: Iterable[str], kinds: Iterable[str] = KINDS) -> list[str]:
    """Model names: ``MTL-25 HAR-STD``, ..."""
    return [f"{approach} {kind}" for approach, kind in product(approaches, kinds)]


MODELS: Final = (NAIVE, *named(("TO", "NP", *RATES)))


def counterparts(approaches: Iterable[str], other: str, kinds: Iterable[str] = KINDS) -> list[Pair]:
    """Each approach against another one, class and predictors the same."""
    return [(f"{approach} {kind}", f"{other} {kind}") for approach, kind in product(approaches, kinds)]


def extended(approaches: Iterable[str], classes: Iterable[str] = CLASSES) -> list[Pair]:
    """The extended predictors against the standard ones, approach and class the same."""
    return [(f"{a} {name}-EXT", f"{a} {name}-STD") for a, name in product(approaches, classes)]


def cells(tables: Tables, loss: str, column: str = "ratio") -> dict[Pair, float]:
    """Tables 8 to 11 for one loss: what is said of a model relative to a benchmark, by (model, benchmark)."""
    found: dict[Pair, float] = {}
    for number, (of_loss, _) in PAIRWISE_TABLES.items():
        if of_loss == loss and f"table_{number}" in tables:
            table = tables[f"table_{number}"]
            tested = table["ratio"].notna().to_numpy()
            values = table[column].astype(float).round(3).to_list()
            rows = zip(table["model"].to_list(), table["benchmark"].to_list(), values, tested, strict=True)
            found |= {(model, benchmark): value for model, benchmark, value, known in rows if known}
    return found


def errors(tables: Tables, name: str = "table_3") -> pd.DataFrame:
    """Errors relative to the naive forecast, models by (period, loss); NF is a row of ones.

    A model that lacks a target's forecasts is left out of a column unless every model lacks some.
    """
    if name not in tables:
        return pd.DataFrame()
    table = comparable(tables[name].astype({"period": str}), ["period", "loss"])
    table = table[table["model"].str.replace(r"^\d+-", "", regex=True).isin(MODELS)]
    wide = table.pivot(index="model", columns=["period", "loss"], values="ratio").round(3)
    wide.loc[NAIVE] = 1.0
    return wide


def comparable(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Rows with a ratio; of each group those over all targets, unless every row lacks some (column ``left_out``)."""
    known = table.dropna(subset="ratio")
    if "left_out" not in known.columns:
        return known
    whole = known["left_out"] == 0
    return known[whole | ~whole.groupby([known[name] for name in by]).transform("any")]


def column_of(table: pd.DataFrame, period: str, loss: str) -> "pd.Series[float]":
    """A column of :func:`errors` without gaps, empty if there is no such column."""
    return table[period, loss].dropna() if (period, loss) in table.columns else pd.Series(dtype=float)


def smaller(table: pd.DataFrame, pairs: Sequence[Pair], columns: Sequence[str], losses: Sequence[str]) -> Hits:
    """Whether the first model's error is the smaller one, in these columns of :func:`errors`, by loss."""
    values = table.to_dict("index")
    hits: dict[str, list[bool]] = {loss: [] for loss in losses}
    for loss, period, (one, other) in product(losses, columns, pairs):
        first, second = (values.get(model, {}).get((period, loss), float("nan")) for model in (one, other))
        if first == first and second == second:
            hits[loss].append(first < second)
    return hits


def included(tables: Tables, period: str) -> dict[str, dict[str, int]]:
    """Table 4: in how many confidence sets the paper's models are, by loss and model."""
    if "table_4" not in tables:
        return {}
    table = tables["table_4"].astype({"period": str})
    table = table[(table["period"] == period) & table["model"].isin(MODELS)]
    return {
        str(loss): dict(zip(rows["model"], rows["included"].astype(int), strict=True))
        for loss, rows in table.groupby("loss")
    }

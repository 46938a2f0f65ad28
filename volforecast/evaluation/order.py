"""Names and orders of the paper's tables: models by row, sample periods by column."""

import re
from collections.abc import Iterable
from typing import Final

import pandas as pd

from volforecast.evaluation.losses import LOSSES

NAIVE: Final = "NF"
ALL: Final = "all"
"""The paper's s*: the days of a target's sample periods together."""
AGGREGATE: Final = "agg"
"""The single sample periods added up (column Agg. of Table 4)."""

_CLASSES: Final = ("HAR", "FNN", "XGB")
_NAME: Final = re.compile(r"(?:(\d+)-)?(TO|NP|MTL)(?:-(\d+))? (.+?)(?:-(STD|EXT))?")


def paper_order(models: Iterable[str]) -> list[str]:
    """Model names in the order of the paper's rows.

    NF first; then by class HAR, FNN, XGB (others, whose names may lack predictors, follow by name); within a class TO,
    NP, MTL; within each of these STD before EXT; then MTL-25, 50, 75. First-days prefixes (``1-``, ``5-``, ``22-``)
    come before the class. Names of another form come last, by name.
    """
    return sorted(set(models), key=_model_key)


def _model_key(name: str) -> tuple[int, int, int, str, int, int, int, str]:
    if name == NAIVE:
        return (0, 0, 0, "", 0, 0, 0, name)
    parts = _NAME.fullmatch(name)
    if parts is None:
        return (2, 0, 0, "", 0, 0, 0, name)
    prefix, approach, share, family, predictors = parts.groups()
    rank = _CLASSES.index(family) if family in _CLASSES else len(_CLASSES)
    approach_rank = ("TO", "NP", "MTL").index(approach)
    return (1, int(prefix or 0), rank, family, approach_rank, int(predictors == "EXT"), int(share or 0), name)


def period_key(period: str) -> tuple[int, int, str]:
    """Sorts sample periods by their days, then the aggregate, then all of them together."""
    if period in (AGGREGATE, ALL):
        return (2, int(period == ALL), period)
    return (0, int(period), "") if period.isdecimal() else (1, 0, period)


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by model, period and loss, each in the paper's order."""
    ranks = pd.DataFrame(index=table.index)
    for column, order in (
        ("model", paper_order(table["model"])),
        ("period", sorted(set(table["period"]), key=period_key)),
        ("loss", list(LOSSES)),
    ):
        ranks[column] = table[column].map({name: rank for rank, name in enumerate(order)})
    return table.loc[ranks.sort_values(["model", "period", "loss"]).index].reset_index(drop=True)

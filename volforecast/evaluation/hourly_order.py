"""Names and order of the models in the study of hourly Bitcoin volatility (Darracq Paries et al. 2025)."""

from collections.abc import Iterable
from typing import Final

import pandas as pd

HAR: Final = "HAR"
FLEXIBLE_HAR: Final = "Flexible HAR"
HARX: Final = "HARX(10)"
FLEXIBLE_HARX: Final = "Flexible HARX(10)"
LSTM: Final = "LSTM"
TM_G: Final = "TM-G"
GCT_TM_G: Final = "GCT TM-G"
TM_SG: Final = "TM-SG"
IG_TM: Final = "IG-TM"
GARCH: Final = "GARCH"
XGB: Final = "XGB"
SXGB: Final = "SXGB"
XGB_GCT: Final = "XGB-GCT"
SXGB_GCT: Final = "SXGB-GCT"
SXGB_GARCH: Final = "SXGB x GARCH"
LSTM_GARCH: Final = "LSTM x GARCH"

TABLE_1: Final = (LSTM, HAR, FLEXIBLE_HAR, HARX, FLEXIBLE_HARX, GCT_TM_G, TM_SG, TM_G)
"""Columns of the paper's table 1, in its order."""
TABLE_2: Final = (GARCH, XGB, SXGB, XGB_GCT, SXGB_GCT, SXGB_GARCH, LSTM_GARCH)
"""Columns of its table 2."""
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Past volatility alone": (HAR, FLEXIBLE_HAR, GARCH),
    "Linear, with features": (HARX, FLEXIBLE_HARX),
    "Temporal mixtures": (TM_G, GCT_TM_G, TM_SG, IG_TM),
    "Neural network": (LSTM,),
    "Boosted trees": (XGB, SXGB, XGB_GCT, SXGB_GCT),
    "Averages of two": (SXGB_GARCH, LSTM_GARCH),
}
"""The models by what they are."""
OTHERS: Final = "Others"
METRICS: Final = ("RMSE", "MAE", "R2", "QLIKE")
SQUARED_ERROR: Final = "squared error"
QLIKE: Final = "QLIKE"
LOSSES: Final = (SQUARED_ERROR, QLIKE)
ALL: Final = 0
"""The iteration that stands for all test hours together."""
COUNTERPARTS: Final[dict[str, str]] = {
    FLEXIBLE_HARX: FLEXIBLE_HAR,
    GCT_TM_G: TM_G,
    TM_SG: TM_G,
    IG_TM: TM_G,
    SXGB: XGB,
    SXGB_GCT: XGB_GCT,
    SXGB_GARCH: SXGB,
    LSTM_GARCH: LSTM,
}
"""What a model is tested against beside HAR: the one that lacks what it adds."""

_RANK: Final = {name: rank for rank, name in enumerate(name for models in GROUPS.values() for name in models)}
_MODES: Final = ("clean", "paper")


def group_of(model: str) -> str:
    """The group that a model stands in; a HARX of any lag stands with the others."""
    if "HARX(" in model:
        return "Linear, with features"
    return next((group for group, models in GROUPS.items() if model in models), OTHERS)


def model_order(models: Iterable[str]) -> list[str]:
    """Distinct names in the order of the tables: by group, those that are in none last and by name."""
    places = {group: place for place, group in enumerate(GROUPS)}
    return sorted(
        set(models), key=lambda name: (places.get(group_of(name), len(places)), _RANK.get(name, len(_RANK)), name)
    )


def mode_order(modes: Iterable[str]) -> list[str]:
    """Distinct modes: clean before paper."""
    return sorted(set(modes), key=lambda mode: (_MODES.index(mode) if mode in _MODES else len(_MODES), mode))


def in_order(table: pd.DataFrame, *others: str) -> pd.DataFrame:
    """Rows by mode, iteration, the other columns named (each ascending), and model; equal ones keep their order."""
    ranks = {name: rank for rank, name in enumerate(model_order(table["model"]))}
    modes = {name: rank for rank, name in enumerate(mode_order(table["mode"]))}
    ranked = table.assign(_model=table["model"].map(ranks), _mode=table["mode"].map(modes))
    keys = ["_mode", "iteration", *others, "_model"]
    return ranked.sort_values(keys, kind="stable", ignore_index=True).drop(columns=["_mode", "_model"])

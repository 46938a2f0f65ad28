"""Names and order of the models in the cross-asset study of rough volatility (Dhansoia 2025)."""

from collections.abc import Iterable, Sequence
from typing import Final

import pandas as pd

MOVING_AVERAGE: Final = "Moving Average"
HAR: Final = "HAR"
LSTM: Final = "LSTM"
"""The network trained on the target alone."""
TRANSFER_LSTM: Final = "Transfer LSTM"
HYBRID: Final = "HAR-LSTM Hybrid"
DYNAMIC_ATTENTION: Final = "Dynamic Attention"

BASELINE: Final = "Baseline"
UNFREEZING: Final = "Encoder unfreezing strategies"
HYBRIDS: Final = "Hybrid architectures"
CORRECTION: Final = "Error correction"
OTHERS: Final = "Beyond the paper"

BEYOND: Final = (
    "Transfer Hybrid",
    "Transformer",
    "Transfer Transformer",
    "Quantile HAR",
    "Quantile LSTM",
    "Transfer Quantile LSTM",
)
"""Models that the paper does not have."""
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    BASELINE: (HAR,),
    UNFREEZING: ("Differential LR", "Gradual Unfreezing", "Aggressive Fine-tune"),
    HYBRIDS: (HYBRID, DYNAMIC_ATTENTION),
    CORRECTION: ("Residual Boosting", "Regime Ensemble", "Transfer Residual"),
    OTHERS: BEYOND,
}
"""Models of table 5 by group: the paper's, then those that it does not have."""
PAPER: Final = (
    MOVING_AVERAGE,
    HAR,
    LSTM,
    "Frozen Transfer LSTM",
    TRANSFER_LSTM,
    *GROUPS[UNFREEZING],
    *GROUPS[HYBRIDS],
    *GROUPS[CORRECTION],
)
"""The paper's models."""
METRICS: Final = ("RMSE", "MAE", "R2", "Correlation")

_RANK: Final = {name: rank for rank, name in enumerate((*PAPER, *BEYOND))}


def model_order(models: Iterable[str]) -> list[str]:
    """Distinct names in the order of the tables: the paper's, those beyond it, then others by name."""
    return sorted(set(models), key=lambda name: (_RANK.get(name, len(_RANK)), name))


def in_order(table: pd.DataFrame, *others: str) -> pd.DataFrame:
    """Rows by target (name), horizon, the other columns named (each ascending), and model.

    Rows that are equal in all of these keep their order.
    """
    ranks = {name: rank for rank, name in enumerate(model_order(table["model"]))}
    keys: Sequence[str] = [name for name in ("target", "horizon", *others) if name in table.columns]
    ranked = table.assign(_rank=table["model"].map(ranks))
    return ranked.sort_values([*keys, "_rank"], kind="stable", ignore_index=True).drop(columns="_rank")

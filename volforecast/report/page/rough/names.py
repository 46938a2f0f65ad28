"""How models of the study of log volatility are grouped and drawn, and words for horizons."""

from collections.abc import Iterable
from typing import Final

from volforecast.evaluation.rough_order import (
    BASELINE,
    DYNAMIC_ATTENTION,
    GROUPS,
    HAR,
    HYBRID,
    LSTM,
    MOVING_AVERAGE,
    TRANSFER_LSTM,
    UNFREEZING,
)
from volforecast.report.page.svg import Shape

TABLE_3: Final = (MOVING_AVERAGE, HAR, LSTM, "Frozen Transfer LSTM", TRANSFER_LSTM)
"""Rows of the paper's table 3, which has one of the two Transfer LSTMs."""
PAPER_GROUPS: Final = tuple(group for group in GROUPS if group != BASELINE)

_LOOKS: Final[dict[str, tuple[str, Shape]]] = {
    "no network": ("c-ink", "diamond"),
    "network from scratch": ("c-to", "square"),
    "network with HAR": ("c-np", "triangle"),
    "pre-trained": ("c-mtl", "circle"),
}
"""Kinds of models with colour class and shape, which tell them apart without colour, too."""


def kind_of(model: str) -> str:
    """How a model comes by what it knows, in the words of the legend."""
    if model in (MOVING_AVERAGE, HAR, "Quantile HAR"):
        return "no network"
    if "Transfer " in model or model in GROUPS[UNFREEZING]:
        return "pre-trained"
    return "network with HAR" if model in (HYBRID, DYNAMIC_ATTENTION, "Residual Boosting") else "network from scratch"


def look(model: str) -> tuple[str, Shape]:
    """Colour class and shape of a model's kind."""
    return _LOOKS[kind_of(model)]


def looks(models: Iterable[str]) -> list[tuple[str, str, Shape]]:
    """The kinds among some models with colour class and shape, for a legend."""
    present = set(map(kind_of, models))
    return [(kind, *found) for kind, found in _LOOKS.items() if kind in present]


def section_of(model: str) -> str:
    """The group of rows that a model stands in; empty for those of table 3."""
    if model in TABLE_3:
        return ""
    return next((group for group in PAPER_GROUPS if model in GROUPS[group]), "Others")


def days(horizon: int) -> str:
    """``1 day``, ``5 days``."""
    return f"{horizon} day{'' if horizon == 1 else 's'}"


def ahead(horizon: int) -> str:
    """What is forecast: ``one day ahead``, or the mean of some days."""
    return "one day ahead" if horizon == 1 else f"mean of the next {horizon} days"

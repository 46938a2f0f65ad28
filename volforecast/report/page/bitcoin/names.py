"""How models of hourly volatility are grouped and drawn, and words for modes, test blocks and losses."""

from collections.abc import Iterable, Sequence
from typing import Final

from volforecast.evaluation.hourly_order import ALL, OTHERS, group_of
from volforecast.report.page.evidence import Tables
from volforecast.report.page.svg import Shape

_LOOKS: Final[dict[str, tuple[str, Shape]]] = {
    "Past volatility alone": ("c-ink", "diamond"),
    "Linear, with features": ("c-np", "triangle"),
    "Temporal mixtures": ("c-mtl", "circle"),
    "Neural network": ("c-np", "square"),
    "Boosted trees": ("c-to", "square"),
    "Averages of two": ("c-to", "diamond"),
    OTHERS: ("c-muted", "circle"),
}
"""Groups of models with colour class and shape, which tell them apart without colour, too."""
METRICS: Final = {"RMSE": "RMSE", "MAE": "MAE", "R2": "R\N{SUPERSCRIPT TWO}", "QLIKE": "QLIKE"}
MODES: Final = {"clean": "Clean mode", "paper": "Paper mode"}
COMPONENTS: Final = ("volatility", "features", "sentiment")


def look(model: str) -> tuple[str, Shape]:
    """Colour class and shape of a model's group."""
    return _LOOKS[group_of(model)]


def looks(models: Iterable[str]) -> list[tuple[str, str, Shape]]:
    """The groups among some models with colour class and shape, for a legend."""
    present = set(map(group_of, models))
    return [(group.lower(), *found) for group, found in _LOOKS.items() if group in present]


def mode_words(mode: str) -> str:
    """``Clean mode``."""
    return MODES.get(mode, mode)


def in_mode(mode: str, modes: Sequence[str]) -> str:
    """``, clean mode`` behind a heading if there is another mode, too."""
    return f", {mode_words(mode).lower()}" if len(modes) > 1 else ""


def block_words(iteration: int) -> str:
    """``Interval 3``, as the paper calls the test block of an iteration; 0 is all of them."""
    return "All" if iteration == ALL else f"Interval {iteration}"


def blocks_of(tables: Tables, mode: str) -> list[int]:
    """The test blocks that a mode has numbers of, ascending, without the one that stands for all."""
    if "metrics" not in tables:
        return []
    table = tables["metrics"]
    return sorted({int(iteration) for iteration in table.loc[table["mode"] == mode, "iteration"]} - {ALL})

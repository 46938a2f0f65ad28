"""What a network model of log volatility is: an architecture, where it starts, what it learns, how fast which part."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

Rates = tuple[tuple[int, Mapping[str, float]], ...]
"""From which epoch on (the first is 1) which group of parameters has which learning rate; one without is frozen."""


def all_at(groups: Sequence[str], rate: float) -> Rates:
    """Every parameter learns at one rate from the first epoch on."""
    return ((1, dict.fromkeys(groups, rate)),)


class Recipe(Struct, frozen=True):
    """One model.

    Attributes:
        encoder: What reads the sequence.
        head: What makes a forecast of its encoding.
        pretrained: Start from the network that was trained on the sources, and be trained by the fine-tuning settings;
            otherwise start from random numbers and be trained by the pre-training settings (table 8's two columns).
        residual: Learn what HAR leaves over, which is then added to its forecast; otherwise learn the label itself.
        rates: Learning rates from the groups of parameters, lowest first, and the settings' rate.
    """

    encoder: Literal["lstm", "transformer"] = "lstm"
    head: Literal["point", "hybrid", "dynamic", "regimes", "quantiles"] = "point"
    pretrained: bool = False
    residual: bool = False
    rates: Callable[[Sequence[str], float], Rates] = all_at

    @property
    def phase(self) -> Literal["pretraining", "fine_tuning"]:
        """Which of the settings train it."""
        return "fine_tuning" if self.pretrained else "pretraining"

"""Gradual unfreezing: the head, then the attention, then the encoder's layers top down (Dhansoia 2025, table 5).

A group more every five epochs. Patience counts through: a network that stops early has never moved its lowest layers.
"""

from collections.abc import Sequence

from volforecast.models.rough.recipe import Rates, Recipe

EPOCHS = 5


def gradual(groups: Sequence[str], rate: float) -> Rates:
    """One group more from the top every ``EPOCHS`` epochs."""
    return tuple((1 + EPOCHS * step, dict.fromkeys(groups[-1 - step :], rate)) for step in range(len(groups)))


RECIPE = Recipe(pretrained=True, rates=gradual)

"""Aggressive fine-tuning: all parameters at the rate of pre-training, 1e-3 (Dhansoia 2025, table 5)."""

from collections.abc import Sequence

from volforecast.models.rough.recipe import Rates, Recipe, all_at

RATE = 1e-3


def aggressive(groups: Sequence[str], rate: float) -> Rates:
    """One high rate, whatever the settings' is."""
    return all_at(groups, RATE)


RECIPE = Recipe(pretrained=True, rates=aggressive)

"""Differential learning rates: the head at 1e-3, everything below it at 1e-5 (Dhansoia 2025, table 5)."""

from collections.abc import Sequence

from volforecast.models.rough.recipe import Rates, Recipe

HEAD, ENCODER = 1e-3, 1e-5


def differential(groups: Sequence[str], rate: float) -> Rates:
    """Two rates of its own, whatever the settings' is."""
    return ((1, {group: HEAD if group == groups[-1] else ENCODER for group in groups}),)


RECIPE = Recipe(pretrained=True, rates=differential)

"""Regime-aware ensemble: three heads, weighted by a soft classifier of the encoding (Dhansoia 2025, equation 6)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(head="regimes")

"""Residual boosting: HAR plus a network that learns HAR's residuals from scratch (Dhansoia 2025, equation 5)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(residual=True)

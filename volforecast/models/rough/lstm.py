"""LSTM from scratch: the network of section 3.3 with no knowledge of the sources (Dhansoia 2025, table 3)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe()

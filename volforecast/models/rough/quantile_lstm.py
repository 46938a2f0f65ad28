"""The LSTM with a head of quantiles, from scratch (Dhansoia 2025, section 6.4). Its point forecast is the median."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(head="quantiles")

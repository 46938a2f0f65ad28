"""A Transformer encoder in place of the LSTM, from scratch: the paper's own further research (section 6.4)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(encoder="transformer")

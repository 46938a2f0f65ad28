"""A Transformer encoder in place of the LSTM, pre-trained on the sources and fine-tuned (section 6.4)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(encoder="transformer", pretrained=True)

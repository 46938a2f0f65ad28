"""The LSTM with a head of quantiles, pre-trained as such on the sources and fine-tuned (section 6.4)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(head="quantiles", pretrained=True)

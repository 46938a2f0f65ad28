"""The HAR-LSTM hybrid with a pre-trained network in it, fine-tuned with alpha; not in the paper."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(head="hybrid", pretrained=True)

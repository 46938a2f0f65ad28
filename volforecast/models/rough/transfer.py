"""Transfer LSTM: pre-trained on the sources, then fine-tuned as a whole at a lower rate (Dhansoia 2025, table 3)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(pretrained=True)

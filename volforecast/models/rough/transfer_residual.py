"""Transfer residual: HAR plus a pre-trained network, fine-tuned on HAR's residuals (Dhansoia 2025, table 5)."""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(pretrained=True, residual=True)

"""HAR-LSTM hybrid: ``alpha HAR + (1 - alpha) network``, alpha learned with the network (Dhansoia 2025, equation 3).

``alpha = sigmoid(a)``, and a begins at 0. HAR's coefficients stay those of its regression on the training part. The
paper does not say that this network begins on the sources, and calls others "transfer" that do: it begins from scratch.
``transfer_hybrid`` is the same from a pre-trained network.
"""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(head="hybrid")

"""Dynamic attention: a weight of HAR that depends on the day (Dhansoia 2025, equation 4).

``alpha(t) = sigmoid(W [h(t); f(t)] + b)`` with the LSTM's last hidden state h and HAR's predictors f. From scratch.
"""

from volforecast.models.rough.recipe import Recipe

RECIPE = Recipe(head="dynamic")

"""What both trainers of the network begin with: initial weights, jobs, and what is said of what they refuse."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.models.fnn_vectors import UNITS

Float32Array = NDArray[np.float32]
Layers = Sequence[tuple[Float32Array, Float32Array]]
RowNumbers = NDArray[np.int32] | NDArray[np.int64]

# rounding leaves a constant column with deviations of the size of its last digit
CONSTANT = 1e-12

EMPTY = "FNN: the training set is empty; a network needs at least one row"
BAD_TRAINING_ROWS = "FNN: the training rows hold NaN or infinite values, which would spread to every weight"
BAD_FORECAST_ROWS = "FNN: a forecast row holds NaN or infinite predictors, for which a network has no rule"
BAD_MOMENTS = "FNN: the moments of a predictor leave the range of float64; check the panel for absurd values"
BAD_SCORES = "FNN: a z-scored predictor or a label leaves the range of float32; check the panel's values"


def diverged(epochs: int, rows: int) -> str:
    """Why a trained network is refused."""
    return f"FNN: weights or forecasts are not finite after {epochs} epochs on {rows} rows"


def never_finite(rows: int) -> str:
    """Why no epoch count is the best one."""
    return f"FNN: the held-out error was not finite in any epoch on {rows} training rows"


class Job(NamedTuple):
    """One network among many that read one table of rows (predictors and labels); all fields but the seed name rows.

    Attributes:
        rows: Training rows, ordered by date, then asset, shape (n,).
        others: Rows to forecast (their labels are not looked at), or rows held out, shape (m,).
        seed: Settles initial weights and row orders.
    """

    rows: RowNumbers
    others: RowNumbers
    seed: int


def initial_layers(inputs: int, seed: int) -> Layers:
    """Weights (units, inputs) and biases (units,) of each layer, drawn as ``torch.nn.Linear`` draws its own."""
    draw = np.random.Generator(np.random.PCG64(seed))
    layers = []
    for fan_in, units in pairwise((inputs, *UNITS)):
        bound = 1.0 / np.sqrt(fan_in)
        weights = draw.uniform(-bound, bound, (units, fan_in)).astype(np.float32)
        layers.append((weights, draw.uniform(-bound, bound, units).astype(np.float32)))
    return layers


def flat(layers: Layers) -> Float32Array:
    """Layers as the kernel's flat parameters: for each layer the biases, then the weights input by input."""
    return np.concatenate([np.vstack([biases, weights.T]).ravel() for weights, biases in layers])

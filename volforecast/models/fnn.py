"""Feed-forward network with hidden layers of 8, 4 and 2 units (Teller et al. 2026, section 5.3 and table 2).

ReLU, linear output, mean squared error, Adam (Kingma & Ba 2015) with its usual constants. Inputs are z-scored with the
training set's moments; the label keeps its unit. Weights and biases start uniform on +-1/sqrt(inputs of the layer), as
those of ``torch.nn.Linear`` do. Training runs in float32 (``fnn_kernel``), everything around it in float64.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from volforecast.errors import ConfigError, FitError
from volforecast.models import fnn_kernel as kernel
from volforecast.models.fnn_vectors import HIDDEN, UNITS
from volforecast.models.protocol import Approach, FloatArray, TrainingSet

Layers = Sequence[tuple[kernel.Float32Array, kernel.Float32Array]]

# rounding leaves a constant column with deviations of the size of its last digit
CONSTANT = 1e-12


class FNN(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network's settings; it keeps no state between calls.

    Attributes:
        hidden: Units of the hidden layers; the kernel is compiled for 8, 4, 2 and no other widths.
        learning_rate: Adam's step size.
        max_epochs: Epochs that ``tune`` trains at most.
        patience: Epochs without a smaller held-out error after which ``tune`` stops.
        holdout: Share of the rows, the last ones, that ``tune`` holds out; at least one row.
        batch: Rows of a mini-batch, by approach.
    """

    hidden: tuple[int, ...] = HIDDEN
    learning_rate: float = 1e-3
    max_epochs: int = 500
    patience: int = 100
    holdout: float = 0.1
    batch: dict[Approach, int] = msgspec.field(default_factory=lambda: {"TO": 4, "MTL": 512, "NP": 1024})

    def __post_init__(self) -> None:
        if tuple(self.hidden) != HIDDEN:
            raise ConfigError(f"FNN: hidden = {self.hidden} is not available; the kernel is compiled for {HIDDEN}")
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0.0):
            raise ConfigError(f"FNN: learning_rate = {self.learning_rate} must be a positive number")
        if not 0.0 < self.holdout < 1.0:
            raise ConfigError(f"FNN: holdout = {self.holdout} must be a share between 0 and 1")
        if min(self.max_epochs, self.patience, *self.batch.values()) < 1:
            raise ConfigError("FNN: max_epochs, patience and batch must be at least 1")

    def tune(self, first: TrainingSet, seed: int) -> int:
        """The epoch count with the smallest held-out error, for all estimations of a sample period.

        The last rows (latest dates) are held out; the others are z-scored with their own moments and trained on.

        Args:
            first: Training set of the period's first origin; its rows are ordered by date, then asset.
            seed: Settles initial weights and row orders.

        Returns:
            Epochs, between 1 and ``max_epochs``; ``max_epochs`` where a single row leaves nothing to hold out.

        Raises:
            FitError: Rows are missing or not finite, or the held-out error never was finite.
        """
        _check(first)
        if len(first.y) == 1:
            return self.max_epochs
        fit = len(first.y) - max(1, int(len(first.y) * self.holdout))
        inputs, moments = first.X.shape[1], moments_of(first.X[:fit])
        rows = _rows(first.X[:fit], first.y[:fit], moments)
        held = _rows(first.X[fit:], first.y[fit:], moments)
        epochs = kernel.best_epoch(
            kernel.network(flat(initial_layers(inputs, seed))),
            rows,
            held,
            inputs,
            self.batch[first.approach],
            seed,
            self.max_epochs,
            self.patience,
            self.learning_rate,
            kernel.workspace(fit, inputs),
        )
        if epochs < 1:
            raise FitError(f"FNN: the held-out error was not finite in any epoch on {fit} training rows")
        return int(epochs)

    def forecast(self, train: TrainingSet, rows: FloatArray, tuned: int, seed: int) -> FloatArray:
        """Train from fresh weights on all rows for ``tuned`` epochs and forecast.

        Args:
            train: Labelled rows known at the close of the origin's day.
            rows: Predictors known at the close of each forecast's day t, shape (forecasts, predictors).
            tuned: Epoch count from :meth:`tune`.
            seed: Settles initial weights and row orders.

        Returns:
            Realized variance of day t+1 in per cent squared, shape (forecasts,); may be negative.

        Raises:
            FitError: Rows are missing or not finite, or training or a forecast left the range of float32.
        """
        _check(train)
        if not np.isfinite(rows).all():
            raise FitError("FNN: a forecast row holds NaN or infinite predictors, for which a network has no rule")
        inputs, moments = train.X.shape[1], moments_of(train.X)
        network = kernel.network(flat(initial_layers(inputs, seed)))
        work = kernel.workspace(len(train.y), inputs)
        batch = self.batch[train.approach]
        kernel.train(
            network, _rows(train.X, train.y, moments), inputs, batch, seed, (0, tuned), self.learning_rate, work
        )
        forecasts = np.empty(len(rows), dtype=np.float32)
        kernel.predict(network, _rows(rows, np.zeros(len(rows)), moments), inputs, work, forecasts)
        if not (np.isfinite(network.weights).all() and np.isfinite(forecasts).all()):
            raise FitError(f"FNN: weights or forecasts are not finite after {tuned} epochs on {len(train.y)} rows")
        return forecasts.astype(np.float64)


class Moments(NamedTuple):
    """Centre and scale of each predictor, shape (predictors,), in the predictors' units."""

    centre: FloatArray
    scale: FloatArray


def moments_of(X: FloatArray) -> Moments:
    """Means and standard deviations (divisor: rows) of a training set; 1 as the scale of a constant predictor."""
    with np.errstate(over="ignore", invalid="ignore"):
        centre, scale = X.mean(axis=0), X.std(axis=0)
    if not (np.isfinite(centre).all() and np.isfinite(scale).all()):
        raise FitError("FNN: the moments of a predictor leave the range of float64; check the panel for absurd values")
    return Moments(centre, np.where(scale > CONSTANT * np.abs(centre), scale, 1.0))


def initial_layers(inputs: int, seed: int) -> Layers:
    """Weights (units, inputs) and biases (units,) of each layer, drawn as ``torch.nn.Linear`` draws its own."""
    draw = np.random.Generator(np.random.PCG64(seed))
    layers = []
    for fan_in, units in pairwise((inputs, *UNITS)):
        bound = 1.0 / np.sqrt(fan_in)
        weights = draw.uniform(-bound, bound, (units, fan_in)).astype(np.float32)
        layers.append((weights, draw.uniform(-bound, bound, units).astype(np.float32)))
    return layers


def flat(layers: Layers) -> kernel.Float32Array:
    """Layers as the kernel's flat parameters: for each layer the biases, then the weights input by input."""
    return np.concatenate([np.vstack([biases, weights.T]).ravel() for weights, biases in layers])


def _check(train: TrainingSet) -> None:
    if not len(train.y):
        raise FitError("FNN: the training set is empty; a network needs at least one row")
    if not (np.isfinite(train.X).all() and np.isfinite(train.y).all()):
        raise FitError("FNN: the training rows hold NaN or infinite values, which would spread to every weight")


def _rows(X: FloatArray, y: FloatArray, moments: Moments) -> kernel.Float32Array:
    with np.errstate(over="ignore", under="ignore"):
        rows = kernel.data_rows((X - moments.centre) / moments.scale, y)
    if not np.isfinite(rows).all():
        raise FitError("FNN: a z-scored predictor or a label leaves the range of float32; check the panel's values")
    return rows

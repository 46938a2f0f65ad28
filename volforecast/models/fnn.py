"""Feed-forward network with hidden layers of 8, 4 and 2 units (Teller et al. 2026, section 5.3 and table 2).

ReLU, linear output, mean squared error, Adam (Kingma & Ba 2015) with its usual constants. Inputs are z-scored with the
training set's moments; the label keeps its unit. Weights and biases start uniform on +-1/sqrt(inputs of the layer), as
those of ``torch.nn.Linear`` do. Training runs in float32, everything around it in float64: on a CPU one network after
the other (``fnn_kernel``), on a GPU many at once (``fnn_batched``; PyTorch is imported there and only then).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, ParamSpec, TypeVar

import msgspec
import numpy as np

from volforecast.errors import ConfigError, FitError
from volforecast.models import fnn_kernel as kernel
from volforecast.models.fnn_start import (
    BAD_FORECAST_ROWS,
    BAD_MOMENTS,
    BAD_SCORES,
    BAD_TRAINING_ROWS,
    CONSTANT,
    EMPTY,
    Job,
    diverged,
    flat,
    initial_layers,
    never_finite,
)
from volforecast.models.fnn_vectors import HIDDEN
from volforecast.models.protocol import Approach, FloatArray, TrainingSet

if TYPE_CHECKING:
    import torch

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class FNN(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network's settings; it keeps no state between calls.

    Attributes:
        hidden: Units of the hidden layers; the kernel is compiled for 8, 4, 2 and no other widths.
        learning_rate: Adam's step size.
        max_epochs: Epochs that ``tune`` trains at most.
        patience: Epochs without a smaller held-out error after which ``tune`` stops.
        holdout: Share of the rows, the last ones, that ``tune`` holds out; at least one row.
        batch: Rows of a mini-batch, by approach.
        device: Where networks are trained. The two draw other row orders, so forecasts differ as between two seeds.
    """

    hidden: tuple[int, ...] = HIDDEN
    learning_rate: float = 1e-3
    max_epochs: int = 500
    patience: int = 100
    holdout: float = 0.1
    batch: dict[Approach, int] = msgspec.field(default_factory=lambda: {"TO": 4, "MTL": 512, "NP": 1024})
    device: Literal["cpu", "cuda"] = "cpu"

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
        if self.device != "cpu":
            job = Job(np.arange(len(first.y)), np.arange(0), seed)
            return _answer(self.tune_many(first.X, first.y, first.approach, [job])[0])
        _check(first)
        if len(first.y) == 1:
            return self.max_epochs
        fit = self._fit_rows(len(first.y))
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
            raise FitError(never_finite(fit))
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
        if self.device != "cpu":
            X, y = np.concatenate([train.X, rows]), np.concatenate([train.y, np.zeros(len(rows))])
            job = Job(np.arange(len(train.y)), np.arange(len(train.y), len(y)), seed)
            return _answer(self.forecast_many(X, y, train.approach, [job], [tuned])[0])
        _check(train)
        if not np.isfinite(rows).all():
            raise FitError(BAD_FORECAST_ROWS)
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
            raise FitError(diverged(tuned, len(train.y)))
        return forecasts.astype(np.float64)

    def tune_many(
        self, X: FloatArray, y: FloatArray, approach: Approach, jobs: Sequence[Job], on: "torch.device | None" = None
    ) -> list[int | FitError]:
        """:meth:`tune` for many networks; one that cannot be tuned leaves its siblings alone.

        Args:
            X: Predictors of all rows that jobs may name, shape (rows, predictors); other rows may hold NaN.
            y: Their labels in per cent squared, shape (rows,).
            approach: How the training rows were chosen: it settles the batch.
            jobs: Training rows and seeds; the rows to forecast are not looked at.
            on: Train in PyTorch on this device, whatever the setting ``device`` (tests do on a CPU).

        Returns:
            Epochs of each job, or why there are none.

        Raises:
            ConfigError: ``device`` is "cuda" and there is none.
        """
        if self.device == "cpu" and on is None:
            return [_caught(self.tune, TrainingSet(X[job.rows], y[job.rows], approach), job.seed) for job in jobs]
        from volforecast.models import fnn_batched as batched

        table = batched.upload(X, y, on or batched.gpu())
        settings = batched.Settings(self.batch[approach], self.learning_rate)
        several = [(job, self._fit_rows(len(job.rows))) for job in jobs if len(job.rows) > 1]
        stopped = [Job(job.rows[:fit], job.rows[fit:], job.seed) for job, fit in several]
        found = iter(batched.best_epochs(table, stopped, self.max_epochs, self.patience, settings))
        on_cpu = msgspec.structs.replace(self, device="cpu")  # which has answers without training for up to one row
        return [
            next(found)
            if len(job.rows) > 1
            else _caught(on_cpu.tune, TrainingSet(X[job.rows], y[job.rows], approach), job.seed)
            for job in jobs
        ]

    def forecast_many(
        self,
        X: FloatArray,
        y: FloatArray,
        approach: Approach,
        jobs: Sequence[Job],
        tuned: Sequence[int],
        on: "torch.device | None" = None,
    ) -> list[FloatArray | FitError]:
        """:meth:`forecast` for many networks; one that cannot be trained leaves its siblings alone.

        Args:
            X: Predictors of all rows that jobs may name, shape (rows, predictors); other rows may hold NaN.
            y: Their labels in per cent squared, shape (rows,).
            approach: How the training rows were chosen: it settles the batch.
            jobs: Training rows, rows to forecast, seeds.
            tuned: Epoch count of each job.
            on: Train in PyTorch on this device, whatever the setting ``device`` (tests do on a CPU).

        Returns:
            Forecasts of each job in per cent squared, shape (rows to forecast,), or why there are none.

        Raises:
            ConfigError: ``device`` is "cuda" and there is none.
        """
        if self.device == "cpu" and on is None:
            return [
                _caught(self.forecast, TrainingSet(X[job.rows], y[job.rows], approach), X[job.others], epochs, job.seed)
                for job, epochs in zip(jobs, tuned, strict=True)
            ]
        from volforecast.models import fnn_batched as batched

        settings = batched.Settings(self.batch[approach], self.learning_rate)
        return batched.train_many(batched.upload(X, y, on or batched.gpu()), jobs, tuned, settings)

    def _fit_rows(self, rows: int) -> int:
        """How many of a training set's rows ``tune`` trains on."""
        return rows - max(1, int(rows * self.holdout))


class Moments(NamedTuple):
    """Centre and scale of each predictor, shape (predictors,), in the predictors' units."""

    centre: FloatArray
    scale: FloatArray


def moments_of(X: FloatArray) -> Moments:
    """Means and standard deviations (divisor: rows) of a training set; 1 as the scale of a constant predictor."""
    with np.errstate(over="ignore", invalid="ignore"):
        centre, scale = X.mean(axis=0), X.std(axis=0)
    if not (np.isfinite(centre).all() and np.isfinite(scale).all()):
        raise FitError(BAD_MOMENTS)
    return Moments(centre, np.where(scale > CONSTANT * np.abs(centre), scale, 1.0))


def _caught(call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result | FitError:
    try:
        return call(*args, **kwargs)
    except FitError as error:
        return error


def _answer(result: Result | FitError) -> Result:
    if isinstance(result, FitError):
        raise result
    return result


def _check(train: TrainingSet) -> None:
    if not len(train.y):
        raise FitError(EMPTY)
    if not (np.isfinite(train.X).all() and np.isfinite(train.y).all()):
        raise FitError(BAD_TRAINING_ROWS)


def _rows(X: FloatArray, y: FloatArray, moments: Moments) -> kernel.Float32Array:
    with np.errstate(over="ignore", under="ignore"):
        rows = kernel.data_rows((X - moments.centre) / moments.scale, y)
    if not np.isfinite(rows).all():
        raise FitError(BAD_SCORES)
    return rows

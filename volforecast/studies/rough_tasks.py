"""What one network of the rough-transfer study learns from, and how its outputs become forecasts of log variance.

Everything is standardised by the mean and deviation of the training part of the series concerned, the source's by its
own; nothing after the training part is looked at. HAR is estimated on the training rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.errors import PanelError
from volforecast.log_rows import FloatArray, IntArray, LogSeries, Split, mean_of_last, split
from volforecast.models.har import least_squares
from volforecast.networks.jobs import Series
from volforecast.predictors import MONTH, WEEK

FEWEST = 20  # rows of a part, below which a regression on three predictors or a test of 13 models means nothing
REACH = {"daily": 0, "weekly": WEEK - 1, "monthly": MONTH - 1, "change": 1}  # days before the first value of an input


class Task(NamedTuple):
    """One asset at one horizon.

    Attributes:
        series: The asset.
        split: Its rows by part.
        mean, deviation: Of x over the training part.
        features: HAR's predictors, shape (T, 3).
        labels: Mean of x over the next days, shape (T,).
        har: HAR's forecast of each row, shape (T,); NaN where a predictor is.
        residual_deviation: Of HAR's residuals over the training rows.
        inputs: What the network sees of each day, standardised, shape (T, inputs).
    """

    series: LogSeries
    split: Split
    mean: float
    deviation: float
    features: FloatArray
    labels: FloatArray
    har: FloatArray
    residual_deviation: float
    inputs: FloatArray

    def learnt_from(self, residual: bool) -> Series:
        """Standardised arrays for a network that learns the label, or what HAR leaves of it."""
        labels = (self.labels - self.har) / self.residual_deviation if residual else self._standardised(self.labels)
        return Series(
            inputs=self.inputs.astype(np.float32),
            labels=labels.astype(np.float32),
            har=self._standardised(self.har).astype(np.float32),
            features=self._standardised(self.features).astype(np.float32),
            train=self.split.training,
            valid=self.split.validation,
        )

    def forecasts(self, outputs: NDArray[np.floating], rows: IntArray, residual: bool) -> FloatArray:
        """A network's outputs for some rows, shape (rows,) or (rows, levels), in log units."""
        values = outputs.astype(np.float64)
        if residual:
            return np.asarray(self.har[rows] + self.residual_deviation * values)
        return np.asarray(self.mean + self.deviation * values)

    def _standardised(self, values: FloatArray) -> FloatArray:
        return np.asarray((values - self.mean) / self.deviation)


def make_task(series: LogSeries, parts: Split, horizon: int, inputs: Sequence[str]) -> Task:
    """Everything a network needs of an asset.

    Raises:
        PanelError: Its realized variance does not vary in the training part.
    """
    x = series.x
    mean, deviation = float(x[: parts.known].mean()), float(x[: parts.known].std())
    features, labels = series.har(), series.labels(horizon)
    intercept, slopes = least_squares(features[parts.training], labels[parts.training])
    har = intercept + (features * slopes).sum(axis=1)
    left = float((labels - har)[parts.training].std())
    if not (deviation > 1e-9 and left > 1e-9):
        raise PanelError(
            f"daily.parquet: the realized variance of {series.asset} hardly varies in its training part (standard "
            f"deviation of its logarithm {deviation:.2g}), so nothing can be learnt; leave the asset out"
        )
    z = (x - mean) / deviation
    shown = {
        "daily": z,
        "weekly": mean_of_last(z, WEEK),
        "monthly": mean_of_last(z, MONTH),
        "change": np.diff(z, prepend=np.nan),
    }
    return Task(
        series, parts, mean, deviation, features, labels, har, left, np.column_stack([shown[n] for n in inputs])
    )


def first_row(sequence: int, inputs: Sequence[str]) -> int:
    """The first row with a whole sequence of inputs and all of HAR's predictors."""
    return max(MONTH - 1, sequence - 1 + max(REACH[name] for name in inputs))


def source_split(series: LogSeries, first: int, horizon: int, before: np.datetime64) -> Split:
    """The source's training and validation rows.

    Half and a quarter of its days, as the target's (specification, "Data and target"). Where that would reach into the
    days on which a target is tested, two thirds and one third of the days before them: what is forecast must not have
    been known, not even of another asset.

    Args:
        series: The source.
        first: The first row that has all it needs.
        horizon: Days of a label.
        before: The first day that any target is tested on.
    """
    own = split(len(series.x), first, horizon)
    if len(own.test) and series.dates[own.test[0]] < before:
        return own._replace(test=own.test[:0])
    known = int((series.dates < before).sum())
    return split(known, first, horizon, (2 / 3, 1.0))


def together(tasks: Sequence[Task]) -> Series:
    """Several sources as one: their rows one after the other; no sequence reaches from one into another."""
    starts = np.cumsum([0, *(len(task.inputs) for task in tasks[:-1])])
    parts = [task.learnt_from(residual=False) for task in tasks]
    return Series(
        inputs=np.concatenate([part.inputs for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        har=np.concatenate([part.har for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        train=np.concatenate([part.train + start for part, start in zip(parts, starts, strict=True)]),
        valid=np.concatenate([part.valid + start for part, start in zip(parts, starts, strict=True)]),
    )


def check_parts(series: LogSeries, parts: Split, fewest: int, *, tested: bool) -> None:
    """Stop if a part is too short to learn or to judge from.

    Raises:
        PanelError: It names asset, part and remedy.
    """
    rows = {"training": parts.training, "validation": parts.validation} | ({"test": parts.test} if tested else {})
    for name, part in rows.items():
        if len(part) < fewest:
            raise PanelError(
                f"daily.parquet: {series.asset} has {len(series.x)} trading days, which leave {len(part)} rows in its "
                f"{name} part and the study needs {fewest}; leave the asset out (--targets, --source) or add days"
            )

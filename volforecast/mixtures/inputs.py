"""What a temporal mixture reads of an hourly table, scaled by its training rows alone.

Clean mode: lags end with the last hour that is known, and all inputs are z-scores of the training rows. Features and
sentiment are cut at the extremes of the training rows (and at ``CUT`` standard deviations): an order book in a state
that was never seen is no reason to extrapolate a product of weights. Paper mode: as in the authors' program lags end
one hour earlier, only features are z-scores, and nothing is cut.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.errors import FitError
from volforecast.hourly_rows import Sample
from volforecast.mixtures.settings import SENTIMENT_LAGS, VOL_LAGS

CUT: Final = 5.0


class Scale(NamedTuple):
    """What labels are measured in: ``(y - shift) / unit``."""

    shift: float
    unit: float


class Inputs(NamedTuple):
    """n rows of a mixture's data.

    Attributes:
        lags: Volatility of the hours before, latest first, shape (n, l_v).
        book: Features, lag after lag, latest first, shape (n, l_b * B).
        sentiment: Aggregate sentiment, latest first, shape (n, l_s), or (n, 0).
        y: Labels in the scale's unit, shape (n,).
    """

    lags: FloatArray
    book: FloatArray
    sentiment: FloatArray
    y: FloatArray


class Prepared(NamedTuple):
    """Training rows, rows to forecast, how labels were scaled, and the numbers of features and of their lags."""

    train: Inputs
    test: Inputs
    scale: Scale
    features: int
    lookback: int


def prepare(
    sample: Sample,
    train: IntArray,
    test: IntArray,
    *,
    names: Sequence[str],
    lookback: int,
    sentiment: bool,
    centred: bool,
) -> Prepared:
    """Inputs of training rows and of rows to forecast.

    Args:
        sample: The table in its mode.
        train: Rows to learn from.
        test: Rows to forecast; their labels are scaled too, for those who report losses.
        names: Features that are read.
        lookback: Their lags, l_b.
        sentiment: Whether sentiment is read.
        centred: Labels as z-scores (clean mode); otherwise in units of their training mean, which keeps them positive.

    Raises:
        FitError: A value is not finite, or the volatility of the training rows is constant or zero.
    """
    clean = sample.mode == "clean"
    skipped = 0 if clean else 1
    rows = np.concatenate([train, test])
    learnt = slice(len(train))
    lags = sample.vol_lags(rows, VOL_LAGS + skipped)[:, skipped:]
    book = sample.feature_lags(rows, lookback + skipped, names)[:, skipped:]
    mood = sample.sentiment_lags(rows, SENTIMENT_LAGS + skipped)[:, skipped:] if sentiment else np.empty((len(rows), 0))
    y = sample.y[rows]
    for name, values in (("volatility", lags), ("features", book), ("sentiment", mood), ("labels", y[learnt])):
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if bad.any():
            when = sample.table.times[rows[np.argmax(bad)]]
            raise FitError(f"{name} at {when} or just before: not a finite number; leave such rows out")
    mean, spread = float(y[learnt].mean()), float(y[learnt].std())
    if not mean > 0.0:
        raise FitError("the volatility of all training rows is zero, so there is nothing to learn from")
    book = scored(book, book[learnt][:, 0])
    if clean:
        unit = spread if spread > 1e-9 * mean else mean
        lags = (lags - mean) / unit
        mood = scored(mood, mood[learnt])
        book, mood = cut(book, book[learnt][:, 0]), cut(mood, mood[learnt])
    scale = Scale(0.0, 1.0) if not clean else Scale(mean, unit) if centred else Scale(0.0, mean)
    found = Inputs(lags, book.reshape(len(rows), -1), mood, (y - scale.shift) / scale.unit)
    first, second = (Inputs(*(part[chosen] for part in found)) for chosen in (learnt, slice(len(train), None)))
    return Prepared(first, second, scale, len(names), lookback)


def cut(values: FloatArray, learnt: FloatArray) -> FloatArray:
    """Values no lower and no higher than the columns of some rows reach."""
    if values.shape[-1] == 0:
        return values
    return values.clip(np.maximum(learnt.min(axis=0), -CUT), np.minimum(learnt.max(axis=0), CUT))


def scored(values: FloatArray, learnt: FloatArray) -> FloatArray:
    """Z-scores by the columns of some rows; a column that is constant there is zero everywhere."""
    mean, spread = learnt.mean(axis=0), learnt.std(axis=0)
    constant = spread <= 1e-9 * np.abs(mean) + 1e-300
    return np.where(constant, 0.0, (values - mean) / np.where(constant, 1.0, spread))

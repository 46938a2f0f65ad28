"""Least squares of the volatility on columns that are known at t, and what its rows must be."""

import numpy as np

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.errors import FitError
from volforecast.hourly_rows import Sample
from volforecast.models.har import least_squares

HOURS = (1, 6, 24)  # of HAR's means (Darracq Paries et al. 2025, section 2.2)


def regressed(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    """Forecasts of an ordinary regression with an intercept, shape (1, rows); negative ones are cut at 0.

    Args:
        X: Of the rows to learn from, shape (n, columns).
        y: Their labels, shape (n,).
        rows: To forecast from, shape (rows, columns).

    Raises:
        FitError: There is no row, or a value is NaN, infinite, or absurdly large.
    """
    intercept, slopes = least_squares(X, y)
    # row by row: the last digit of a matrix product depends on how many rows it is given
    return np.asarray(np.maximum(intercept + (rows * slopes).sum(axis=1), 0.0))[None, :]


def with_lags(sample: Sample, rows: IntArray, lags: int) -> IntArray:
    """Those of some rows to learn from that have features at lags 0 to ``lags``.

    In clean mode every row has 30 hours before it. In paper mode the authors drop the first rows of the table, whose
    lags are missing; a lag may reach over a gap there.
    """
    behind = 1 if sample.mode == "paper" else 0
    return rows[rows >= behind + lags]


def lagged_features(sample: Sample, rows: IntArray, lags: int) -> FloatArray:
    """All features at lags 0 to ``lags``, shape (rows, (lags + 1) * features); all of lag 0 come first."""
    values = sample.feature_lags(rows, lags + 1)
    return values.reshape(len(rows), -1)


def lagged_names(sample: Sample, lags: int) -> tuple[str, ...]:
    """Names of the columns of :func:`lagged_features`."""
    return tuple(f"{name} lag {lag}" for lag in range(lags + 1) for name in sample.table.feature_names)


def demand_finite(values: FloatArray, what: str) -> None:
    """Refuse rows with holes.

    Raises:
        FitError: A value is NaN or infinite.
    """
    if not np.isfinite(values).all():
        holes = int((~np.isfinite(values)).any(axis=1).sum())
        raise FitError(f"{holes} of {len(values)} rows {what} hold NaN or infinite values; check the hourly table")

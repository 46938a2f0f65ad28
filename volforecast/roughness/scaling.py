"""From a statistic measured at several scales to a Hurst exponent: the regression behind every estimator.

A statistic of fractional Brownian motion grows like ``scale^slope`` with ``slope = rate H + offset``, but a series
sampled once a day reaches that law at long scales only. Its expectation at every scale is known for exact fractional
noise, so H is taken to be the one whose expected log-log line has the measured slope (indirect inference); the points
are then freed of what the expectation bends, and a line through them has the slope ``rate H + offset``.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.errors import InputError

FloatArray = NDArray[np.float64]

# Hurst exponents at which expectations are tabulated; between them they are interpolated, beyond them extended
GRID: FloatArray = np.concatenate([[0.01], np.arange(1, 20) * 0.05, [0.99]])
NOTHING = 1e-20  # a statistic of a series of unit variance that is rounding error


class Points(NamedTuple):
    """A statistic at several scales, of several series of one length.

    Attributes:
        log_scale: Shape (scales,).
        log_value: Shape (series, scales); NaN where a series does not move at that scale.
        expected: Shape (len(GRID), scales): expected log values on exact fractional noise, up to a constant a row.
        weights: Shape (scales,): weights of the regression.
        rate, offset: The law is ``slope = rate H + offset``.
    """

    log_scale: FloatArray
    log_value: FloatArray
    expected: FloatArray
    weights: FloatArray
    rate: float
    offset: float


@dataclass(frozen=True, eq=False)
class HurstEstimate:
    """One estimate.

    Attributes:
        method: "R/S", "DFA", "Variogram" or "Wavelet".
        hurst: Hurst exponent.
        slope, intercept: Of the line through the points of the log-log plot.
        r_squared: Of that line, weighted as the regression is; between 0 and 1.
        log_scale, log_value, fitted: Those points and the line; natural logarithms, for wavelets base 2 (octaves).
            With the finite-scale correction they are corrected, the longest scale being as measured.
        observations: Values of the series.
    """

    method: str
    hurst: float
    slope: float
    intercept: float
    r_squared: float
    log_scale: FloatArray
    log_value: FloatArray
    fitted: FloatArray
    observations: int


def power_law(log_scale: FloatArray, rate: float, offset: float) -> FloatArray:
    """Expected log values that follow the law at every scale: what an estimator without correction assumes."""
    return (rate * GRID[:, None] + offset) * log_scale


def log_or_nan(values: FloatArray) -> FloatArray:
    """Natural logarithm; NaN for a statistic that is zero up to rounding, or NaN."""
    moving = values > NOTHING
    return np.where(moving, np.log(np.where(moving, values, 1.0)), np.nan)


def hurst_of(points: Points) -> FloatArray:
    """Hurst exponents of all series, shape (series,); NaN where a series has no line."""
    return _inverse(_slopes(points, points.log_value), _slopes(points, points.expected))[0]


def estimate_of(method: str, points: Points, observations: int) -> HurstEstimate:
    """The estimate of the one series that ``points`` has.

    Raises:
        InputError: The series does not move at some scale (a straight line, or stale values).
    """
    if np.isnan(points.log_value).any():
        raise InputError(
            f"{method}: the series has no variation at some scale (a straight line, or values that repeat), so it has"
            " no Hurst exponent: give the logarithm of a realized variance that is measured every day"
        )
    slopes = _slopes(points, points.expected)
    (hurst,), (low,), (share,) = _inverse(_slopes(points, points.log_value), slopes)
    law = points.rate * hurst + points.offset
    expected = (1 - share) * points.expected[low] + share * points.expected[low + 1]
    bend = expected - law * points.log_scale
    log_value = points.log_value[0] - (bend - bend[-1])
    weights = points.weights / points.weights.sum()
    mean = weights @ log_value
    fitted = mean + law * (points.log_scale - weights @ points.log_scale)
    unexplained, total = weights @ (log_value - fitted) ** 2, weights @ (log_value - mean) ** 2
    r_squared = float(np.clip(1 - unexplained / total, 0.0, 1.0)) if total > NOTHING else 0.0
    intercept = float(mean - law * (weights @ points.log_scale))
    return HurstEstimate(
        method, float(hurst), float(law), intercept, r_squared, points.log_scale, log_value, fitted, observations
    )


def _slopes(points: Points, values: FloatArray) -> FloatArray:
    """Weighted least-squares slopes of rows of values on the log scales."""
    centred = points.log_scale - points.weights @ points.log_scale / points.weights.sum()
    combination = points.weights * centred
    slopes: FloatArray = values @ combination / (combination @ centred)
    return slopes


def _inverse(measured: FloatArray, slopes: FloatArray) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Where measured slopes lie among the expected ones, which rise with H.

    Returns:
        Hurst exponents; the grid point below each; the share of the way to the next (below 0 or above 1 outside).
    """
    low = np.clip(np.searchsorted(slopes, measured) - 1, 0, len(GRID) - 2)
    share = (measured - slopes[low]) / (slopes[low + 1] - slopes[low])
    hurst: FloatArray = GRID[low] + share * (GRID[low + 1] - GRID[low])
    return hurst, low, share

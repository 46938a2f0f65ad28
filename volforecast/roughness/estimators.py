"""Four estimators of the Hurst exponent of log realized variance (Dhansoia 2025, section 3.1).

Each function takes one series x (shape (n,), natural logarithm of the daily variance, consecutive trading days) and
returns a :class:`HurstEstimate`. They are invariant to shift and scale of x. ``correct=False`` leaves out the
finite-scale correction of :mod:`volforecast.roughness.scaling` and fits the asymptotic law.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.signal import oaconvolve
from scipy.special import digamma, polygamma

from volforecast.errors import InputError
from volforecast.roughness.expected import (
    fluctuations,
    rescaled_ranges,
    wavelet_filter,
    wavelet_variances,
    windows_for,
)
from volforecast.roughness.scaling import FloatArray, HurstEstimate, Points, estimate_of, log_or_nan, power_law

METHODS = ("R/S", "DFA", "Variogram", "Wavelet")
ORDERS = (0.5, 1.0, 1.5, 2.0, 3.0)  # moments q of Gatheral, Jaisson & Rosenbaum (2018, section 2)
LAGS = 50
SHORTEST = {"R/S": 93, "DFA": 92, "Variogram": 2 * LAGS, "Wavelet": 65}  # days that give enough scales for a line
OCTAVES = 3  # fewest octaves of a line


def rescaled_range(x: ArrayLike, *, correct: bool = True) -> HurstEstimate:
    """R/S analysis of the increments of x: ``E[R(s) / S(s)] ~ s^H``.

    R is the range of the cumulative deviations of a window of s increments from their mean, S their standard deviation
    (divisor s). The ratios of windows that overlap by half are averaged; s goes from 8 to a quarter of the series.

    Raises:
        InputError: The series is too short, constant, or not finite.
    """
    series = checked(x, "R/S")
    return estimate_of("R/S", rescaled_range_points(series[None], correct), len(series))


def detrended_fluctuation(x: ArrayLike, *, correct: bool = True) -> HurstEstimate:
    """Detrended fluctuation analysis of order 1 with x as the profile: ``F(s) ~ s^H``.

    F(s) is the root mean square of what a straight line leaves over in windows of s days that overlap by half; s goes
    from 8 to a quarter of the series. The noise that is analysed are the increments of x.

    Raises:
        InputError: The series is too short, constant, or not finite.
    """
    series = checked(x, "DFA")
    return estimate_of("DFA", fluctuation_points(series[None], correct), len(series))


def variogram(x: ArrayLike, *, q: float = 2.0) -> HurstEstimate:
    """Variogram of x: ``mean |x[t + lag] - x[t]|^q ~ lag^(q H)``, lags 1 to 50, all t.

    The law is exact at every lag, so there is nothing to correct.

    Raises:
        InputError: The series is too short, constant, or not finite, or q is not positive.
    """
    if not 0 < q < np.inf:
        raise InputError(f"q is {q}, but a moment has a positive order: give 2 for the variogram")
    series = checked(x, "Variogram")
    return estimate_of("Variogram", variogram_points(series[None], q), len(series))


def wavelet_variance(x: ArrayLike, *, wavelet: str = "db4", correct: bool = True) -> HurstEstimate:
    """Variance of the wavelet coefficients of x by octave: ``E d_j^2 ~ 2^((2H + 1) j)``.

    Coefficients are taken at every day (the undecimated transform) and only where the filter lies within the series, so
    that no boundary rule enters. Octaves are weighted by the precision of their log variance, and freed of the bias of
    the logarithm of a mean of few squares (Abry & Veitch 1998, IEEE Transactions on Information Theory 44(1)).

    Args:
        x: The series.
        wavelet: An orthogonal wavelet of PyWavelets.
        correct: With the finite-scale correction.

    Raises:
        InputError: The series is too short, constant, or not finite, or there is no such wavelet.
    """
    series = checked(x, "Wavelet")
    return estimate_of("Wavelet", wavelet_points(series[None], wavelet, correct), len(series))


class MomentScaling(NamedTuple):
    """How the moments of increments scale (Gatheral, Jaisson & Rosenbaum 2018).

    Attributes:
        q: Orders.
        zeta: Slopes of log mean ``|x[t + lag] - x[t]|^q`` on log lag, by order.
        r_squared: Of these lines, by order.
        hurst: Slope of zeta on q; a monofractal series has ``zeta = q H``.
    """

    q: tuple[float, ...]
    zeta: tuple[float, ...]
    r_squared: tuple[float, ...]
    hurst: float


def moment_scaling(x: ArrayLike, orders: tuple[float, ...] = ORDERS) -> MomentScaling:
    """The exponents zeta of moments of several orders, and the Hurst exponent that they have in common."""
    found = [variogram(x, q=q) for q in orders]
    zeta = tuple(estimate.slope for estimate in found)
    return MomentScaling(orders, zeta, tuple(e.r_squared for e in found), float(np.polyfit(orders, zeta, 1)[0]))


def checked(x: ArrayLike, method: str) -> FloatArray:
    """The series with mean 0 and variance 1, which changes no estimate.

    Raises:
        InputError: It is too short for ``method``, constant, or not finite.
    """
    series = np.asarray(x, dtype=np.float64)
    if series.ndim != 1:
        raise InputError(f"{method}: the series has the shape {series.shape}; give one series at a time")
    bad = np.flatnonzero(~np.isfinite(series))
    if len(bad):
        raise InputError(
            f"{method}: value {bad[0] + 1} of the series is {series[bad[0]]}, so its logarithms have no line: give the"
            " logarithm of positive realized variances and leave out missing days"
        )
    if len(series) < SHORTEST[method]:
        raise InputError(f"{method}: the series has {len(series)} days, but needs at least {SHORTEST[method]}")
    largest = np.abs(series).max()
    centred = series / largest if largest > 0 else series
    centred = centred - centred.mean()
    deviation = centred.std()
    if deviation < 1e-12:
        raise InputError(f"{method}: the series is constant, so it has no Hurst exponent: give a series that moves")
    return np.asarray(centred / deviation, dtype=np.float64)


def rescaled_range_points(x: FloatArray, correct: bool = True) -> Points:
    """R/S at every window length, of series that are the rows of x."""
    increments = np.diff(x, axis=1)
    windows = windows_for(increments.shape[1])
    log_scale = np.log(windows)
    means = np.stack([_mean_rescaled_range(_half_overlapping(increments, window)) for window in windows], axis=1)
    law = rescaled_ranges()[:, : len(windows)] if correct else power_law(log_scale, 1.0, 0.0)
    return Points(log_scale, log_or_nan(means), law, np.ones(len(windows)), 1.0, 0.0)


def fluctuation_points(x: FloatArray, correct: bool = True) -> Points:
    """F at every window length, of series that are the rows of x."""
    windows = windows_for(x.shape[1])
    log_scale = np.log(windows)
    squares = []
    for window in windows:
        line = np.arange(window) - (window - 1) / 2
        values = _half_overlapping(x, window)
        values = values - values.mean(axis=-1, keepdims=True)
        along = values @ (line / np.sqrt(line @ line))
        squares.append((np.einsum("...i,...i", values, values) - along**2).mean(axis=1) / window)
    law = fluctuations()[:, : len(windows)] if correct else power_law(log_scale, 1.0, 0.0)
    return Points(log_scale, 0.5 * log_or_nan(np.stack(squares, axis=1)), law, np.ones(len(windows)), 1.0, 0.0)


def variogram_points(x: FloatArray, q: float = 2.0) -> Points:
    """Mean absolute increments to the power q at every lag, of series that are the rows of x."""
    log_scale = np.log(np.arange(1, LAGS + 1))
    moments = np.empty((len(x), LAGS))
    for lag in range(1, LAGS + 1):
        change = x[:, lag:] - x[:, :-lag]
        moments[:, lag - 1] = (
            (np.einsum("ij,ij->i", change, change) / change.shape[1]) if q == 2 else (np.abs(change) ** q).mean(axis=1)
        )
    return Points(log_scale, log_or_nan(moments), power_law(log_scale, q, 0.0), np.ones(LAGS), q, 0.0)


def wavelet_points(x: FloatArray, wavelet: str = "db4", correct: bool = True) -> Points:
    """Log2 variance of the wavelet coefficients of every octave, of series that are the rows of x."""
    days = x.shape[1]
    octaves, freedom, squares = [], [], []
    octave = 1
    while (free := (days - len(wavelet_filter(wavelet, octave)) + 1) / 2**octave) >= 2:
        coefficients = oaconvolve(x, wavelet_filter(wavelet, octave)[None], mode="valid", axes=1)
        octaves.append(float(octave))
        freedom.append(free)
        squares.append(np.einsum("ij,ij->i", coefficients, coefficients) / coefficients.shape[1])
        octave += 1
    if len(octaves) < OCTAVES:
        raise InputError(f"Wavelet: {days} days are too few for {OCTAVES} octaves of {wavelet}: take a shorter wavelet")
    scale, half = np.array(octaves), np.array(freedom) / 2
    logarithm_bias = (digamma(half) - np.log(half)) / np.log(2)
    log_value = log_or_nan(np.stack(squares, axis=1)) / np.log(2) - logarithm_bias
    law = power_law(scale, 2.0, 1.0)
    if correct:
        law = np.stack([wavelet_variances(wavelet, int(octave)) for octave in octaves], axis=1)
    return Points(scale, log_value, law, np.asarray(1 / polygamma(1, half)), 2.0, 1.0)


# the default of every method, on many series at once: what the bootstrap repeats
POINTS: dict[str, Callable[[FloatArray], Points]] = {
    "R/S": rescaled_range_points,
    "DFA": fluctuation_points,
    "Variogram": variogram_points,
    "Wavelet": wavelet_points,
}
ESTIMATORS: dict[str, Callable[[ArrayLike], HurstEstimate]] = {
    "R/S": rescaled_range,
    "DFA": detrended_fluctuation,
    "Variogram": variogram,
    "Wavelet": wavelet_variance,
}


def _half_overlapping(x: FloatArray, window: int) -> FloatArray:
    return sliding_window_view(x, window, axis=-1)[:, :: window // 2]


def _mean_rescaled_range(windows: FloatArray) -> FloatArray:
    """Mean R/S over the windows (axis 1) of each series; windows without any variation have none and are left out."""
    deviations = windows - windows.mean(axis=-1, keepdims=True)
    spread = deviations.std(axis=-1)
    path = np.cumsum(deviations, axis=-1)
    moving = spread > 1e-10
    ratio = np.where(moving, path.max(axis=-1) - path.min(axis=-1), 0.0) / np.where(moving, spread, 1.0)
    mean: FloatArray = ratio.sum(axis=1) / np.maximum(moving.sum(axis=1), 1)
    return mean

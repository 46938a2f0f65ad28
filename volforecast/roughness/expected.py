"""Expected statistics of exact fractional noise at finite scales, of which the estimators' corrections are made.

Of the fluctuation function and the wavelet variance they are quadratic forms of fractional Brownian motion, known
exactly. The rescaled range has no closed form but at H = 1/2 (Anis & Lloyd 1976, Biometrika 63(1)), so its expectation
is tabulated by exact simulation (``benchmarks/hurst_bias.py``), which agrees with theirs there.
"""

from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
import pywt
from scipy.special import gammaln

from volforecast.errors import InputError
from volforecast.roughness.scaling import GRID, FloatArray

# window lengths of R/S and DFA, days: two an octave
WINDOWS = (8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 724, 1024)


def windows_for(length: int) -> tuple[int, ...]:
    """The window lengths that fit four times into a series."""
    return tuple(window for window in WINDOWS if 4 * window <= length)


@lru_cache(maxsize=1)
def rescaled_ranges() -> FloatArray:
    """Log expected R/S of windows of fractional Gaussian noise, shape (len(GRID), len(WINDOWS))."""
    with files("volforecast.roughness").joinpath("rescaled_range.csv").open() as table:
        long = pd.read_csv(table)
    wide = long.pivot(index="hurst", columns="window", values="rescaled_range")
    means: FloatArray = wide.loc[list(np.round(GRID, 2)), list(WINDOWS)].to_numpy(dtype=np.float64)
    return np.asarray(np.log(means), dtype=np.float64)


def anis_lloyd(window: int) -> float:
    """Expected R/S of a window of Gaussian white noise (Anis & Lloyd 1976), standard deviation with divisor n."""
    ranks = np.arange(1, window)
    factor = np.exp(gammaln((window - 1) / 2) - gammaln(window / 2)) / np.sqrt(np.pi)
    return float(factor * np.sqrt((window - ranks) / ranks).sum())


@lru_cache(maxsize=1)
def fluctuations() -> FloatArray:
    """Log root of the expected squared fluctuation of fractional Brownian motion, shape (len(GRID), len(WINDOWS)).

    With P the projection that takes a line out of a window, ``E F^2 = tr(P C) / s``, where only ``-|i - j|^2H / 2`` of
    the covariance C survives, because P takes out constants.
    """
    columns = []
    for window in WINDOWS:
        line = np.arange(window) - (window - 1) / 2
        lags = np.arange(1, window)
        projected = (window - lags) / window + np.correlate(line, line, "full")[window:] / (line @ line)
        columns.append([0.5 * np.log(projected @ lags ** (2 * hurst) / window) for hurst in GRID])
    return np.array(columns).T


@lru_cache(maxsize=64)
def wavelet_filter(wavelet: str, octave: int) -> FloatArray:
    """The filter whose outputs are an octave's wavelet coefficients, at every position instead of each 2^octave-th.

    Raises:
        InputError: There is no such orthogonal wavelet.
    """
    if wavelet not in pywt.wavelist(kind="discrete") or not pywt.Wavelet(wavelet).orthogonal:
        raise InputError(f"wavelet {wavelet!r} is no orthogonal wavelet of PyWavelets; give db4, haar, sym5, ...")
    length = (2**octave - 1) * (pywt.Wavelet(wavelet).dec_len - 1) + 1
    weights: FloatArray = np.asarray(pywt.upcoef("d", [1.0], wavelet, level=octave), dtype=np.float64)[:length]
    return weights[::-1]  # a convolution turns it round again


@lru_cache(maxsize=64)
def wavelet_variances(wavelet: str, octave: int) -> FloatArray:
    """Log2 expected squared wavelet coefficient of sampled fractional Brownian motion, shape (len(GRID),)."""
    weights = wavelet_filter(wavelet, octave)
    shared = np.correlate(weights, weights, "full")[len(weights) :]
    lags = np.arange(1, len(weights))
    return np.array([np.log2(-(shared @ lags ** (2 * hurst))) for hurst in GRID])

"""Standard errors of Hurst exponents, by a block bootstrap of a series' innovations.

Blocks of the levels of a rough series jump where they are joined, and blocks of its increments lose the dependence
between blocks, which is what the estimators measure. Here the increments are whitened first: divided, frequency by
frequency, by the root of the spectrum of fractional Gaussian noise of the estimated H. What is left over depends on
its past for a few days at most (measurement noise, clustering), which short blocks keep. Joined blocks are coloured
again by circulant embedding, as Davies & Harte (1987) colour white noise, and every estimator is applied to the result.
``docs/methods/roughness.md`` compares the three schemes.
"""

from collections.abc import Sequence

import numpy as np

from volforecast.data.rough import fgn_autocovariance
from volforecast.errors import InputError
from volforecast.roughness.estimators import METHODS, POINTS, variogram_points
from volforecast.roughness.scaling import FloatArray, hurst_of

AT_ONCE = 1 << 20  # values of resampled series held at a time


def bootstrap_hurst(
    x: FloatArray, replications: int, rng: np.random.Generator, methods: Sequence[str] = METHODS
) -> dict[str, FloatArray]:
    """Hurst exponents of resampled series, every method on the same ones.

    Args:
        x: Shape (n,), a checked series that is long enough for every method and for the variogram.
        replications: Resampled series, at least 2.
        rng: Source of randomness; blocks are drawn from it alone.
        methods: Those of ``METHODS`` that are wanted.

    Returns:
        By method, shape (replications,); NaN for a resampled series that does not move.

    Raises:
        InputError: There are fewer than 2 replications.
    """
    if replications < 2:
        raise InputError(f"replications is {replications}, but a standard error needs at least 2: give 200")
    block = block_length(len(x))
    starts = rng.integers(0, len(x) - 1, size=(replications, -(-2 * (len(x) - 1) // block)))
    at_once = max(1, AT_ONCE // len(x))
    found: dict[str, list[FloatArray]] = {method: [] for method in methods}
    for first in range(0, replications, at_once):
        series = resampled(x, starts[first : first + at_once], block)
        for method in methods:
            found[method].append(hurst_of(POINTS[method](series)))
    return {method: np.concatenate(parts) for method, parts in found.items()}


def block_length(days: int) -> int:
    """Days of a block: the cube root of the length."""
    return max(1, int(np.rint(np.cbrt(days))))


def resampled(x: FloatArray, starts: np.ndarray, block: int) -> FloatArray:
    """Series like x, made of blocks of its innovations.

    Args:
        x: Shape (n,).
        starts: Shape (replications, blocks), first days of the blocks among the n - 1 innovations, which lie in a
            circle; enough blocks for 2 (n - 1) days.
        block: Days of a block.

    Returns:
        Shape (replications, n); they start at 0.
    """
    increments = np.diff(x) - np.diff(x).mean()
    m = len(increments)
    # near 1 the noise is a straight line, near 0 its spectrum vanishes at frequency zero: neither can be whitened
    hurst = float(np.clip(hurst_of(variogram_points(x[None]))[0], 0.02, 0.95))
    covariance = fgn_autocovariance(m + 1, hurst)
    around = np.minimum(np.arange(m), m - np.arange(m))
    spectrum = np.maximum(np.fft.rfft(covariance[around]).real, 1e-9)
    innovations = np.fft.irfft(np.fft.rfft(increments) / np.sqrt(spectrum), m)

    days = ((starts[:, :, None] + np.arange(block)) % m).reshape(len(starts), -1)[:, : 2 * m]
    embedding = np.maximum(np.fft.rfft(np.concatenate([covariance, covariance[-2:0:-1]])).real, 0.0)
    coloured = np.fft.irfft(np.fft.rfft(innovations[days], axis=1) * np.sqrt(embedding), 2 * m, axis=1)[:, :m]
    series = np.zeros((len(starts), len(x)))
    np.cumsum(coloured, axis=1, out=series[:, 1:])
    return series

"""The stationary bootstrap of Politis & Romano (1994), as day indices and as weights of days."""

from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from volforecast.seeds import generator

IntArray = NDArray[np.intp]
Weights = NDArray[np.uint16]

AT_ONCE = 1 << 18  # day indices counted at a time


def stationary_bootstrap_indices(days: int, replications: int, block_length: int, rng: np.random.Generator) -> IntArray:
    """Day indices of the stationary bootstrap (Politis & Romano 1994).

    Blocks start at a uniform day, have a geometric length with mean ``block_length`` and wrap around from the last
    day to the first.

    Args:
        days: Length T of the series.
        replications: Number B of resamples.
        block_length: Mean block length in days, at least 1.
        rng: Source of randomness; 1 uniform a resampled day and 1 integer a block are drawn.

    Returns:
        Indices in [0, T), shape (B, T).
    """
    begins = rng.random((replications, days)) < 1.0 / block_length
    begins[:, 0] = True
    at = np.flatnonzero(begins)
    shift = rng.integers(days, size=at.size) - at
    indices = np.repeat(shift, np.diff(at, append=begins.size))
    indices += np.arange(begins.size)
    # A block starts below T and is at most T long, so one subtraction wraps it; a remainder would cost ten times more.
    indices -= days * (indices >= days)
    return indices.reshape(replications, days)


def weights_of(indices: IntArray) -> Weights:
    """How often each resample drew each day: indices of shape (B, T) to weights of that shape."""
    replications, days = indices.shape
    weights = np.empty((replications, days), dtype=np.uint16)
    step = max(1, AT_ONCE // days)
    for first in range(0, replications, step):
        part = indices[first : first + step]
        flat = part + days * np.arange(len(part))[:, None]
        weights[first : first + step] = np.bincount(flat.ravel(), minlength=part.size).reshape(part.shape)
    return weights


@lru_cache(maxsize=4)
def shared_weights(days: int, replications: int, seed: int, block_length: int | None = None) -> Weights:
    """Weights that all confidence sets over so many days share, whatever their target, period and loss.

    A set's p-values ask only that its own resamples follow the bootstrap's law, which they do; drawn in common, sets
    differ by their losses and not by luck, and the weights are made once a process instead of once a set.

    Args:
        days: Length T of the series.
        replications: Number B of resamples.
        seed: The study's seed.
        block_length: Mean block length in days; floor(sqrt(T)) when None.
    """
    length = block_length or isqrt(days)
    rng = generator(seed, "bootstrap weights", days, replications, length)
    weights = weights_of(stationary_bootstrap_indices(days, replications, length, rng))
    weights.flags.writeable = False
    return weights

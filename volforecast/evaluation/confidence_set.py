"""The model confidence set of Hansen, Lunde & Nason (Econometrica 79, 2011) with the range statistic."""

from math import isqrt
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.errors import InputError
from volforecast.evaluation.losses import ROUNDING, usable_series

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
Status = Literal["ok", "duplicate", "missing"]

_BLOCK: Final = 1 << 15
"""Numbers held in one working block (256 kB): it stays in a core's cache, and bounds the memory for any K, T and B."""


class ConfidenceSet(NamedTuple):
    """Which of K series belong to the set of the best.

    Attributes:
        p_values: MCS p-values, shape (K,); NaN for a missing series.
        included: Whether the series is in the set (p-value above 1 - level), shape (K,).
        elimination_order: Columns that took part in the order they were eliminated; the last one survived.
        status: For each series ``ok``; ``duplicate`` (its losses equal those of an earlier column up to rounding, so
            that column took part for both and they share p-value and inclusion); or ``missing`` (a loss is NaN, inf or
            above 1e140, so the series is left out).
        representative: The column that took part for each series (itself when ``ok``), -1 when missing, shape (K,).
    """

    p_values: FloatArray
    included: BoolArray
    elimination_order: IntArray
    status: tuple[Status, ...]
    representative: IntArray


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


def model_confidence_set(
    losses: FloatArray,
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replications: int = 5000,
    block_length: int | None = None,
    indices: IntArray | None = None,
) -> ConfidenceSet:
    """The set that holds the best of K models with the given confidence.

    The statistic is T_R = max |t_ij| over the pairs still in the set, t_ij the mean loss difference over its bootstrap
    standard deviation; the model with the greatest t_i. is eliminated, down to one (section 3.1.2 of Hansen, Lunde &
    Nason). A model's p-value is the greatest of the tests' p-values up to its elimination, 1 for the survivor.

    A pair whose difference is the same in every resample has zero variance: a nonzero mean difference is then certain
    (t_ij infinite, so the worse model is eliminated with p-value 0), and such a pair adds nothing to the resampled
    statistics. Ties go to the model with the greater mean loss.

    Args:
        losses: One row a day, one column a model, shape (T, K); any unit.
        rng: Draws the resamples; needed unless ``indices`` is given.
        level: Confidence level.
        replications: Number B of bootstrap resamples (ignored when ``indices`` is given).
        block_length: Mean block length in days; floor(sqrt(T)) when None.
        indices: Bootstrap day indices to use, shape (B, T).

    Returns:
        P-values, inclusion, elimination order and the status of each series.

    Raises:
        InputError: Fewer than two days, no series, or an option out of range.
    """
    losses = np.asarray(losses, dtype=np.float64)
    if losses.ndim != 2 or losses.shape[0] < 2 or losses.shape[1] < 1:
        raise InputError(f"losses of shape {losses.shape}: a confidence set needs at least two days and one model")
    days, models = losses.shape
    if not 0.0 < level < 1.0:
        raise InputError(f"confidence level {level} is not between 0 and 1")
    if indices is None:
        block_length = isqrt(days) if block_length is None else block_length
        if rng is None or replications < 1 or block_length < 1:
            raise InputError("a confidence set needs a generator, at least one replication and a block length from 1")
        indices = stationary_bootstrap_indices(days, replications, block_length, rng)
    elif indices.ndim != 2 or indices.shape[1] != days or indices.shape[0] < 1:
        raise InputError(f"bootstrap indices have the shape {indices.shape}; expected (replications, {days})")
    elif indices.min() < 0 or indices.max() >= days:
        raise InputError(f"bootstrap indices must name days from 0 to {days - 1}")

    representative = _representatives(losses)
    taking_part = np.flatnonzero(representative == np.arange(models))
    p_values = np.full(models, np.nan)
    order = np.empty(0, dtype=np.intp)
    if taking_part.size:
        position, p_by_step = _eliminate(losses[:, taking_part], indices)
        order = taking_part[position]
        p_values[order] = p_by_step
        present = representative >= 0
        p_values[present] = p_values[representative[present]]
    # 1 - 0.95 is a little above 0.05 in binary; rounding keeps a p-value of exactly 0.05 on one side.
    included = p_values > round(1.0 - level, 12)
    status: list[Status] = ["ok"] * models
    for k, taken in enumerate(representative):
        if taken != k:
            status[k] = "missing" if taken < 0 else "duplicate"
    return ConfidenceSet(p_values, included, order, tuple(status), representative)


def _representatives(losses: FloatArray) -> IntArray:
    """For each column the first column equal to it up to rounding, -1 for a missing one; shape (K,)."""
    usable = usable_series(losses)
    representative = np.where(usable, np.arange(losses.shape[1]), -1)
    greatest = np.abs(np.where(usable, losses, 0.0)).max(axis=0)
    for k in np.flatnonzero(usable):
        earlier = np.flatnonzero(representative[:k] == np.arange(k))
        tolerance = ROUNDING * np.maximum(greatest[earlier], greatest[k])
        # Almost every pair already differs on the first day.
        close = np.abs(losses[0, earlier] - losses[0, k]) <= tolerance
        for e, limit in zip(earlier[close], tolerance[close], strict=True):
            if (np.abs(losses[:, e] - losses[:, k]) <= limit).all():
                representative[k] = e
                break
    return representative.astype(np.intp)


def _eliminate(losses: FloatArray, indices: IntArray) -> tuple[IntArray, FloatArray]:
    """Elimination order and, in that order, MCS p-values of K distinct series; both of shape (K,)."""
    means = losses.mean(axis=0)
    resampled = _resampled_means(losses, indices)
    deviations = _deviations(resampled, means)
    varies = deviations > 0.0
    # Zero drops a certain pair from the resampled statistics; the observed one is infinite instead.
    precisions = np.zeros_like(deviations)
    np.divide(1.0, deviations, out=precisions, where=varies)
    differences = means[:, None] - means
    certain = np.where(differences == 0.0, 0.0, np.copysign(np.inf, differences))
    order, observed = _order(np.where(varies, differences * precisions, certain), means)
    exceeding = _exceedances(resampled[order], means[order], precisions[np.ix_(order, order)], observed)
    return order, np.maximum.accumulate(np.append(exceeding / indices.shape[0], 1.0))


def _resampled_means(losses: FloatArray, indices: IntArray) -> FloatArray:
    """Mean loss of each series in each resample, shape (K, B)."""
    days = losses.shape[0]
    replications = indices.shape[0]
    means = np.empty((losses.shape[1], replications))
    step = max(1, 8 * _BLOCK // days)
    for first in range(0, replications, step):
        part = indices[first : first + step]
        rows = part.shape[0]
        # How often each day was drawn, so that all series' means are one matrix product.
        flat = part + days * np.arange(rows)[:, None]
        counts = np.bincount(flat.ravel(), minlength=rows * days).reshape(rows, days)
        means[:, first : first + rows] = losses.T @ counts.T.astype(np.float64)
    means /= days
    return means


def _deviations(resampled: FloatArray, means: FloatArray) -> FloatArray:
    """Bootstrap standard deviations of the pairwise mean differences, shape (K, K), zero on the diagonal."""
    models, replications = resampled.shape
    squares = np.zeros((models, models))
    step = max(1, _BLOCK // models)
    for first in range(0, replications, step):
        part = resampled[:, first : first + step]
        for i in range(models - 1):
            recentred = part[i + 1 :] - part[i]
            recentred -= (means[i + 1 :] - means[i])[:, None]
            squares[i, i + 1 :] += np.einsum("kb,kb->k", recentred, recentred)
    return np.asarray(np.sqrt((squares + squares.T) / replications))


def _order(statistics: FloatArray, means: FloatArray) -> tuple[IntArray, FloatArray]:
    """Elimination order, shape (K,), and T_R of the set before each elimination, shape (K - 1,).

    Both depend on the observed statistics alone, so the resamples need to be visited only once afterwards.
    """
    models = means.shape[0]
    alive = np.arange(models)
    order = np.empty(models, dtype=np.intp)
    observed = np.empty(models - 1)
    for k in range(models - 1):
        worst = statistics[np.ix_(alive, alive)].max(axis=1)
        observed[k] = worst.max()
        tied = np.flatnonzero(worst == observed[k])
        out = tied[np.argmax(means[alive[tied]])]
        order[k] = alive[out]
        alive = np.delete(alive, out)
    order[-1] = alive[0]
    return order, observed


def _exceedances(resampled: FloatArray, means: FloatArray, precisions: FloatArray, observed: FloatArray) -> IntArray:
    """In how many resamples the recentred range statistic exceeds the observed one, at each step; shape (K - 1,).

    Series come in elimination order. The sets are nested, so walking back from the survivor each one's maximum is that
    of the set after it and the pairs of the one series that joins: every pair is looked at once.
    """
    models, replications = resampled.shape
    counts = np.zeros(models - 1, dtype=np.intp)
    step = max(1, _BLOCK // models)
    for first in range(0, replications, step):
        part = resampled[:, first : first + step]
        greatest = np.zeros(part.shape[1])
        for k in range(models - 2, -1, -1):
            recentred = part[k + 1 :] - part[k]
            recentred -= (means[k + 1 :] - means[k])[:, None]
            np.abs(recentred, out=recentred)
            recentred *= precisions[k, k + 1 :, None]
            np.maximum(greatest, recentred.max(axis=0), out=greatest)
            counts[k] += np.count_nonzero(greatest > observed[k])
    return counts

"""The model confidence set of Hansen, Lunde & Nason (Econometrica 79, 2011) with the range statistic."""

from math import isqrt
from typing import Final, Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from volforecast.errors import InputError
from volforecast.evaluation.losses import ROUNDING, usable_series
from volforecast.evaluation.resampling import Weights, stationary_bootstrap_indices, weights_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
Status = Literal["ok", "duplicate", "missing"]

# resamples walked over together: with 31 series they stay in a second-level cache, and memory is bounded for any B
_TOGETHER: Final = 1 << 10
_LANES: Final = 32  # partial sums kept side by side, so that the order of additions is the same on every machine


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


def model_confidence_set(
    losses: FloatArray,
    *,
    rng: np.random.Generator | None = None,
    level: float = 0.95,
    replications: int = 5000,
    block_length: int | None = None,
    indices: IntArray | None = None,
    weights: Weights | None = None,
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
        rng: Draws the resamples; needed unless ``indices`` or ``weights`` are given.
        level: Confidence level.
        replications: Number B of bootstrap resamples to draw.
        block_length: Mean block length in days; floor(sqrt(T)) when None.
        indices: Bootstrap day indices to use, shape (B, T).
        weights: Or how often each resample drew each day, shape (B, T) (:func:`resampling.shared_weights`).

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
    if weights is None:
        weights = _weights(days, rng, replications, block_length, indices)
    elif weights.ndim != 2 or weights.shape[1] != days or weights.shape[0] < 1:
        raise InputError(f"bootstrap weights have the shape {weights.shape}; expected (replications, {days})")

    representative = _representatives(losses)
    taking_part = np.flatnonzero(representative == np.arange(models))
    p_values = np.full(models, np.nan)
    order = np.empty(0, dtype=np.intp)
    if taking_part.size:
        position, p_by_step = _eliminate(losses[:, taking_part], weights)
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


def _weights(
    days: int, rng: np.random.Generator | None, replications: int, block_length: int | None, indices: IntArray | None
) -> Weights:
    if indices is None:
        block_length = isqrt(days) if block_length is None else block_length
        if rng is None or replications < 1 or block_length < 1:
            raise InputError("a confidence set needs a generator, at least one replication and a block length from 1")
        indices = stationary_bootstrap_indices(days, replications, block_length, rng)
    elif indices.ndim != 2 or indices.shape[1] != days or indices.shape[0] < 1:
        raise InputError(f"bootstrap indices have the shape {indices.shape}; expected (replications, {days})")
    elif indices.min() < 0 or indices.max() >= days:
        raise InputError(f"bootstrap indices must name days from 0 to {days - 1}")
    return weights_of(indices)


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


def _eliminate(losses: FloatArray, weights: Weights) -> tuple[IntArray, FloatArray]:
    """Elimination order and, in that order, MCS p-values of K distinct series; both of shape (K,)."""
    replications = weights.shape[0]
    means = losses.mean(axis=0)
    resampled = _resampled_means(losses, weights)
    deviations = np.sqrt(_squares(resampled, means, replications) / replications)
    varies = deviations > 0.0
    # Zero drops a certain pair from the resampled statistics; the observed one is infinite instead.
    precisions = np.zeros_like(deviations)
    np.divide(1.0, deviations, out=precisions, where=varies)
    differences = means[:, None] - means
    certain = np.where(differences == 0.0, 0.0, np.copysign(np.inf, differences))
    order, observed = _order(np.where(varies, differences * precisions, certain), means)
    counts = np.zeros(len(order) - 1, dtype=np.intp)
    sorted_precisions = np.ascontiguousarray(precisions[np.ix_(order, order)])
    _exceedances(resampled[order], means[order], sorted_precisions, observed, replications, counts)
    return order, np.maximum.accumulate(np.append(counts / replications, 1.0))


def _resampled_means(losses: FloatArray, weights: Weights) -> FloatArray:
    """Mean loss of each series in each resample, shape (K, B), B rounded up to whole lanes."""
    days, models = losses.shape
    replications = weights.shape[0]
    means = np.zeros((models, -(-replications // _LANES) * _LANES))
    for first in range(0, replications, _TOGETHER):
        part = weights[first : first + _TOGETHER]
        means[:, first : first + len(part)] = losses.T @ part.T.astype(np.float64)
    means /= days
    return means


@njit(cache=True)  # type: ignore[untyped-decorator]
def _squares(resampled: FloatArray, means: FloatArray, replications: int) -> FloatArray:
    """Sums over resamples of the squared recentred differences of each pair, shape (K, K), zero on the diagonal."""
    models, padded = resampled.shape
    squares = np.zeros((models, models))
    lanes = np.empty(_LANES)
    table = resampled.reshape(models, padded // _LANES, _LANES)
    whole, step = replications // _LANES, _TOGETHER // _LANES
    for begin in range(0, whole, step):
        for i in range(models - 1):
            first = table[i, begin : min(begin + step, whole)]
            for j in range(i + 1, models):
                second, gap = table[j, begin : min(begin + step, whole)], means[j] - means[i]
                lanes[:] = 0.0
                for row in range(len(first)):
                    for lane in range(_LANES):
                        recentred = second[row, lane] - first[row, lane] - gap
                        lanes[lane] += recentred * recentred
                squares[i, j] += lanes.sum()
    for i in range(models - 1):
        for j in range(i + 1, models):
            for b in range(whole * _LANES, replications):
                recentred = resampled[j, b] - resampled[i, b] - (means[j] - means[i])
                squares[i, j] += recentred * recentred
            squares[j, i] = squares[i, j]
    return squares


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


@njit(cache=True)  # type: ignore[untyped-decorator]
def _exceedances(
    resampled: FloatArray,
    means: FloatArray,
    precisions: FloatArray,
    observed: FloatArray,
    replications: int,
    counts: IntArray,
) -> None:
    """Count in how many resamples the recentred range statistic exceeds the observed one, at each step; shape (K - 1,).

    Series come in elimination order. The sets are nested, so walking back from the survivor each one's maximum is that
    of the set after it and the pairs of the one series that joins: every pair is looked at once.
    """
    models = resampled.shape[0]
    greatest = np.empty(_TOGETHER)
    for begin in range(0, replications, _TOGETHER):
        size = min(_TOGETHER, resampled.shape[1] - begin)
        greatest[:] = 0.0
        for k in range(models - 2, -1, -1):
            first = resampled[k, begin : begin + size]
            for j in range(k + 1, models):
                second, gap, precision = resampled[j, begin : begin + size], means[j] - means[k], precisions[k, j]
                for b in range(size):
                    statistic = abs(second[b] - first[b] - gap) * precision
                    greatest[b] = max(greatest[b], statistic)
            above, limit = 0, observed[k]
            for b in range(min(size, replications - begin)):
                above += greatest[b] > limit
            counts[k] += above

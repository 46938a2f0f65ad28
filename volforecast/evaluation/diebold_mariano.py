"""The Diebold-Mariano test of equal predictive accuracy: one-sided at horizon 1, two-sided at any horizon."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from volforecast.errors import InputError
from volforecast.evaluation.losses import ROUNDING, usable_series

FloatArray = NDArray[np.float64]
Status = Literal["ok", "no variance", "missing"]
Kernel = Literal["rectangular", "Bartlett"]

_POSITIVE = 1e-12  # a long-run variance below this share of the variance is rounding


class DieboldMariano(NamedTuple):
    """Outcome of one test.

    Attributes:
        statistic: The Harvey-Leybourne-Newbold statistic; negative when the first model has the smaller loss.
        p_value: Probability of a smaller statistic under equal accuracy, Student t with T - 1 degrees of freedom.
        status: ``ok``; ``no variance`` (the losses differ by a constant, zero for identical forecasts, so there is
            nothing to test against) or ``missing`` (a loss is NaN, inf or above 1e140). Unless ``ok``, both numbers are
            NaN.
    """

    statistic: float
    p_value: float
    status: Status


def diebold_mariano(losses_i: FloatArray, losses_j: FloatArray) -> DieboldMariano:
    """Test whether model i forecasts better than model j.

    With d = L_i - L_j and horizon 1 (Diebold & Mariano 1995, without autocovariances), the statistic is
    ``mean(d) / sqrt(var(d) / T)`` times the factor ``sqrt((T + 1 - 2h + h(h-1)/T) / T)``, h = 1, of Harvey, Leybourne
    & Newbold (1997), where ``var`` divides by T. That is exactly the one-sample t statistic of d.

    Args:
        losses_i: Losses of model i, one a day, shape (T,).
        losses_j: Losses of model j on the same days, shape (T,).

    Returns:
        Statistic, p-value and status; a small p-value says that model i has the smaller expected loss.

    Raises:
        InputError: The series differ in length or have fewer than two days.
    """
    if losses_i.ndim != 1 or losses_i.shape != losses_j.shape:
        raise InputError(f"two loss series over the same days are needed, not {losses_i.shape} and {losses_j.shape}")
    pair = np.column_stack([losses_i, losses_j])
    if not _tested(pair).all():
        return DieboldMariano(np.nan, np.nan, "missing")
    statistic = float(_statistics(pair)[0, 1])
    if np.isnan(statistic):
        return DieboldMariano(np.nan, np.nan, "no variance")
    return DieboldMariano(statistic, float(stdtr(pair.shape[0] - 1, statistic)), "ok")


class TwoSided(NamedTuple):
    """Outcome of one two-sided test.

    Attributes:
        statistic: The Harvey-Leybourne-Newbold statistic; negative when the first model has the smaller mean loss.
        p_value: Probability of a statistic farther from zero under equal accuracy, Student t with T - 1 degrees of
            freedom.
        status: As in :class:`DieboldMariano`; unless ``ok``, both numbers are NaN.
        kernel: How the autocovariances were weighted: ``rectangular``, or ``Bartlett`` where the rectangular sum is
            not positive.
    """

    statistic: float
    p_value: float
    status: Status
    kernel: Kernel


def diebold_mariano_two_sided(losses_i: FloatArray, losses_j: FloatArray, horizon: int = 1) -> TwoSided:
    """Test whether two models forecast equally well h days ahead.

    The errors of optimal h-day forecasts are correlated over h - 1 days. With d = L_i - L_j, its mean m and its
    autocovariances c_k = sum_t (d_t - m)(d_(t-k) - m) / T, the long-run variance is V = c_0 + 2 sum_k c_k, k < h
    (Diebold & Mariano 1995), and the statistic ``m / sqrt(V / T)`` times the factor of Harvey, Leybourne & Newbold
    (1997), ``sqrt((T + 1 - 2h + h(h-1)/T) / T)``. At h = 1 that is exactly the one-sample t test of d.

    This V can come out negative. Where it is not above 1e-12 c_0 the weights are Bartlett's, 1 - k/h (Newey & West
    1987), with which it cannot.

    Args:
        losses_i: Losses of model i, one a day, shape (T,).
        losses_j: Losses of model j on the same days, shape (T,).
        horizon: Days h ahead, at least 1 and below T.

    Returns:
        Statistic, p-value, status and kernel.

    Raises:
        InputError: The series differ in length, have fewer than two days or no more than h, or h is below 1.
    """
    if losses_i.ndim != 1 or losses_i.shape != losses_j.shape:
        raise InputError(f"two loss series over the same days are needed, not {losses_i.shape} and {losses_j.shape}")
    days = len(losses_i)
    if horizon < 1 or days <= max(horizon, 1):
        raise InputError(f"{days} day(s) of losses cannot be tested at horizon {horizon}: at least two days are needed")
    pair = np.column_stack([losses_i, losses_j])
    if not _tested(pair).all():
        return TwoSided(np.nan, np.nan, "missing", "rectangular")
    difference = losses_i - losses_j
    mean = difference.mean()
    centred = difference - mean
    variance = float(centred @ centred) / days
    if np.sqrt(variance * days / (days - 1)) <= ROUNDING * np.abs(pair).max():
        return TwoSided(np.nan, np.nan, "no variance", "rectangular")
    covariances = np.array([float(centred[k:] @ centred[:-k]) / days for k in range(1, horizon)])
    kernel: Kernel = "rectangular"
    long_run = variance + 2.0 * float(covariances.sum())
    if long_run <= _POSITIVE * variance:
        kernel = "Bartlett"
        long_run = variance + 2.0 * float((1.0 - np.arange(1, horizon) / horizon) @ covariances)
    factor = np.sqrt((days + 1 - 2 * horizon + horizon * (horizon - 1) / days) / days)
    statistic = float(factor * mean / np.sqrt(long_run / days))
    return TwoSided(statistic, 2.0 * float(stdtr(days - 1, -abs(statistic))), "ok", kernel)


def diebold_mariano_matrix(losses: FloatArray) -> FloatArray:
    """The p-values of :func:`diebold_mariano` for all ordered pairs of models.

    Args:
        losses: One row a day, one column a model, shape (T, K).

    Returns:
        Shape (K, K): entry (i, j) is small when model i has a smaller expected loss than model j. NaN on the
        diagonal, for pairs without variance, and for models with a missing loss.

    Raises:
        InputError: There are fewer than two days.
    """
    models = losses.shape[1]
    p_values = np.full((models, models), np.nan)
    usable = np.flatnonzero(_tested(losses))
    if usable.size:
        p_values[np.ix_(usable, usable)] = stdtr(losses.shape[0] - 1, _statistics(losses[:, usable]))
    return p_values


def _tested(losses: FloatArray) -> NDArray[np.bool_]:
    if losses.ndim != 2 or losses.shape[0] < 2:
        raise InputError(f"losses of shape {losses.shape} cannot be tested: at least two days are needed")
    return usable_series(losses)


def _statistics(losses: FloatArray) -> FloatArray:
    """Statistics of all ordered pairs, shape (K, K); NaN where a pair's differences vary by rounding only."""
    days, models = losses.shape
    means = losses.mean(axis=0)
    by_model = np.ascontiguousarray(losses.T)
    centred = by_model - means[:, None]
    greatest = np.abs(by_model).max(axis=1)
    statistics = np.full((models, models), np.nan)
    for i in range(models - 1):
        # Differences first, squares second: the short cut var_i + var_j - 2 cov_ij cancels for close forecasts.
        spread = centred[i + 1 :] - centred[i]
        deviation = np.sqrt(np.einsum("kt,kt->k", spread, spread) / (days - 1))
        testable = deviation > ROUNDING * np.maximum(greatest[i + 1 :], greatest[i])
        mean = means[i] - means[i + 1 :]
        row = np.full(mean.shape, np.nan)
        np.divide(mean * np.sqrt(days), deviation, out=row, where=testable)
        statistics[i, i + 1 :] = row
        statistics[i + 1 :, i] = -row
    return statistics

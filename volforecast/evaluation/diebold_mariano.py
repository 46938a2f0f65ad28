"""The Diebold-Mariano test of equal predictive accuracy, one-sided, horizon 1."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from volforecast.errors import InputError
from volforecast.evaluation.losses import ROUNDING, usable_series

FloatArray = NDArray[np.float64]
Status = Literal["ok", "no variance", "missing"]


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

"""Split-conformal calibration of quantile forecasts (Romano, Patterson & Candès 2019: conformalized quantiles).

Quantile forecasts promise a coverage that they keep only as far as their model is right. Calibration on days that the
model was not fitted to widens (or narrows) each central interval by one number, such that it covers a new day with at
least the promised probability whatever the model, as long as calibration days and the new day are exchangeable.

They are not here. Volatility is a time series: the test part follows the validation part, regimes change, and at
horizon h the labels of h neighbouring days overlap. The guarantee then holds only approximately, so ``coverage`` tables
measure what is attained. A second limit: the validation part also chose the epoch at which training stopped, which
makes its scores a little smaller than those of new days, and intervals a little too narrow.
"""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from volforecast.errors import InputError

FloatArray = NDArray[np.float64]


def calibrate(
    valid_quantiles: FloatArray, valid_labels: FloatArray, test_quantiles: FloatArray, levels: Sequence[float]
) -> FloatArray:
    """Quantile forecasts with each central interval calibrated on the validation part.

    The interval between the levels a/2 and 1 - a/2 has the scores ``max(low - y, y - high)`` on the m validation days
    (negative inside). Its ends move outwards by their ``ceil((m + 1)(1 - a))``-th smallest score, inwards if that is
    negative. The median stays. Quantiles that would cross after that are widened, from the median outwards, to the next
    inner one, which no coverage suffers from.

    Args:
        valid_quantiles: Forecasts of the validation days, shape (m, levels), in any unit.
        valid_labels: What was realized on them, shape (m,), same unit.
        test_quantiles: Forecasts of the test days, shape (n, levels).
        levels: Ascending, symmetric around 0.5 and with it: 0.05, 0.25, 0.5, 0.75, 0.95.

    Returns:
        Calibrated forecasts of the test days, ascending in each row, shape (n, levels).

    Raises:
        InputError: Levels or shapes do not fit, a value is not finite, or there are too few validation days for the
            widest interval (m is below (1 - a) / a).
    """
    pairs = central_pairs(levels)
    count = len(levels)
    shapes = valid_quantiles.shape, test_quantiles.shape[1:], valid_labels.shape
    if shapes != ((len(valid_labels), count), (count,), (len(valid_labels),)):
        raise InputError(
            f"calibration needs forecasts of {count} levels for every validation and test day, not of shape "
            f"{valid_quantiles.shape} for {valid_labels.shape} labels and {test_quantiles.shape}"
        )
    if not all(np.isfinite(values).all() for values in (valid_quantiles, valid_labels, test_quantiles)):
        raise InputError("calibration needs finite quantile forecasts and labels")
    result = test_quantiles.astype(np.float64)
    inner = (count // 2, count // 2)
    for low, high in pairs:
        margin = _margin(valid_quantiles[:, low], valid_quantiles[:, high], valid_labels, levels[high] - levels[low])
        result[:, low] = np.minimum(result[:, low] - margin, result[:, inner[0]])
        result[:, high] = np.maximum(result[:, high] + margin, result[:, inner[1]])
        inner = (low, high)
    return result


def central_pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """Positions of the levels that bound each central interval, the narrowest first.

    Raises:
        InputError: The levels are not ascending between 0 and 1, not symmetric around 0.5, or lack it.
    """
    values = np.asarray(levels, dtype=np.float64)
    middle, rest = divmod(len(values), 2)
    ascending = len(values) > 0 and bool(((values > 0.0) & (values < 1.0)).all() and (np.diff(values) > 0.0).all())
    if not ascending or rest == 0 or not np.allclose(values + values[::-1], 1.0, rtol=0.0, atol=1e-9):
        raise InputError(f"quantile levels {list(levels)} are not ascending and symmetric around a median (0.5)")
    return [(k, len(values) - 1 - k) for k in range(middle - 1, -1, -1)]


def _margin(low: FloatArray, high: FloatArray, labels: FloatArray, nominal: float) -> float:
    """By how much an interval's ends move outwards for it to cover with probability ``nominal``."""
    days = len(labels)
    # rounded, as 10 * (0.95 - 0.05) may be a little above 9 in binary
    rank = ceil(round((days + 1) * nominal, 9))
    if rank > days:
        needed = ceil(round(nominal / (1.0 - nominal), 9))
        raise InputError(
            f"{days} validation day(s) cannot calibrate an interval of {nominal:.0%}: it takes at least {needed}"
        )
    scores = np.maximum(low - labels, labels - high)
    return float(np.partition(scores, rank - 1)[rank - 1])

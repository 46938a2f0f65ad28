"""The interval of a mean over targets."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

LEVEL: Final = 0.95
FEWEST: Final = 3
"""Values from which an interval is computed."""


def mean_interval(values: NDArray[np.float64], *, level: float = LEVEL, least: float = 0.0) -> tuple[float, float]:
    """The interval of a mean by Student's t, taking the values as independent draws.

    Args:
        values: Shape (n,), any unit.
        level: Its confidence level.
        least: No end is below it (ratios of losses are not below zero).

    Returns:
        Its ends; NaN for fewer than three values.
    """
    n = len(values)
    if n < FEWEST:
        return np.nan, np.nan
    half = float(stdtrit(n - 1, 0.5 + level / 2.0)) * float(values.std(ddof=1)) / n**0.5
    return max(least, float(values.mean()) - half), max(least, float(values.mean()) + half)

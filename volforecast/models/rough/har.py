"""HAR on log realized variance: least squares on the last day and the means of 5 and 22 days (Corsi 2009).

Estimated once, on the training part, as the networks are (Dhansoia 2025, equation 2). The forecast is one of the
logarithm, so nothing corrects for the mean of an exponential.
"""

import numpy as np

from volforecast.models.har import least_squares
from volforecast.models.rough.benchmark import FloatArray


def har(X: FloatArray, y: FloatArray, rows: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Fitted values; see :class:`Benchmark`."""
    intercept, slopes = least_squares(X, y)
    # row by row: the last digit of a matrix product depends on how many rows it is given
    return np.asarray(intercept + (rows * slopes).sum(axis=1))

"""What a benchmark of log volatility is: a function of the training rows, without random numbers."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Benchmark(Protocol):
    """Estimates and forecasts in one call."""

    def __call__(self, X: FloatArray, y: FloatArray, rows: FloatArray, levels: tuple[float, ...]) -> FloatArray:
        """Forecasts in log units.

        Args:
            X: Means of x over the last 1, 5 and 22 days of the training rows, shape (n, 3).
            y: Their labels, shape (n,).
            rows: Predictors to forecast from, shape (m, 3).
            levels: Of the quantiles, ascending.

        Returns:
            Shape (m,), or (m, levels) by a benchmark that forecasts quantiles.

        Raises:
            FitError: It cannot be estimated on these rows.
        """

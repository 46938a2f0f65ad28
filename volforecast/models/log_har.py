"""LOG-HAR: a heterogeneous autoregression of logarithms (Corsi 2009; Andersen, Bollerslev & Diebold 2007).

``log RV(t+1) = b0 + b1 log RV(t) + b2 log RV(t-4:t) + b3 log RV(t-21:t) + u(t+1)``, where the weekly and monthly
predictors are logarithms of mean variances. Of a variance whose logarithm is normal with mean mu and variance s^2 the
mean is ``exp(mu + s^2/2)``, which is the forecast; s^2 is the residual variance of the regression (sum of squared
residuals over rows less coefficients). The forecast is positive by construction.
"""

import numpy as np
from msgspec import Struct

from volforecast.errors import FitError
from volforecast.models.har import from_products, least_squares
from volforecast.models.protocol import FloatArray, TrainingSet

SMALLEST = 1e-12  # per cent squared: the smallest variance that a panel may hold, so zero never meets a logarithm there


class LogHAR(Struct, frozen=True, forbid_unknown_fields=True):
    """Least squares on the logarithms of all predictors and labels.

    Attributes:
        bias_correction: Forecast the mean ``exp(mu + s^2/2)``; without it the median ``exp(mu)``.
    """

    bias_correction: bool = True

    def tune(self, first: TrainingSet, seed: int) -> None:
        """Nothing to settle."""

    def forecast(self, train: TrainingSet, rows: FloatArray, tuned: None, seed: int) -> FloatArray:
        """Forecasts for ``rows``, shape (forecasts,), per cent squared.

        Raises:
            FitError: There is no row, a value is negative, NaN or infinite, or a forecast leaves the range of float64.
        """
        if not len(train.y):
            raise FitError("least squares needs at least one row; the training set is empty")
        logs = TrainingSet(_log(train.X), _log(train.y), train.approach)
        solved = from_products(logs.products)
        intercept, slopes = least_squares(logs.X, logs.y) if solved is None else solved
        # row by row: the last digit of a matrix product depends on how many rows it is given
        mean = intercept + (_log(rows) * slopes).sum(axis=1)
        with np.errstate(over="ignore"):
            forecasts = np.exp(mean + self._correction(logs, intercept, slopes))
        if not np.isfinite(forecasts).all():
            raise FitError("a forecast is too large to be a number; check the panel")
        return np.asarray(forecasts)

    def _correction(self, logs: TrainingSet, intercept: float, slopes: FloatArray) -> float:
        """Half the residual variance; zero where the coefficients use up all rows, as the fit is then exact."""
        freedom = len(logs.y) - len(slopes) - 1
        if not self.bias_correction or freedom < 1:
            return 0.0
        residuals = logs.y - intercept - (logs.X * slopes).sum(axis=1)
        return float(0.5 * np.square(residuals).sum() / freedom)


def _log(values: FloatArray) -> FloatArray:
    if not (np.isfinite(values).all() and (values >= 0.0).all()):
        raise FitError("the rows hold NaN, infinite or negative values, which have no logarithm; check the panel")
    return np.log(np.maximum(values, SMALLEST))

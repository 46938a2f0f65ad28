"""Squared errors that weigh exponentially in the label: ``exp(alpha y / max y) (y - f)^2`` (section 3, XGBoost).

The largest label is that of the rows learnt from. With alpha = 0 it is the plain squared error.
"""

from collections.abc import Callable

import numpy as np
import xgboost

from volforecast.data.hourly import FloatArray

Objective = Callable[[FloatArray, xgboost.DMatrix], tuple[FloatArray, FloatArray]]


def weights(y: FloatArray, alpha: float) -> FloatArray:
    """``exp(alpha y / max y)``, shape (n,); ones where no label is above 0."""
    largest = y.max()
    return np.exp(alpha * y / largest) if largest > 0.0 else np.ones_like(y)


def loss(forecast: FloatArray, y: FloatArray, alpha: float) -> float:
    """Sum over the rows."""
    return float((weights(y, alpha) * (y - forecast) ** 2).sum())


def derivatives(forecast: FloatArray, y: FloatArray, alpha: float) -> tuple[FloatArray, FloatArray]:
    """First and second derivative of each row's loss by its forecast, each of shape (n,)."""
    twice = 2.0 * weights(y, alpha)
    return twice * (forecast - y), twice


def objective(y: FloatArray, alpha: float) -> Objective:
    """The loss as boosting asks for it, for labels that stay the same from round to round."""
    twice = 2.0 * weights(y, alpha)

    def of(forecast: FloatArray, _: xgboost.DMatrix) -> tuple[FloatArray, FloatArray]:
        return twice * (forecast - y), twice

    return of

"""The insanity filter: insanity is replaced by ignorance (Swanson & White 1997; Bollerslev, Patton & Quaedvlieg 2016).

A forecast outside the range of the labels that its model was estimated on is replaced by their mean, as Bollerslev,
Patton & Quaedvlieg do. It comes before the rule for negative forecasts, of which it leaves none.
"""

import numpy as np
from numpy.typing import NDArray

from volforecast.models.protocol import FloatArray


def sane(forecasts: FloatArray, labels: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The forecasts with those that are not sane replaced, and which these are.

    Args:
        forecasts: Per cent squared, shape (forecasts,); finite.
        labels: Those of the training set, shape (rows,), one or more.
    """
    replaced = (forecasts < labels.min()) | (forecasts > labels.max())
    return np.where(replaced, labels.mean(), forecasts), replaced

"""The one small protocol behind which every model class stands."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from volforecast.transfer.training import Approach as Approach
from volforecast.transfer.training import TrainingSet as TrainingSet

FloatArray = NDArray[np.float64]


class Model(Protocol):
    """A model class, configured; it keeps no state between calls, so order and worker never matter."""

    def tune(self, first: TrainingSet, seed: int) -> Any:
        """What a sample period's first training set settles for all of its estimations (None for most models)."""

    def forecast(self, train: TrainingSet, rows: FloatArray, tuned: Any, seed: int) -> FloatArray:
        """Estimate on ``train`` and forecast the label of each row, in per cent squared.

        Args:
            train: The training set at one forecast origin.
            rows: Complete predictor rows, shape (forecasts, predictors).
            tuned: What :meth:`tune` returned at the first origin of the sample period.
            seed: Seed of this estimation's random draws.

        Raises:
            FitError: The model cannot be estimated on these rows.
        """

"""HAR by quantile regression (Koenker & Bassett 1978): the benchmark of probabilistic forecasts, one fit a level.

Regressions of single levels may cross outside the training rows; a row's quantiles are then put into order
(Chernozhukov, Fernández-Val & Galichon 2010).
"""

import warnings

import numpy as np
from statsmodels.regression.quantile_regression import QuantReg
from statsmodels.tools.sm_exceptions import IterationLimitWarning

from volforecast.errors import FitError
from volforecast.models.rough.benchmark import FloatArray

MOST_STEPS = 10_000


def quantile_har(X: FloatArray, y: FloatArray, rows: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Quantiles, shape (rows, levels); see :class:`Benchmark`."""
    design, asked = _with_intercept(X), _with_intercept(rows)
    found = np.empty((len(rows), len(levels)))
    for place, level in enumerate(levels):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", IterationLimitWarning)
                fitted = QuantReg(y, design).fit(q=level, max_iter=MOST_STEPS)
        except (IterationLimitWarning, np.linalg.LinAlgError, ValueError) as error:
            raise FitError(f"the quantile regression at level {level:g} did not settle ({error})") from error
        found[:, place] = (asked * np.asarray(fitted.params)).sum(axis=1)
    return np.sort(found, axis=1)


def _with_intercept(X: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(X)), X])

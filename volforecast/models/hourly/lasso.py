"""Which columns a Lasso keeps: the first stage of Flexible HAR and of both HARX models.

Columns are z-scored with the mean and standard deviation (ddof 0) of the rows learnt from, the label is in per cent
(the grid of penalties is absolute), and the penalty is the one of the smallest mean squared error over five folds in
order of time (Darracq Paries et al. 2025, section 3, Flexible HAR). The folds see z-scores of all rows learnt from, as
the authors' do: the test rows have no part in them.
"""

import warnings
from typing import Final, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV
from sklearn.model_selection import TimeSeriesSplit

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.errors import FitError
from volforecast.models.hourly.regression import demand_finite

PENALTIES: Final = np.logspace(-4, 0, 100)
FOLDS: Final = 5
MOST_STEPS: Final = 10_000
ROUNDING: Final = 1e-12  # a deviation below this share of the mean is rounding: the column is constant


class Selected(NamedTuple):
    """What the first stage found.

    Attributes:
        kept: Columns with a slope other than 0, ascending; may be empty.
        constant: Columns without variation in the rows learnt from, which were no candidates.
        penalty: The lambda chosen, for labels in per cent.
        unsettled: Fits among those of the search, 100 penalties times 5 folds, and the last one, that had not reached
            their tolerance after ``MOST_STEPS`` steps. Small penalties on rolling means, which are nearly collinear,
            come with many; the authors' too.
        settled: Whether the last fit, which decides what is kept, had.
    """

    kept: IntArray
    constant: IntArray
    penalty: float
    unsettled: int
    settled: bool

    def details(self, names: tuple[str, ...]) -> dict[str, str]:
        """For people: the columns kept by name, the penalty, and what did not converge."""
        found = {
            "kept": ", ".join(names[column] for column in self.kept) or "none",
            "lambda": f"{self.penalty:.6g}",
            "fits of the search that did not converge": str(self.unsettled),
        }
        if not self.settled:
            found["last fit"] = f"not converged after {MOST_STEPS} steps"
        if len(self.constant):
            found["constant, no candidates"] = ", ".join(names[column] for column in self.constant)
        return found


def select(X: FloatArray, y: FloatArray) -> Selected:
    """Columns kept by the Lasso.

    Args:
        X: Candidates, shape (n, columns), in order of time.
        y: Labels in per cent, shape (n,).

    Raises:
        FitError: There are fewer rows than folds need, or a value is NaN or infinite.
    """
    if len(y) <= FOLDS:
        raise FitError(f"the Lasso needs more than {FOLDS} rows for its folds; there are {len(y)}")
    demand_finite(np.column_stack([X, y]), "to learn from")
    centre, spread = X.mean(axis=0), X.std(axis=0)
    varies = spread > ROUNDING * np.abs(centre)
    candidates, constant = np.flatnonzero(varies), np.flatnonzero(~varies)
    if not len(candidates):
        return Selected(candidates, constant, float("nan"), 0, True)
    Z = (X[:, varies] - centre[varies]) / spread[varies]
    lasso = LassoCV(alphas=PENALTIES, cv=TimeSeriesSplit(FOLDS), max_iter=MOST_STEPS)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", ConvergenceWarning)
        lasso.fit(Z, y)
    unsettled = sum(issubclass(warning.category, ConvergenceWarning) for warning in heard)
    for warning in heard:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    kept = candidates[lasso.coef_ != 0.0]
    return Selected(kept, constant, float(lasso.alpha_), unsettled, bool(lasso.n_iter_ < MOST_STEPS))

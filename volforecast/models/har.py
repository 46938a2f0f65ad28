"""Heterogeneous autoregression by ordinary least squares (Corsi 2009; Teller et al. 2026, section 4.1)."""

import numpy as np
from msgspec import Struct

from volforecast.errors import FitError
from volforecast.models.protocol import FloatArray, TrainingSet

# with an eigenvalue of the correlation matrix below this share of the largest one, the normal equations agree with a
# decomposition of the design to fewer than nine digits on rows that leave the range of the training set
WELL_CONDITIONED = 1e-6
ROUNDING = 1e-12  # what is smaller than this share of a column, or of the largest singular value, is rounding


class HAR(Struct, frozen=True, forbid_unknown_fields=True):
    """Least squares with an intercept; a rank-deficient design gets the minimum-norm solution.

    The norm is taken over the slopes of the standardised predictors, so the solution does not depend on their units,
    and a predictor that is constant in the training set gets a slope of zero.
    """

    def tune(self, first: TrainingSet, seed: int) -> None:
        """Nothing to settle."""

    def forecast(self, train: TrainingSet, rows: FloatArray, tuned: None, seed: int) -> FloatArray:
        """Fitted values for ``rows``, shape (forecasts,), per cent squared; may be negative.

        Raises:
            FitError: There is no row, or a value is NaN, infinite, or too large to be squared.
        """
        solved = from_products(train.products)
        intercept, slopes = least_squares(train.X, train.y) if solved is None else solved
        # row by row: the last digit of a matrix product depends on how many rows it is given
        return np.asarray(intercept + (rows * slopes).sum(axis=1))


def from_products(products: FloatArray) -> tuple[float, FloatArray] | None:
    """Intercept and slopes from sums of products, where these settle them to nine digits; else None.

    Centring the sums costs a column digits if its mean is large beside its deviations, so the bound on the condition
    rises with the square of that ratio. A column of zeros gets a slope of zero.

    Args:
        products: Sums of (1, predictors, label) times itself, shape (1 + predictors + 1, 1 + predictors + 1).
    """
    count = products[0, 0]
    if not (np.isfinite(products).all() and count > len(products)):
        return None
    means, seconds = products[0] / count, products / count
    given = np.flatnonzero(np.diag(seconds)[1:-1] > 0.0) + 1
    slopes = np.zeros(len(products) - 2)
    if not len(given):
        return float(means[-1]), slopes
    covariances = seconds - np.outer(means, means)
    variances = np.diag(covariances)[given]
    if not (variances > 0.0).all():
        return None
    scale = np.sqrt(variances)
    lost = float((np.diag(seconds)[given] / variances).max())
    correlations = covariances[np.ix_(given, given)] / np.outer(scale, scale)
    eigenvalues = np.linalg.eigvalsh(correlations)
    if not eigenvalues[0] > WELL_CONDITIONED * lost * eigenvalues[-1]:
        return None
    slopes[given - 1] = np.linalg.solve(correlations, covariances[given, -1] / scale) / scale
    return float(means[-1] - means[1:-1] @ slopes), slopes


def least_squares(X: FloatArray, y: FloatArray) -> tuple[float, FloatArray]:
    """Intercept and slopes of the regression of y, shape (rows,), on X, shape (rows, predictors).

    The slow way from the rows themselves: the standardised normal equations where they are well conditioned, else a
    decomposition of the design.

    Raises:
        FitError: There is no row, or a value is NaN, infinite, or too large to be squared.
    """
    if not len(y):
        raise FitError("least squares needs at least one row; the training set is empty")
    with np.errstate(over="ignore", invalid="ignore"):
        centre, level = X.mean(axis=0), y.mean()
        Z = X - centre
        scale = np.sqrt((Z * Z).mean(axis=0))
    if not (np.isfinite(level) and np.isfinite(scale).all()):
        raise FitError("the training rows hold NaN, infinite or absurdly large values; check the panel")
    # rounding leaves a constant column with deviations of the size of its last digit
    varies = scale > ROUNDING * np.abs(centre)
    scale = np.where(varies, scale, 1.0)
    Z = np.where(varies, Z / scale, 0.0)
    slopes = np.zeros(X.shape[1])
    if varies.any():
        Z, moved = Z[:, varies], y - level
        gram = Z.T @ Z / len(y)
        eigenvalues = np.linalg.eigvalsh(gram)
        if eigenvalues[0] > WELL_CONDITIONED * eigenvalues[-1] and len(y) > Z.shape[1]:
            solution = np.linalg.solve(gram, Z.T @ moved / len(y))
        else:
            # centring leaves singular values of rounding size, which are none
            solution = np.linalg.lstsq(Z, moved, rcond=ROUNDING)[0]
        slopes[varies] = solution / scale[varies]
    return float(level - centre @ slopes), slopes

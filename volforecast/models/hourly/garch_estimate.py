"""GARCH(1,1) with mean zero on hourly returns in per cent: one estimation, and the variance of the hour that follows.

``h(i+1) = omega + alpha r(i)^2 + beta h(i)``, by Gaussian quasi maximum likelihood through ``arch``.
"""

import warnings
from typing import Final, NamedTuple

import numpy as np

from volforecast.data.hourly import FloatArray

SMOOTHING: Final = 0.94  # RiskMetrics (1996)


class Parameters(NamedTuple):
    """Of the recursion, for returns in per cent.

    Attributes:
        omega, alpha, beta: Its coefficients.
        level: Variance to begin a new run of hours with, the mean squared return of the rows estimated on. (The implied
            ``omega / (1 - alpha - beta)`` has no bound where alpha + beta is near 1, as it often is on short windows.)
        settled: Whether the optimiser converged; where it did not, these are RiskMetrics' 0, 0.06 and 0.94.
    """

    omega: float
    alpha: float
    beta: float
    level: float
    settled: bool


def estimate(returns: FloatArray) -> Parameters:
    """Parameters by ``arch`` from its own starting values, so that they depend on these returns alone.

    Args:
        returns: Per cent, oldest first, finite, shape (n,).
    """
    from arch import arch_model  # brings matplotlib, which who only asks for a study does not need

    seen = float(np.mean(returns**2))
    if seen > 0.0:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what they say is in the convergence flag and checked below
            model = arch_model(returns, mean="Zero", vol="GARCH", p=1, q=1, dist="normal", rescale=False)
            fit = model.fit(disp="off", show_warning=False)
        omega, alpha, beta = (float(value) for value in np.asarray(fit.params))
        if fit.convergence_flag == 0 and np.isfinite([omega, alpha, beta]).all() and omega > 0.0:
            return Parameters(omega, alpha, beta, seen, True)
    return Parameters(0.0, 1.0 - SMOOTHING, SMOOTHING, seen, False)


def next_variance(returns: FloatArray, parameters: Parameters, start: float) -> float:
    """The recursion over some returns, shape (n,), from the variance ``start`` of the first of them."""
    variance = start
    for value in returns:
        variance = parameters.omega + parameters.alpha * value * value + parameters.beta * variance
    return float(variance)


def first_variance(returns: FloatArray, parameters: Parameters) -> float:
    """Variance of the first return of a full window, as ``arch`` takes it.

    A step of the recursion from a mean of the first 75 squares with weights 0.94^i, for square and variance alike.
    """
    first = returns[:75] ** 2
    weights = SMOOTHING ** np.arange(len(first))
    before = float((first * weights).sum() / weights.sum())
    return parameters.omega + (parameters.alpha + parameters.beta) * before

"""The mixtures' equations word for word: one network, one row at a time, with scipy's densities."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import invgamma, norm

from volforecast.mixtures.components import LEAST_BETA, LEAST_SIGMA, PUBLISHED_LEAST
from volforecast.mixtures.inputs import Inputs, Scale
from volforecast.mixtures.parameters import LEAST_SHAPE, layout
from volforecast.mixtures.settings import Mixture

Array = NDArray[np.float64]


def named(m: Mixture, features: int, lookback: int, row: Array) -> dict[str, Array]:
    """Parameters of a row by name."""
    return {name: row[begin:end] for name, (begin, end) in layout(m, features, lookback).spans.items()}


def softplus(x: float) -> float:
    return float(np.log1p(np.exp(x)))


class Row:
    """Gates, means and densities of one row."""

    def __init__(self, m: Mixture, p: dict[str, Array], lags: Array, X: Array, mood: Array) -> None:
        def linear(name: str, x: Array) -> float:
            return float(p[name] @ x + (p[f"{name}0"][0] if f"{name}0" in p else 0.0))

        def bilinear(left: str, right: str) -> float:
            return float(p[left] @ X @ p[right] + (p[f"{left}0"][0] if f"{left}0" in p else 0.0))

        gates = [softplus(linear("theta", lags)), softplus(bilinear("A", "B"))]
        first = [linear("phi", lags), bilinear("U", "V")]
        if m.sentiment:
            gates.append(softplus(linear("xi", mood)))
            first.append(linear("psi", mood))
        self.m, self.gates = m, np.array(gates) / sum(gates)
        if m.family == "gaussian":
            self.means = np.array(first)
            learnt = [1.0] * len(first) if m.published else LEAST_SIGMA + np.exp(p["log_sigma"])
            self.sigma = np.full(len(first), m.sigma) if m.published else np.array(learnt)
            return
        again = bilinear("U", "V") if m.published else bilinear("U_b", "V_b")
        shape = (PUBLISHED_LEAST if m.published else LEAST_SHAPE) + np.array([softplus(x) for x in first])
        self.beta = (PUBLISHED_LEAST if m.published else LEAST_BETA) + np.array(
            [softplus(linear("phi_b", lags)), softplus(again)]
        )
        self.alpha, self.means = 1.0 + shape, self.beta / shape

    def log_density(self, y: float) -> Array:
        if self.m.family == "gaussian":
            return np.asarray(norm.logpdf(y, self.means, self.sigma))
        return np.asarray(invgamma.logpdf(y, self.alpha, scale=self.beta))

    def log_likelihood(self, y: float) -> float:
        if self.m.published:
            return float(np.log(np.exp(self.gates * self.log_density(y)).sum()))
        return float(np.log((self.gates * np.exp(self.log_density(y))).sum()))


def rows_of(m: Mixture, features: int, lookback: int, row: Array, inputs: Inputs) -> list[Row]:
    """All rows."""
    p = named(m, features, lookback, row)
    books = inputs.book.reshape(len(inputs.y), lookback, features).transpose(0, 2, 1)
    return [Row(m, p, *parts) for parts in zip(inputs.lags, books, inputs.sentiment, strict=True)]


def loss(m: Mixture, features: int, lookback: int, row: Array, inputs: Inputs, scale: Scale) -> float:
    """The loss of one network, sum over rows."""
    p, total = named(m, features, lookback, row), 0.0
    least = (m.least - scale.shift) / scale.unit
    for one, y in zip(rows_of(m, features, lookback, row, inputs), inputs.y, strict=True):
        total -= one.log_likelihood(y)
        if m.family == "gaussian":
            total += m.hinge * np.maximum(least - one.means, 0.0).sum()
    weights = [value for name, value in p.items() if not name.endswith("0") and name != "log_sigma"]
    return float(total + m.ridge * sum((value**2).sum() for value in weights))

"""Gates, means and log densities of all networks of a stack at all rows.

Everything has the networks along axis 0 and the rows along the last one. A gate is eq. (3)'s ratio of softplus'es, in
logarithms, so that it neither divides zero by zero nor loses a small weight.

Source: Darracq Paries et al. (2025), equations (1) to (3), (5), (6), (8), (9).
"""

from math import log, pi
from typing import Final, NamedTuple

import torch
from torch import Tensor

from volforecast.mixtures.parameters import LEARNT_SIGMA, LEAST_SHAPE, Layout
from volforecast.mixtures.settings import Mixture

LOW: Final = -15.0  # below it softplus(x) is exp(x) (1 - exp(x) / 2), to all digits
LEAST_SIGMA: Final = 0.05  # of a learnt standard deviation, in those of the labels: a component never sits on one row
MOST: Final = 1e4  # of alpha - 1 and beta: a standard deviation of a hundredth of the mean
LEAST_BETA: Final = 1e-3
LEAST_LABEL: Final = 1e-3  # labels are positive by right; one at or near zero counts as this share of their mean
PUBLISHED_LEAST: Final = 1e-6


class Data(NamedTuple):
    """``inputs.Inputs`` as tensors."""

    lags: Tensor
    book: Tensor
    sentiment: Tensor
    y: Tensor


class Components(NamedTuple):
    """K components of S networks at n rows, each of shape (K, S, n).

    Attributes:
        log_gates: Logarithms of weights that add up to one.
        means: In the labels' unit.
        first: Standard deviations of a Gaussian (broadcast), alpha of an inverse gamma.
        second: Of an inverse gamma beta; of a Gaussian the means.
    """

    log_gates: Tensor
    means: Tensor
    first: Tensor
    second: Tensor


def log_softplus(x: Tensor) -> Tensor:
    """log(log(1 + exp(x))) without overflow or underflow; about x where x is very negative."""
    low = x.clamp(max=LOW)
    return torch.where(x < LOW, low - 0.5 * low.exp(), torch.nn.functional.softplus(x.clamp(min=LOW)).log())


def views(found: Layout, rows: Tensor) -> dict[str, Tensor]:
    """Each parameter of all networks, shape (S, size)."""
    return {name: rows[:, begin:end] for name, (begin, end) in found.spans.items()}


def components(m: Mixture, p: dict[str, Tensor], data: Data) -> Components:
    """Run all networks on all rows.

    Args:
        m: What they are.
        p: Their parameters.
        data: Rows.
    """
    gates = [_linear(p, "theta", data.lags), _bilinear(p, "A", "B", data.book)]
    first = [_linear(p, "phi", data.lags), _bilinear(p, "U", "V", data.book)]
    if m.sentiment:
        gates.append(_linear(p, "xi", data.sentiment))
        first.append(_linear(p, "psi", data.sentiment))
    by_softplus = log_softplus(torch.stack(gates))
    log_gates = by_softplus - by_softplus.logsumexp(dim=0)
    means = torch.stack(first)
    if m.family == "gaussian":
        if m.published:
            return Components(log_gates, means, means.new_full((1, 1, 1), m.sigma), means)
        sigma = LEAST_SIGMA + p[LEARNT_SIGMA].exp()
        return Components(log_gates, means, sigma.T[:, :, None], means)
    shape = _positive(means, PUBLISHED_LEAST if m.published else LEAST_SHAPE)
    if m.published:
        betas = torch.stack([_linear(p, "phi_b", data.lags), first[1]])
    else:
        betas = torch.stack([_linear(p, "phi_b", data.lags), _bilinear(p, "U_b", "V_b", data.book)])
    beta = _positive(betas, PUBLISHED_LEAST if m.published else LEAST_BETA)
    return Components(log_gates, beta / shape, 1.0 + shape, beta)


def log_densities(m: Mixture, found: Components, y: Tensor) -> Tensor:
    """Log density of each label under each component, shape (K, S, n)."""
    if m.family == "gaussian":
        return -0.5 * ((y - found.means) / found.first).square() - found.first.log() - 0.5 * log(2.0 * pi)
    alpha, beta, y = found.first, found.second, y.clamp(min=PUBLISHED_LEAST if m.published else LEAST_LABEL)
    return alpha * beta.log() - torch.lgamma(alpha) - (alpha + 1.0) * y.log() - beta / y


def forecasts(found: Components, most: float | None = None) -> Tensor:
    """Means of the mixtures, shape (S, n).

    Args:
        found: Components.
        most: Bound of each component's mean; none when None.
    """
    means = found.means if most is None else found.means.clamp(max=most)
    return (found.log_gates.exp() * means).sum(dim=0)


def _positive(x: Tensor, least: float) -> Tensor:
    return least + torch.nn.functional.softplus(x).clamp(max=MOST)


def _linear(p: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    found = p[name] @ x.T
    return found + p[f"{name}0"] if f"{name}0" in p else found


def _bilinear(p: dict[str, Tensor], left: str, right: str, x: Tensor) -> Tensor:
    """U' X V of each row as one product with the outer product of V and U."""
    weights = (p[right][:, :, None] * p[left][:, None, :]).flatten(1)
    found = weights @ x.T
    return found + p[f"{left}0"] if f"{left}0" in p else found

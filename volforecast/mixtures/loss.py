"""What a mixture minimises: minus its log likelihood, a hinge on low means, and a ridge; as sums over rows.

The likelihood of a row is sum_i g_i N_i (equations 4, 7, 10). The authors' program computes log sum_i N_i ** g_i
instead: it multiplies each log density l_i with the gate g_i before the sum over components. As a function of the gates
that is a log-sum-exp of linear functions, hence convex: over the simplex it is largest in a corner, at
log(exp(l_k) + K - 1) for one component k, whatever the data say about the others. So its optimum is a saturated gate,
and components whose weight has gone learn nothing any more.
"""

import torch
from torch import Tensor

from volforecast.mixtures.components import Components, log_densities
from volforecast.mixtures.inputs import Scale
from volforecast.mixtures.settings import Mixture


def log_likelihood(m: Mixture, found: Components, y: Tensor) -> Tensor:
    """Log likelihood of each row, shape (S, n); with ``published`` what the authors' program has in its place."""
    densities = log_densities(m, found, y)
    if m.published:
        return torch.logsumexp(found.log_gates.exp() * densities, dim=0)
    return torch.logsumexp(found.log_gates + densities, dim=0)


def penalties(m: Mixture, found: Components, rows: Tensor, weights: Tensor, scale: Scale) -> Tensor:
    """Hinge and ridge of each network, shape (S,).

    Args:
        m: The mixture.
        found: Its components.
        rows: Parameters, shape (S, width).
        weights: One where the ridge acts, shape (width,).
        scale: Of the labels; the hinge's bound is in units of ``vol / 100``, its excess in the labels' unit.
    """
    ridge = m.ridge * (rows.square() @ weights)
    if m.family != "gaussian" or m.hinge == 0.0:  # an inverse gamma's mean is positive; equation (10) has no hinge
        return ridge
    least = (m.least - scale.shift) / scale.unit
    return ridge + m.hinge * (least - found.means).clamp(min=0.0).sum(dim=(0, 2))

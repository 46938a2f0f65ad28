"""Training many seeds of one mixture as one stacked model: Adam on all rows, each network with its own gradient norm.

A network's numbers come from its own seed: no operation mixes networks, and only the order in which a library adds up
the products of a matrix product may depend on how many there are (in float64: forecasts agree to 1e-8, tested).
Adam runs for a fixed number of steps, on all training rows: no row is held out for early stopping, as with a ridge the
loss is flat after a few hundred steps, and as the latest hours are those that matter most. ``rate`` is the
hyperparameter that decides how far from its start a network gets.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from volforecast.data.hourly import FloatArray
from volforecast.mixtures.components import Data, components, forecasts, views
from volforecast.mixtures.inputs import Inputs, Prepared
from volforecast.mixtures.loss import log_likelihood, penalties
from volforecast.mixtures.parameters import layout, penalised, start
from volforecast.mixtures.settings import Mixture
from volforecast.networks.forecasting import one_thread

NORM: Final = 1.0  # of a network's gradient at most, its loss being a mean over rows; the authors' is of the sum
BOUND: Final = 2.0  # times the largest training label: what an inverse gamma's mean counts at most in a forecast

Seen = Callable[[int, Tensor], None]


class Trained(NamedTuple):
    """S networks.

    Attributes:
        rows: Their parameters, shape (S, width).
        curve: Loss of each network before each step, per training row, shape (epochs, S).
    """

    rows: FloatArray
    curve: FloatArray


class Ran(NamedTuple):
    """Forecasts of S networks for n rows in units of ``vol / 100``, (S, n), and gates, (S, K, n)."""

    forecast: FloatArray
    gates: FloatArray


def train(m: Mixture, prepared: Prepared, seeds: Sequence[int], seen: Seen | None = None) -> Trained:
    """Train one network a seed, side by side, on one thread.

    Args:
        m: What they are.
        prepared: Their rows.
        seeds: One a network.
        seen: Called after each step with its number (from 1) and the parameters; it may raise.
    """
    count, found = len(prepared.train.y), layout(m, prepared.features, prepared.lookback)
    rows = torch.from_numpy(start(m, prepared.features, prepared.lookback, seeds)).requires_grad_()
    weights = torch.from_numpy(penalised(found).astype(float))
    most = NORM / count if m.published else NORM
    curve = np.empty((m.epochs, len(seeds)))
    with one_thread(rows.device):
        data, optimizer = _tensors(prepared.train), torch.optim.Adam([rows], lr=m.rate)
        for epoch in range(m.epochs):
            loss = losses(m, prepared, rows, weights, data) / count
            (slope,) = torch.autograd.grad(loss.sum(), [rows])
            norm = slope.norm(dim=1, keepdim=True)
            rows.grad = slope * (most / norm.clamp(min=most))
            optimizer.step()
            curve[epoch] = loss.detach().numpy()
            if seen is not None:
                seen(epoch + 1, rows.detach())
    return Trained(rows.detach().numpy(), curve)


def losses(m: Mixture, prepared: Prepared, rows: Tensor, weights: Tensor, data: Data) -> Tensor:
    """Loss of each network as the sum of the paper's equations, shape (S,)."""
    found = components(m, views(layout(m, prepared.features, prepared.lookback), rows), data)
    fit = log_likelihood(m, found, data.y).sum(dim=1)
    return penalties(m, found, rows, weights, prepared.scale) - fit


def run(m: Mixture, prepared: Prepared, rows: FloatArray | Tensor, inputs: Inputs | None = None) -> Ran:
    """Forecasts and gates of trained networks.

    In clean mode a forecast is at least zero, and no inverse gamma's mean counts more than ``BOUND`` times the largest
    training label.

    Args:
        m: What they are.
        prepared: How labels were scaled.
        rows: Parameters, shape (S, width).
        inputs: Rows to forecast; the prepared test rows when None.
    """
    scale = prepared.scale
    bounded = m.family == "inverse gamma" and not m.published
    with torch.no_grad(), one_thread(torch.device("cpu")):
        p = views(layout(m, prepared.features, prepared.lookback), torch.as_tensor(rows))
        found = components(m, p, _tensors(prepared.test if inputs is None else inputs))
        values = forecasts(found, BOUND * float(prepared.train.y.max()) if bounded else None)
        values = values * scale.unit + scale.shift
        values = values if m.published else values.clamp(min=0.0)  # NaN stays
        return Ran(values.numpy(), found.log_gates.exp().transpose(0, 1).contiguous().numpy())


def _tensors(inputs: Inputs) -> Data:
    return Data(*(torch.from_numpy(np.ascontiguousarray(part)) for part in inputs))

"""From the summary of a sequence to a forecast and its loss, for all networks of a stack.

Products that end in one or few numbers are sums along a row, and sigmoid and softplus are written as softmaxes of a
row: what is computed row by row is, on a CPU, computed alike wherever the row lies.

Source: Dhansoia (2025), sections 3.3 to 3.5, equations 3, 4 and 6; Koenker & Bassett (1978) for the quantiles' loss.
"""

import torch
from torch import Tensor

from volforecast.networks.architecture import Architecture, hidden_layers, outputs
from volforecast.networks.dropout import Noise, dropped
from volforecast.networks.encoder import Parameters, encoder_places, linear


def places(a: Architecture) -> int:
    """Places at which a network drops units."""
    return encoder_places(a) + 2


def forecasts(
    a: Architecture, p: Parameters, summary: Tensor, har: Tensor, features: Tensor, noise: Noise | None = None
) -> tuple[Tensor, Tensor | None]:
    """The head's output.

    Args:
        a: What the networks are made of.
        p: Parameters by name, each with the networks along axis 0.
        summary: What ``encoder.climb`` gives, shape (N, B, 2 A + H).
        har: HAR's forecasts, shape (N, B).
        features: HAR's predictors, shape (N, B, 3).
        noise: Dropout of this step; None runs the networks as they forecast.

    Returns:
        Forecasts, shape (N, B), or (N, B, levels) of the quantile head; and alpha, HAR's weight, shape (N, B), None
        unless the head has one.
    """
    networks, batch, _ = summary.shape
    count, width, place = outputs(a), a.attention, encoder_places(a)
    read, state = summary[:, :, : 2 * width], summary[:, :, 2 * width :]
    hidden = linear(dropped(read, noise, place), p["head.hidden.weight"], p["head.hidden.bias"])
    hidden = dropped(torch.relu(hidden), noise, place + 1).view(networks, batch, hidden_layers(a), width)
    found = _rows(hidden, p["head.output.weight"].view(networks, 1, count, width)) + p["head.output.bias"][:, None]
    if a.head == "quantiles":
        return _ascending(found), None
    if a.head == "regimes":
        weights = torch.softmax(_gate(p, state), dim=2)
        return (weights * found).sum(dim=2), None
    single = found[:, :, 0]
    if a.head == "point":
        return single, None
    if a.head == "hybrid":
        alpha = _sigmoid(p["head.alpha"]).expand(networks, batch)
    else:
        alpha = _sigmoid(_gate(p, torch.cat([state, features], dim=2))[:, :, 0])
    return alpha * har + (1.0 - alpha) * single, alpha


def losses(a: Architecture, forecast: Tensor, labels: Tensor) -> Tensor:
    """Each row's loss: the squared error, or the mean pinball loss over the levels; shape (N, B)."""
    if a.head != "quantiles":
        return (forecast - labels).square()
    error = labels[:, :, None] - forecast
    levels = torch.tensor(a.levels, dtype=error.dtype, device=error.device)
    return torch.maximum(levels * error, (levels - 1.0) * error).mean(dim=2)


def _gate(p: Parameters, x: Tensor) -> Tensor:
    return _rows(x[:, :, None], p["head.gate.weight"][:, None]) + p["head.gate.bias"][:, None]


def _rows(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight).sum(dim=-1)


def _sigmoid(x: Tensor) -> Tensor:
    return torch.softmax(torch.stack([x, torch.zeros_like(x)], dim=-1), dim=-1)[..., 0]


def _softplus(x: Tensor) -> Tensor:
    return -torch.log_softmax(torch.stack([torch.zeros_like(x), x], dim=-1), dim=-1)[..., 0]


def _ascending(x: Tensor) -> Tensor:
    """The middle level as it is, the others by positive steps from it up and down."""
    middle = x.shape[2] // 2
    centre, steps = x[:, :, middle : middle + 1], _softplus(x)
    up = centre + steps[:, :, middle + 1 :].cumsum(dim=2)
    down = centre - steps[:, :, :middle].flip(2).cumsum(dim=2).flip(2)
    return torch.cat([down, centre, up], dim=2)

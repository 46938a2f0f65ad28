"""From sequences to what the head reads: LSTM layers or Transformer blocks, then attention from the last step to all.

Everything is done for all networks of a stack, whose own parameters lie along axis 0. A network is a chain of stages,
one a group of parameters: so what frozen lower stages give can be computed once and kept.

Source: Dhansoia (2025), section 3.3; Vaswani et al. (2017), with layer norms before the sublayers (Xiong et al. 2020).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from volforecast.networks.architecture import Architecture
from volforecast.networks.dropout import Noise, dropped
from volforecast.networks.lstm import lstm_layer

Parameters = Mapping[str, Tensor]

PLACES_OF_BLOCK = 3  # places at which a Transformer block drops units
PERIOD = 10_000.0  # of the slowest position wave, in days over two pi


def encoder_places(a: Architecture) -> int:
    """Places at which the encoder drops units; those of the head follow."""
    return a.layers - 1 if a.encoder == "lstm" else PLACES_OF_BLOCK * a.layers


def climb(
    a: Architecture, p: Parameters, x: Tensor, first: int, last: int, noise: Noise | None = None, mixed: bool = False
) -> Tensor:
    """Run the stages ``first`` ... ``last - 1``; a stage's number is its group's in ``architecture.groups``.

    Args:
        a: What the networks are made of.
        p: Parameters by name, each with the networks along axis 0.
        x: What stage ``first`` reads: sequences (N, B, T, inputs or H), or for the head's stage the summary.
        first: The first stage to run.
        last: One past the last; the head's stage is not run here.
        noise: Dropout of this step; None runs the networks as they forecast.
        mixed: Products of the LSTM in bfloat16.

    Returns:
        What stage ``last`` reads: hidden states (N, B, T, H), or the summary (N, B, 2 A + H): attention's output, a
        linear map of the last hidden state, and that state itself.
    """
    for stage in range(first, last):
        if stage == a.layers:
            x = _summary(a, p, x)
        elif a.encoder == "lstm":
            weights = p[f"lstm.{stage}.weight_ih"], p[f"lstm.{stage}.weight_hh"]
            x = lstm_layer(x, *weights, p[f"lstm.{stage}.bias_ih"], p[f"lstm.{stage}.bias_hh"], mixed)
            if stage < a.layers - 1:
                x = dropped(x.transpose(1, 2), noise, stage).transpose(1, 2)  # as it lies in memory
        else:
            x = _block(a, p, x, stage, noise)
    return x


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Each network's linear map: ``x`` (N, ..., inputs), ``weight`` (N, outputs, inputs), ``bias`` (N, outputs)."""
    rows = x.reshape(len(x), -1, x.shape[-1])
    found = torch.baddbmm(bias[:, None], rows, weight.transpose(1, 2)).view(*x.shape[:-1], -1)
    result: Tensor = _RowByRow.apply(found)  # type: ignore[no-untyped-call]
    return result


class _RowByRow(torch.autograd.Function):
    """The same values, and derivatives that lie in memory row by row.

    The derivative by a bias is a sum over rows. Were they to arrive transposed, the order of that sum would depend on
    the number of networks.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return slope.contiguous()


def _summary(a: Architecture, p: Parameters, x: Tensor) -> Tensor:
    """Multi-head attention whose only query is the last step, on a linear map of all steps.

    With a single query the map, the keys' and the values' projection need not be applied to every step: scores are
    products of the hidden states with the query taken back through both, and as weights add up to one, the values of
    the weighted mean are the weighted mean of the values. The keys' bias shifts all scores of a query alike and drops
    out of the softmax, here exactly.
    """
    if a.encoder == "transformer":
        x = _norm(p, "attention.norm", x)
    networks, batch, steps, hidden = x.shape
    heads, width = a.heads, a.attention // a.heads
    last = x[:, :, -1]
    of_query, of_keys, of_values = p["attention.in_proj.weight"].chunk(3, dim=1)
    bias_query, _, bias_values = p["attention.in_proj.bias"].chunk(3, dim=1)
    by_map, offset = p["attention.map.weight"], p["attention.map.bias"]
    query = linear(linear(last, by_map, offset), of_query, bias_query) * width**-0.5
    query = query.view(networks, batch, heads, width).transpose(1, 2).reshape(networks * heads, batch, width)
    query = torch.bmm(query, of_keys.reshape(networks * heads, width, a.attention))
    query = torch.bmm(query.view(networks, heads * batch, a.attention), by_map)
    query = query.view(networks, heads, batch, hidden).transpose(1, 2).reshape(networks * batch, heads, hidden)
    states = x.reshape(networks * batch, steps, hidden)
    weights = torch.softmax(torch.bmm(query, states.transpose(1, 2)), dim=-1)
    pooled = torch.bmm(weights.to(states.dtype), states).view(networks, batch, heads, hidden)
    pooled = linear(pooled.transpose(1, 2), by_map, offset).view(networks * heads, batch, a.attention)
    values = torch.bmm(pooled, of_values.reshape(networks * heads, width, a.attention).transpose(1, 2))
    values = values.view(networks, heads, batch, width).transpose(1, 2).reshape(networks, batch, a.attention)
    values = values + bias_values[:, None]
    attended = linear(values, p["attention.out_proj.weight"], p["attention.out_proj.bias"])
    return torch.cat([attended, linear(last, p["attention.last.weight"], p["attention.last.bias"]), last], dim=2)


def _block(a: Architecture, p: Parameters, x: Tensor, layer: int, noise: Noise | None) -> Tensor:
    name, place = f"block.{layer}", PLACES_OF_BLOCK * layer
    if layer == 0:
        x = _linear(p, f"{name}.input", x) + _positions(x.shape[2], a.hidden).to(x)
    attended = _linear(p, f"{name}.out_proj", _self_attention(a, p, name, _norm(p, f"{name}.norm_1", x)))
    x = x + dropped(attended, noise, place)
    wide = torch.relu(_linear(p, f"{name}.wide", _norm(p, f"{name}.norm_2", x)))
    return x + dropped(_linear(p, f"{name}.narrow", dropped(wide, noise, place + 1)), noise, place + 2)


def _self_attention(a: Architecture, p: Parameters, name: str, x: Tensor) -> Tensor:
    networks, batch, steps, hidden = x.shape
    width = hidden // a.heads
    parts = _linear(p, f"{name}.in_proj", x).view(networks, batch, steps, 3, a.heads, width)
    query, key, value = parts.permute(3, 0, 1, 4, 2, 5).reshape(3, networks * batch * a.heads, steps, width)
    weights = torch.softmax(torch.bmm(query * width**-0.5, key.transpose(1, 2)), dim=-1)
    attended = torch.bmm(weights.to(value.dtype), value).view(networks, batch, a.heads, steps, width)
    return attended.transpose(2, 3).reshape(x.shape)


def _positions(steps: int, width: int) -> Tensor:
    """Sine and cosine waves, shape (steps, width); the last step, the one closest to the forecast, is position 0."""
    ago = torch.arange(steps - 1, -1, -1, dtype=torch.float64)[:, None]
    angle = ago * PERIOD ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=2).view(steps, -1)[:, :width]


def _linear(p: Parameters, name: str, x: Tensor) -> Tensor:
    return linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def _norm(p: Parameters, name: str, x: Tensor) -> Tensor:
    scale, shift = (p[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
    return torch.nn.functional.layer_norm(x, x.shape[-1:]) * scale + shift

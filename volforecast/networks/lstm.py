"""One LSTM layer of all networks of a stack, with a backward pass written by hand.

The inputs' share of all steps' gates is one batched product, a step adds the hidden state's; the derivatives by weights
are one product each at the end, over all steps. On a CPU the cell is compiled (``cell``); elsewhere, and in float64, it
is the same formulas in torch.

Source: Hochreiter & Schmidhuber (1997), in the form and the order of gates of ``torch.nn.LSTM``.
"""

from typing import Any

import torch
from torch import Tensor

from volforecast.networks import cell


def lstm_layer(
    x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor, mixed: bool = False
) -> Tensor:
    """Hidden states of every step; the states before the first are zero.

    Args:
        x: Shape (N, B, T, inputs): networks, rows, time steps.
        weight_ih: Shape (N, 4 H, inputs).
        weight_hh: Shape (N, 4 H, H).
        bias_ih: Shape (N, 4 H); one pair, as PyTorch has it.
        bias_hh: Likewise.
        mixed: Products in bfloat16, everything else as it comes.

    Returns:
        Shape (N, B, T, H); in memory, where steps follow one another, (N, T, B, H).
    """
    by_step = _Layer.apply(x.transpose(1, 2), weight_ih, weight_hh, bias_ih, bias_hh, mixed)  # type: ignore[no-untyped-call]
    result: Tensor = by_step.transpose(1, 2)
    return result


def _product(a: Tensor, b: Tensor, mixed: bool) -> Tensor:
    return torch.bmm(a.bfloat16(), b.bfloat16()).to(a.dtype) if mixed else torch.bmm(a, b)


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor, mixed: bool
    ) -> Tensor:
        x = x.contiguous()
        networks, steps, batch, inputs = x.shape
        width = weight_hh.shape[2]
        gates = _product(x.view(networks, steps * batch, inputs), weight_ih.transpose(1, 2), mixed)
        gates = gates.view(networks, steps, batch, 4 * width)
        bias, recurrent = bias_ih + bias_hh, gates[:, 0]  # at step 0 it is not read
        cells, squashed, hidden = (x.new_empty(networks, steps, batch, width) for _ in range(3))
        forward = _compiled_forward(gates, bias, cells, squashed, hidden) if _compiled(x) else None
        for t in range(steps):
            if t > 0:
                recurrent = _product(hidden[:, t - 1], weight_hh.transpose(1, 2), mixed)
            if forward is not None:
                forward(t, recurrent)
            else:
                _forward(t, gates, recurrent, bias, cells, squashed, hidden)
        ctx.save_for_backward(x, weight_ih, weight_hh, gates, cells, squashed, hidden)
        ctx.mixed = mixed
        return hidden

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, ...]:
        x, weight_ih, weight_hh, gates, cells, squashed, hidden = ctx.saved_tensors
        networks, steps, batch, width = hidden.shape
        sums, carried = torch.empty_like(gates), torch.zeros_like(cells[:, 0])
        recurrent = torch.zeros_like(carried)
        back = _compiled_backward(slopes, carried, gates, cells, squashed, sums) if _compiled(x) else None
        for t in reversed(range(steps)):
            if back is not None:
                back(t, recurrent)
            else:
                _backward(t, slopes, recurrent, carried, gates, cells, squashed, sums)
            if t > 0:
                recurrent = _product(sums[:, t], weight_hh, ctx.mixed)
        rows = sums.view(networks, steps * batch, 4 * width)
        below, before = x.view(networks, steps * batch, -1), hidden.view(networks, steps * batch, width)
        slope = _product(rows, weight_ih, ctx.mixed).view_as(x) if ctx.needs_input_grad[0] else None
        if not any(ctx.needs_input_grad[1:5]):
            return slope, None, None, None, None, None
        bias = rows.sum(dim=1)
        # one input: a product with a single column would be another routine for a stack of one
        by_ih = _product(below.transpose(1, 2), rows, ctx.mixed).transpose(1, 2)
        # before the first step there is no hidden state; at the others it is that of the step before
        by_hh = _product(rows[:, batch:].transpose(1, 2), before[:, :-batch], ctx.mixed)
        return slope, by_ih, by_hh, bias, bias, None


def _compiled(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32


def _compiled_forward(gates: Tensor, bias: Tensor, cells: Tensor, squashed: Tensor, hidden: Tensor) -> Any:
    arrays = [tensor.detach().numpy() for tensor in (gates, bias, cells, squashed, hidden)]
    shares, offset, *states = arrays
    return lambda t, recurrent: cell.forward(t, shares, recurrent.detach().numpy(), offset, *states)


def _compiled_backward(
    slopes: Tensor, carried: Tensor, gates: Tensor, cells: Tensor, squashed: Tensor, sums: Tensor
) -> Any:
    above, *rest = (tensor.numpy() for tensor in (slopes.contiguous(), carried, gates, cells, squashed, sums))
    return lambda t, recurrent: cell.backward(t, above, recurrent.numpy(), *rest)


def _forward(
    t: int, gates: Tensor, recurrent: Tensor, bias: Tensor, cells: Tensor, squashed: Tensor, hidden: Tensor
) -> None:
    total = gates[:, t] + bias[:, None] + (recurrent if t > 0 else 0.0)
    enter, forget, new, out = total.chunk(4, dim=2)
    enter, forget, new, out = torch.sigmoid(enter), torch.sigmoid(forget), torch.tanh(new), torch.sigmoid(out)
    torch.cat([enter, forget, new, out], dim=2, out=gates[:, t])
    cells[:, t] = enter * new + (forget * cells[:, t - 1] if t > 0 else 0.0)
    squashed[:, t] = torch.tanh(cells[:, t])
    hidden[:, t] = out * squashed[:, t]


def _backward(
    t: int,
    slopes: Tensor,
    recurrent: Tensor,
    carried: Tensor,
    gates: Tensor,
    cells: Tensor,
    squashed: Tensor,
    sums: Tensor,
) -> None:
    enter, forget, new, out = gates[:, t].chunk(4, dim=2)
    above, output = slopes[:, t] + recurrent, squashed[:, t]
    by_cell = above * out * (1.0 - output.square()) + carried
    last = cells[:, t - 1] if t > 0 else torch.zeros_like(carried)
    parts = [by_cell * new * enter * (1.0 - enter), by_cell * last * forget * (1.0 - forget)]
    parts += [by_cell * enter * (1.0 - new.square()), above * output * out * (1.0 - out)]
    torch.cat(parts, dim=2, out=sums[:, t])
    torch.mul(by_cell, forget, out=carried)

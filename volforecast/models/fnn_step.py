"""One training step of many tiny networks p-8-4-2-1 at once, in torch, on buffers that never move.

All networks step together: one ``bmm`` a layer and direction, Adam on one tensor (networks, parameters), no allocation
and no word from the host, so that on a GPU steps are captured once as a CUDA graph and replayed. What changes from step
to step (row numbers, Adam's factors) is written to the device once an epoch; a step finds its own by a counter.

Parameters lie as in ``fnn_vectors``: a table (1 + inputs, units) a layer whose first row is the biases. Hidden units
are kept as (networks, 1 + units, batch) with ones in front, so that biases and their gradients are part of the ``bmm``.
A data row is (1, predictors, label); a row of zeros is padding, and its leading 0 takes it out of every sum.

Source: Teller et al. (2026), section 5.3 and table 2; Kingma & Ba (2015), algorithm 1, in ``torch.optim.Adam``'s form.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor

from volforecast.models.fnn_kernel import BETA_1, BETA_2, EPSILON, FLUSH
from volforecast.models.fnn_vectors import BEYOND_FIRST, HIDDEN, UNITS

REPLAYED = 16  # steps in the longer of the two captured graphs
GOLDEN = 0x9E3779B97F4A7C15 - 2**64
KEY_BITS = 40  # of a row's random key; equal keys, rare, keep the rows' order


def tables(parameters: Tensor, inputs: int) -> list[Tensor]:
    """Views (networks, 1 + inputs, units) of each layer in flat parameters (networks, parameters)."""
    views, begin = [], 0
    for fan_in, units in pairwise((inputs, *UNITS)):
        end = begin + (1 + fan_in) * units
        views.append(parameters[:, begin:end].view(-1, 1 + fan_in, units))
        begin = end
    return views


def outputs(parameters: Tensor, data: Tensor) -> Tensor:
    """Each network's output for each of its data rows (networks, rows, 2 + inputs), shape (networks, rows)."""
    inputs = data.shape[2] - 2
    units = data[:, :, 1:-1].transpose(1, 2)
    for layer, table in enumerate(tables(parameters, inputs)):
        units = torch.baddbmm(table[:, :1].transpose(1, 2), table[:, 1:].transpose(1, 2), units)
        if layer < len(HIDDEN):
            units.clamp_(min=0.0)  # unlike a comparison's choice, it hands NaN on
    return units[:, 0]


@contextmanager
def full_precision() -> Iterator[None]:
    """Products of float32 in float32, whatever shortcut (TF32) the process has allowed."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _mixed(z: Tensor) -> Tensor:
    """``fnn_kernel._mixed`` on int64 (products wrap; shifted-in signs are masked), in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64)):
        z.bitwise_xor_((z >> shift).bitwise_and_((1 << 64 - shift) - 1)).mul_(factor)
    return z.bitwise_xor_((z >> 31).bitwise_and_((1 << 33) - 1))


def random_orders(seeds: Tensor, epoch: int, sizes: Tensor, span: int) -> Tensor:
    """A permutation of each network's rows: they are sorted by random keys, functions of (seed, epoch, row) alone.

    Args:
        seeds: Shape (networks,), int64.
        epoch: Number of the epoch.
        sizes: Rows of each network, shape (networks,).
        span: Places for rows that each network has.

    Returns:
        Row numbers 0 ... span - 1 of each network, shape (networks, span); padding comes last.
    """
    count, places = len(seeds), torch.arange(span, device=seeds.device)
    start = _mixed(seeds + _mixed(torch.full_like(seeds, epoch) * GOLDEN))
    keys = _mixed(start[:, None] + (places + 1) * GOLDEN)
    keys.bitwise_right_shift_(64 - KEY_BITS).bitwise_and_((1 << KEY_BITS) - 1)
    keys.masked_fill_(places >= sizes[:, None], (1 << KEY_BITS) - 1)
    # one sort for all networks: the network's number stands above its keys
    networks = torch.arange(count, device=seeds.device)[:, None]
    keys.add_(networks << KEY_BITS)
    return keys.view(-1).sort(stable=True).indices.view(count, span).sub_(networks * span)


class Stepper:
    """K networks and all that a step reads and writes.

    Attributes:
        weights, first, second: Parameters and Adam's moments, shape (K, parameters), float32.
        orders: Data row of each place of each mini-batch of an epoch, shape (steps + 1, K, batch), int32.
        plan: Per step and network 2 / rows of the mini-batch, 1 - beta_1, beta_2, minus Adam's step size, and the root
            of its second bias correction, shape (steps + 1, K, 5). A network that pauses has (0, 0, 1, 0, 1), which
            leaves parameters and moments as they are; so does the last entry, for warming up.
    """

    def __init__(self, weights: Tensor, first: Tensor, second: Tensor, data: Tensor, batch: int, steps: int) -> None:
        networks, inputs, device = len(weights), data.shape[1] - 2, weights.device

        def empty(*shape: int) -> Tensor:
            return torch.empty(shape, dtype=torch.float32, device=device)

        self.weights, self.first, self.second, self.data = weights, first, second, data
        self.batch, self.steps, self.device = batch, steps, device
        self.orders = torch.zeros((steps + 1, networks, batch), dtype=torch.int32, device=device)
        self.plan = empty(steps + 1, networks, 5).zero_()
        self.plan[:, :, 2::2] = 1.0
        self._at = torch.zeros(1, dtype=torch.int64, device=device)
        self._chosen = torch.zeros((1, networks, batch), dtype=torch.int32, device=device)
        self._now, self._drawn = empty(1, networks, 5), empty(networks * batch, inputs + 2)
        self._units = [empty(networks, 1 + units, batch).fill_(1.0) for units in HIDDEN]
        self._deltas = [empty(networks, units, batch) for units in UNITS]
        self._output = empty(networks, 1, batch)
        self._gradient, self._scratch = torch.empty_like(weights), torch.empty_like(weights)
        self._tables, self._slopes = tables(weights, inputs), tables(self._gradient, inputs)
        self._graphs: tuple[torch.cuda.CUDAGraph, torch.cuda.CUDAGraph] | None = None

    def factors(self, sizes: Tensor, epoch: int, rate: float) -> None:
        """Write the plan of an epoch; a network with 0 as its number of rows pauses."""
        step = torch.arange(self.steps, device=self.device)[:, None]
        rows = (sizes - step * self.batch).clamp(0, self.batch).double()
        count = (epoch * -(-sizes // self.batch) + step + 1).double()
        moves, plan = rows > 0, self.plan[:-1]
        plan[:, :, 0] = torch.where(moves, 2.0 / rows.clamp(min=1.0), 0.0)
        plan[:, :, 1] = torch.where(moves, 1.0 - BETA_1, 0.0)
        plan[:, :, 2] = torch.where(moves, BETA_2, 1.0)
        plan[:, :, 3] = torch.where(moves, -rate / (1.0 - BETA_1**count), 0.0)
        plan[:, :, 4] = torch.where(moves, 1.0 / torch.sqrt(1.0 - BETA_2**count), 1.0)

    def run(self, steps: int) -> None:
        """The first ``steps`` steps of the epoch whose orders and plan were written last."""
        if self.device.type != "cuda":
            self._at.zero_()
            for _ in range(steps):
                self._step()
            return
        if self._graphs is None:
            self._warm_up()
            self._graphs = self._captured(1), self._captured(REPLAYED)
        self._at.zero_()
        for _ in range(steps // REPLAYED):
            self._graphs[1].replay()
        for _ in range(steps % REPLAYED):
            self._graphs[0].replay()

    def _warm_up(self) -> None:
        """Let the libraries allocate what they need before capturing; the plan's last entry moves no network."""
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._at.fill_(self.steps)
                self._step()
        torch.cuda.current_stream(self.device).wait_stream(stream)

    def _captured(self, steps: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            for _ in range(steps):
                self._step()
        return graph

    def _step(self) -> None:
        networks, batch = self._chosen.shape[1:]
        torch.index_select(self.orders, 0, self._at, out=self._chosen)
        torch.index_select(self.plan, 0, self._at, out=self._now)
        torch.index_select(self.data, 0, self._chosen.view(-1), out=self._drawn)
        self._at.add_(1)
        drawn = self._drawn.view(networks, batch, -1)
        layers = [drawn[:, :, :-1].transpose(1, 2), *self._units]
        for table, below, above in zip(self._tables[:-1], layers[:-1], layers[1:], strict=True):
            torch.bmm(table.transpose(1, 2), below, out=above[:, 1:])
            above[:, 1:].clamp_(min=0.0)
        torch.bmm(self._tables[-1].transpose(1, 2), layers[-1], out=self._output)
        errors = self._deltas[-1][:, 0]
        torch.sub(self._output[:, 0], drawn[:, :, -1], out=errors)
        errors.mul_(drawn[:, :, 0]).mul_(self._now[0, :, 0:1])
        for k in range(len(HIDDEN), 0, -1):
            below = self._deltas[k - 1]
            torch.bmm(self._tables[k][:, 1:], self._deltas[k], out=below)
            torch.ops.aten.threshold_backward.grad_input(below, layers[k][:, 1:], 0.0, grad_input=below)
        for slope, units, delta in zip(self._slopes, layers, self._deltas, strict=True):
            torch.bmm(units, delta.transpose(1, 2), out=slope)
        self._adam()

    def _adam(self) -> None:
        new, keep, step, root = (self._now[0, :, k : k + 1] for k in range(1, 5))
        self.first.lerp_(self._gradient, new)
        self.second.mul_(keep).addcmul_(self._gradient, self._gradient, value=1.0 - BETA_2)
        for moments in (self.first, self.second):
            torch.hardshrink(moments, float(FLUSH), out=moments)
        torch.sqrt(self.second, out=self._scratch)
        self._scratch.mul_(root).add_(float(EPSILON))
        torch.mul(self.first, step, out=self._gradient)
        self.weights.addcdiv_(self._gradient, self._scratch)


def parameters_of(inputs: int) -> int:
    """Parameters of a network."""
    return UNITS[0] * (1 + inputs) + BEYOND_FIRST

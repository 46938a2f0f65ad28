"""The networks of one stack while they learn: weights, Adam's moments, rows, and an epoch of mini-batches.

Networks are ordered by their number of training rows, so that those with mini-batches left are the first ones of the
stack: each steps as often as it would alone. Stages below the first trained group run without dropout, once: what they
give is kept until the schedule trains one of them.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from volforecast.networks import cell
from volforecast.networks.architecture import Architecture, groups
from volforecast.networks.dropout import Noise, keys_of
from volforecast.networks.encoder import climb
from volforecast.networks.forecasting import CHUNK, chunks, run
from volforecast.networks.heads import forecasts, losses, places
from volforecast.networks.jobs import Job, Schedule
from volforecast.networks.stack import Sample, layout, sample, views
from volforecast.seeds import generator

Float64 = NDArray[np.float64]


class State(NamedTuple):
    """What a network's training goes on from, for N networks.

    Attributes:
        weights, first, second, best: Parameters, Adam's moments, parameters of the best epoch; shape (N, P), float32.
        counts: Adam's steps so far by group, shape (N, G), int64.
        steps: Steps so far, shape (N,), int64.
    """

    weights: Tensor
    first: Tensor
    second: Tensor
    best: Tensor
    counts: NDArray[np.int64]
    steps: NDArray[np.int64]

    def of(self, networks: NDArray[np.int64]) -> "State":
        """The state of some of the networks."""
        chosen = torch.from_numpy(networks).to(self.weights.device)
        numbers = self.counts[networks], self.steps[networks]
        return State(self.weights[chosen], self.first[chosen], self.second[chosen], self.best[chosen], *numbers)

    def to(self, device: torch.device) -> "State":
        """The state with its tensors on a device."""
        tensors = self.weights.to(device), self.first.to(device), self.second.to(device), self.best.to(device)
        return State(*tensors, self.counts, self.steps)


class Epoch(NamedTuple):
    """Mean losses and alphas of an epoch, one of each network, shape (N,)."""

    train: Float64
    valid: Float64
    alpha: Float64


class _Parameters(NamedTuple):
    all: dict[str, Tensor]
    learning: list[Tensor]
    slopes: list[Tensor]


class Learner:
    """A stack of networks.

    Args:
        a: What the networks are made of.
        schedule: How they are trained.
        jobs: One for each network, those with the most training rows first.
        state: Where they stand.
        mixed: Products in bfloat16.
    """

    def __init__(self, a: Architecture, schedule: Schedule, jobs: list[Job], state: State, mixed: bool) -> None:
        self.a, self.schedule, self.jobs, self.state, self.mixed = a, schedule, jobs, state, mixed
        self.device = state.weights.device
        self.seeds = np.array([job.seed for job in jobs], dtype=np.uint64)
        self.rows = np.array([len(job.series.train) for job in jobs])
        self.held = np.array([len(job.series.valid) for job in jobs])
        self.gradient = torch.zeros_like(state.weights)
        self._climbed: tuple[int, Sample, Sample] | None = None
        self._views: dict[tuple[int, tuple[bool, ...]], _Parameters] = {}

    def leave(self, staying: NDArray[np.bool_]) -> None:
        """Go on with some of the networks."""
        chosen = np.flatnonzero(staying)
        self.state, self.jobs = self.state.of(chosen), [self.jobs[k] for k in chosen]
        self.seeds, self.rows, self.held = self.seeds[chosen], self.rows[chosen], self.held[chosen]
        self.gradient = torch.zeros_like(self.state.weights)
        self._views = {}
        if self._climbed is not None:
            first, train, valid = self._climbed
            on_device = torch.from_numpy(chosen).to(self.device)
            self._climbed = first, train.of(on_device), valid.of(on_device)

    def epoch(self, epoch: int, scales: Float64) -> Epoch:
        """Train all networks for one epoch.

        Args:
            epoch: Its number, from 1.
            scales: What each network's rates are multiplied with, shape (N,).
        """
        rates = np.array(self.schedule.rates_at(epoch, self.a))
        first = int(np.flatnonzero(rates)[0])
        train, valid = self._data(first)
        steps = -(-self.rows // self.schedule.batch)
        orders, shares = self._orders(epoch, int(steps.max()))
        factors = self._factors(rates, scales, int(steps.max()))
        keys = self._keys(int(steps.max()))
        total = torch.zeros(len(self.jobs), dtype=torch.float64, device=self.device)
        for step in range(int(steps.max())):
            count = int((steps > step).sum())
            noise = Noise(keys[step][:, :count], self.a.dropout)
            self._step(train.take(orders[step, :count]), first, rates > 0.0, noise, shares[step, :count], total)
            self._adam(count, factors[step])
        self.state.counts[:, rates > 0.0] += steps[:, None]
        self.state.steps[:] += steps
        held, alpha = self._validate(valid, first)
        return Epoch((total.cpu().numpy() / self.rows), held, alpha)

    def keep(self, improved: NDArray[np.bool_]) -> None:
        """Remember the weights of the networks that have never been better."""
        chosen = torch.from_numpy(np.flatnonzero(improved)).to(self.device)
        self.state.best[chosen] = self.state.weights[chosen]

    def _data(self, first: int) -> tuple[Sample, Sample]:
        """Training and validation rows as stage ``first`` reads them."""
        if self._climbed is None or self._climbed[0] != first:
            p = views(self.a, self.state.weights)
            series = [job.series for job in self.jobs]
            found = []
            for rows in ([one.train for one in series], [one.valid for one in series]):
                data = sample(series, rows, self.schedule.length, CHUNK, self.device)
                with torch.no_grad(), torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
                    parts = [climb(self.a, p, part.state, 0, first, mixed=self.mixed) for part in chunks(data)]
                found.append(data._replace(state=torch.cat(parts, dim=1).float()))
            self._climbed = first, found[0], found[1]
        return self._climbed[1:]

    def _orders(self, epoch: int, steps: int) -> tuple[Tensor, Tensor]:
        """Rows of each mini-batch, and each row's share of its mini-batch (0 of padding); shape (steps, N, batch)."""
        batch = self.schedule.batch
        orders = np.zeros((len(self.jobs), steps * batch), dtype=np.int64)
        shares = np.zeros((len(self.jobs), steps * batch), dtype=np.float32)
        for n, (job, rows) in enumerate(zip(self.jobs, self.rows, strict=True)):
            orders[n, :rows] = generator("rows of an epoch", job.seed, epoch).permutation(rows)
            shares[n, :rows] = 1.0 / batch
            shares[n, rows - rows % batch : rows] = 1.0 / max(rows % batch, 1)
        cut = (len(self.jobs), steps, batch)
        found = (torch.from_numpy(part.reshape(cut)).to(self.device) for part in (orders, shares))
        by_row, by_share = (part.transpose(0, 1).contiguous() for part in found)
        return by_row, by_share

    def _factors(self, rates: Float64, scales: Float64, steps: int) -> NDArray[np.float32]:
        """What ``cell.adam`` multiplies and divides with, shape (steps, N, G, 2)."""
        count = self.state.counts + np.arange(1, steps + 1)[:, None, None]
        size = scales[:, None] * rates / (1.0 - cell.BETA_1**count)
        return np.stack([size, np.sqrt(1.0 - cell.BETA_2**count)], axis=-1).astype(np.float32)

    def _keys(self, steps: int) -> Tensor | NDArray[np.uint32]:
        before = (self.state.steps + np.arange(steps)[:, None]).astype(np.uint64)
        keys = keys_of(self.seeds, before, places(self.a))
        return keys if self.device.type == "cpu" else torch.from_numpy(keys.astype(np.int64)).to(self.device)

    def _step(
        self, data: Sample, first: int, trained: NDArray[np.bool_], noise: Noise, shares: Tensor, total: Tensor
    ) -> None:
        """Derivatives of each network's loss on its mini-batch, and its sum of losses added to the total."""
        count = len(shares)
        p, learning, slopes = self._parameters(count, trained)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed):
            summary = climb(self.a, p, data.state, first, self.a.layers + 1, noise, self.mixed)
            found, _ = forecasts(self.a, p, summary, data.har, data.features, noise)
        row = losses(self.a, found.float(), data.labels)
        for slope, found_slope in zip(slopes, torch.autograd.grad((row * shares).sum(), learning), strict=True):
            slope.copy_(found_slope)
        total[:count] += torch.where(shares > 0.0, row.detach(), 0.0).sum(dim=1)

    def _parameters(self, count: int, trained: NDArray[np.bool_]) -> _Parameters:
        """Parameters of the first networks, those that learn, and where their derivatives go."""
        wanted = count, tuple(trained.tolist())
        if wanted not in self._views:
            found, slopes = views(self.a, self.state.weights[:count]), views(self.a, self.gradient[:count])
            learn = [group for group, learns in zip(groups(self.a), trained, strict=True) if learns]
            names = [name for name in found if any(name.startswith(f"{group}.") for group in learn)]
            leaves = [found[name].requires_grad_() for name in names]
            self._views[wanted] = _Parameters(found, leaves, [slopes[name] for name in names])
        return self._views[wanted]

    def _adam(self, count: int, factors: NDArray[np.float32]) -> None:
        tensors = [part[:count] for part in (self.state.weights, self.gradient, self.state.first, self.state.second)]
        spans = layout(self.a).spans
        if self.device.type == "cpu":
            cell.adam(*(part.detach().numpy() for part in tensors), spans, factors)
            return
        on_device = torch.from_numpy(factors[:count]).to(self.device, non_blocking=True)
        for (begin, end), factor, used in zip(spans, on_device.unbind(1), factors[0, :, 0], strict=True):
            if used > 0.0:
                weights, gradient, first, second = (part[:, begin:end] for part in tensors)
                first.lerp_(gradient, 1.0 - cell.BETA_1)
                second.mul_(cell.BETA_2).addcmul_(gradient, gradient, value=1.0 - cell.BETA_2)
                weights.sub_(factor[:, :1] * first / (second.sqrt() / factor[:, 1:] + cell.EPSILON))

    def _validate(self, data: Sample, first: int) -> tuple[Float64, Float64]:
        """Mean loss and mean alpha over the validation rows, without dropout."""
        p = views(self.a, self.state.weights)
        held = torch.from_numpy(self.held).to(self.device)[:, None]
        total = torch.zeros(len(self.jobs), dtype=torch.float64, device=self.device)
        alphas = torch.zeros_like(total) if self.a.head in ("hybrid", "dynamic") else torch.full_like(total, torch.nan)
        with torch.no_grad():
            for k, part in enumerate(chunks(data)):
                inside = torch.arange(k * CHUNK, (k + 1) * CHUNK, device=self.device) < held
                found, alpha = run(self.a, p, part, first, self.mixed)
                total += torch.where(inside, losses(self.a, found, part.labels), 0.0).double().sum(dim=1)
                if alpha is not None:
                    alphas += torch.where(inside, alpha, 0.0).double().sum(dim=1)
        return total.cpu().numpy() / self.held, alphas.cpu().numpy() / self.held

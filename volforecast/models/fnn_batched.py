"""Training many tiny networks at once in torch: on a GPU, or on a CPU where the same code is tested.

All networks read one table of rows, uploaded once; each names its training rows and the rows that it forecasts or is
stopped by. Networks of similar length are trained side by side (``fnn_step``), epoch by epoch; those that are done
pause, and leave once that pays. A network's weights depend on its rows, seed and epochs; on its company
only through the order in which a library sums float32 products, if at all.

Initial weights, moments, batches, Adam and stopping are those of ``fnn`` and ``fnn_kernel``; row orders are drawn by
another rule (``random_orders``). Z-scores are computed in float64 and differ from the CPU path's, if at all, in
float32's last bit, because sums of a column are taken in another order.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from volforecast.errors import ConfigError, FitError
from volforecast.models.fnn_start import (
    BAD_FORECAST_ROWS,
    BAD_MOMENTS,
    BAD_SCORES,
    BAD_TRAINING_ROWS,
    CONSTANT,
    EMPTY,
    Job,
    diverged,
    flat,
    initial_layers,
    never_finite,
)
from volforecast.models.fnn_step import Stepper, full_precision, outputs, parameters_of, random_orders
from volforecast.models.fnn_vectors import HIDDEN, UNITS
from volforecast.models.protocol import FloatArray

IntArray = NDArray[np.int64]
Orders = Callable[[int, int], IntArray]

FLOOR = 1 << 18  # a step takes as long as if it had so many rows more: the time to start its kernels, whatever they do
LEAVE = 0.8  # paused networks leave when steps then take at most this share of their time
DRAWN = 1 << 25  # rows whose order is drawn in one sort
SCORED = 1 << 20  # held-out rows that are scored at once
ROW_NUMBERS = 1 << 31  # rows of a group: their numbers are int32
ON_CPU, ON_GPU, GPU_SHARE = 1 << 30, 1 << 35, 0.3  # default budgets in bytes; a share of the GPU's memory at most


class Table(NamedTuple):
    """Rows on the device: predictors (rows, predictors) and labels (rows,), float64."""

    X: Tensor
    y: Tensor


class Settings(NamedTuple):
    """How networks are trained.

    Attributes:
        batch: Rows of a mini-batch.
        rate: Adam's learning rate.
        budget: Bytes that a group of networks may take; by default a constant of the device, so that groups, and with
            them the last bits of results, do not depend on what else is in its memory.
        orders: For tests: a function of (job, epoch) that returns the order of the job's training rows.
    """

    batch: int
    rate: float
    budget: int | None = None
    orders: Orders | None = None


def gpu() -> torch.device:
    """The CUDA device of this process.

    Raises:
        ConfigError: There is none.
    """
    if not torch.cuda.is_available():
        raise ConfigError(
            'FNN: device = "cuda", but PyTorch finds no CUDA device here: run on a machine with an NVIDIA GPU and a '
            'CUDA build of PyTorch, or set device = "cpu"'
        )
    return torch.device("cuda", torch.cuda.current_device())


def upload(X: FloatArray, y: FloatArray, device: torch.device) -> Table:
    """The table that all jobs read, on the device; rows that no job names may hold NaN."""
    return Table(*(torch.tensor(values, dtype=torch.float64, device=device) for values in (X, y)))


@torch.no_grad()
def train_many(
    table: Table, jobs: Sequence[Job], epochs: Sequence[int], settings: Settings
) -> list[FloatArray | FitError]:
    """Train each job's network for its number of epochs and forecast its other rows.

    Returns:
        For each job the forecasts in per cent squared, float64, shape (other rows,), or what went wrong with it.
    """
    results: list[FloatArray | FitError] = [FitError(EMPTY) for _ in jobs]
    with full_precision():
        for group in grouped(table, jobs, settings, labelled=False):
            wanted = np.array([epochs[job] for job in group.jobs])
            going = group.fit & (wanted > 0)
            for epoch in range(int(wanted.max(initial=0, where=group.fit))):
                group.epoch(epoch, going)
                going &= wanted > epoch + 1
            finite, forecasts = group.forecasts()
            for place, job in enumerate(group.jobs):
                message = group.messages[place]
                if not (message or finite[place]):
                    message = diverged(epochs[job], len(jobs[job].rows))
                results[job] = FitError(message) if message else forecasts[place]
            del group  # before the next one is built: the budget is for one
    return results


@torch.no_grad()
def best_epochs(
    table: Table, jobs: Sequence[Job], limit: int, patience: int, settings: Settings
) -> list[int | FitError]:
    """The early stopping of ``fnn_kernel.best_epoch``, each job's other rows being held out.

    Returns:
        For each job the number of epochs after which its held-out mean squared error was smallest, or what went wrong.
    """
    results: list[int | FitError] = [FitError(EMPTY) for _ in jobs]
    with full_precision():
        for group in grouped(table, jobs, settings, labelled=True):
            going, best = group.fit.copy(), np.full(len(group.jobs), np.inf)
            best_at = np.zeros(len(group.jobs), dtype=np.int64)
            for epoch in range(limit):
                if not going.any():
                    break
                group.epoch(epoch, going)
                error = group.held_out_errors()
                better = going & (error < best)
                best, best_at = np.where(better, error, best), np.where(better, epoch + 1, best_at)
                going &= better | (epoch + 1 - best_at < patience)
            for place, job in enumerate(group.jobs):
                message = group.messages[place]
                if not (message or best_at[place]):
                    message = never_finite(len(jobs[job].rows))
                results[job] = FitError(message) if message else int(best_at[place])
            del group  # before the next one is built: the budget is for one
    return results


class Group:
    """Networks that are trained side by side; a place is a network's number in the group, for good.

    Attributes:
        jobs: The job of each place.
        fit: Whether the place's data can be trained on.
        messages: What is wrong with its data, else "".
    """

    def __init__(self, table: Table, jobs: Sequence[Job], members: Sequence[int], settings: Settings, labelled: bool):
        self.jobs, self.settings, self.device = list(members), settings, table.X.device
        rows = np.array([len(jobs[job].rows) for job in members])
        inputs, others = table.X.shape[1], max(len(jobs[job].others) for job in members)
        steps = -(-int(rows.max()) // settings.batch)
        self.rows, self.span = rows, steps * settings.batch
        self.data = torch.zeros((len(members), self.span, inputs + 2), dtype=torch.float32, device=self.device)
        self.others = torch.zeros((len(members), others, inputs + 2), dtype=torch.float32, device=self.device)
        self.counts = [len(jobs[job].others) for job in members]
        found = [
            _fill(table, jobs[job], self.data[place], self.others[place], labelled) for place, job in enumerate(members)
        ]
        self.messages = _messages(found, labelled)
        self.fit = np.array([not message for message in self.messages])
        start = [flat(initial_layers(inputs, jobs[job].seed)) for job in members]
        # the states of networks that have left stay here; the others' are the stepper's until they leave
        self.weights = torch.tensor(np.stack(start), device=self.device)
        self.seeds = torch.tensor([jobs[job].seed for job in members], device=self.device)
        self.here = np.arange(len(members))
        moments = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.stepper = self._stepper(self.weights.clone(), *moments, steps)

    def _stepper(self, weights: Tensor, first: Tensor, second: Tensor, steps: int) -> Stepper:
        return Stepper(weights, first, second, self.data.flatten(0, 1), self.settings.batch, steps)

    def epoch(self, epoch: int, going: NDArray[np.bool_]) -> None:
        """Train the places that are going for one epoch; the others stay as they are."""
        if not going.any():
            return
        batch = self.settings.batch
        if FLOOR + going.sum() * batch <= LEAVE * (FLOOR + len(self.here) * batch):
            self._leave(going)
        rows = np.where(going, self.rows, 0)[self.here]
        sizes = torch.tensor(rows, device=self.device)
        self.stepper.factors(sizes, epoch, self.settings.rate)
        self._draw(sizes, epoch)
        self.stepper.run(-(-int(rows.max()) // batch))

    def _leave(self, going: NDArray[np.bool_]) -> None:
        self._keep_weights()
        chosen = torch.tensor(np.flatnonzero(going[self.here]), device=self.device)
        steps = -(-int(self.rows[going].max()) // self.settings.batch)
        old = self.stepper
        state = old.weights[chosen], old.first[chosen], old.second[chosen]
        del old, self.stepper  # its buffers make room for the new ones
        self.here = self.here[going[self.here]]
        self.stepper = self._stepper(*state, steps)

    def _keep_weights(self) -> None:
        self.weights[torch.tensor(self.here, device=self.device)] = self.stepper.weights

    def _draw(self, sizes: Tensor, epoch: int) -> None:
        """Write the row orders of an epoch: as numbers of rows in ``data``, mini-batch by mini-batch."""
        places, orders = torch.tensor(self.here, device=self.device), self.stepper.orders
        steps, at_once = self.stepper.steps, max(1, DRAWN // self.span)
        span = steps * self.settings.batch
        for begin in range(0, len(places), at_once):
            part = slice(begin, begin + at_once)
            if self.settings.orders is None:
                drawn = random_orders(self.seeds[places[part]], epoch, sizes[part], span)
            else:
                drawn = self._given(self.here[part], sizes[part].tolist(), epoch, span)
            drawn.add_(self.span * places[part, None])
            orders[:-1, part] = drawn.view(len(drawn), steps, -1).transpose(0, 1)

    def _given(self, places: IntArray, sizes: Sequence[int], epoch: int, span: int) -> Tensor:
        drawn = np.tile(np.arange(span), (len(places), 1))
        for row, place, size in zip(drawn, places, sizes, strict=True):
            if size and self.settings.orders is not None:
                row[:size] = self.settings.orders(self.jobs[place], epoch)
        return torch.tensor(drawn, device=self.device)

    def held_out_errors(self) -> FloatArray:
        """Sum of squared errors on each place's other rows; of no meaning for places that have left."""
        places, errors = torch.tensor(self.here, device=self.device), np.full(len(self.jobs), np.inf)
        total = torch.zeros(len(places), dtype=torch.float64, device=self.device)
        at_once = max(1, SCORED // len(places))
        for begin in range(0, self.others.shape[1], at_once):
            data = self.others[:, begin : begin + at_once]
            data = data if len(places) == len(data) else data[places]
            error = outputs(self.stepper.weights, data).double() - data[:, :, -1].double()
            total += (error.square() * data[:, :, 0]).sum(dim=1)
        errors[self.here] = total.cpu().numpy()
        return errors

    def forecasts(self) -> tuple[NDArray[np.bool_], list[FloatArray]]:
        """For each place, whether weights and forecasts are finite, and the forecasts."""
        self._keep_weights()
        forecast = outputs(self.weights, self.others)
        finite = self.weights.isfinite().all(dim=1) & forecast.isfinite().all(dim=1)
        values = forecast.double().cpu().numpy()
        return finite.cpu().numpy(), [values[place, :count] for place, count in enumerate(self.counts)]


def _fill(table: Table, job: Job, data: Tensor, others: Tensor, labelled: bool) -> Tensor:
    """Write a job's rows, z-scored with the moments of its training rows; returns which of four checks it passes."""
    rows, other_rows = (torch.tensor(numbers, device=data.device) for numbers in (job.rows, job.others))
    X, y, other_X = table.X[rows], table.y[rows], table.X[other_rows]
    other_y = table.y[other_rows] if labelled else torch.zeros_like(other_X[:, 0])
    centre = X.mean(dim=0)
    scale = (X - centre).square().mean(dim=0).sqrt()
    moments = centre.isfinite().all() & scale.isfinite().all()
    scale = torch.where(scale > CONSTANT * centre.abs(), scale, 1.0)
    for target, predictors, labels in ((data, X, y), (others, other_X, other_y)):
        place = target[: len(labels)]
        place[:, 0], place[:, 1:-1], place[:, -1] = 1.0, (predictors - centre) / scale, labels
    given = X.isfinite().all() & y.isfinite().all(), other_X.isfinite().all() & other_y.isfinite().all()
    return torch.stack([*given, moments, data.isfinite().all() & others.isfinite().all()])


def _messages(found: Sequence[Tensor], labelled: bool) -> list[str]:
    words = (BAD_TRAINING_ROWS, BAD_TRAINING_ROWS if labelled else BAD_FORECAST_ROWS, BAD_MOMENTS, BAD_SCORES)
    passed = torch.stack(list(found)).tolist()
    return [next((text for text, good in zip(words, goods, strict=True) if not good), "") for goods in passed]


def grouped(table: Table, jobs: Sequence[Job], settings: Settings, *, labelled: bool) -> Iterator[Group]:
    """Groups of the jobs that have training rows, those with the most rows first."""
    inputs, budget = table.X.shape[1], _budget(table.X.device) if settings.budget is None else settings.budget
    sizes = [(len(job.rows), len(job.others)) for job in jobs]
    for members in partition(sizes, inputs, settings.batch, budget):
        yield Group(table, jobs, members, settings, labelled)


def partition(sizes: Sequence[tuple[int, int]], inputs: int, batch: int, budget: int) -> list[list[int]]:
    """Numbers of the networks of each group, given each one's training and other rows; none without training rows.

    In the order of their length, networks are cut into the groups that take the least time if a step takes as long as
    its rows and ``FLOOR`` more: many short steps are worth padding, steps over many rows are not. A group takes no more
    bytes than the budget, unless it is a single network.
    """
    order = sorted((job for job, (rows, _) in enumerate(sizes) if rows), key=lambda job: (-sizes[job][0], job))
    steps = np.array([-(-sizes[job][0] // batch) for job in order], dtype=np.int64)
    most = np.array([sizes[job][1] for job in order], dtype=np.int64)
    least, begins = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.int64)
    for end in range(1, len(order) + 1):
        # groups from each possible beginning to here; "most" becomes their largest number of other rows
        np.maximum(most[:end], most[end - 1], out=most[:end])
        count, span = end - np.arange(end), steps[:end] * batch
        times = least[:end] + steps[:end] * (FLOOR + count * float(batch))
        fits = (bytes_of(count, span, most[:end], inputs, batch) <= budget) & (count * span < ROW_NUMBERS)
        begins[end] = np.argmin(np.where(fits | (count == 1), times, np.inf))
        least[end] = times[begins[end]]
    groups, end = [], len(order)
    while end:
        groups.append(order[begins[end] : end])
        end = int(begins[end])
    return groups[::-1]


def bytes_of(networks: IntArray, span: IntArray, others: IntArray, inputs: int, batch: int) -> IntArray:
    """Device memory of a group: data and orders, a mini-batch's units, parameters, and the drawing of orders."""
    data = (inputs + 2) * (span + 2 * others) + span + 5 * span // batch
    units = batch * (inputs + 2 + 2 * sum(UNITS) + len(HIDDEN) + 2)
    state = 8 * parameters_of(inputs) + 16
    drawing: IntArray = 64 * np.minimum(networks * span, DRAWN + span)
    return drawing + 4 * networks * (data + units + state)


def _budget(device: torch.device) -> int:
    if device.type != "cuda":
        return ON_CPU
    return min(ON_GPU, int(GPU_SHARE * torch.cuda.get_device_properties(device).total_memory))

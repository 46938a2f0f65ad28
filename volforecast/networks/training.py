"""Training many small networks side by side: epochs, plateaus, early stopping, and going on after a kill."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from volforecast.errors import ConfigError
from volforecast.networks.architecture import Architecture
from volforecast.networks.checkpoint import Checkpoint, identity, pack, unpack
from volforecast.networks.forecasting import TOGETHER, one_thread
from volforecast.networks.jobs import Job, Schedule, Trained
from volforecast.networks.learner import Learner, State
from volforecast.networks.ledger import CURVE, EMPTY, EPOCHS, FAILED, GOING, PATIENCE, Ledger
from volforecast.networks.stack import flat, layout, named

After = Callable[[int, NDArray[np.float64]], None]

_REASONS = {PATIENCE: "patience", EPOCHS: "epochs", FAILED: "failed", EMPTY: "failed"}


def train(
    a: Architecture,
    schedule: Schedule,
    jobs: Sequence[Job],
    *,
    device: str = "cpu",
    mixed_precision: bool = False,
    checkpoint: Checkpoint | None = None,
    after: After | None = None,
) -> list[Trained]:
    """Train networks of one architecture by one schedule, each on its own series, from its own seed and weights.

    What becomes of a network depends on its own job alone; one that fails (its loss is not finite, or it has no rows)
    is returned with an error and leaves the others alone.

    Args:
        a: What the networks are made of.
        schedule: Epochs, mini-batches, rates and stopping.
        jobs: The networks; they may differ in their number of rows.
        device: ``cpu`` (one thread) or ``cuda``.
        mixed_precision: Products in bfloat16.
        checkpoint: Where to keep the state after epochs; a training that finds the state of the very same jobs goes on
            from there, to the same bytes on a CPU of the same kind. Any other state is passed over.
        after: Called after each epoch with its number and the smallest validation loss of each job so far, shape
            (jobs,); infinite before the first finite one. What it raises ends the training; it changes no number.

    Returns:
        One result a job, in their order.

    Raises:
        ConfigError: The schedule names a group that the network lacks, or trains none in some epoch.
        ValueError: A row has no sequence before it, or given weights are not of the architecture's shapes.
    """
    _check(a, schedule)
    where = torch.device(device)
    with one_thread(where):
        return _Training(a, schedule, jobs, where, mixed_precision, checkpoint).run(after)


class _Stack:
    """Networks that learn side by side, and their numbers among all jobs."""

    def __init__(self, places: NDArray[np.int64], learner: Learner) -> None:
        self.places, self.learner = places, learner


class _Training:
    """All jobs: the learners at work, and the store in which those that have left, and saved states, are kept."""

    def __init__(
        self,
        a: Architecture,
        schedule: Schedule,
        jobs: Sequence[Job],
        device: torch.device,
        mixed: bool,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.a, self.schedule, self.jobs, self.checkpoint = a, schedule, list(jobs), checkpoint
        self.identity = b"" if checkpoint is None else identity(a, schedule, self.jobs, mixed)
        found = None if checkpoint is None else unpack(checkpoint.load(), self.identity)
        if found is None:
            self.store = self._begin()
            self.ledger = Ledger.begin(self.jobs, schedule.epochs)
        else:
            weights, first, second, best = (torch.from_numpy(found[name]) for name in State._fields[:4])
            self.store = State(weights, first, second, best, found["counts"], found["steps"])
            self.ledger = Ledger.of(found)
        going = np.flatnonzero(self.ledger.status == GOING)
        order = going[np.argsort([-len(self.jobs[k].series.train) for k in going], kind="stable")]
        self.stacks: list[_Stack] = []
        for begin in range(0, len(order), TOGETHER[device.type]):
            places = order[begin : begin + TOGETHER[device.type]]
            state = self.store.of(places).to(device)
            self.stacks.append(_Stack(places, Learner(a, schedule, [self.jobs[k] for k in places], state, mixed)))

    def _begin(self) -> State:
        weights = np.zeros((len(self.jobs), layout(self.a).width), dtype=np.float32)
        for row, job in zip(weights, self.jobs, strict=True):
            row[:] = flat(self.a, job.weights, job.seed)
        best, moments = torch.from_numpy(weights.copy()), (torch.zeros(weights.shape), torch.zeros(weights.shape))
        counts = np.zeros((len(self.jobs), len(layout(self.a).spans)), dtype=np.int64)
        return State(torch.from_numpy(weights), *moments, best, counts, np.zeros(len(self.jobs), dtype=np.int64))

    def run(self, after: After | None = None) -> list[Trained]:
        """Epochs until no network is left; ``after`` is called after each."""
        for epoch in range(int(self.ledger.done[0]) + 1, self.schedule.epochs + 1):
            if not self.stacks:
                break
            self.stacks = [stack for stack in self.stacks if self._epoch(epoch, stack)]
            self.ledger.done[0] = epoch
            if after is not None:
                after(epoch, self.ledger.lowest.copy())
            if self.checkpoint is not None and self.checkpoint.due():
                self.checkpoint.save(self._saved())
        return [self._trained(k) for k in range(len(self.jobs))]

    def _epoch(self, epoch: int, stack: _Stack) -> bool:
        """One epoch of a stack; whether networks are left in it."""
        places, learner = stack.places, stack.learner
        found = learner.epoch(epoch, self.ledger.scale[places])
        rate = self.schedule.rates_at(epoch, self.a)[-1] * self.ledger.scale[places]
        entries = (found.train, found.valid, rate, found.alpha)
        learner.keep(self.ledger.record(places, epoch, entries, self.schedule))
        staying = self.ledger.status[places] == GOING
        if not staying.all():
            self._put_away(stack)
            stack.places = places[staying]
            if len(stack.places):
                learner.leave(staying)
        return len(stack.places) > 0

    def _put_away(self, stack: _Stack) -> None:
        """Write a stack's state to the store."""
        state, places = stack.learner.state, torch.from_numpy(stack.places)
        for kept, part in zip(self.store[:4], state[:4], strict=True):
            kept[places] = part.detach().cpu()
        self.store.counts[stack.places], self.store.steps[stack.places] = state.counts, state.steps

    def _saved(self) -> bytes:
        for stack in self.stacks:
            self._put_away(stack)
        tensors = {name: part.numpy() for name, part in zip(State._fields[:4], self.store[:4], strict=True)}
        numbers = {"counts": self.store.counts, "steps": self.store.steps}
        return pack(tensors | numbers | self.ledger._asdict(), self.identity)

    def _trained(self, job: int) -> Trained:
        ledger = self.ledger
        length, status = int(ledger.length[job]), int(ledger.status[job])
        curve = {name: ledger.curve[job, :length, k].copy() for k, name in enumerate(CURVE)}
        error = ""
        if status == EMPTY:
            series = self.jobs[job].series
            error = f"a network needs training and validation rows; it has {len(series.train)} and {len(series.valid)}"
        elif status == FAILED:
            error = f"the loss was not finite in epoch {length}"
        epochs = {"epoch": np.arange(1.0, length + 1.0)}
        weights = named(self.a, self.store.best[job].numpy())
        return Trained(weights, epochs | curve, int(ledger.best_epoch[job]), _REASONS[status], error)


def _check(a: Architecture, schedule: Schedule) -> None:
    for first, _ in schedule.rates:
        if not any(schedule.rates_at(first, a)):
            raise ConfigError(f"network: from epoch {first} on no group has a learning rate; name one in the schedule")

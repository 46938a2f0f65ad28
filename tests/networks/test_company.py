"""A network's numbers depend on its own job alone: not on its company, not on a kill."""

from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.networks.naive_network import SMALL, same, schedule, series
from volforecast.networks.architecture import Architecture, groups
from volforecast.networks.forecasting import forecast
from volforecast.networks.jobs import Job, Schedule, Trained
from volforecast.networks.learner import Learner
from volforecast.networks.training import train

HEADS = ("point", "hybrid", "dynamic", "regimes", "quantiles")

architectures = st.builds(
    Architecture,
    encoder=st.sampled_from(["lstm", "lstm", "transformer"]),
    inputs=st.sampled_from([1, 3]),
    layers=st.integers(1, 3),
    hidden=st.sampled_from([4, 8, 20]),
    attention=st.sampled_from([4, 12]),
    heads=st.sampled_from([2, 4]),
    dropout=st.sampled_from([0.0, 0.2]),
    head=st.sampled_from(HEADS),
    regimes=st.integers(2, 3),
    levels=st.sampled_from([(0.5,), (0.1, 0.5, 0.9), (0.05, 0.25, 0.5, 0.75, 0.95)]),
)


def equal(one: Trained, other: Trained) -> bool:
    curves = all(np.array_equal(one.curve[name], other.curve[name], equal_nan=True) for name in one.curve)
    return same(one.weights, other.weights) and curves and one[2:] == other[2:]


def unfreezing(a: Architecture, epochs: int) -> Schedule:
    names = groups(a)
    rates = tuple((epoch, dict.fromkeys(names[-epoch:], 1e-2)) for epoch in range(1, min(epochs, len(names)) + 1))
    return schedule(a, epochs, rates=rates, patience=2, plateau_patience=0)


@given(architectures, st.lists(st.integers(1, 30), min_size=2, max_size=11), st.booleans(), st.data())
@examples(15)
def test_a_network_ends_up_the_same_alone_and_among_others(
    a: Architecture, sizes: list[int], gradually: bool, data: st.DataObject
) -> None:
    jobs = [Job(series(k, train=size, valid=1 + size % 7, inputs=a.inputs), k) for k, size in enumerate(sizes)]
    settings = unfreezing(a, 3) if gradually else schedule(a, 3, batch=data.draw(st.sampled_from([1, 5, 8])))
    together = train(a, settings, jobs)
    chosen = data.draw(st.integers(0, len(jobs) - 1))
    (alone,) = train(a, settings, [jobs[chosen]])
    assert equal(alone, together[chosen])
    every = [job.series for job in jobs]
    found = forecast(a, [one.weights for one in together], every, [one.valid for one in every], length=4)
    (single,) = forecast(a, [alone.weights], [every[chosen]], [every[chosen].valid], length=4)
    assert np.array_equal(found[chosen], single)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_papers_network_ends_up_the_same_alone_and_among_others(count: int) -> None:
    a = Architecture()
    settings = schedule(a, 1, batch=16, length=22)
    jobs = [Job(series(k, train=40, valid=20, length=22), k) for k in range(count)]
    together = train(a, settings, jobs)
    for place in (0, count - 1):
        assert equal(train(a, settings, [jobs[place]])[0], together[place])


def test_threads_of_the_caller_change_nothing_and_are_left_as_they_are() -> None:
    before = torch.get_num_threads()
    jobs, found = [Job(series(1), 1)], []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found += train(SMALL, schedule(SMALL), jobs)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert equal(*found)


class KilledError(Exception):
    """The training ends here."""


class Store:
    """Saves after some epochs, and kills the training after one of them."""

    def __init__(self, last: int, every: int = 1) -> None:
        self.state: bytes | None = None
        self.last, self.every, self.epoch = last, every, 0

    def load(self) -> bytes | None:
        return self.state

    def due(self) -> bool:
        self.epoch += 1
        return self.epoch % self.every == 0 or self.epoch == self.last

    def save(self, state: bytes) -> None:
        self.state = state
        if self.epoch == self.last:
            raise KilledError


DROPS = msgspec.structs.replace(SMALL, dropout=0.2, layers=3)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=10), st.integers(1, 5), st.booleans())
@examples(15)
def test_a_killed_training_goes_on_to_the_same_bytes(sizes: list[int], last: int, gradually: bool) -> None:
    jobs = [Job(series(k, train=size), k) for k, size in enumerate(sizes)]
    settings = unfreezing(DROPS, 6) if gradually else schedule(DROPS, 6, rate=5e-2, patience=2)
    unbroken = train(DROPS, settings, jobs)
    store = Store(last)
    try:
        train(DROPS, settings, jobs, checkpoint=store)
    except KilledError:
        store.epoch = store.last = -100
    resumed = train(DROPS, settings, jobs, checkpoint=store)
    assert all(equal(one, other) for one, other in zip(unbroken, resumed, strict=True))


def test_only_what_is_left_is_done_after_a_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: list[int] = []
    epoch = Learner.epoch

    def noted(self: Learner, number: int, scales: Any) -> Any:
        epochs.append(number)
        return epoch(self, number, scales)

    store, jobs = Store(3), [Job(series(1), 1)]
    with pytest.raises(KilledError):
        train(SMALL, schedule(SMALL, 5), jobs, checkpoint=store)
    monkeypatch.setattr(Learner, "epoch", noted)
    train(SMALL, schedule(SMALL, 5), jobs, checkpoint=store)
    assert epochs == [4, 5]


@pytest.mark.parametrize("harm", ["cut", "flipped", "other jobs", "other schedule", "rubbish"])
def test_states_that_do_not_fit_are_passed_over(harm: str) -> None:
    store, jobs, settings = Store(2), [Job(series(1), 1), Job(series(2), 2)], schedule(DROPS, 4)
    with pytest.raises(KilledError):
        train(DROPS, settings, jobs, checkpoint=store)
    state = store.state
    assert state is not None
    if harm == "other jobs":
        jobs = [jobs[0], jobs[1]._replace(seed=3)]
    if harm == "other schedule":
        settings = schedule(DROPS, 5)
    store.state = {"cut": state[:-9], "flipped": state[:-99] + b"\0" + state[-98:], "rubbish": b"?"}.get(harm, state)
    store.last = -1
    found = train(DROPS, settings, jobs, checkpoint=store)
    assert all(equal(one, other) for one, other in zip(found, train(DROPS, settings, jobs), strict=True))

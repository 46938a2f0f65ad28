"""How networks are put into groups: it changes no result, wastes no time, and keeps to its memory."""

import weakref
from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.models import naive_fnn as naive
from tests.models.fnn_jobs import RATE, WITHOUT_GPU, jobs_of, sample
from volforecast.models import fnn_batched as batched
from volforecast.models.fnn_batched import Group, Settings


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=WITHOUT_GPU)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    with naive.one_torch_thread():
        yield torch.device(request.param)


RAGGED = [(4, [29, 31, 57, 100, 5, 1]), (64, [300, 290, 310, 64, 65, 1000]), (512, [2000, 2100, 3900])]


@pytest.mark.parametrize("floor", [0, 3, 10**6])
@pytest.mark.parametrize("inputs", [3, 11])
@pytest.mark.parametrize(("batch", "sizes"), RAGGED)
def test_company_does_not_matter(
    batch: int, sizes: list[int], inputs: int, floor: int, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From networks that leave as soon as they can, in groups of equal length, to one group that nobody leaves."""
    monkeypatch.setattr(batched, "FLOOR", floor * batch)
    X, y = sample(4000, inputs)
    table, jobs = batched.upload(X, y, device), jobs_of(sizes, 4000)
    epochs = list(range(len(jobs), 0, -1))
    together = batched.train_many(table, jobs, epochs, Settings(batch, RATE))
    again = batched.train_many(table, jobs, epochs, Settings(batch, RATE))
    turned = batched.train_many(table, jobs[::-1], epochs[::-1], Settings(batch, RATE, budget=1))[::-1]
    for one, other, same in zip(together, turned, again, strict=True):
        assert isinstance(one, np.ndarray)
        assert isinstance(same, np.ndarray)
        assert one.shape == (3,)
        assert one.tobytes() == same.tobytes()
        # equal to the last bit where the library sums one matrix as it sums many, which MKL does in one thread
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert len({value.tobytes() for value in together if isinstance(value, np.ndarray)}) == len(jobs)


def announced(*sizes: int) -> int:
    networks, span, others, inputs, batch = sizes
    return int(batched.bytes_of(*(np.array(size) for size in (networks, span, others)), inputs, batch))


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 500)), max_size=30),
    st.sampled_from([4, 512, 1024]),
    st.integers(0, 10**8),
)
def test_groups_hold_every_network_once_and_keep_to_the_budget(
    sizes: list[tuple[int, int]], batch: int, budget: int
) -> None:
    groups = batched.partition(sizes, 11, batch, budget)
    assert sorted(job for group in groups for job in group) == [k for k, (rows, _) in enumerate(sizes) if rows]
    for group in groups:
        span = max(-(-sizes[job][0] // batch) for job in group) * batch
        most = max(sizes[job][1] for job in group)
        assert len(group) == 1 or announced(len(group), span, most, 11, batch) <= budget


def time_of(groups: list[list[int]], steps: list[int], batch: int) -> float:
    return sum(max(steps[job] for job in group) * (batched.FLOOR + len(group) * batch) for group in groups)


@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=7), st.sampled_from([4, 512, 65_536]))
def test_no_other_cut_into_groups_takes_less_time(sizes: list[int], batch: int) -> None:
    steps, longest_first = [-(-rows // batch) for rows in sizes], sorted(range(len(sizes)), key=lambda k: -sizes[k])
    times = []
    for cuts in product([False, True], repeat=len(sizes) - 1):
        ends = [0, *(k for k, cut in enumerate(cuts, 1) if cut), len(sizes)]
        times.append(time_of([longest_first[a:b] for a, b in pairwise(ends)], steps, batch))
    found = batched.partition([(rows, 0) for rows in sizes], 3, batch, 2**50)
    assert time_of(found, steps, batch) == pytest.approx(min(times), rel=1e-12)


def test_one_group_is_gone_before_the_next_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[Group]] = []
    build = Group.__init__

    def counted(group: Group, *args: Any, **kwargs: Any) -> None:
        assert not any(other() for other in alive)
        alive.append(weakref.ref(group))
        build(group, *args, **kwargs)

    monkeypatch.setattr(Group, "__init__", counted)
    X, y = sample(200, 3)
    table, jobs, settings = batched.upload(X, y, torch.device("cpu")), jobs_of([50, 40, 30], 200), Settings(4, RATE, 1)
    batched.train_many(table, jobs, [2, 2, 2], settings)
    batched.best_epochs(table, jobs, 2, 2, settings)
    assert len(alive) == 6


@pytest.mark.parametrize(("batch", "sizes"), RAGGED)
def test_a_group_takes_no_more_memory_than_announced(batch: int, sizes: list[int], device: torch.device) -> None:
    X, y = sample(4000, 11)
    table, jobs = batched.upload(X, y, device), jobs_of(sizes, 4000)
    (group,) = batched.grouped(table, jobs, Settings(batch, RATE), labelled=False)
    held: list[torch.Tensor] = []
    for owner in (group, group.stepper):
        for value in vars(owner).values():
            held += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, torch.Tensor)]
    taken = sum(
        size for _, size in {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in held}.items()
    )
    expected = announced(len(jobs), group.span, 3, 11, batch) - 64 * len(jobs) * group.span
    assert 0.5 * expected < taken <= expected


@WITHOUT_GPU
def test_memory_of_a_gpu_stays_within_the_budget() -> None:
    X, y = sample(60_000, 11)
    device = batched.gpu()
    table, jobs = batched.upload(X, y, device), jobs_of([50_000] * 40, 60_000)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    batched.train_many(table, jobs, [1] * 40, Settings(1024, RATE, budget=100 << 20))
    assert torch.cuda.max_memory_allocated(device) - before < 160 << 20  # graphs and libraries take their share

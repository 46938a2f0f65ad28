"""Proposals depend on what is asked and on the trials of earlier batches, and learn from them."""

import random
import subprocess
import sys
from collections.abc import Sequence
from statistics import mean
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.keys import encode
from cluster.search.proposals import STARTUP, batch_size, propose
from cluster.search.space import Asked, Range, SearchError, Trial, Value, checked_space, grid_point, trial_count
from cluster.search.within import best, search_within
from tests.cluster.search.toy_search import DEFAULTS, SPACE, toy_loss
from tests.examples import examples

FINITE: dict[str, Any] = {"a": (1, 2, 3), "b": ("x", "y"), "c": Range(1, 3, integer=True)}


def loss_of(values: dict[str, Value]) -> float:
    """Any loss that is the same in every process."""
    return float(sum(encode(values)) % 97)


def searched(space: Any, asked: Asked, upto: int | None = None) -> list[Trial]:
    trials: list[Trial] = []
    total = trial_count(space, asked)
    for batch in range(-(-total // batch_size(space, asked))):
        for values in propose(space, asked, trials, batch):
            trials.append(Trial(len(trials), values, loss_of(values), "complete"))
    return trials[:upto]


@pytest.mark.parametrize("method", ["tpe", "random", "grid"])
def test_the_same_whatever_the_order_of_trials_and_names(method: Any) -> None:
    asked = Asked(method=method, trials=12, batch=5)
    trials = searched(FINITE, asked)
    size = batch_size(FINITE, asked)
    last = (len(trials) - 1) // size
    expected = propose(FINITE, asked, trials, last)
    assert [trial.values for trial in trials[last * size :]] == expected
    shuffled = random.Random(1).sample(trials, len(trials))
    assert propose(dict(reversed(FINITE.items())), asked, shuffled, last) == expected
    assert propose(FINITE, asked, trials, last + 1) == []
    code = (
        f"from tests.cluster.search.test_proposals import *; print(searched(FINITE, Asked({method!r}, 12, 1, 5))[-1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == repr(trials[-1]), "another process proposes something else"


def test_later_batches_do_not_change_a_batch_and_earlier_ones_do() -> None:
    asked = Asked(trials=20, batch=4)
    trials = searched(SPACE, asked)
    batch = (STARTUP + 4) // 4
    expected = propose(SPACE, asked, trials, batch)
    assert propose(SPACE, asked, trials[: batch * 4], batch) == expected
    other = [Trial(t.number, t.values, -(t.loss or 0.0), "complete") for t in trials]
    assert propose(SPACE, asked, other, batch) != expected
    with pytest.raises(ValueError, match="not all of them are there"):
        propose(SPACE, asked, trials[1:], batch)


def test_seeds_and_batches_differ() -> None:
    first = [propose(SPACE, Asked(seed=seed), [], 0) for seed in (1, 2)]
    assert first[0] != first[1]
    trials = [Trial(i, values, 1.0, "complete") for i, values in enumerate(first[0])]
    assert not {encode(p) for p in propose(SPACE, Asked(), trials, 1)} & {encode(p) for p in first[0]}


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    trials=st.integers(1, 30),
    batch=st.integers(1, 7),
    method=st.sampled_from(["tpe", "random"]),
)
@examples(15)
def test_a_finite_space_has_no_trial_twice_and_may_be_tried_whole(
    sizes: Sequence[int], trials: int, batch: int, method: Any
) -> None:
    space = {f"d{i}": tuple(range(size)) for i, size in enumerate(sizes)}
    asked = Asked(method=method, trials=trials, batch=batch)
    found = searched(space, asked)
    assert len(found) == trial_count(space, asked)
    assert len({encode(trial.values) for trial in found}) == len(found)


def test_the_whole_grid() -> None:
    trials = searched(FINITE, Asked(method="grid", trials=1))
    assert [trial.values for trial in trials] == [grid_point(FINITE, i) for i in range(18)]


@pytest.mark.parametrize("method", ["tpe", "random"])
def test_a_point_to_begin_with(method: Any) -> None:
    asked = Asked(method=method, trials=8)
    points = propose(SPACE, asked, [], 0, DEFAULTS)
    assert points[0] == DEFAULTS
    assert len(points) == batch_size(SPACE, asked)
    assert DEFAULTS not in points[1:]
    assert propose(SPACE, Asked(batch=1), [], 0, DEFAULTS) == [DEFAULTS]
    with pytest.raises(SearchError, match="lies outside"):
        propose(SPACE, asked, [], 0, DEFAULTS | {"depth": 99})


def test_values_are_of_pythons_own_types() -> None:
    for point in propose(SPACE, Asked(trials=20, method="random"), [], 0):
        assert {name: type(value) for name, value in point.items()} == {"depth": int, "kind": str, "rate": float}
        encode(point)


def test_tpe_finds_more_than_random_does() -> None:
    def found(method: Any) -> float:
        runs = [Asked(method, 30, seed) for seed in range(12)]
        return mean(best(search_within(lambda v, _: toy_loss(v), SPACE, asked)).loss or 0.0 for asked in runs)

    assert found("tpe") < 0.7 * found("random")


@pytest.mark.parametrize("status", ["failed", "pruned"])
def test_where_trials_failed_or_fell_behind_few_others_follow(status: Any) -> None:
    space: dict[str, Any] = {"x": Range(0.0, 1.0)}
    grid = [i / 20 for i in range(20)]

    def trial(number: int, x: float) -> Trial:
        if x > 0.5:
            curve = (9.0,) if status == "pruned" else ()
            return Trial(number, {"x": x}, curve[-1] if curve else None, status, curve)
        return Trial(number, {"x": x}, 1.0 + x / 1000, "complete", (1.0,))

    trials = [trial(number, x) for number, x in enumerate(grid)]
    points = propose(space, Asked(trials=60, batch=20), trials, 1)
    assert sum(float(point["x"]) > 0.5 for point in points) <= 4


def test_optuna_is_left_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    propose(checked_space(SPACE), Asked(), [], 0)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")

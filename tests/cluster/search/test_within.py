"""A search inside a unit: deterministic, resumed where it was, and honest about what failed."""

from typing import Any

import pytest

from cluster.search.space import Asked, Range, SearchError, Trial, Value
from cluster.search.study import Report
from cluster.search.within import EarlyStopping, Objective, best, search_within
from tests.cluster.search.toy_search import DEFAULTS, SPACE, toy_loss

ASKED = Asked(trials=14)


class Memory:
    """A checkpoint that keeps every state, and gives back the one that is asked for."""

    def __init__(self, kept: bytes | None = None) -> None:
        self.kept = kept
        self.states: list[bytes] = []

    def load(self) -> bytes | None:
        return self.kept

    def due(self) -> bool:
        return True

    def save(self, payload: bytes) -> None:
        self.states.append(payload)


def smooth(values: dict[str, Value], report: Report) -> float:
    return toy_loss(values)


def falling(values: dict[str, Value], report: Report) -> float:
    """A loss that falls to its last value in ten steps."""
    loss = toy_loss(values)
    for step in range(1, 11):
        report(step, loss + 1.0 / step)
    return loss


def counting(computed: list[dict[str, Value]]) -> Objective:
    """The falling loss, which notes what it is asked for."""

    def objective(values: dict[str, Value], report: Report) -> float:
        computed.append(values)
        return falling(values, report)

    return objective


@pytest.mark.parametrize("early", [None, EarlyStopping(startup=3, grace=2)])
def test_resumed_from_every_state_it_ends_the_same(early: EarlyStopping | None) -> None:
    quiet = Memory()
    trials = search_within(falling, SPACE, ASKED, quiet, early=early)
    assert [trial.number for trial in trials] == list(range(14))
    assert len(quiet.states) == 14
    for done, state in enumerate(quiet.states, 1):
        computed: list[dict[str, Value]] = []
        again = Memory(state)
        assert search_within(counting(computed), SPACE, ASKED, again, early=early) == trials
        assert len(computed) == 14 - done
        assert again.states == quiet.states[done:]


def test_another_searchs_state_is_not_gone_on_with() -> None:
    kept = Memory()
    search_within(smooth, SPACE, ASKED, kept)
    other = Asked(trials=14, seed=2)
    assert search_within(smooth, SPACE, other, Memory(kept.states[-1])) == search_within(smooth, SPACE, other)


def test_trials_that_fall_behind_are_stopped() -> None:
    without = search_within(falling, SPACE, ASKED)
    assert {trial.status for trial in without} == {"complete"}
    trials = search_within(falling, SPACE, ASKED, early=EarlyStopping(startup=4, grace=2))
    assert trials == search_within(falling, SPACE, ASKED, early=EarlyStopping(startup=4, grace=2))
    assert {trial.status for trial in trials[:4]} == {"complete"}
    pruned = [trial for trial in trials if trial.status == "pruned"]
    assert pruned
    for trial in pruned:
        assert 2 <= len(trial.curve) < 10
        assert trial.loss == trial.curve[-1]
        steps = len(trial.curve)
        before = sorted(t.curve[steps - 1] for t in trials[: trial.number] if t.status == "complete")
        middle = (before[(len(before) - 1) // 2] + before[len(before) // 2]) / 2
        assert min(trial.curve) > middle, "the median rule, in its plain words"
    assert best(trials).status == "complete"


def test_a_failure_is_a_trial_with_a_reason_and_other_errors_are_not() -> None:
    def failing(values: dict[str, Value], report: Report) -> float:
        if values["kind"] == "wide":
            raise ArithmeticError("no wide\n one")
        return toy_loss(values)

    trials = search_within(failing, SPACE, ASKED, fails=(ArithmeticError,))
    assert {trial.status for trial in trials} == {"complete", "failed"}
    for trial in trials:
        failed = trial.values["kind"] == "wide"
        assert (trial.loss is None, trial.reason) == (failed, "ArithmeticError: no wide one" if failed else "")
    assert best(trials).values["kind"] == "plain"
    with pytest.raises(ArithmeticError):
        search_within(failing, SPACE, ASKED, fails=(KeyError,))


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_a_failure(loss: float) -> None:
    def diverging(values: dict[str, Value], report: Report) -> float:
        report(1, 2.0)
        if int(values["depth"]) > 4:
            report(2, loss)
        return loss if values["kind"] == "wide" else 1.0

    trials = search_within(diverging, SPACE, ASKED)
    reasons = {trial.reason for trial in trials if trial.status == "failed"}
    assert reasons == {f"LossError: the loss is {loss} {where}" for where in ("at step 2", "in the end")}
    assert all(trial.curve == (2.0,) for trial in trials)


def test_a_search_in_which_everything_fails_is_an_error() -> None:
    def failing(values: dict[str, Value], report: Report) -> float:
        raise ArithmeticError("never")

    with pytest.raises(SearchError, match=r"none of 14 trials is complete \(trial 0: ArithmeticError: never\)"):
        search_within(failing, SPACE, ASKED, fails=(ArithmeticError,))


def test_steps_are_counted_from_one() -> None:
    def skipping(values: dict[str, Value], report: Report) -> float:
        report(2, 1.0)
        return 1.0

    with pytest.raises(SearchError, match="reported step 2 after 0 steps"):
        search_within(skipping, SPACE, ASKED, fails=(Exception,))


def test_the_best_is_the_first_of_the_smallest() -> None:
    def trial(number: int, loss: float | None, status: Any) -> Trial:
        return Trial(number, {"x": number}, loss, status)

    trials = [trial(0, 2.0, "complete"), trial(1, 1.0, "complete"), trial(2, 1.0, "complete")]
    trials += [trial(3, 0.5, "pruned"), trial(4, None, "failed")]
    assert best(trials).number == 1
    assert best(trials[::-1]).number == 1
    with pytest.raises(SearchError, match="none of 2 trials"):
        best(trials[3:])


def test_a_whole_grid_and_a_point_to_begin_with() -> None:
    space: dict[str, Any] = {"depth": Range(1, 8, integer=True), "kind": ("plain", "wide"), "rate": (0.003, 0.03)}
    trials = search_within(smooth, space, Asked(method="grid"))
    assert len(trials) == 32
    assert best(trials).values == {"depth": 5, "kind": "wide", "rate": 0.003}
    assert search_within(smooth, SPACE, ASKED, first=DEFAULTS)[0].values == DEFAULTS

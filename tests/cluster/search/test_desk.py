"""Between Tune and the book: what reports become, and which errors are no trial's own."""

from typing import Any

import msgspec
import pytest

from cluster.errors import ClusterError, StoreLostError
from cluster.search.book import LOST, Book, Point
from cluster.search.space import Asked, Trial
from tests.cluster.search.toy_search import ToySearch, toy_rows

pytestmark = pytest.mark.cluster


class Office:
    """A desk and what it tells."""

    def __init__(self, error: Exception | None = None) -> None:
        from cluster.search.tune import Desk  # not above: it imports Ray, which must come with a session

        self.settled: list[Trial] = []
        self.losses: list[str] = []
        self.error = error
        book = Book(ToySearch(offsets=(0.0,)).searches(toy_rows()), Asked(trials=4), {})
        self.desk = Desk(book, self.settle, lambda point, reason: self.losses.append(reason))

    def settle(self, point: Point, trial: Trial) -> None:
        if self.error is not None:
            raise self.error
        self.settled.append(trial)


@pytest.fixture
def office(private_ray: None) -> Office:
    return Office()


def reported(step: int, loss: float) -> dict[str, Any]:
    return {"step": step, "loss": loss, "ended": False}


def test_a_trial_that_is_stopped_has_the_curve_of_its_last_attempt(office: Office) -> None:
    point = office.desk.take("t")
    assert point is not None
    for step, loss in ((1, 3.0), (2, 2.5), (1, 3.0), (2, 2.0)):  # its worker died after the second step
        office.desk.heard("t", reported(step, loss))
    office.desk.ended("t", reported(3, 1.5))
    assert office.settled == [Trial(0, point.values, 1.5, "pruned", (3.0, 2.0, 1.5))]


def test_a_trial_that_ended_is_what_it_says(office: Office) -> None:
    point = office.desk.take("t")
    assert point is not None
    trial = Trial(0, point.values, 0.1 + 0.2, "complete", (1.0, 1 / 3))
    result = {"step": 0, "loss": 0.0, "ended": True, "trial": msgspec.json.encode(trial).decode()}
    office.desk.ended("t", result)
    assert office.settled == [trial]


def test_dead_workers_are_told_and_the_last_is_a_failure(office: Office) -> None:
    from ray.exceptions import RayActorError

    office.desk.take("t")
    office.desk.failed("t", RayActorError(), last=False)
    assert (len(office.losses), office.settled) == (1, [])
    office.desk.failed("t", RayActorError(), last=True)
    assert [(trial.status, trial.reason) for trial in office.settled] == [("failed", LOST)]
    assert office.desk.error is None


def test_what_is_no_trials_own_fault_ends_the_run(private_ray: None) -> None:
    from cluster.search.tune import LeaveError

    office = Office()
    office.desk.take("t")
    with pytest.raises(LeaveError):
        office.desk.failed("t", "ModuleNotFoundError: no module\nnamed x", last=False)
    assert isinstance(office.desk.error, ClusterError)
    assert str(office.desk.error) == "trials cannot be run (ModuleNotFoundError: no module named x)"
    office = Office(StoreLostError("no answer"))
    point = office.desk.take("t")
    assert point is not None
    with pytest.raises(LeaveError):
        office.desk.ended("t", reported(1, 1.0))
    assert office.desk.error is office.error

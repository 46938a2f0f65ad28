"""The state machine alone: what leaves, in which order, and where everything ends."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cluster.coordinator import Coordinator
from cluster.study import Unit
from tests.examples import examples

ATTEMPTS = 3


def unit(name: str, *needs: str, cost: float = 1.0, sharded: bool = False, gpus: float = 0.0) -> Unit:
    return Unit(name, "kind", name, {}, needs, cost, sharded, gpus)


def names(bundle: tuple[Unit, ...]) -> list[str]:
    return [one.key for one in bundle]


def test_a_unit_waits_for_its_needs() -> None:
    coordinator = Coordinator([unit("a"), unit("b"), unit("c", "a", "b")], bundle=0.0)
    assert names(coordinator.take()) == ["a"]
    assert names(coordinator.take()) == ["b"]
    assert coordinator.take() == ()
    coordinator.committed("a")
    assert coordinator.take() == ()
    coordinator.committed("b")
    assert names(coordinator.take()) == ["c"]
    assert not coordinator.finished
    coordinator.committed("c")
    assert coordinator.finished
    assert not coordinator.pending


def test_the_longest_chain_leaves_first() -> None:
    units = [unit("short", cost=5), unit("long", cost=1), unit("end", "long", cost=9)]
    assert names(Coordinator(units, bundle=0.0).take()) == ["long"]


def test_cheap_units_leave_together_and_scans_alone() -> None:
    cheap = [unit(f"cheap{i}", cost=0.5) for i in range(6)]
    coordinator = Coordinator([unit("scan", sharded=True, cost=9), unit("gpu", gpus=0.5, cost=8), *cheap], bundle=2.0)
    assert [len(coordinator.take()) for _ in range(4)] == [1, 4, 2, 0]


def test_units_on_a_gpu_leave_one_by_one_and_from_a_queue_of_their_own() -> None:
    shares = [unit(f"share{i}", gpus=0.25, cost=0.1) for i in range(2)]
    coordinator = Coordinator([*shares, unit("scan", sharded=True, gpus=0.5), unit("after", "share0"), unit("cpu")])
    assert coordinator.gpu_ready
    assert names(coordinator.take()) == ["scan"], "a scan's GPUs are those of the source stores"
    assert names(coordinator.take()) == ["cpu"]
    assert coordinator.take() == ()
    assert [names(coordinator.take(on_gpu=True)) for _ in range(3)] == [["share0"], ["share1"], []]
    for key in ("scan", "cpu", "share1"):
        coordinator.committed(key)
    coordinator.returned("share0")
    assert not coordinator.finished
    assert names(coordinator.take(on_gpu=True)) == ["share0"]
    coordinator.committed("share0")
    assert names(coordinator.take()) == ["after"]


def test_the_last_attempt_is_known() -> None:
    coordinator = Coordinator([unit("a")], attempts=3)
    known = []
    for _ in range(3):
        coordinator.take()
        coordinator.lost("a", "its worker died")
        known.append(coordinator.last_attempt("a"))
    assert known == [False, True, False]
    displaced = Coordinator([unit("a")], attempts=2)
    displaced.take()
    displaced.lost("a", "its machine died", displaced=True)
    assert not displaced.last_attempt("a")


def test_what_is_done_already_does_not_leave() -> None:
    coordinator = Coordinator([unit("a"), unit("b", "a")], ["a", "another run's"], bundle=0.0)
    assert names(coordinator.take()) == ["b"]
    assert coordinator.total == 2


@pytest.mark.parametrize(
    ("units", "complaint"),
    [
        ([unit("a", "b"), unit("b")], "does not come before"),
        ([unit("a", "nowhere")], "does not come before"),
        ([unit("a", "a")], "does not come before"),
        ([unit("a"), unit("a")], "two units"),
    ],
)
def test_a_plan_that_would_wait_for_ever_is_refused(units: list[Unit], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Coordinator(units)


def test_a_lost_unit_leaves_again_until_its_attempts_are_used_up() -> None:
    coordinator = Coordinator([unit("a"), unit("b", "a")], attempts=3)
    for left in (True, True, False):
        assert names(coordinator.take()) == ["a"]
        assert coordinator.lost("a", "worker died") is left
        assert coordinator.lost("a", "worker died") is False  # the same news a second time
    assert coordinator.finished
    assert coordinator.failed == {"a": "worker died"}
    assert [(one.unit.key, one.because.key) for one in coordinator.blocked()] == [("b", "a")]


def test_a_unit_whose_machines_die_keeps_its_attempts() -> None:
    coordinator = Coordinator([unit("a")], attempts=2)
    for times in range(19):
        assert names(coordinator.take()) == ["a"]
        assert coordinator.lost("a", "its machine died", displaced=True), times
    coordinator.take()
    assert coordinator.lost("a", "worker died"), "displacements used up its attempts"
    coordinator.take()
    assert not coordinator.lost("a", "its machine died", displaced=True)
    assert coordinator.failed == {"a": "its machine died"}


def test_one_that_takes_its_worker_down_does_not_use_up_its_siblings_attempts() -> None:
    coordinator = Coordinator([unit(f"u{i}", cost=0.1) for i in range(5)], attempts=3)
    taken = []
    while bundle := coordinator.take():
        taken.append(names(bundle))
        for one in bundle:  # u2 kills the worker, and the bundle with it
            if "u2" in names(bundle):
                coordinator.lost(one.key, "worker died")
            else:
                coordinator.committed(one.key)
    assert taken[0] == ["u0", "u1", "u2", "u3", "u4"]
    assert all(len(bundle) == 1 for bundle in taken[1:])
    assert coordinator.failed.keys() == {"u2"}
    assert coordinator.pending == {"u2"}


def test_a_late_commit_wins_over_a_failure() -> None:
    coordinator = Coordinator([unit("a"), unit("b", "a")])
    coordinator.take()
    coordinator.rejected("a", "no")
    assert coordinator.finished
    coordinator.committed("a")
    assert not coordinator.failed
    assert names(coordinator.take()) == ["b"]
    coordinator.rejected("a", "too late")
    assert not coordinator.failed


def test_a_commit_gives_the_attempts_back() -> None:
    coordinator = Coordinator([unit("a"), unit("b", "a")], attempts=2)
    coordinator.take()
    assert coordinator.lost("a", "worker died")
    coordinator.take()
    assert not coordinator.lost("a", "worker died")
    coordinator.committed("a")  # the worker that was thought dead has finished after all
    assert names(coordinator.take()) == ["b"]
    assert coordinator.reopened("a", by="b")
    coordinator.take()
    assert coordinator.lost("a", "worker died")
    coordinator.take()
    assert not coordinator.lost("a", "worker died")
    assert coordinator.finished


def test_a_damaged_need_is_computed_again_before_all_that_need_it() -> None:
    coordinator = Coordinator([unit("a"), unit("b", "a"), unit("c", "a"), unit("d", "b")], ["a"], bundle=0.0)
    assert names(coordinator.take()) == ["b"]
    assert coordinator.reopened("a", by="b")
    assert names(coordinator.take()) == ["a"]  # and not c, which stood ready
    assert coordinator.take() == ()
    coordinator.committed("a")
    assert sorted(names(coordinator.take()) + names(coordinator.take())) == ["b", "c"]


def test_a_need_that_is_there_again_already_lets_its_finder_go_on() -> None:
    coordinator = Coordinator([unit("a"), unit("b", "a"), unit("c", "a")], ["a"], bundle=0.0)
    assert len(coordinator.take() + coordinator.take()) == 2
    coordinator.reopened("a", by="b")
    assert names(coordinator.take()) == ["a"]
    coordinator.committed("a")
    assert names(coordinator.take()) == ["b"]
    coordinator.committed("b")
    coordinator.reopened("a", by="c")
    assert names(coordinator.take()) == ["a"]


def test_a_part_that_keeps_being_damaged_fails_its_unit() -> None:
    coordinator = Coordinator([unit("a"), unit("b", "a")], attempts=3)
    for again in (True, True, False):
        assert names(coordinator.take()) == ["a"]
        coordinator.committed("a")
        assert names(coordinator.take()) == ["b"]
        assert coordinator.reopened("a", by="b") is again
    assert coordinator.finished
    assert "damaged" in coordinator.failed["a"]
    assert [one.unit.key for one in coordinator.blocked()] == ["b"]


def test_scans_left_says_when_the_source_stores_can_go() -> None:
    coordinator = Coordinator([unit("a", sharded=True), unit("b", sharded=True), unit("c", "a")])
    assert coordinator.scans_left
    coordinator.take()
    coordinator.committed("a")
    coordinator.take()
    assert coordinator.scans_left
    coordinator.rejected("b", "no")
    assert not coordinator.scans_left
    coordinator.reopened("a", by="c")
    assert coordinator.scans_left


@st.composite
def plans(draw: Any) -> list[Unit]:
    units: list[Unit] = []
    for i in range(draw(st.integers(1, 9))):
        needs = draw(st.lists(st.sampled_from(units), max_size=3, unique_by=lambda one: one.key)) if units else []
        cost = draw(st.sampled_from([0.3, 1.0, 3.0]))
        units.append(unit(f"u{i}", *(need.key for need in needs), cost=cost, sharded=draw(st.booleans())))
    return units


class AnyInterleaving(RuleBasedStateMachine):
    """The coordinator against a model that knows only what was given out, what is stored and what has failed."""

    @initialize(plan=plans(), data=st.data())
    def start(self, plan: list[Unit], data: Any) -> None:
        self.units = {one.key: one for one in plan}
        self.stored = set(data.draw(st.sets(st.sampled_from(sorted(self.units)))))
        self.out: set[str] = set()
        self.failed: set[str] = set()
        self.losses: Counter[str] = Counter()  # since the last commit
        self.displaced: Counter[str] = Counter()  # likewise
        self.damages: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()
        self.coordinator = Coordinator(plan, self.stored, attempts=ATTEMPTS)

    def _some(self, data: Any, keys: set[str]) -> str:
        return str(data.draw(st.sampled_from(sorted(keys))))

    def _note_failures(self) -> None:
        self.failed = set(self.coordinator.failed)
        assert self.failed.isdisjoint(self.stored)

    @rule()
    def take(self) -> None:
        bundle = self.coordinator.take()
        for one in bundle:
            assert one.key not in self.out, "given out twice at once"
            assert one.key not in self.stored, "computed although it is done"
            assert one.key not in self.failed, "computed although it has failed"
            assert self.stored.issuperset(one.needs), "left before its needs were there"
            assert len(bundle) == 1 or not (one.sharded or self.losses[one.key] or self.displaced[one.key])
            self.out.add(one.key)
            self.starts[one.key] += 1

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def commit(self, data: Any) -> None:
        key = self._some(data, self.out)
        self.out.discard(key)
        self.stored.add(key)
        del self.losses[key], self.displaced[key]
        self.coordinator.committed(key)
        self._note_failures()

    @precondition(lambda self: self.stored)
    @rule(data=st.data())
    def hear_old_news(self, data: Any) -> None:
        key = self._some(data, self.stored)
        data.draw(
            st.sampled_from(
                [
                    lambda: self.coordinator.committed(key),
                    lambda: self.coordinator.lost(key, "late"),
                    lambda: self.coordinator.rejected(key, "late"),
                    lambda: self.coordinator.returned(key),
                ]
            )
        )()
        self._note_failures()

    @precondition(lambda self: self.failed)
    @rule(data=st.data())
    def commit_late(self, data: Any) -> None:
        """A worker that was thought dead has finished after all."""
        key = self._some(data, self.failed)
        self.stored.add(key)
        del self.losses[key], self.displaced[key]
        self.coordinator.committed(key)
        self._note_failures()

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def lose(self, data: Any) -> None:
        key = self._some(data, self.out)
        self.out.discard(key)
        if data.draw(st.integers(0, 3)) == 0:
            self.displaced[key] += 1
            self.starts[key] -= 1
            again = self.coordinator.lost(key, "its machine died", displaced=True)
            assert again is (self.displaced[key] < 10 * ATTEMPTS)
        else:
            self.losses[key] += 1
            again = self.coordinator.lost(key, "worker died")
            assert again is (self.losses[key] < ATTEMPTS)
        assert (key in self.coordinator.failed) is not again
        self._note_failures()

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def give_back(self, data: Any) -> None:
        key = self._some(data, self.out)
        self.out.discard(key)
        self.starts[key] -= 1
        self.coordinator.returned(key)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def reject(self, data: Any) -> None:
        key = self._some(data, self.out)
        self.out.discard(key)
        self.coordinator.rejected(key, "raised")
        assert key in self.coordinator.failed
        self._note_failures()

    @precondition(lambda self: any(self.units[key].needs for key in self.out))
    @rule(data=st.data())
    def find_damage(self, data: Any) -> None:
        finder = self._some(data, {key for key in self.out if self.units[key].needs})
        need = self._some(data, set(self.units[finder].needs))
        self.out.discard(finder)
        self.starts[finder] -= 1
        if need in self.stored:
            self.stored.discard(need)
            self.damages[need] += 1
        self.coordinator.reopened(need, by=finder)
        self._note_failures()

    @invariant()
    def pending_is_what_is_not_stored(self) -> None:
        if hasattr(self, "coordinator"):
            assert self.coordinator.pending == self.units.keys() - self.stored
            assert not (self.coordinator.finished and self.out)

    def teardown(self) -> None:
        """From wherever it is, a quiet rest ends with every unit done, failed or blocked."""
        if not hasattr(self, "coordinator"):
            return
        for _ in range(3 * len(self.units) + 3):
            self.take()
            for key in sorted(self.out):
                self.out.discard(key)
                self.stored.add(key)
                self.coordinator.committed(key)
        self._note_failures()
        assert self.coordinator.finished
        blocked = {one.unit.key for one in self.coordinator.blocked()}
        assert self.units.keys() == self.stored | self.failed | blocked
        assert blocked.isdisjoint(self.stored | self.failed)
        for one in self.coordinator.blocked():
            assert one.because.key in self.failed
        for key, starts in self.starts.items():
            assert starts <= ATTEMPTS * (1 + self.damages[key]), "computed more often than its attempts allow"


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = examples(150, stateful_step_count=40)


@given(plans(), st.data())
@examples(100)
def test_the_order_of_events_does_not_change_where_a_run_ends(plan: list[Unit], data: Any) -> None:
    fate = {one.key: data.draw(st.sampled_from(["fine", "fine", "raises", "kills"])) for one in plan}

    def end() -> tuple[set[str], set[str], set[str]]:
        coordinator = Coordinator(plan, attempts=ATTEMPTS, bundle=0.0)
        out: list[str] = []
        while True:
            more = data.draw(st.booleans()) or not out
            if more and (bundle := coordinator.take()):
                out += names(bundle)
            elif out:
                key = out.pop(data.draw(st.integers(0, len(out) - 1)))
                match fate[key]:
                    case "fine":
                        coordinator.committed(key)
                    case "raises":
                        coordinator.rejected(key, "raised")
                    case "kills":
                        coordinator.lost(key, "worker died")
            else:
                assert coordinator.finished
                return set(coordinator.pending), set(coordinator.failed), {b.unit.key for b in coordinator.blocked()}

    assert end() == end()

"""Drivers and workers that die, come late, double, and find damage, in any order of their requests to the store.

What is readable through a commit is always right; and from wherever it is, a quiet rest ends with the folder of a quiet
run, byte for byte.
"""

import itertools
import random
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from cluster.errors import StoreError, StoreLostError
from cluster.store import Failure
from tests.examples import examples
from tests.faults.steps import FAULTS, NEWS, Actor, Chain, Task, World

# of which no example sees more than four, or none would come far
TROUBLES = ("die", "lose", "gone", "second driver", "driver killed", "worker lost", "unit lost", "damage", "late")
MOVES = 2000  # within which a run of six units ends
_numbers = itertools.count()


@st.composite
def chains(draw: Any) -> Chain:
    count = draw(st.integers(1, 6))
    needs = [tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=2)))) if i else () for i in range(count)]
    costs = [draw(st.sampled_from([0.5, 2.0])) for _ in range(count)]
    bad = draw(st.sampled_from([(), (), (), (count - 1,), (0,)]))
    return Chain(tuple(needs), tuple(costs), bad)


def move(world: World, actors: list[Actor], dice: random.Random) -> bool:
    """One of those who can goes on, without a fault; whether anybody can."""
    able = [actor for actor in actors if not actor.over and (actor.at != NEWS or world.has_news(actor))]
    if not able:
        return False
    actor = dice.choice(able)
    if actor.at == NEWS:
        for task in world.tasks_of(actor):
            if task.over:
                task.tell()
    actor.go_on()
    return True


def to_the_end(world: World, dice: random.Random) -> Actor:
    """One fresh driver to its end, with no more faults; those who have gone on without a driver go on now and then."""
    driver = world.drive()
    for _ in range(MOVES):
        if driver.over:
            return driver
        assert move(world, [driver, *world.tasks], dice), "nobody can go on"
    raise AssertionError("a driver waits for ever")


def results(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without what tells of the way."""
    return {name: text for name, text in files.items() if not name.startswith(("failures/", "quarantine/"))}


def quiet_run(study: Chain) -> dict[str, bytes]:
    world = World(study, f"memory://quiet-{next(_numbers)}", signed=False)
    try:
        assert to_the_end(world, random.Random(0)).error is None
        return results(world.files())
    finally:
        world.end()


class Protocol(RuleBasedStateMachine):
    """One results folder and everybody who works on it; ``only``: the troubles it has, if they are not drawn."""

    only: tuple[str, ...] = ()

    @initialize(
        study=chains(),
        signed=st.booleans(),
        troubles=st.lists(st.sampled_from(TROUBLES), min_size=1, max_size=4, unique=True),
        seed=st.integers(0, 999),
        moves=st.integers(0, 40),
    )
    def begin(self, study: Chain, signed: bool, troubles: list[str], seed: int, moves: int) -> None:
        self.quiet = quiet_run(study)
        self.troubles = self.only or troubles
        self.faults = [fault for fault in FAULTS if fault.split()[0] in self.troubles]
        self.study, self.dice = study, random.Random(seed)
        self.keys = [unit.key for unit in study.plan(None).units]
        self.world = World(study, f"memory://protocol-{next(_numbers)}", signed=signed)
        self.checked: set[Actor] = set()
        self.damaged: dict[str, bytes | None] = {}  # what was done to which object
        self.committed: set[str] = set()
        self.gone = False  # whether the store gave somebody no answer
        self.crowded = False  # whether two drivers were at work since there was last none
        self.world.drive()
        self.nothing_happens(moves)

    def alive(self) -> list[Actor]:
        return [driver for driver in self.world.drivers if not driver.over]

    # -- what happens

    @precondition(lambda self: len(self.alive()) < (2 if "second driver" in self.troubles else 1))
    @rule()
    def start_a_driver(self) -> None:
        self.crowded = bool(self.alive())
        self.world.drive()

    @precondition(lambda self: self.world.ready())
    @rule(which=st.integers(0, 9), requests=st.integers(1, 9))
    def go_on(self, which: int, requests: int) -> None:
        ready = self.world.ready()
        actor = ready[which % len(ready)]
        while requests and not actor.over and actor.at != NEWS:
            actor.go_on()
            requests -= 1

    @precondition(lambda self: self.alive())
    @rule(moves=st.integers(1, 20))
    def nothing_happens(self, moves: int) -> None:
        for _ in range(moves):
            move(self.world, [*self.world.drivers, *self.world.tasks], self.dice)
            self.what_can_be_read_is_right()

    @precondition(lambda self: self.faults and self.world.ready())
    @rule(which=st.integers(0, 9), number=st.integers(0, 2))
    def strike(self, which: int, number: int) -> None:
        ready, fault = self.world.ready(), self.faults[number % len(self.faults)]
        self.gone |= fault.startswith("gone")
        ready[which % len(ready)].go_on(fault)

    @precondition(lambda self: any(driver.at == NEWS for driver in self.alive()))
    @rule(which=st.integers(0, 1), all_of_it=st.booleans())
    def hear_news(self, which: int, all_of_it: bool) -> None:
        waiting = [driver for driver in self.alive() if driver.at == NEWS]
        driver = waiting[which % len(waiting)]
        ended = [task for task in self.world.tasks_of(driver) if task.over]
        for task in ended if all_of_it else ended[:1]:
            task.tell()
        driver.go_on()

    @precondition(lambda self: "worker lost" in self.troubles)
    @precondition(lambda self: any(self.world.tasks_of(driver) for driver in self.alive()))
    @rule(which=st.integers(0, 9), machine=st.booleans(), dies=st.booleans())
    def lose_a_task(self, which: int, machine: bool, dies: bool) -> None:
        """Its driver takes it for dead; it may go on."""
        from ray.exceptions import NodeDiedError, WorkerCrashedError

        out = [task for driver in self.alive() for task in self.world.tasks_of(driver)]
        task = out[which % len(out)]
        task.news = NodeDiedError("its machine died") if machine else WorkerCrashedError()
        if dies and not task.over:
            task.go_on("die before")

    @precondition(lambda self: "unit lost" in self.troubles)
    @precondition(lambda self: any(self.world.tasks_of(driver) for driver in self.alive()))
    @rule(which=st.integers(0, 9), moves=st.integers(9, 20))
    def lose_a_unit(self, which: int, moves: int) -> None:
        """All attempts at a unit are taken for dead, and all of them go on."""
        from ray.exceptions import WorkerCrashedError

        driver, task = [(driver, task) for driver in self.alive() for task in self.world.tasks_of(driver)][
            which % 2 - 1
        ]
        unit = task.units[0]
        for _ in range(moves):
            for again in self.world.tasks_of(driver):
                if unit in again.units:
                    again.news = WorkerCrashedError()
            if not driver.over and not move(self.world, [driver], self.dice):
                break

    @precondition(lambda self: "driver killed" in self.troubles and self.alive())
    @rule(which=st.integers(0, 1), alone=st.booleans())
    def kill_a_driver(self, which: int, alone: bool) -> None:
        alive = self.alive()
        driver = alive[which % len(alive)]
        driver.go_on("die before")
        for task in self.world.tasks_of(driver):
            if not alone and not task.over:
                task.go_on("die before")

    @precondition(lambda self: "damage" in self.troubles)
    @rule(which=st.integers(0, 20), how=st.sampled_from(["cut", "flip", "delete"]))
    def damage(self, which: int, how: str) -> None:
        """A part or a commit is spoilt where it lies."""
        names = [name for name in self.world.files() if name.startswith(("parts/", "commits/"))]
        if not names:
            return
        name = names[which % len(names)]
        before = self.world.objects.read(name) or b""
        if how == "delete" or not before:
            self.world.objects.delete(name)
            self.damaged[name] = None
            return
        flipped = name.startswith("parts/") and how == "flip"
        self.damaged[name] = bytes([before[0] ^ 1]) + before[1:] if flipped else before[: len(before) // 2]
        self.world.objects.replace(name, self.damaged[name] or b"")

    @precondition(lambda self: "damage" in self.troubles)
    @rule(which=st.integers(0, 20), how=st.sampled_from(["cut", "flip", "another's", "nonsense"]))
    def damage_a_checkpoint(self, which: int, how: str) -> None:
        """What a unit has kept is spoilt; that is no damage to the run, which ends as if nothing had been."""
        names = [name for name in self.world.files() if name.startswith("checkpoints/")]
        if not names:
            return
        name = names[which % len(names)]
        before = self.world.objects.read(name) or b"?"
        spoilt = {"cut": before[:-1], "flip": before[:-1] + bytes([before[-1] ^ 1]), "nonsense": b"\x00" * 9}
        other = self.world.objects.read(names[0]) or b""
        self.world.objects.write(name, spoilt.get(how, other))

    @precondition(lambda self: "late" in self.troubles and self.alive())
    @rule()
    def time_passes(self) -> None:
        """What is on its way is late, and is sent a second time where CPUs idle."""
        self.world.clock += 1000.0

    # -- what always holds

    def tainted(self, key: str) -> bool:
        """Whether an object of this unit was ever damaged."""
        return any(key in name for name in self.damaged)

    @invariant()
    def what_can_be_read_is_right(self) -> None:
        if not hasattr(self, "world"):
            return
        files = self.world.files()
        for name, payload in files.items():
            if name.startswith(("parts/", "commits/", "plan", "study")):
                assert payload in (self.quiet.get(name), self.damaged.get(name)), f"{name} is {payload!r}"
        committed = {key for key in self.keys if f"commits/{key}.json" in files}
        for key in committed:
            assert self.tainted(key) or any(name.startswith(f"parts/{key}/") for name in files), f"{key} has no part"
        for key in self.committed - committed:
            assert self.tainted(key), f"the commit of {key} has gone"
        self.committed = committed
        for key in self.keys:
            entries = [
                msgspec.json.decode(files[name], type=Failure).attempt
                for name in files
                if name.startswith(f"failures/{key}/")
            ]
            assert len(set(entries)) == len(entries), "a failure counts twice"
            assert self.world.written[key] <= len(entries) <= self.world.begun[key], "a failure is not in the ledger"
        for actor in (*self.world.tasks, *self.world.drivers):
            if actor.over and actor not in self.checked:
                self.checked.add(actor)
                self.check_end(actor)

    def check_end(self, actor: Actor) -> None:
        if actor.error is not None:
            lost = isinstance(actor.error, StoreLostError) and self.gone
            given_up = (
                isinstance(actor.error, StoreError) and "keeps being damaged" in str(actor.error) and self.damaged
            )
            assert lost or given_up, repr(actor.error)
        elif actor.result is not None and not isinstance(actor, Task):
            if not actor.result.complete:
                assert self.damaged or actor.result.failures or actor.result.blocked, "ends without a word"
                return
            for key in self.keys:
                assert key in self.committed or self.tainted(key), "said to be complete"
            if not self.crowded and not self.damaged:
                table = self.world.objects.read("tables/links.txt")
                assert table == self.quiet["tables/links.txt"], "complete, with tables that are not"

    # -- where it ends

    def teardown(self) -> None:
        """The drivers die; another one comes, and nothing more goes wrong."""
        if not hasattr(self, "world"):
            return
        try:
            for driver in self.alive():
                driver.go_on("die before")
            self.crowded = False
            self.rest()
        finally:
            self.world.end()

    def rest(self) -> None:
        last = to_the_end(self.world, self.dice)
        self.what_can_be_read_is_right()
        assert last.error is None
        assert last.result.complete is not bool(self.study.bad)
        if not self.damaged:
            kept_late = ("checkpoints/",) if self.world.ready() else ()
            found = results(self.world.files())
            assert {name: text for name, text in found.items() if not name.startswith(kept_late)} == self.quiet
        while late := self.world.ready():  # even after everything has ended
            self.dice.choice(late).go_on()
            self.what_can_be_read_is_right()
        if self.damaged:  # one who had read what was damaged may have set aside what was repaired since
            to_the_end(self.world, self.dice)
        assert results(self.world.files()) == self.quiet


TestProtocol = Protocol.TestCase
TestProtocol.settings = examples(60, stateful_step_count=40)


def test_a_unit_taken_for_lost_that_comes_while_tables_are_made() -> None:
    """All its attempts were taken for dead; one commits after the run has looked which units there are."""
    from ray.exceptions import WorkerCrashedError

    study = Chain(((),), (2.0,))
    quiet = quiet_run(study)
    world = World(study, f"memory://protocol-{next(_numbers)}", signed=False)
    try:
        driver = world.drive()
        while not driver.at.endswith("tables/links.txt"):
            for task in world.tasks_of(driver):
                task.news = WorkerCrashedError()
            driver.go_on()
        while not world.tasks[0].over:
            world.tasks[0].go_on()
        while not driver.over:
            driver.go_on()
        assert driver.result.complete
        assert results(world.files()) == quiet
    finally:
        world.end()

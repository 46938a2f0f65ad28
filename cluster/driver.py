"""One run from plan to tables: adopt or resume the plan, execute what is missing, collect what the store holds."""

import json
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

from threadpoolctl import threadpool_limits

from cluster.checkpoints import remove_leftovers
from cluster.coordinator import Blocked, Coordinator
from cluster.errors import CorruptPartError, StoreError
from cluster.progress import Display
from cluster.reuse import reusable, take_over
from cluster.session import ray_session
from cluster.store import READERS, Failure, ResultStore
from cluster.study import Plan, Study, Unit
from cluster.usage import Usage

ROUNDS = 5  # how often a run goes back to work because its results were damaged before they were collected


class Summary(NamedTuple):
    """How a run ended.

    Attributes:
        plan: The run's plan.
        computed: Units committed by this run.
        resumed: Units that were done before it.
        failures: Units that failed, with the number of attempts so far and the last failure.
        blocked: Units that need one that failed.
        counts: What all done units counted, added up.
        usage: What the computing took; None if nothing was left to compute.
        reused: Units that this run took over from other results folders.
    """

    plan: Plan
    computed: int
    resumed: int
    failures: list[tuple[int, Failure]]
    blocked: list[Blocked]
    counts: dict[str, int]
    usage: Usage | None = None
    reused: int = 0

    @property
    def complete(self) -> bool:
        """Whether every unit is done."""
        return self.computed + self.resumed + self.reused == len(self.plan.units)


def run_study(
    study: Study,
    data: Any,
    url: str,
    *,
    address: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
    reuse: Sequence[str] = (),
) -> Summary:
    """Compute what is missing of a study in the results folder at ``url`` and write its tables.

    Args:
        study: What is computed.
        data: Its data.
        url: The results folder.
        address: Ray cluster; None starts a private Ray.
        workers: CPUs of the private Ray.
        quiet: Show no progress.
        reuse: Other results folders, from which units that are committed there are taken over.

    Raises:
        PlanMismatchError: The folder holds another run.
        StoreError: The folder cannot be reached, or one to reuse; or that is none.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on where this one ended.
    """
    sources = reusable(reuse)
    plan = study.plan(data)
    store = ResultStore(url)
    plan = store.adopt_plan(plan)
    store.objects.replace("study.json", describe(plan))
    keys = [unit.key for unit in plan.units]
    done = store.committed()
    resumed = len(done.intersection(keys))
    usage: Usage | None = None
    with sigterm_interrupts(), Display(plan.study, quiet=quiet) as display:
        if sources:
            display.stage("taking over")
        taken = take_over(store, sources, set(keys) - done)
        done |= taken
        for _ in range(ROUNDS):
            coordinator = Coordinator(plan.units, done)
            if coordinator.pending:
                with ray_session(address, workers):
                    # ray reads its environment when it is imported, so nothing may import it before the session
                    from cluster.execution import execute

                    took = execute(study, data, store, coordinator, display)
                    usage = took if usage is None else usage.joined(took)
            display.stage("tables and report")
            try:
                counts, done = _collected(study, store, plan)
            except CorruptPartError:
                store.set_damaged_aside(keys)  # all at once, not one a round
                done = store.committed()
                continue
            if done.issuperset(coordinator.units.keys() - coordinator.pending):
                break  # what was computed is there
        else:
            raise StoreError(f"{store.url}: what is stored there keeps being damaged or lost; check the disk")
        remove_leftovers(store, done.intersection(keys))
    ledger = store.failures()
    finished = len(done.intersection(keys))
    reused = max(0, min(len(taken), finished - resumed))
    return Summary(
        plan=plan,
        computed=max(0, finished - resumed - reused),
        resumed=min(resumed, finished),
        failures=[ledger[key] for key in coordinator.failed if key in ledger],
        blocked=[entry for entry in coordinator.blocked() if entry.unit.key not in done],
        counts=counts,
        usage=usage,
        reused=reused,
    )


def collect(study: Study, store: ResultStore, plan: Plan | None = None) -> dict[str, int]:
    """Write what the study makes of the committed units; every part that it reads is verified.

    Returns:
        What the done units counted, added up.

    Raises:
        CorruptPartError: A part was damaged; it has been set aside and must be computed again.
    """
    plan = plan or store.plan()
    done = store.committed()
    counts: dict[str, int] = {}
    for commit in store.commits(unit.key for unit in plan.units if unit.key in done).values():
        for name, value in commit.counts.items():
            counts[name] = counts.get(name, 0) + value
    # a sum's last bits may depend on the number of threads, and tables must not depend on the machine
    with threadpool_limits(limits=1):
        for path, payload in study.summarise(plan, _StoredResults(store, plan, done)):
            store.objects.replace(path, payload)
    return counts


def _collected(study: Study, store: ResultStore, plan: Plan) -> tuple[dict[str, int], set[str]]:
    """Collect, and again where others (a worker that was thought dead, another driver) have committed meanwhile.

    Returns:
        What the done units counted, and which they are.
    """
    done = store.committed()
    while True:
        counts = collect(study, store, plan)
        before, done = done, store.committed()
        if done <= before:
            return counts, done


class _StoredResults:
    """Results as the store holds them."""

    def __init__(self, store: ResultStore, plan: Plan, done: set[str]) -> None:
        self.store = store
        self.done = done
        self.given_up = set(store.failures())
        for unit in plan.units:  # needs come first, so one pass reaches everything that hangs on a failure
            if unit.key not in done and not self.given_up.isdisjoint(unit.needs):
                self.given_up.add(unit.key)

    def payload(self, unit: Unit) -> bytes | None:
        return self.store.load(unit.key) if unit.key in self.done else None

    def payloads(self, units: Sequence[Unit]) -> list[bytes | None]:
        with ThreadPoolExecutor(READERS) as pool:  # one by one, a large study's would take hours on S3
            return list(pool.map(self.payload, units))

    def settled(self, unit: Unit) -> bool:
        return unit.key in self.done or unit.key in self.given_up


def describe(plan: Plan) -> bytes:
    """``study.json``: the plan without its list of units, for people and other programs to read."""
    kinds: dict[str, int] = {}
    for unit in plan.units:
        kinds[unit.kind] = kinds.get(unit.kind, 0) + 1
    outline = {
        "study": plan.study,
        "config": plan.config,
        "data": plan.data,
        "versions": plan.versions,
        "units": kinds,
    }
    return json.dumps(outline, indent=2, sort_keys=True).encode() + b"\n"


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM, which is how clusters and job managers stop a driver, end a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough: a second must not cut the ending short
        raise KeyboardInterrupt("SIGTERM")

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

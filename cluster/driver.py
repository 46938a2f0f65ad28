"""One run from plan to tables: adopt or resume the plan, execute what is missing, collect what the store holds."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from cluster.coordinator import Blocked, Coordinator
from cluster.errors import CorruptPartError
from cluster.progress import Display
from cluster.session import ray_session
from cluster.store import Failure, ResultStore
from cluster.study import Plan, Study, Unit


class Summary(NamedTuple):
    """How a run ended.

    Attributes:
        plan: The run's plan.
        computed: Units committed by this run.
        resumed: Units that were done before it.
        failures: Units that failed, with the number of attempts so far and the last failure.
        blocked: Units that need one that failed.
        counts: What all done units counted, added up.
    """

    plan: Plan
    computed: int
    resumed: int
    failures: list[tuple[int, Failure]]
    blocked: list[Blocked]
    counts: dict[str, int]

    @property
    def complete(self) -> bool:
        """Whether every unit is done."""
        return not self.failures and not self.blocked


def run_study(
    study: Study,
    data: Any,
    url: str,
    *,
    address: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> Summary:
    """Compute what is missing of a study in the results folder at ``url`` and write its tables.

    Raises:
        PlanMismatchError: The folder holds another run.
        StoreError: The folder cannot be reached.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on where this one ended.
    """
    plan = study.plan(data)
    store = ResultStore(url)
    store.adopt_plan(plan)
    store.objects.replace("study.json", describe(plan))
    keys = {unit.key for unit in plan.units}
    resumed = len(store.committed() & keys)
    with _sigterm_interrupts(), Display(plan.study, quiet=quiet) as display:
        while True:
            coordinator = Coordinator(plan.units, store.committed())
            if coordinator.pending:
                with ray_session(address, workers):
                    # ray reads its environment when it is imported, so nothing may import it before the session
                    from cluster.execution import execute

                    execute(study, data, store, coordinator, display)
            try:
                counts = collect(study, store, plan)
            except CorruptPartError:
                continue  # it has been set aside; its unit is pending again
            break
    ledger = store.failures()
    return Summary(
        plan=plan,
        computed=coordinator.total - len(coordinator.pending) - resumed,
        resumed=resumed,
        failures=[ledger[key] for key in coordinator.failed if key in ledger],
        blocked=coordinator.blocked(),
        counts=counts,
    )


def collect(study: Study, store: ResultStore, plan: Plan | None = None) -> dict[str, int]:
    """Read every committed unit, verified, and write what the study makes of them.

    Returns:
        What the done units counted, added up.

    Raises:
        CorruptPartError: A part was damaged; it has been set aside and must be computed again.
    """
    plan = plan or store.plan()
    done = store.committed()
    counts: dict[str, int] = {}
    for unit in plan.units:
        commit = store.read_commit(unit.key) if unit.key in done else None
        for name, value in (commit.counts if commit else {}).items():
            counts[name] = counts.get(name, 0) + value

    for path, payload in study.summarise(plan, _StoredResults(store, plan, done)):
        store.objects.replace(path, payload)
    return counts


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
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM, which is how clusters and job managers stop a driver, end a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt("SIGTERM")

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)

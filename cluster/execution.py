"""Drives a plan over Ray: bounded submission, results as they come, lost workers, interruption."""

import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from cluster import session
from cluster.coordinator import Coordinator
from cluster.errors import ClusterError, EngineError
from cluster.store import Failure, ResultStore
from cluster.study import Study, Unit
from cluster.usage import Usage
from cluster.worker import Outcome, SourceStore, one_line, run_bundle

GIB = 1 << 30
QUEUED = 2  # bundles in flight for each CPU: one runs, one waits where it will run
Report = Callable[[Coordinator, int], None]


def execute(study: Study, data: Any, store: ResultStore, coordinator: Coordinator, report: Report) -> Usage:
    """Run everything the coordinator holds; returns when nothing more can be done.

    Args:
        study: Travels to the workers.
        data: Put once into shared memory, from which tasks read it without a copy.
        store: Where units are committed; workers open it by its address.
        coordinator: Decides what is next.
        report: Called with the coordinator and the number of bundles in flight whenever something has changed.

    Returns:
        What it took.

    Raises:
        ClusterError: A unit asks for a GPU or for memory that no machine has (it would wait for ever), or Ray failed.
        StoreError: The results folder cannot be reached; what is committed stays.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is committed stays.
    """
    _check_resources([unit for key, unit in coordinator.units.items() if key in coordinator.pending])
    began = time.monotonic()
    run = _Run(study, data, store, coordinator, report)
    try:
        run.to_the_end()
    except RayError as error:
        raise ClusterError(f"Ray failed ({one_line(error)}); what is committed stays, run it again") from error
    run.usage.wall = time.monotonic() - began
    return run.usage


def _check_resources(units: Sequence[Unit]) -> None:
    """Stop before units wait for ever for what the cluster does not have."""
    # side by side: units that wait for a source store's GPU would otherwise keep it from ending
    gpus = sum(max((unit.gpus for unit in units if unit.sharded is scans), default=0.0) for scans in (True, False))
    if gpus > session.gpus():
        raise ClusterError(
            f"scans and units ask for {gpus:g} GPUs at once and the cluster has {session.gpus():g}; connect to one "
            "that has them, or ask for none"
        )
    hungriest = max(units, key=lambda unit: unit.memory, default=None)
    room = session.memory()
    if hungriest is not None and room is not None and hungriest.memory > room:
        raise ClusterError(
            f"{hungriest.name} needs {hungriest.memory / GIB:.1f} GiB and the largest machine has {room / GIB:.1f} GiB "
            "for units; use one with more memory"
        )


class _Run:
    """One call of :func:`execute`."""

    def __init__(self, study: Study, data: Any, store: ResultStore, coordinator: Coordinator, report: Report) -> None:
        self.study = study
        self.data = data
        self.store = store
        self.coordinator = coordinator
        self.report = report
        self.study_ref, self.data_ref = ray.put(study), ray.put(data)
        self.stores = SourceStores(study, self.study_ref, data)
        self.in_flight: dict[Any, tuple[Unit, ...]] = {}
        self.asked: dict[Any, int] = {}  # the generation of source stores that a bundle in flight has asked
        self.blamed: set[str] = set()
        self.usage = Usage(cpus=session.cpus())

    def to_the_end(self) -> None:
        try:
            while True:
                room = QUEUED * session.cpus() - len(self.in_flight)
                while room > 0 and (units := self.coordinator.take()):
                    room -= self._submit(units)
                self.report(self.coordinator, len(self.in_flight))
                if not self.in_flight:
                    if self.coordinator.finished:
                        return
                    continue
                self._settle_finished()
                if not self.coordinator.scans_left:
                    self.stores.end(self.usage)
        finally:
            # tasks in flight are not cancelled: Ray 2.60 aborts this process if one ends at the moment it is. They end
            # with the session; in a Ray that outlives the run they commit what they have begun, for the next to find
            with suppress(Exception):  # a Ray that has gone has nothing left to end, and must not hide why it has
                self.stores.end()

    def _submit(self, units: tuple[Unit, ...]) -> int:
        """Send a bundle on its way; returns how many have left."""
        first = units[0]
        answers: list[Any] = []
        if first.sharded:
            try:
                query = self.study.query(self.data, first)
            except Exception as error:
                self._reject(first, one_line(error), traceback.format_exc(limit=-12))
                return 0
            answers = self.stores.scan(query, first.gpus)
        asks: dict[str, Any] = {"memory": max(unit.memory for unit in units)}
        if first.gpus and not first.sharded:
            asks["num_gpus"] = first.gpus
        ref = run_bundle.options(**asks).remote(self.study_ref, self.store.url, list(units), self.data_ref, *answers)
        self.in_flight[ref] = units
        if first.sharded:
            self.asked[ref] = self.stores.generation
        return 1

    def _settle_finished(self) -> None:
        ray.wait(list(self.in_flight), timeout=1.0)
        waiting = list(self.in_flight)
        finished, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        for ref in finished:
            try:
                outcomes: list[Outcome] = ray.get(ref)
            except RayTaskError as error:
                # not the unit's own computation (that is caught where it runs) but what surrounds it: usually the store
                if isinstance(error.cause, EngineError):
                    raise error.cause from error
                self._lost(ref, error.cause)
            except RayError as error:
                self._lost(ref, error)
            else:
                for outcome in outcomes:
                    self._note(self.coordinator.units[outcome.key], outcome)
            del self.in_flight[ref]
            self.asked.pop(ref, None)

    def _note(self, unit: Unit, outcome: Outcome) -> None:
        if outcome.status == "committed":
            self.usage.add(unit, outcome.seconds, outcome.peak)
            self.coordinator.committed(unit.key)
        elif outcome.status == "rejected":
            self._reject(unit, outcome.reason, outcome.detail)
        elif not self.coordinator.reopened(outcome.need, by=unit.key):
            need = self.coordinator.units[outcome.need]
            self._record(need, self.coordinator.failed[need.key], outcome.reason)

    def _reject(self, unit: Unit, reason: str, detail: str = "") -> None:
        self._record(unit, reason, detail)
        self.coordinator.rejected(unit.key, reason)

    def _lost(self, ref: Any, cause: BaseException) -> None:
        """A worker died: some of its units may be committed, the others get another attempt."""
        units, asked = self.in_flight[ref], self.asked.get(ref)
        if asked is not None and isinstance(cause, RayActorError) and not self._guilty(units[0], asked):
            self.coordinator.returned(units[0].key)
            return
        for unit in units:
            if self.store.is_committed(unit.key):
                self.coordinator.committed(unit.key)
                continue
            reason = one_line(cause)
            self._record(unit, reason)
            self.coordinator.lost(unit.key, reason)

    def _guilty(self, unit: Unit, asked: int) -> bool:
        """Whether a source store died of this unit's question, and not of one before it in its queue.

        Stores answer in the order in which they are asked, so the oldest question without an answer is to blame.
        """
        if asked == self.stores.generation:
            oldest = next(ref for ref, generation in self.asked.items() if generation == asked)
            self.blamed.add(self.in_flight[oldest][0].key)
            self.stores.start_again()
        guilty = unit.key in self.blamed
        self.blamed.discard(unit.key)
        return guilty

    def _record(self, unit: Unit, reason: str, detail: str = "") -> None:
        self.store.record_failure(Failure(unit.key, unit.kind, unit.name, reason, detail))


class SourceStores:
    """The source stores of a run: one for each CPU of the cluster (or for each GPU's worth), started when first asked.

    They ask for no CPU of their own, or a cluster full of stores would have none left for the tasks. Scans stand at the
    beginning of the chains of work, so most of the time either the stores are busy or the tasks.

    Attributes:
        generation: How often the stores were started again.
    """

    def __init__(self, study: Study, study_ref: Any, data: Any) -> None:
        self.study = study
        self.study_ref = study_ref
        self.data = data
        self.generation = 0
        self.gpus = 0.0
        self.shards: list[Any] = []
        self.actors: list[Any] = []

    def scan(self, query: Any, gpus: float = 0.0) -> list[Any]:
        """Put a question to every store; references to the answers, in the order of the shards.

        The first question settles how many GPUs (a fraction allowed) each store asks for.
        """
        if not self.actors:
            self.gpus = gpus
            # half of the GPUs at most: others ask for them too
            count = max(1, int(session.gpus() / gpus / 2)) if gpus else session.cpus()
            self.shards = [ray.put(shard) for shard in self.study.shards(self.data, count)]
            self.actors = [self._start(shard) for shard in self.shards]
        query_ref = ray.put(query)
        return [actor.scan.remote(query_ref) for actor in self.actors]

    def start_again(self) -> None:
        """Make all stores anew after one has died: the others may hold the question in their queues that it died of."""
        for actor in self.actors:
            ray.kill(actor)
        self.actors = [self._start(shard) for shard in self.shards]
        self.generation += 1

    def end(self, usage: Usage | None = None) -> None:
        """Free the stores' memory; their answers are in the units' parts by now."""
        if usage is not None and self.actors:
            # a store that has died has nothing to tell, and nobody waits for it
            told, _ = ray.wait(
                [actor.used.remote() for actor in self.actors], num_returns=len(self.actors), timeout=5.0
            )
            for ref in told:
                with suppress(RayError):
                    seconds, peak = ray.get(ref)
                    usage.scans += seconds
                    usage.store_peak = max(usage.store_peak, peak)
        for actor in self.actors:
            ray.kill(actor)
        self.actors, self.shards = [], []

    def _start(self, shard: Any) -> Any:
        spread = SourceStore.options(scheduling_strategy="SPREAD", num_gpus=self.gpus)  # type: ignore[attr-defined]
        return spread.remote(self.study_ref, shard)

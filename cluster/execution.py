"""Drives a plan over Ray: bounded submission, results as they come, lost workers and machines, stragglers."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import (
    GetTimeoutError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    ObjectStoreFullError,
    OutOfDiskError,
    RayActorError,
    RayError,
    RayTaskError,
    RuntimeEnvSetupError,
    WorkerCrashedError,
)

from cluster import session, watch
from cluster.checkpoints import remove_leftovers
from cluster.coordinator import Coordinator
from cluster.errors import ClusterError, ClusterLostError, EngineError
from cluster.store import Failure, ResultStore
from cluster.stores import SourceStores
from cluster.study import Study, Unit
from cluster.usage import Usage
from cluster.worker import Outcome, one_line, run_bundle

GIB = 1 << 30
QUEUED = 2  # bundles in flight for each CPU: one runs, one waits where it will run
# the machine has gone, or what the unit was to read has gone with one: nothing speaks against the unit itself
DISPLACED = (NodeDiedError, LocalRayletDiedError, ObjectLostError)
NO_ROOM = (OutOfDiskError, ObjectStoreFullError)
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
        ClusterError: A unit asks for a GPU or for memory that no machine has (it would wait for ever), the data do not
            fit into the machines' shared memory (likewise), or the workers' surroundings cannot be made.
        ClusterLostError: Ray failed, its head has gone, all its CPUs have, or a disk is full; what is committed stays.
        StoreError: The results folder cannot be reached; what is committed stays.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is committed stays.
    """
    _check_resources([unit for key, unit in coordinator.units.items() if key in coordinator.pending])
    began = time.monotonic()
    try:
        run = _Run(study, data, store, coordinator, report)
        run.to_the_end()
    except RuntimeEnvSetupError as error:
        raise ClusterError(f"workers cannot be set up ({one_line(error)}); see the cluster's logs") from error
    except NO_ROOM as error:
        raise ClusterLostError(
            "shared memory for the data is full, and so is the disk below Ray's temporary folder, to which it is moved "
            "then (TMPDIR of a private Ray); what is committed stays: run the same command again where there is room"
        ) from error
    except RayError as error:
        raise ClusterLostError(f"Ray failed ({one_line(error)}); what is committed stays, run it again") from error
    run.usage.wall = time.monotonic() - began
    return run.usage


def _check_resources(units: Sequence[Unit]) -> None:
    """Stop before units wait for ever for what the cluster does not have."""
    # side by side: units that wait for a source store's GPU would otherwise keep it from ending
    gpus = sum(max((unit.gpus for unit in units if unit.sharded is scans), default=0.0) for scans in (True, False))
    for unit in units:
        if unit.gpus < 0 or (unit.gpus > 1 and not unit.gpus.is_integer()):
            raise ClusterError(f"{unit.name} asks for {unit.gpus:g} GPUs; Ray gives a share of one, or whole ones")
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


@dataclass(eq=False)
class _Flight:
    """A bundle on its way.

    Attributes:
        answers: What the source stores say, for a sharded unit.
        generation: That of the stores that were asked; None where none were.
        left: When it was submitted, on the clock that only goes forward.
        copied: Whether a second copy of it is on its way because it is so late.
    """

    units: tuple[Unit, ...]
    answers: list[Any] = field(default_factory=list)
    generation: int | None = None
    left: float = field(default_factory=time.monotonic)
    copied: bool = False

    @property
    def cost(self) -> float:
        return sum(unit.cost for unit in self.units)

    @property
    def gpus(self) -> float:
        """What its task asks for; those of a scan belong to the source stores."""
        return self.units[0].gpus if self.units[0].on_gpu else 0.0


class _Run:
    """One call of :func:`execute`."""

    def __init__(self, study: Study, data: Any, store: ResultStore, coordinator: Coordinator, report: Report) -> None:
        self.study = study
        self.data = data
        self.store = store
        self.coordinator = coordinator
        self.report = report
        self.study_ref, self.data_ref = ray.put(study), ray.put(data)
        self.stores = SourceStores(study, self.study_ref, data, self.data_ref)
        self.in_flight: dict[Any, _Flight] = {}
        self.blamed: set[str] = set()
        self.usage = Usage(cpus=session.cpus())
        self.watch = watch.Watch(session.head(), session.cpus_alive)
        self.settled_seconds = self.settled_cost = 0.0
        self.scan_patience = 1.0

    def to_the_end(self) -> None:
        try:
            while not self.coordinator.finished:
                cpus = self.watch.look()
                self._help_stragglers(cpus, self._submit_what_has_room(cpus))
                self.report(self.coordinator, len(self.in_flight))
                if self.in_flight:
                    self._settle_finished()
                if not self.coordinator.scans_left:
                    self.stores.end(self.usage)
            self.report(self.coordinator, 0)
        except ClusterLostError:
            self.stores.actors = []  # nobody is there to be told to end them, and asking would wait for nobody
            raise
        finally:
            # tasks in flight are not cancelled: Ray 2.60 aborts this process if one ends at the moment it is. They end
            # with the session; in a Ray that outlives the run they commit what they have begun, for the next to find
            with suppress(Exception):  # a Ray that has gone has nothing left to end, and must not hide why it has
                self.stores.end()

    def _submit_what_has_room(self, cpus: int) -> int:
        """Send bundles on their way; returns for how many more the CPUs have room.

        What waits for a GPU has a queue of its own: in that of the CPUs it would fill the places, and they would idle.
        """
        asked = [flight.gpus for flight in self.in_flight.values() if flight.gpus]
        # one that has no CPU yet shows its need of them by what waits: that is what clusters grow by
        room = QUEUED * max(1, cpus) - (len(self.in_flight) - len(asked))
        while room > 0 and (units := self.coordinator.take()):
            room -= self._submit(units)
        on_gpus = QUEUED * max(1.0, session.gpus()) - sum(asked) if self.coordinator.gpu_ready else 0.0
        while on_gpus > 0 and (units := self.coordinator.take(on_gpu=True)):
            on_gpus -= units[0].gpus
            self._submit(units)
        return room

    def _submit(self, units: tuple[Unit, ...]) -> int:
        """Send a bundle on its way; returns how many have left."""
        first = units[0]
        if not first.sharded:
            self._send(_Flight(units))
            return 1
        try:
            query = self.study.query(self.data, first)
        except Exception as error:
            self._reject(first, one_line(error), traceback.format_exc(limit=-12))
            return 0
        self._send(_Flight(units, self.stores.scan(query, first.gpus), self.stores.generation))
        return 1

    def _send(self, flight: _Flight) -> None:
        asks: dict[str, Any] = {"memory": max(unit.memory for unit in flight.units)}
        if flight.gpus:
            asks["num_gpus"] = flight.gpus
        words = (self.study_ref, self.store.url, list(flight.units), self.data_ref, *flight.answers)
        self.in_flight[run_bundle.options(**asks).remote(*words)] = flight

    def _help_stragglers(self, cpus: int, room: int) -> None:
        """Where CPUs idle, send what is far too late a second time: its machine may be cut off and not yet known dead.

        Harmless, because whichever copy comes first commits and the other finds the same bytes there. Where it is an
        answer of the source stores that is too late, they are made anew.
        """
        late = list(self._late())
        idle = cpus - (len(self.in_flight) - len(late))
        asked = [flight for flight in late if flight.generation == self.stores.generation]
        if idle > 0 and any(not _answered(flight.answers) for flight in asked):
            self.stores.start_again()  # what waits for their answers comes back and asks the new ones
            self.scan_patience *= 2  # a scan that is merely slow must not be begun anew for ever
            return
        for flight in late[: max(0, min(idle, room))]:
            flight.copied = True
            self._send(_Flight(flight.units, flight.answers, flight.generation, copied=True))

    def _late(self) -> Iterator[_Flight]:
        pace = self.settled_seconds / self.settled_cost if self.settled_cost else 1.0
        now = time.monotonic()
        for flight in self.in_flight.values():
            patience = watch.LATE_SECONDS + watch.LATE_TIMES * pace * flight.cost
            patience *= 1.0 if flight.generation is None else self.scan_patience
            if not flight.copied and now - flight.left > patience:
                yield flight

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
            except (RuntimeEnvSetupError, *NO_ROOM):
                raise  # nothing that follows would fare better
            except RayError as error:
                self._lost(ref, error)
            else:
                flight = self.in_flight.pop(ref)
                self.settled_seconds += time.monotonic() - flight.left
                self.settled_cost += flight.cost
                for outcome in outcomes:
                    self._note(self.coordinator.units[outcome.key], outcome)

    def _note(self, unit: Unit, outcome: Outcome) -> None:
        if outcome.status == "committed":
            self.usage.unkept = outcome.unkept or self.usage.unkept
            if unit.key in self.coordinator.pending:
                self.usage.add(unit, outcome.seconds, outcome.peak)
                self.usage.continued += outcome.continued
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
        if isinstance(cause, WorkerCrashedError):
            session.check_disk()
        displaced = isinstance(cause, DISPLACED)
        if self.in_flight[ref].generation is not None and isinstance(cause, RayActorError):
            guilty, displaced = self._source_store_died(self.in_flight[ref])
            if not guilty:
                self.coordinator.returned(self.in_flight.pop(ref).units[0].key)
                return
        flight = self.in_flight.pop(ref)
        elsewhere = {unit.key for other in self.in_flight.values() for unit in other.units}
        for other in self.in_flight.values():
            other.copied &= other.units != flight.units  # if that one is late too, it may be copied once more
        for unit in flight.units:
            if self.store.is_committed(unit.key):
                self.coordinator.committed(unit.key)
            elif unit.key not in elsewhere:
                reason = one_line(cause)
                if isinstance(cause, WorkerCrashedError):  # Ray names nothing but its log files
                    reason += " It crashed, or was killed from outside, as the kernel does when memory runs out."
                self._record(unit, reason)
                self.coordinator.lost(unit.key, reason, displaced=displaced)
                if self.coordinator.last_attempt(unit.key):
                    # begun at the beginning: it may be what it has kept that takes its workers down
                    remove_leftovers(self.store, {unit.key})

    def _source_store_died(self, flight: _Flight) -> tuple[bool, bool]:
        """Whether a source store died of this flight's question, and not of one before it; whether its machine did.

        A store answers in the order in which it is asked, so of the questions it took with it the oldest is to blame.
        """
        machine_died = False
        if flight.generation == self.stores.generation:
            machine_died = self.stores.machine_died()
            asked = (other for other in self.in_flight.values() if other.generation == flight.generation)
            self.blamed.add(next(other.units[0].key for other in asked if _died(other.answers)))
            self.stores.start_again()
        key = flight.units[0].key
        guilty = key in self.blamed
        self.blamed.discard(key)
        return guilty, machine_died

    def _record(self, unit: Unit, reason: str, detail: str = "") -> None:
        self.store.record_failure(Failure(unit.key, unit.kind, unit.name, reason, detail, unit.coordinates))


def _answered(answers: list[Any]) -> bool:
    return len(ray.wait(answers, num_returns=len(answers), timeout=0)[0]) == len(answers)


def _died(answers: list[Any]) -> bool:
    """Whether a source store died before it had answered."""
    for answer in answers:
        try:
            ray.get(answer, timeout=0)
        except RayActorError:
            return True
        except GetTimeoutError:
            continue
    return False

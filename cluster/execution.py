"""Drives a plan over Ray: bounded submission, results as they come, lost workers, interruption."""

from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from cluster import session
from cluster.coordinator import Coordinator
from cluster.errors import ClusterError, EngineError
from cluster.store import Failure, ResultStore
from cluster.study import Study, Unit
from cluster.worker import Outcome, SourceStore, run_bundle

QUEUED = 2  # bundles in flight for each CPU: one runs, one waits where it will run
PATIENCE = 30.0  # seconds a source store may take to answer before it counts as dead
Report = Callable[[Coordinator, int], None]


def execute(study: Study, data: Any, store: ResultStore, coordinator: Coordinator, report: Report) -> None:
    """Run everything the coordinator holds; returns when nothing more can be done.

    Args:
        study: Travels to the workers.
        data: Put once into shared memory, from which tasks read it without a copy.
        store: Where units are committed; workers open it by its address.
        coordinator: Decides what is next.
        report: Called with the coordinator and the number of bundles in flight whenever something has changed.

    Raises:
        ClusterError: A unit asks for a GPU and the cluster has none: it would wait for ever.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what is committed stays, what is in flight is cancelled.
    """
    if any(unit.gpus for unit in coordinator.units.values()) and session.gpus() == 0:
        raise ClusterError("this run asks for GPUs and the cluster has none; connect to one that has, or ask for none")
    study_ref, data_ref = ray.put(study), ray.put(data)
    stores = SourceStores(study, study_ref, data)
    in_flight: dict[Any, tuple[Unit, ...]] = {}
    try:
        while True:
            while len(in_flight) < QUEUED * session.cpus() and (bundle := coordinator.take()):
                answers: list[Any] = []
                if bundle[0].sharded:
                    answers = stores.scan(bundle[0])
                task = run_bundle.options(num_gpus=bundle[0].gpus) if bundle[0].gpus else run_bundle
                in_flight[task.remote(study_ref, store.url, list(bundle), data_ref, *answers)] = bundle
            report(coordinator, len(in_flight))
            if not in_flight:
                if coordinator.finished:
                    return
                continue
            finished, _ = ray.wait(list(in_flight), timeout=1.0)
            for ref in finished:
                bundle = in_flight.pop(ref)
                _settle(ref, bundle, store, coordinator)
                if bundle[0].sharded and bundle[0].key in coordinator.pending:
                    stores.replace_dead()
            if not any(coordinator.units[key].sharded for key in coordinator.pending):
                stores.end()
    except BaseException:
        for ref in in_flight:
            ray.cancel(ref, force=True)
        raise
    finally:
        stores.end()


class SourceStores:
    """The source stores of a run: one for each CPU of the cluster, started when first asked.

    They ask for no CPU of their own, because they work only while a task waits for their answers.
    """

    def __init__(self, study: Study, study_ref: Any, data: Any) -> None:
        self.study = study
        self.study_ref = study_ref
        self.data = data
        self.shards: list[Any] = []
        self.actors: list[Any] = []

    def scan(self, unit: Unit) -> list[Any]:
        """Ask every store what the study asks for a unit; references to the answers, in the order of the shards."""
        if not self.actors:
            self.shards = [ray.put(shard) for shard in self.study.shards(self.data, session.cpus())]
            self.actors = [self._start(shard) for shard in self.shards]
        query = ray.put(self.study.query(self.data, unit))
        return [actor.scan.remote(query) for actor in self.actors]

    def replace_dead(self) -> None:
        """Make the stores that no longer answer again."""
        for i, actor in enumerate(self.actors):
            try:
                ray.get(actor.ready.remote(), timeout=PATIENCE)
            except (RayError, TimeoutError):
                ray.kill(actor)
                self.actors[i] = self._start(self.shards[i])

    def end(self) -> None:
        """Free the stores' memory; their answers are in the units' parts by now."""
        for actor in self.actors:
            ray.kill(actor)
        self.actors, self.shards = [], []

    def _start(self, shard: Any) -> Any:
        return SourceStore.remote(self.study_ref, shard)  # type: ignore[attr-defined]


def _settle(ref: Any, bundle: tuple[Unit, ...], store: ResultStore, coordinator: Coordinator) -> None:
    try:
        outcomes: list[Outcome] = ray.get(ref)
    except RayTaskError as error:
        # not the unit's own computation (that is caught where it runs) but what surrounds it: usually the store
        if isinstance(error.cause, EngineError):
            raise error.cause from error
        _lost(bundle, error, store, coordinator)
        return
    except RayError as error:
        _lost(bundle, error, store, coordinator)
        return
    for outcome in outcomes:
        unit = coordinator.units[outcome.key]
        if outcome.status == "committed":
            coordinator.committed(unit.key)
        elif outcome.status == "damaged":
            coordinator.reopened(outcome.need, by=unit.key)
        else:
            store.record_failure(Failure(unit.key, unit.kind, unit.name, outcome.reason, outcome.detail))
            coordinator.rejected(unit.key, outcome.reason)


def _lost(bundle: tuple[Unit, ...], error: RayError, store: ResultStore, coordinator: Coordinator) -> None:
    """A worker died: some of its units may be committed, the others get another attempt."""
    for unit in bundle:
        if store.read_commit(unit.key) is not None:
            coordinator.committed(unit.key)
            continue
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        store.record_failure(Failure(unit.key, unit.kind, unit.name, reason))
        coordinator.lost(unit.key, reason)

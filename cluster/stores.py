"""The source stores of a run: Ray actors, each with one shard of the data, that answer scans together."""

from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from cluster import session
from cluster.study import Study
from cluster.usage import Usage
from cluster.worker import SourceStore


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
        self.machines: set[str] = set()

    def scan(self, query: Any, gpus: float = 0.0) -> list[Any]:
        """Put a question to every store; references to the answers, in the order of the shards.

        The first question settles how many GPUs (a fraction allowed) each store asks for.
        """
        if not self.actors:
            self.gpus = gpus
            # half of the GPUs at most: others ask for them too
            count = max(1, int(session.gpus() / gpus / 2)) if gpus else session.cpus()
            self.shards = [ray.put(shard) for shard in self.study.shards(self.data, count)]
            self._start_all()
        query_ref = ray.put(query)
        return [actor.scan.remote(query_ref) for actor in self.actors]

    def start_again(self) -> None:
        """Make all stores anew after one has died: the others may hold the question in their queues that it died of."""
        for actor in self.actors:
            ray.kill(actor)
        self._start_all()
        self.generation += 1

    def machine_died(self) -> bool:
        """Whether a machine has died since the stores were started: then no question has to be to blame."""
        return not self.machines <= session.machines()

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

    def _start_all(self) -> None:
        self.machines = session.machines()
        self.actors = [self._start(shard) for shard in self.shards]

    def _start(self, shard: Any) -> Any:
        spread = SourceStore.options(scheduling_strategy="SPREAD", num_gpus=self.gpus)  # type: ignore[attr-defined]
        return spread.remote(self.study_ref, shard)

"""The source stores of a run: Ray actors, each with one shard of the data, that answer scans together."""

from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from cluster import session
from cluster.errors import ClusterError
from cluster.session import MIB
from cluster.study import Study
from cluster.usage import Usage
from cluster.worker import SourceStore

USABLE = 0.8  # of shared memory: each object lies there in one piece, and the free rest may be in several


class SourceStores:
    """The source stores of a run: one for each CPU of the cluster (or for each GPU's worth), started when first asked.

    Attributes:
        generation: How often the stores were started again.
    """

    def __init__(self, study: Study, study_ref: Any, data: Any, data_ref: Any) -> None:
        self.study = study
        self.study_ref = study_ref
        self.data = data
        self.data_ref = data_ref
        self.generation = 0
        self.gpus = 0.0
        self.count = 0  # of shards that were asked for; small data may give fewer
        self.shards: list[Any] = []
        self.actors: list[Any] = []
        self.machines: set[str] = set()

    def scan(self, query: Any, gpus: float = 0.0) -> list[Any]:
        """Put a question to every store; references to the answers, in the order of the shards.

        The first question settles how many GPUs (a fraction allowed) each store asks for.
        """
        if not self.actors:
            self.gpus = gpus
            self._start()
        elif not self.gpus and session.cpus() >= 2 * self.count:
            self.start_again()  # the cluster has grown
        query_ref = ray.put(query)
        return [actor.scan.remote(query_ref) for actor in self.actors]

    def start_again(self) -> None:
        """Make all stores anew, as many as there is room for now.

        All of them, after one has died, because the others may hold the question in their queues that it died of. Who
        still waits for an answer gets an error, and asks again.
        """
        for actor in self.actors:
            ray.kill(actor)
        self._start()
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
        self.actors, self.shards, self.count = [], [], 0

    def _start(self) -> None:
        # half of the GPUs at most: others ask for them too
        count = max(1, int(session.gpus() / self.gpus / 2)) if self.gpus else session.cpus()
        if count != self.count:
            self.count = count
            self.shards = [ray.put(shard) for shard in self.study.shards(self.data, count)]
            self._check_room()
        self.machines = session.machines()
        spread = SourceStore.options(scheduling_strategy="SPREAD", num_gpus=self.gpus)  # type: ignore[attr-defined]
        self.actors = [spread.remote(self.study_ref, shard) for shard in self.shards]

    def _check_room(self) -> None:
        """Stop where the data would never fit beside the shards, which stay in memory for as long as the stores live.

        Ray lets tasks wait for room for ever, and moving data to disk does not help what must all be in memory at once.
        """
        data, *shards = session.object_sizes([self.data_ref, *self.shards])
        room, machines = session.shared_memory()
        if data + sum(shards) / machines > USABLE * room:
            raise ClusterError(
                f"the data take {data / MIB:.0f} MiB of shared memory on each machine, the source stores "
                f"{sum(shards) / machines / MIB:.0f} MiB more, and {USABLE * room / MIB:.0f} MiB of one's "
                f"{room / MIB:.0f} can be used for them; use more machines, or "
                "larger ones (Ray's object_store_memory)"
            )

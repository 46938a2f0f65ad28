"""Units that ask for shares of GPUs; ``python -m tests.cluster.shares FOLDER`` runs four where Ray counts one GPU."""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct

from cluster.driver import run_study
from cluster.errors import ClusterError
from cluster.keys import unit_key
from cluster.session import ray_session
from cluster.study import NOTHING_KEPT, Checkpoint, Output, Plan, Results, Unit
from tests.cluster.toy_study import until


class Shares(Struct, frozen=True):
    """Units that wait for each other.

    Attributes:
        folder: Where they meet.
        gpus: What each of the first ones asks for; they cost more, so they leave first.
        cpus: How many there are beside them that ask for none.
        waits_for: How many of the units must have begun before one of the first ones ends.
    """

    folder: str
    gpus: tuple[float, ...]
    cpus: int = 0
    waits_for: int = 0
    name: ClassVar[str] = "shares"

    def plan(self, data: Any) -> Plan:
        asked = [*self.gpus, *([0.0] * self.cpus)]
        units = [
            Unit(unit_key({"unit": i}), "share", f"share/{i}", {"unit": i}, cost=9.0 if gpus else 3.0, gpus=gpus)
            for i, gpus in enumerate(asked)
        ]
        return Plan(self.name, {}, "", {}, tuple(units))

    def shards(self, data: Any, count: int) -> Sequence[Any]:
        return []

    def query(self, data: Any, unit: Unit) -> Any:
        return None

    def scan(self, shard: Any, query: Any) -> Any:
        return None

    def run(
        self,
        unit: Unit,
        data: Any,
        inputs: Mapping[str, bytes],
        answers: Sequence[Any],
        checkpoint: Checkpoint = NOTHING_KEPT,
    ) -> Output:
        (Path(self.folder) / unit.key).touch()
        if unit.gpus:
            until(lambda: len(list(Path(self.folder).iterdir())) >= self.waits_for, 30)
        return Output(json.dumps([unit.gpus, os.environ.get("CUDA_VISIBLE_DEVICES")]).encode(), 1)

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        found = [json.loads(payload) for payload in results.payloads(plan.units) if payload is not None]
        yield "tables/devices.json", json.dumps(found).encode()


def main(folder: str) -> None:
    meeting = Path(folder) / "meeting"
    meeting.mkdir()
    with ray_session(workers=4, object_store_mib=100, gpus=1):
        summary = run_study(Shares(str(meeting), (0.25,) * 4, waits_for=4), None, f"{folder}/out", quiet=True)
        refused = []
        for gpus in ((1.5,), (2.0,), (0.25, 1.25)):
            try:
                run_study(Shares(str(meeting), gpus), None, f"{folder}/{gpus}", quiet=True)
            except ClusterError as error:
                refused.append(str(error))
    (Path(folder) / "found.json").write_text(json.dumps({"complete": summary.complete, "refused": refused}))


if __name__ == "__main__":
    from tests.cluster import shares  # workers know its classes by that name, and not as __main__'s

    shares.main(*sys.argv[1:])

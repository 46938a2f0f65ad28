"""A study's units computed one after the other in this process, without the engine."""

from collections.abc import Mapping, Sequence
from typing import Any

from threadpoolctl import threadpool_limits

from cluster.study import Plan, Study, Unit


def computed(study: Study, data: Any, plan: Plan) -> dict[str, bytes]:
    """The payload of every unit, by its key; sources lie in two shards."""
    shards = study.shards(data, 2)
    payloads: dict[str, bytes] = {}
    for unit in plan.units:
        answers = []
        if unit.sharded:
            query = study.query(data, unit)
            answers = [study.scan(shard, query) for shard in shards]
        with threadpool_limits(limits=1):  # as the engine's workers
            payloads[unit.key] = study.run(unit, data, {need: payloads[need] for need in unit.needs}, answers).payload
    return payloads


class Done:
    """Results of a run all of whose units are done."""

    def __init__(self, payloads: Mapping[str, bytes]) -> None:
        self.found = payloads

    def payload(self, unit: Unit) -> bytes | None:
        return self.found[unit.key]

    def payloads(self, units: Sequence[Unit]) -> list[bytes | None]:
        return [self.found[unit.key] for unit in units]

    def settled(self, unit: Unit) -> bool:
        return unit.key in self.found


def tables_of(study: Study, plan: Plan, payloads: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a run publishes, by its path."""
    return dict(study.summarise(plan, Done(payloads)))

"""What runs on Ray's workers: bundles of units as tasks, and source stores as actors."""

import os
import socket
import sys
import traceback
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import ray
from msgspec import Struct
from threadpoolctl import threadpool_limits

from cluster.checkpoints import Kept
from cluster.errors import CorruptPartError, EngineError, StoreError
from cluster.session import THREADS
from cluster.store import ResultStore
from cluster.study import Study, Unit
from cluster.usage import Meter, peak_memory


class Outcome(Struct, frozen=True):
    """How one attempt at a unit ended.

    ``committed``: its part is in the store. ``rejected``: its computation raised. ``damaged``: a part it needs is
    corrupt or gone (``need`` names it) and must be computed again first. ``seconds`` are core-seconds, ``peak`` is the
    most that the worker has held so far, in bytes. ``continued``: it went on from what an earlier attempt had kept.
    ``unkept``: why its own state could not be kept.
    """

    key: str
    status: Literal["committed", "rejected", "damaged"]
    reason: str = ""
    detail: str = ""
    need: str = ""
    seconds: float = 0.0
    peak: int = 0
    continued: bool = False
    unkept: str = ""


class Unanswered(Struct, frozen=True):
    """A source store's answer when the study's scan raised: the unit is rejected for this reason."""

    reason: str
    detail: str


# A source store takes next to no CPU, or a cluster full of stores would have none left for the tasks: scans stand at
# the beginning of the chains of work, so most of the time either the stores are busy or the tasks. It takes a little,
# so that none lands on a head that is to have no work at all; and what it takes, a task leaves.
STORE_CPUS, TASK_CPUS = 0.001, 0.99


# the coordinator counts attempts; Ray must not repeat them behind its back
@ray.remote(num_cpus=TASK_CPUS, max_retries=0)  # type: ignore[untyped-decorator]
def run_bundle(study: Study, url: str, units: Sequence[Unit], data: Any, *answers: Any) -> list[Outcome]:
    """Compute units one after the other and commit each; one that fails does not stop the others."""
    one_thread()
    store = _opened(url)
    payloads: dict[str, bytes] = {}
    return [_attempt(study, store, unit, data, answers, payloads) for unit in units]


@lru_cache(maxsize=4)
def _opened(url: str) -> ResultStore:
    """The run's results folder, opened once by each worker: on S3 that asks for credentials and builds connections."""
    store = ResultStore(url, create=False)
    if not store.has_plan():
        raise StoreError(
            f"{store.url}: the run's plan cannot be seen from {socket.gethostname()}; workers on other machines need "
            "an s3:// address or a folder that all of them share"
        )
    return store


def _attempt(
    study: Study, store: ResultStore, unit: Unit, data: Any, answers: Sequence[Any], payloads: dict[str, bytes]
) -> Outcome:
    meter = Meter()
    for need in unit.needs:
        if need not in payloads:
            try:
                payload = store.load(need)
            except CorruptPartError as error:
                return Outcome(unit.key, "damaged", str(error), need=need)
            if payload is None:
                return Outcome(unit.key, "damaged", f"unit {need} is not committed", need=need)
            payloads[need] = payload
    for answer in answers:
        if isinstance(answer, Unanswered):
            return Outcome(unit.key, "rejected", answer.reason, answer.detail)
    kept = Kept(store, unit)
    inputs = {need: payloads[need] for need in unit.needs}
    try:
        with threadpool_limits(limits=1):
            try:
                output = study.run(unit, data, inputs, answers, kept)
            except Exception as error:
                if isinstance(error, EngineError) or not kept.continued:
                    raise
                kept.remove()  # it may be the state that it failed on: whole, and yet nothing it can go on from
                output = study.run(unit, data, inputs, answers, kept)
    except EngineError:
        raise
    except Exception as error:
        # a defect or data no model can digest: reported by name in the ledger, while its siblings go on
        kept.remove()
        return Outcome(unit.key, "rejected", one_line(error), traceback.format_exc(limit=-12))
    store.commit(unit.key, output)
    continued = kept.continued
    kept.remove()
    return Outcome(
        unit.key,
        "committed",
        seconds=meter.seconds(),
        peak=peak_memory(),
        continued=continued,
        unkept=kept.unkept,
    )


# Ray must not restart it: a restarted actor whose arguments have gone comes back without its shard. The engine makes
# a new one (cluster.execution.SourceStores).
@ray.remote(num_cpus=STORE_CPUS, max_restarts=0)
class SourceStore:
    """Holds one shard of a study's data and answers scans over it; a cache, made again from the data when lost."""

    def __init__(self, study: Study, shard: Any) -> None:
        one_thread()
        self.study = study
        self.shard = shard
        self.meter = Meter()

    def scan(self, query: Any) -> Any:
        """The study's answer for this shard, or why there is none."""
        try:
            with threadpool_limits(limits=1):
                return self.study.scan(self.shard, query)
        except Exception as error:
            # raised here it would look like a lost store to those who wait for the answer, and be tried again
            return Unanswered(one_line(error), traceback.format_exc(limit=-12))

    def used(self) -> tuple[float, int]:
        """Core-seconds of all answers and the most bytes held so far."""
        return self.meter.seconds(), peak_memory()


def one_line(error: BaseException) -> str:
    """An error's type and message, fit for a ledger."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def one_thread() -> None:
    """Hold every library to the one CPU a task asks for, those imported already and those the task will import."""
    os.environ.update(THREADS)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "numba" in sys.modules:
        sys.modules["numba"].set_num_threads(1)

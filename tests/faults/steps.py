"""Drivers and workers that move from one request to the results store to the next, in the order that a test chooses.

Only Ray is not real: :func:`cluster.driver.run_study`, the engine's loop, the coordinator, what a worker does and the
results store (in memory) are. Each driver and each task is a thread, of which one at a time runs, until its next
request.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest
from msgspec import Struct

from cluster import objects
from cluster.driver import run_study
from cluster.errors import StoreLostError
from cluster.keys import unit_key
from cluster.objects import Objects
from cluster.store import Failure, ResultStore
from cluster.study import NOTHING_KEPT, Checkpoint, Output, Plan, Results, Unit

# what may happen to a request: its sender dies before or after it is done; its answer is lost and it is made again, by
# who does not know that it is done; the store gives nobody an answer any more, and has done it or not
Fault = Literal["none", "die before", "die after", "lose answer", "gone before", "gone after"]
FAULTS: tuple[Fault, ...] = ("die before", "die after", "lose answer", "gone before", "gone after")
CPUS = 2
NEWS = "news"  # where a driver waits for its tasks


class Chain(Struct, frozen=True):
    """A study whose units make a digest of those they need, and keep their state half way.

    Attributes:
        needs: For each unit, the numbers of those it needs.
        costs: Of each unit; cheap ones leave together.
        bad: Units that raise.
    """

    needs: tuple[tuple[int, ...], ...]
    costs: tuple[float, ...]
    bad: tuple[int, ...] = ()
    name: ClassVar[str] = "chain"

    def plan(self, data: Any) -> Plan:
        units: list[Unit] = []
        for i, (needs, cost) in enumerate(zip(self.needs, self.costs, strict=True)):
            keys = tuple(units[need].key for need in needs)
            units.append(Unit(unit_key({"unit": i, "needs": list(keys)}), "link", f"link/{i}", {"unit": i}, keys, cost))
        return Plan(self.name, {"units": len(units)}, "", {}, tuple(units))

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
        if unit.coordinates["unit"] in self.bad:
            checkpoint.save(b"as far as it comes")
            raise ArithmeticError(f"{unit.name} was told to fail")
        half = checkpoint.load()
        if half is None:
            half = sha256(unit.key.encode() + b"".join(inputs[need] for need in unit.needs)).digest()
            checkpoint.save(half)
        return Output(sha256(half).digest(), 1)

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        lines = [f"{unit.name} {(results.payload(unit) or b'').hex()} {results.settled(unit)}" for unit in plan.units]
        yield "tables/links.txt", "\n".join(lines).encode()


class _Died(BaseException):
    """A process that ends without a word."""


class Actor(threading.Thread):
    """Somebody who does something, request by request.

    Attributes:
        at: The request that comes next, or :data:`NEWS`.
        result: What it came to, once it has ended.
        error: What it raised instead.
    """

    def __init__(self, doing: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.doing = doing
        self.at = "start"
        self.result: Any = None
        self.error: Exception | None = None
        self.over = False
        self._fault: Fault = "none"
        self._turn, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self.start()

    def go_on(self, fault: Fault = "none") -> None:
        """Let it make its next request, to which this happens, and come to the one after it."""
        assert not self.over
        self._fault = fault
        self._turn.release()
        self._paused.acquire()

    def pause(self, at: str) -> Fault:
        """Wait for one's turn; what happens to the request."""
        self.at = at
        self._paused.release()
        self._turn.acquire()
        if self._fault == "die before":
            raise _Died
        return self._fault

    def run(self) -> None:
        try:
            self._turn.acquire()
            if self._fault != "die before":
                self.result = self.doing()
        except _Died:
            pass
        except Exception as error:
            self.error = error
        finally:
            self.over = True
            self._paused.release()


class Task(Actor):
    """A bundle of units on its way.

    Attributes:
        news: What its driver may hear of it: what it came to, an error, or nothing yet.
        told: Whether its driver has heard it.
    """

    def __init__(self, driver: Actor, units: Sequence[Unit], doing: Callable[[], Any]) -> None:
        self.driver = driver
        self.units = units
        self.news: Any = None
        self.told = False
        super().__init__(doing)

    def tell(self) -> None:
        """Let the driver hear how it has ended."""
        from ray.exceptions import RayTaskError, WorkerCrashedError

        if self.news is None:
            self.news = RayTaskError("run_bundle", "", self.error) if self.error else self.result
        if self.news is None:
            self.news = WorkerCrashedError()


class World:
    """One results folder, its drivers and their tasks.

    Attributes:
        signed: Whether who creates an object signs it, as on S3.
        clock: The drivers' clock, in seconds.
        begun: How many entries of the ledger each unit's drivers have begun to write; ``written``: and know of.
    """

    def __init__(self, study: Chain, url: str, *, signed: bool) -> None:
        self.study, self.url, self.signed = study, url, signed
        self.clock = 0.0
        self.drivers: list[Actor] = []
        self.tasks: list[Task] = []
        self.begun: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.objects = Objects(url)
        self._patch = pytest.MonkeyPatch()
        self._replace_ray()
        self._replace_requests()

    def drive(self) -> Actor:
        """Start a driver."""
        driver = Actor(lambda: run_study(self.study, None, self.url, quiet=True))
        self.drivers.append(driver)
        return driver

    def tasks_of(self, driver: Actor) -> list[Task]:
        """Those of which there is no news."""
        return [task for task in self.tasks if task.driver is driver and task.news is None]

    def has_news(self, driver: Actor) -> bool:
        """Whether something has come to an end since it was last told, or nothing is on its way."""
        mine = [task for task in self.tasks if task.driver is driver]
        return any(task.over or task.news is not None for task in mine if not task.told) or all(
            task.told for task in mine
        )

    def ready(self) -> list[Actor]:
        """Who stands before a request."""
        return [actor for actor in (*self.tasks, *self.drivers) if not actor.over and actor.at != NEWS]

    def files(self) -> dict[str, bytes]:
        """All objects, as they are."""
        return {name: payload for name in self._names() if (payload := self.objects.read(name)) is not None}

    def _names(self) -> list[str]:
        folders = ("plan.json", "study.json")
        below = ("parts", "commits", "failures", "quarantine", "tables", "checkpoints")
        return [*folders, *(f"{folder}/{name}" for folder in below for name in self.objects.names(folder))]

    def end(self) -> None:
        """Nobody is left, and everything is real again."""
        for actor in (*self.drivers, *self.tasks):
            while not actor.over:
                actor.go_on("die before")
        self._patch.undo()
        objects._memory.pop(self.url, None)

    def _replace_ray(self) -> None:
        from cluster import driver, execution, worker

        def remote(*words: Any) -> Task:
            task = Task(_here(), words[2], lambda: worker.run_bundle._function(*words))
            self.tasks.append(task)
            return task

        def wait(tasks: list[Task], num_returns: int = 1, timeout: float = 0.0) -> tuple[list[Task], list[Task]]:
            if timeout:
                _here().pause(NEWS)
            return [task for task in tasks if task.news is not None], [task for task in tasks if task.news is None]

        def get(task: Task) -> Any:
            task.told = True
            if isinstance(task.news, Exception):
                raise task.news
            return task.news

        nothing = SimpleNamespace(
            cpus=lambda: CPUS,
            cpus_alive=lambda: CPUS,
            gpus=lambda: 0.0,
            memory=lambda: None,
            head=lambda: lambda: True,
            check_disk=lambda: None,
        )
        no_limits = lambda limits: nullcontext()  # noqa: E731
        for module, name, replacement in (
            (execution, "ray", SimpleNamespace(put=lambda value: value, wait=wait, get=get)),
            (execution, "run_bundle", SimpleNamespace(options=lambda **_: SimpleNamespace(remote=remote))),
            (execution, "session", nothing),
            (execution, "time", SimpleNamespace(monotonic=lambda: self.clock)),
            (driver, "ray_session", lambda address, workers: nullcontext()),
            (driver, "threadpool_limits", no_limits),
            (worker, "threadpool_limits", no_limits),
            (worker, "one_thread", lambda: None),
        ):
            self._patch.setattr(module, name, replacement)

    def _replace_requests(self) -> None:
        done, record_failure = Objects._done, ResultStore.record_failure

        def request(asked: Objects, action: str, path: str, doing: Callable[[], Any]) -> Any:
            actor = threading.current_thread()
            if not isinstance(actor, Actor):
                return done(asked, action, path, doing)
            asked._on_s3 = self.signed
            fault = actor.pause(f"{action} {path}")
            if fault == "gone before":
                raise StoreLostError("gone")
            result = done(asked, action, path, doing)
            if fault == "lose answer":
                result = done(asked, action, path, doing)
            if fault == "die after":
                raise _Died
            if fault == "gone after":
                raise StoreLostError("gone")
            return result

        def recorded(store: ResultStore, failure: Failure) -> int:
            self.begun[failure.key] += 1
            number = record_failure(store, failure)
            self.written[failure.key] += 1
            return number

        self._patch.setattr(Objects, "_done", request)
        self._patch.setattr(ResultStore, "record_failure", recorded)
        self._patch.setattr("cluster.store.ThreadPoolExecutor", _OneAfterTheOther)


class _OneAfterTheOther:
    """A pool of threads without threads."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> "_OneAfterTheOther":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, doing: Callable[[Any], Any], words: Iterable[Any]) -> list[Any]:
        return [doing(word) for word in words]


def _here() -> Actor:
    actor = threading.current_thread()
    assert isinstance(actor, Actor)
    return actor

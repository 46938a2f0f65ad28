"""What the engine needs to know of a study: which units there are, how one is computed, how results are summarised."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

from msgspec import Struct


class Unit(Struct, frozen=True, forbid_unknown_fields=True):
    """One piece of work, worth seconds to minutes; its outcome is one part in the results store.

    Attributes:
        key: Hash of everything that changes its numbers (:func:`cluster.keys.unit_key`).
        kind: What it computes, in the study's words.
        name: What people read, such as ``KO/50/MTL-75 XGB-EXT``.
        coordinates: What the study needs to compute it.
        needs: Keys of the units whose parts it reads.
        cost: Estimated core-seconds, for ordering and bundling; it never changes a result.
        sharded: Whether it begins with a scan over the source stores.
        gpus: GPUs it asks for, a fraction allowed; those of a sharded unit go to the source stores that it asks.
        memory: Most bytes it needs beside the shared data; no more units run at once than a machine has room for.
    """

    key: str
    kind: str
    name: str
    coordinates: dict[str, str | int]
    needs: tuple[str, ...] = ()
    cost: float = 1.0
    sharded: bool = False
    gpus: float = 0.0
    memory: int = 0

    @property
    def on_gpu(self) -> bool:
        """Whether its own task asks for one."""
        return self.gpus > 0 and not self.sharded


class Plan(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything a run will compute; stored once as ``plan.json``.

    Attributes:
        study: Name of the study.
        config: Its settings.
        data: Fingerprint of the data it reads.
        versions: Versions of the code and of the libraries that change numbers.
        units: All units; a unit comes after those it needs.
        about: What readers of the results want to know of the data and no number depends on, by name.
    """

    study: str
    config: dict[str, Any]
    data: str
    versions: dict[str, str]
    units: tuple[Unit, ...]
    about: dict[str, dict[str, str]] = {}


class Output(Struct, frozen=True):
    """What one unit came to.

    Attributes:
        payload: Deterministic bytes: equal for every attempt, worker and order.
        rows: Rows in it.
        counts: What a reader of the log wants counted (fallbacks, failures, dropped rows, ...).
    """

    payload: bytes
    rows: int
    counts: dict[str, int] = {}


class Checkpoint(Protocol):
    """What a unit of minutes keeps of its state while it runs, so that an attempt after a killed one resumes.

    A convenience, never a truth: nothing may be kept, what was kept may be gone, and of two attempts at the same time
    each may find the other's state. A unit's payload must be the same bytes from whichever of its states it resumed. A
    state that raises when it is resumed is not met again: the unit is run once more from the beginning.
    """

    def load(self) -> bytes | None:
        """The state that was kept last, whole; None if there is none (begin at the beginning)."""

    def due(self) -> bool:
        """Whether it is time to keep the state; cheap, to be asked after every step."""

    def save(self, payload: bytes) -> None:
        """Keep this state in place of the last one, whether it is due or not; never an error."""


class _NothingKept:
    """The checkpoint of a unit that is run where nothing is kept."""

    def load(self) -> bytes | None:
        return None

    def due(self) -> bool:
        return False

    def save(self, payload: bytes) -> None:
        pass


NOTHING_KEPT: Final[Checkpoint] = _NothingKept()


class Results(Protocol):
    """What a run has come to so far."""

    def payload(self, unit: Unit) -> bytes | None:
        """The verified payload of a unit that is done, else None."""

    def payloads(self, units: Sequence[Unit]) -> list[bytes | None]:
        """The same of several, in their order, read at the same time."""

    def settled(self, unit: Unit) -> bool:
        """Whether the unit is done, or has failed, or needs one that has."""


class Study(Protocol):
    """A paper as data. The study itself is small and travels to workers; its data are put once into shared memory."""

    name: ClassVar[str]

    def plan(self, data: Any) -> Plan:
        """All units of the study on these data."""

    def shards(self, data: Any, count: int) -> Sequence[Any]:
        """The data of the source stores, cut into at most ``count`` shards."""

    def query(self, data: Any, unit: Unit) -> Any:
        """What the source stores are asked for a sharded unit."""

    def scan(self, shard: Any, query: Any) -> Any:
        """One source store's answer."""

    def run(
        self,
        unit: Unit,
        data: Any,
        inputs: Mapping[str, bytes],
        answers: Sequence[Any],
        checkpoint: Checkpoint = NOTHING_KEPT,
    ) -> Output:
        """Compute a unit from the data, the payloads of the units it needs, and the source stores' answers.

        One that takes minutes keeps its state in ``checkpoint``, and goes on from the one that it finds there.
        """

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        """Paths below the results folder and their contents: published forecasts, tables, report."""

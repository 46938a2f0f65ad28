"""What the engine needs to know of a study to search its hyperparameters."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

from msgspec import Struct

from cluster.search.space import Range, Value

Report: TypeAlias = Callable[[int, float], None]


class Search(Struct, frozen=True, forbid_unknown_fields=True):
    """One space that is searched for one best point.

    Attributes:
        key: Hash of everything that changes the loss of a point (:func:`cluster.keys.unit_key`).
        name: What people read, such as ``KO/50/TO XGB-STD``; no two searches of a study have the same.
        coordinates: What the study needs to compute a trial of it.
        space: Values of each hyperparameter, by name.
        cost: Estimated core-seconds of a trial, for ordering; it never changes a result.
        gpus: GPUs that a trial asks for, a fraction allowed.
        steps: Most losses that a trial reports on its way; above 1, trials may be stopped early.
        defaults: A point of the space that is tried first (a grid keeps its order); empty if there is none.
    """

    key: str
    name: str
    coordinates: dict[str, str | int]
    space: dict[str, tuple[Value, ...] | Range]
    cost: float = 1.0
    gpus: float = 0.0
    steps: int = 1
    defaults: dict[str, Value] = {}


class Searchable(Protocol):
    """A study whose hyperparameters can be searched; it is small and travels to workers, its data are shared memory."""

    name: ClassVar[str]

    def searches(self, data: Any) -> Sequence[Search]:
        """Every search that the study has on these data."""

    def trial(self, search: Search, data: Any, values: dict[str, Value], report: Report) -> float:
        """The time-ordered validation loss of a point, lower is better; the same on every machine and in any order.

        Args:
            search: Which of the searches.
            data: The study's.
            values: The point.
            report: To be called with the step (from 1, without gaps) and the loss so far, where ``steps`` is above 1.
                It raises where the trial is to end early; that must pass.
        """

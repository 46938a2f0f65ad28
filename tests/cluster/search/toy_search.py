"""A study with hyperparameters for the tests of the search, some of whose trials can be told to make trouble."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct, field

from cluster.keys import unit_key
from cluster.search.space import Asked, Range, Value
from cluster.search.study import Report, Search
from tests.cluster.toy_study import until

SPACE: dict[str, tuple[Value, ...] | Range] = {
    "depth": Range(1, 8, integer=True),
    "kind": ("plain", "wide"),
    "rate": Range(1e-4, 1e-1, log=True),
}
DEFAULTS: dict[str, Value] = {"depth": 2, "kind": "plain", "rate": 0.05}


class ToySearch(Struct, frozen=True):
    """Searches for the same minimum from different ``offsets``, each in ``steps`` steps.

    Attributes:
        offsets: One for each search; the smallest losses are near these.
        space: Of every search.
        steps: Losses that a trial reports.
        asked: What the driver of its own asks for.
        trouble: What trials of a search with some value do, such as those of ``a/kind=wide``: ``raise``, ``die``, ``die
            once``, ``wait``.
        folder: Where ``once`` is remembered, where a trial that waits leaves a sign, and where it looks for ``go``.
        seconds: What a trial takes; no part of its loss.
    """

    offsets: tuple[float, ...] = (0.0, 0.5)
    space: dict[str, tuple[Value, ...] | Range] = field(default_factory=SPACE.copy)
    steps: int = 1
    gpus: float = 0.0
    asked: Asked = Asked(trials=8)
    early_stopping: bool = False
    trouble: dict[str, str] = {}
    folder: str = ""
    seconds: float = 0.0
    name: ClassVar[str] = "toy"

    def searches(self, data: Any) -> Sequence[Search]:
        found: list[Search] = []
        for name, offset in zip("abcdefgh", self.offsets, strict=False):
            key = unit_key({"offset": offset, "steps": self.steps, "data": int(data.sum())})
            where: dict[str, str | int] = {"letter": name, "place": len(found)}
            defaults = DEFAULTS if self.space == SPACE else {}
            found.append(Search(key, name, where, self.space, 1.0, self.gpus, self.steps, defaults))
        return found

    def trial(self, search: Search, data: Any, values: dict[str, Value], report: Report) -> float:
        loss = self.offsets[int(search.coordinates["place"])] + toy_loss(values)
        self._strike(search, values)
        time.sleep(self.seconds)
        for step in range(1, self.steps + 1 if self.steps > 1 else 1):
            report(step, loss + 1 / step)
        return loss + float(data[0])

    def _strike(self, search: Search, values: dict[str, Value]) -> None:
        """Do what was asked for, if anything; by its values, because a trial does not know its number."""
        for words, doing in self.trouble.items():
            name, _, condition = words.partition("/")
            what, _, value = condition.partition("=")
            if name != search.name or str(values[what]) != value:
                continue
            here = Path(self.folder) / f"{name}-{values['depth']}-{float(values['rate']):.6f}"
            match doing:
                case "raise":
                    raise ArithmeticError("told to fail")
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "die once" if not here.exists():
                    here.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                case "wait" if not (Path(self.folder) / "go").exists():
                    here.write_text(str(os.getpid()))
                    until((Path(self.folder) / "go").exists)


def toy_loss(values: dict[str, Value]) -> float:
    """Smallest, 0, at depth 5, wide, and a rate of 0.003."""
    rate = np.log10(float(values["rate"]) / 0.003)
    return float(rate**2 + 0.1 * (int(values["depth"]) - 5) ** 2 + (0.5 if values["kind"] == "plain" else 0.0))


def toy_rows() -> Any:
    """Data, large enough that Ray keeps them in shared memory; the first is 0."""
    return np.arange(100_000, dtype=np.int64)

"""A small study for the engine's tests, some of whose units can be told to make trouble.

For each target one sharded scan over the rows, one fit that needs the scan, and in the end one total of all fits. All
sums are of integers, so no order or number of shards may change a byte. Trouble is no part of the plan: a run with
trouble has the keys of a quiet one.
"""

import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from cluster.keys import unit_key
from cluster.objects import Objects
from cluster.study import NOTHING_KEPT, Checkpoint, Output, Plan, Results, Unit

Rows = NDArray[np.int64]
PATIENCE = 60.0
ROWS = 30_000
STEPS = 6  # of a fit
MOST = 6 << 30  # bytes that a unit told to devour takes at most: others work on this machine


def toy_data(rows: int = ROWS) -> Rows:
    """Rows of integers, large enough that Ray keeps them in shared memory."""
    return np.arange(rows * 8, dtype=np.int64).reshape(rows, 8) % 1009


class Trouble(Struct, frozen=True):
    """What goes wrong.

    Attributes:
        units: What the run of a unit does, by its name: ``raise``, ``segfault``, ``die``, ``die late``, ``die once``,
            ``wait``, ``alone`` (fails if another unit that is told so runs at the same time), ``devour`` (memory),
            ``stall once`` (never ends), ``tally`` (nothing but a mark for each time), ``linger`` (for 6 s), and ``halt
            before part``, ``halt before commit``, ``halt after commit``, where the first attempt waits at that point of
            its commit for ``wake`` and the second goes through. A fit may also ``keep`` its state after each step, of
            which it leaves a mark, and ``keep, raise``, ``keep, die once`` or ``keep, halt once`` after the third. What
            ``fit/0 again`` is told happens to it where it goes on from a state.
        scans: Likewise for what the source stores do with a unit's query; ``with a GPU`` fails where none was given.
        folder: Where ``once`` is remembered, where a unit that waits or halts leaves a file with its process's number,
            and where it looks for ``go`` or ``wake``.
    """

    units: dict[str, str] = {}
    scans: dict[str, str] = {}
    folder: str = ""

    def strike(self, doing: str | None, name: str) -> None:
        """Do what was asked for, if anything."""
        here = Path(self.folder) / name.replace("/", "-")
        match doing:
            case "raise":
                raise ArithmeticError(f"{name} was told to fail")
            case "segfault":
                ctypes.string_at(0)
            case "die":
                _mark(here)
                os.kill(os.getpid(), signal.SIGKILL)
            case "die late":  # when others stand in its queue
                time.sleep(0.7)
                os.kill(os.getpid(), signal.SIGKILL)
            case "die once" if not here.exists():
                here.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "linger":
                time.sleep(6.0)
            case "alone":
                (Path(self.folder) / "occupied").touch(exist_ok=False)
                time.sleep(0.3)
                (Path(self.folder) / "occupied").unlink()
            case "with a GPU" if not os.environ.get("CUDA_VISIBLE_DEVICES"):
                raise LookupError("no GPU was given")
            case "wait":
                _sign(here)
                until((Path(self.folder) / "go").exists)
            case "stall once" if not here.exists():
                _sign(here)
                until((Path(self.folder) / "wake").exists, 600)
            case "tally":
                _mark(here)
            case "devour":
                _mark(here)
                greedy: list[bytes] = []
                until(lambda: greedy.append(b"x" * (64 << 20)) or len(greedy) << 26 > MOST)  # type: ignore[func-returns-value]
                raise ArithmeticError(f"{name} took {MOST >> 30} GiB and nobody stopped it")
            case "halt before part" | "halt before commit" | "halt after commit" if not here.exists():
                self._halt(doing.removeprefix("halt "), here)

    def _halt(self, point: str, here: Path) -> None:
        """Let this process stop at a point of the commit that follows."""
        original = Objects.create

        def create(objects: Objects, path: str, payload: bytes) -> bool:
            if not path.startswith("parts/" if point == "before part" else "commits/"):
                return original(objects, path, payload)
            Objects.create = original  # type: ignore[method-assign]
            created = point == "after commit" and original(objects, path, payload)
            _sign(here)
            until((Path(self.folder) / "wake").exists)
            created = created or original(objects, path, payload)
            here.with_suffix(".late").touch()
            return created

        Objects.create = create  # type: ignore[method-assign]


def _mark(here: Path) -> None:
    with here.open("a") as tally:
        tally.write("x")


def _sign(here: Path) -> None:
    """Leave a file with this process's number, whole as soon as it is seen."""
    draft = here.with_name(f".{here.name}-{os.getpid()}")
    draft.write_text(str(os.getpid()))
    draft.rename(here)


class ToyStudy(Struct, frozen=True):
    """The study; ``cost`` is every unit's, and from 2 core-seconds on each is a bundle of its own.

    ``memory`` is what every unit says it needs, ``gpus`` what a scan asks for, ``seconds`` what a unit takes (and a
    source store's answer a tenth of it); none of them changes a byte.
    """

    targets: int = 4
    cost: float = 2.0
    memory: int = 0
    gpus: float = 0.0
    trouble: Trouble = Trouble()
    seconds: float = 0.0
    name: ClassVar[str] = "toy"

    def plan(self, data: Any) -> Plan:
        fingerprint = str(int(data.sum()))
        units: list[Unit] = []
        fits: list[str] = []
        for i in range(self.targets):
            scan = self._unit("scan", i, (), fingerprint, sharded=True)
            fit = self._unit("fit", i, (scan.key,), fingerprint)
            units += [scan, fit]
            fits.append(fit.key)
        units.append(self._unit("total", 0, tuple(fits), fingerprint))
        return Plan(self.name, {"targets": self.targets}, fingerprint, {"toy": "1"}, tuple(units))

    def shards(self, data: Any, count: int) -> Sequence[Any]:
        return np.array_split(data, count)

    def query(self, data: Any, unit: Unit) -> Any:
        self.trouble.strike(self.trouble.scans.get(unit.name + " query"), unit.name)
        return unit.name, int(unit.coordinates["target"])

    def scan(self, shard: Any, query: Any) -> Any:
        name, target = query
        self.trouble.strike(self.trouble.scans.get(name), name)
        time.sleep(self.seconds / 10)
        return int((shard[:, target % 8] * (shard[:, 0] + 1)).sum())

    def run(
        self,
        unit: Unit,
        data: Any,
        inputs: Mapping[str, bytes],
        answers: Sequence[Any],
        checkpoint: Checkpoint = NOTHING_KEPT,
    ) -> Output:
        self.trouble.strike(self.trouble.units.get(unit.name), unit.name)
        time.sleep(self.seconds)
        target = int(unit.coordinates["target"])
        if unit.kind == "scan":
            value = sum(answers)
        elif unit.kind == "fit":
            value = json.loads(inputs[unit.needs[0]])["value"] + self._highest(unit, data[:, target % 8], checkpoint)
        else:
            value = sum(json.loads(inputs[need])["value"] for need in unit.needs)
        return Output(json.dumps({"unit": unit.name, "value": value}).encode(), 1, {unit.kind: 1})

    def _highest(self, unit: Unit, column: NDArray[np.int64], checkpoint: Checkpoint) -> int:
        """The column's maximum, step by step as a training goes epoch by epoch."""
        step, highest = 0, -1
        doing = self.trouble.units.get(unit.name, "")
        here = Path(self.trouble.folder) / unit.name.replace("/", "-")
        keeps = doing.startswith("keep")
        if keeps and (kept := checkpoint.load()) is not None:
            self.trouble.strike(self.trouble.units.get(unit.name + " again"), unit.name + " again")
            step, highest = json.loads(kept)
        for chunk in np.array_split(column, STEPS)[step:]:
            highest, step = max(highest, int(chunk.max())), step + 1
            if keeps:
                with here.with_suffix(".steps").open("a") as tally:
                    tally.write(str(step))
                checkpoint.save(json.dumps([step, highest]).encode())
            if step == STEPS // 2 and not here.exists():
                match doing:
                    case "keep, raise":
                        raise ArithmeticError(f"{unit.name} was told to fail")
                    case "keep, die once":
                        here.touch()
                        os.kill(os.getpid(), signal.SIGKILL)
                    case "keep, halt once":
                        _sign(here)
                        until((Path(self.trouble.folder) / "wake").exists)
        return highest

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        lines = []
        for unit, payload in zip(plan.units, results.payloads(plan.units), strict=True):
            lines.append(f"{unit.name} {'settled' if results.settled(unit) else 'open'} {(payload or b'').decode()}")
        yield "tables/units.txt", "\n".join(lines).encode()

    def _unit(self, kind: str, i: int, needs: tuple[str, ...], data: str, *, sharded: bool = False) -> Unit:
        key = unit_key({"kind": kind, "target": i, "needs": list(needs), "data": data})
        gpus = self.gpus if sharded else 0.0
        return Unit(key, kind, f"{kind}/{i}", {"target": i}, needs, self.cost, sharded, gpus, self.memory)


class ProbeStudy(Struct, frozen=True):
    """One unit that tells how a task finds its surroundings."""

    gpus: float = 0.0
    name: ClassVar[str] = "probe"

    def plan(self, data: Any) -> Plan:
        unit = Unit(unit_key({"gpus": self.gpus}), "probe", "probe", {}, gpus=self.gpus)
        return Plan(self.name, {}, "", {}, (unit,))

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
        import numba
        import torch
        from threadpoolctl import threadpool_info

        _ = np.ones((64, 64)) @ np.ones((64, 64))  # so that a BLAS is there
        found = {
            "pools": {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()},
            "torch": torch.get_num_threads(),
            "numba": numba.get_num_threads(),
            "numba at most": numba.config.NUMBA_NUM_THREADS,
            "writeable": bool(data.flags.writeable),
            "own memory": bool(data.flags.owndata),
            "shared memory": _lies_in_shared_memory(data),
        }
        return Output(json.dumps(found).encode(), 1)

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        yield from ()


def _lies_in_shared_memory(array: NDArray[Any]) -> bool:
    """Whether an array's bytes lie in a mapping that processes share (the ``s`` of /proc/self/maps)."""
    address = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        where, rights = line.split()[:2]
        begin, end = (int(side, 16) for side in where.split("-"))
        if begin <= address and address + array.nbytes <= end:
            return rights.endswith("s")
    return False


def plain_loop(study: ToyStudy, data: Any, shards: int = 1) -> dict[str, bytes]:
    """Every unit's payload by key, computed one after the other without an engine."""
    payloads: dict[str, bytes] = {}
    for unit in study.plan(data).units:
        answers = []
        if unit.sharded:
            query = study.query(data, unit)
            answers = [study.scan(shard, query) for shard in study.shards(data, shards)]
        payloads[unit.key] = study.run(unit, data, {need: payloads[need] for need in unit.needs}, answers).payload
    return payloads


def files(folder: Path, *, history: bool = True) -> dict[str, bytes]:
    """Every file below a folder; without ``history``, those that tell of failures on the way are left out."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {
        name: payload for name, payload in found.items() if history or not name.startswith(("failures/", "quarantine/"))
    }


def until(true: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for something to become true.

    Raises:
        TimeoutError: It did not within ``patience`` seconds.
    """
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience:g} s in vain")
        time.sleep(0.02)

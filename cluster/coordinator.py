"""Which unit is next: a pure state machine, events in, instructions out; it knows neither Ray nor the store.

A unit waits for the units it needs, is ready, runs, and ends as done or failed. Ready units leave in the order of the
longest chain of work that hangs on them, so that no core idles at the end; cheap ones leave in bundles.
"""

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from cluster.study import Unit


class Blocked(NamedTuple):
    """A unit that cannot be computed because one it needs has failed."""

    unit: Unit
    because: Unit


class Coordinator:
    """The pending part of a plan.

    Args:
        units: All units of the plan; a unit comes after those it needs.
        committed: Keys that are done already.
        attempts: How often a unit may be lost (its worker died) between two commits, or its part damaged, before it
            counts as failed. It may be displaced (its machine died, as spot machines do) ten times as often.
        bundle: Units leave together until their estimated cost reaches this many core-seconds.

    Raises:
        ValueError: A key appears twice, or a unit needs one that does not come before it: it would wait for ever.
    """

    def __init__(
        self, units: Iterable[Unit], committed: Iterable[str] = (), *, attempts: int = 3, bundle: float = 2.0
    ) -> None:
        done = set(committed)
        everything = list(units)
        self.total = len(everything)
        self.units = _by_key(everything)
        self.attempts = attempts
        self.bundle = bundle
        self.pending = {key for key in self.units if key not in done}
        self.failed: dict[str, str] = {}
        self._lost: dict[str, int] = {}
        self._displaced: dict[str, int] = {}
        self._damaged: dict[str, int] = {}
        self._running: set[str] = set()
        self._dependents: dict[str, list[str]] = {}
        self._waiting: dict[str, set[str]] = {}
        for unit in everything:
            for need in unit.needs:
                self._dependents.setdefault(need, []).append(unit.key)
        self._rank = self._chain_costs(everything)
        self._position = {unit.key: i for i, unit in enumerate(everything)}
        self._ready: dict[bool, list[tuple[float, int, str]]] = {False: [], True: []}  # by whether it is on a GPU
        self._scans = {key for key in self.pending if self.units[key].sharded}
        for unit in everything:
            if unit.key in self.pending:
                self._admit(unit)

    def take(self, *, on_gpu: bool = False) -> tuple[Unit, ...]:
        """The next bundle to run on CPUs, or the next unit that asks for a GPU; empty if nothing is ready now."""
        bundle: list[Unit] = []
        cost = 0.0
        while (unit := self._next(on_gpu)) is not None:
            # one that was lost before may take its worker down again, and must not take its siblings' attempts with it
            alone = unit.sharded or on_gpu or unit.key in self._lost or unit.key in self._displaced
            if bundle and (alone or cost + unit.cost > self.bundle):
                break
            heapq.heappop(self._ready[on_gpu])
            self._running.add(unit.key)
            bundle.append(unit)
            cost += unit.cost
            if alone:
                break
        return tuple(bundle)

    def committed(self, key: str) -> None:
        """A unit is done; those that waited for it alone become ready. Hearing it twice changes nothing."""
        if key not in self.pending:
            return
        self.pending.discard(key)
        self._scans.discard(key)
        self._running.discard(key)
        self._waiting.pop(key, None)
        self.failed.pop(key, None)
        self._displaced.pop(key, None)
        self._lost.pop(key, None)  # it can be computed after all: if its part is damaged, it has all its attempts again
        for dependent in self._dependents.get(key, ()):
            waits = self._waiting.get(dependent)
            if waits is not None:
                waits.discard(key)
                if not waits:
                    del self._waiting[dependent]
                    self._push(dependent)

    def rejected(self, key: str, reason: str) -> None:
        """A unit's own computation failed; the same computation would fail again, so it is not repeated in this run."""
        if key in self.pending:
            self._fail(key, reason)

    def lost(self, key: str, reason: str, *, displaced: bool = False) -> bool:
        """A running unit's worker was lost, or ``displaced`` with its machine, for which the unit is hardly to blame.

        True if it is tried again, False if it has had all its attempts.
        """
        if key not in self._running:
            return False  # heard twice, or overtaken by its commit
        losses, limit = (self._displaced, 10 * self.attempts) if displaced else (self._lost, self.attempts)
        losses[key] = losses.get(key, 0) + 1
        if losses[key] >= limit:
            self._fail(key, reason)
            return False
        self.returned(key)
        return True

    def returned(self, key: str) -> None:
        """A running unit came back without having been computed, by no fault of its own: it is ready again."""
        if key in self._running:
            self._running.discard(key)
            self._admit(self.units[key])

    def reopened(self, key: str, by: str | None = None) -> bool:
        """A done unit's part turned out damaged: compute it again, and let ``by``, which found it out, wait for it.

        False if that has happened too often: the unit counts as failed, because its part would be damaged again.
        """
        if key in self.units and key not in self.pending:
            self.pending.add(key)
            if self.units[key].sharded:
                self._scans.add(key)
            self._damaged[key] = self._damaged.get(key, 0) + 1
            if self._damaged[key] >= self.attempts:
                self._fail(key, f"its part was damaged {self._damaged[key]} times")
            else:
                self._admit(self.units[key])
            for dependent in self._dependents.get(key, ()):
                if dependent in self.pending and dependent not in self._running:
                    self._waiting.setdefault(dependent, set()).add(key)
        if by is not None:
            self.returned(by)
        return key not in self.failed

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing can be started."""
        return not self._running and self._next(False) is None and self._next(True) is None

    @property
    def gpu_ready(self) -> bool:
        """Whether a unit that asks for a GPU is ready to leave."""
        return self._next(True) is not None

    def last_attempt(self, key: str) -> bool:
        """Whether a unit that was lost is given up the next time."""
        return key in self.pending and key not in self.failed and self._lost.get(key, 0) == self.attempts - 1

    @property
    def scans_left(self) -> bool:
        """Whether a unit that may still be computed begins with a scan over the source stores."""
        return bool(self._scans)

    def blocked(self) -> list[Blocked]:
        """Units that were not computed because one they need has failed."""
        causes: dict[str, Unit] = {}
        for key, unit in self.units.items():  # needs come first, so one pass reaches everything that hangs on a failure
            if key in self.pending and key not in self.failed:
                for need in unit.needs:
                    if need in self.failed:
                        causes[key] = self.units[need]
                    elif need in causes:
                        causes[key] = causes[need]
                    if key in causes:
                        break
        return [Blocked(self.units[key], cause) for key, cause in causes.items()]

    def _fail(self, key: str, reason: str) -> None:
        self._running.discard(key)
        self._scans.discard(key)
        self.failed[key] = reason

    def _admit(self, unit: Unit) -> None:
        waits = {need for need in unit.needs if need in self.pending}
        if waits:
            self._waiting[unit.key] = waits
        else:
            self._push(unit.key)

    def _next(self, on_gpu: bool) -> Unit | None:
        """The ready unit that leaves first; entries that events have overtaken are dropped on the way."""
        ready = self._ready[on_gpu]
        while ready:
            key = ready[0][2]
            overtaken = key in self._running or key in self.failed or key in self._waiting
            if key in self.pending and not overtaken:
                return self.units[key]
            heapq.heappop(ready)
        return None

    def _push(self, key: str) -> None:
        ready = self._ready[self.units[key].on_gpu]
        heapq.heappush(ready, (-self._rank[key], self._position[key], key))

    def _chain_costs(self, units: list[Unit]) -> dict[str, float]:
        """For each unit, the cost of the longest chain of work that begins with it."""
        rank: dict[str, float] = {}
        for unit in reversed(units):
            rank[unit.key] = unit.cost + max((rank[d] for d in self._dependents.get(unit.key, ())), default=0.0)
        return rank


def _by_key(units: list[Unit]) -> dict[str, Unit]:
    known: dict[str, Unit] = {}
    for unit in units:
        if unit.key in known:
            raise ValueError(f"the plan holds two units with the key {unit.key}: {known[unit.key].name}, {unit.name}")
        missing = [need for need in unit.needs if need not in known]
        if missing:
            raise ValueError(f"{unit.name} needs {missing[0]}, which does not come before it in the plan")
        known[unit.key] = unit
    return known

"""Which trials of several searches are done, under way, and next; no Ray here."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cluster.search.proposals import batch_size, propose
from cluster.search.space import Asked, Trial, Value, trial_count
from cluster.search.study import Search

ATTEMPTS = 3  # how often a trial is begun whose worker dies, before it counts as failed
LOST = f"its worker died {ATTEMPTS} times: it crashed, or was killed from outside, as the kernel does without memory"


class Point(NamedTuple):
    """A trial to be computed: of which search (its place among them), its number, its values."""

    search: int
    number: int
    values: dict[str, Value]


class Book:
    """Searches that run at the same time, each batch by batch: no trial of a batch leaves before the last is done.

    Args:
        searches: All of them.
        asked: How each is searched.
        done: Trials that are committed, by place of the search and number.
    """

    def __init__(self, searches: Sequence[Search], asked: Asked, done: Mapping[tuple[int, int], Trial]) -> None:
        self.searches = searches
        self.asked = asked
        self.done = dict(done)
        self.totals = [trial_count(search.space, asked) for search in searches]
        self._open: dict[int, list[Point]] = {}
        self._left = [
            {number for number in range(total) if (place, number) not in self.done}
            for place, total in enumerate(self.totals)
        ]

    @property
    def missing(self) -> int:
        """Trials that are not done."""
        return sum(map(len, self._left))

    def take(self) -> Point | None:
        """A trial to begin, of the search that has most work left; None if all that are known are under way or done."""
        for place in sorted(range(len(self.searches)), key=lambda place: (-self._work(place), place)):
            if place not in self._open and self._left[place]:
                self._open[place] = self._next_batch(place)
            if self._open.get(place):
                return self._open[place].pop(0)
        return None

    def settle(self, place: int, trial: Trial) -> None:
        """A trial is done; after the last one of its batch the next batch is open."""
        self.done[place, trial.number] = trial
        self._left[place].discard(trial.number)
        size = batch_size(self.searches[place].space, self.asked)
        batch = trial.number // size
        if not any(number // size <= batch for number in self._left[place]):
            self._open.pop(place, None)

    def trials(self, place: int) -> list[Trial]:
        """Those of a search that are done, in order of number."""
        return [self.done[place, number] for number in range(self.totals[place]) if (place, number) in self.done]

    def _next_batch(self, place: int) -> list[Point]:
        """What is missing of the first batch that lacks a trial."""
        search = self.searches[place]
        size = batch_size(search.space, self.asked)
        batch = min(self._left[place]) // size
        values = propose(search.space, self.asked, self.trials(place), batch, search.defaults)
        points = [Point(place, batch * size + i, point) for i, point in enumerate(values)]
        return [point for point in points if point.number in self._left[place]]

    def _work(self, place: int) -> float:
        return self.searches[place].cost * len(self._left[place])

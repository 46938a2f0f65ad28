"""What a search is asked and what it finds: spaces of values, their points in a fixed order, trials."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from cluster.errors import EngineError

Value: TypeAlias = bool | int | float | str


class SearchError(EngineError):
    """A search cannot be made as it was asked for, or no trial of it came to anything."""


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """All numbers from ``low`` to ``high``, both included.

    Attributes:
        low, high: The ends.
        log: Drawn evenly in the logarithm; ``low`` must be above 0.
        integer: Whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False


Space: TypeAlias = Mapping[str, tuple[Value, ...] | Range]


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """How a space is searched.

    Attributes:
        method: ``tpe`` (Tree-structured Parzen Estimator), ``random``, or ``grid`` (every point, ``trials`` ignored).
        trials: How many points are tried, at most as many as the space has.
        seed: Of every draw.
        batch: Points that ``tpe`` proposes at once, before it has seen any of their losses: that many can run at the
            same time, and it learns once a batch. Part of what is searched, so that the number of workers is not.
    """

    method: Literal["tpe", "random", "grid"] = "tpe"
    trials: int = 20
    seed: int = 1
    batch: int = 4

    def checked(self) -> "Asked":
        """Itself.

        Raises:
            SearchError: A number is out of range.
        """
        if self.method not in ("tpe", "random", "grid"):
            raise SearchError(f"method {self.method!r} is not known; it is tpe, random or grid")
        for name, least in (("trials", 1), ("batch", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise SearchError(f"{name} is {getattr(self, name)}; a search needs {least} or more")
        return self


class Trial(Struct, frozen=True, forbid_unknown_fields=True):
    """One point that was tried.

    Attributes:
        number: Its place in the search, from 0.
        values: The point.
        loss: Lower is better; of a pruned trial what it reported last; None if it failed.
        status: ``pruned`` trials were stopped before their end because others were better at that point.
        curve: Losses reported on the way, one a step.
        reason: Why it failed.
    """

    number: int
    values: dict[str, Value]
    loss: float | None
    status: Literal["complete", "failed", "pruned"]
    curve: tuple[float, ...] = ()
    reason: str = ""


def checked_space(space: Space) -> dict[str, tuple[Value, ...] | Range]:
    """The space with its names sorted, so that their order changes nothing.

    Raises:
        SearchError: It has no dimension, or one of them breaks a rule; dimension and remedy are named.
    """
    if not space:
        raise SearchError("the space has no dimension, so there is nothing to search; name some values")
    for name, choice in space.items():
        if not isinstance(name, str) or not name:
            raise SearchError(f"{name!r} cannot name a dimension of the space; give it a name")
        if isinstance(choice, Range):
            _check_range(name, choice)
        else:
            _check_values(name, choice)
    return {name: _tuple(space[name]) for name in sorted(space)}


def _tuple(choice: Sequence[Value] | Range) -> tuple[Value, ...] | Range:
    return choice if isinstance(choice, Range) else tuple(choice)


def _check_range(name: str, span: Range) -> None:
    if not (math.isfinite(span.low) and math.isfinite(span.high)):
        raise SearchError(f"{name}: a range needs finite ends, and these are {span.low} and {span.high}")
    if span.low >= span.high:
        raise SearchError(f"{name}: the range goes from {span.low} to {span.high}; low must be below high")
    if span.log and span.low <= 0:
        raise SearchError(f"{name}: a range in logarithms begins above 0, not at {span.low}")
    if span.integer and not (float(span.low).is_integer() and float(span.high).is_integer()):
        raise SearchError(f"{name}: a range of whole numbers needs whole ends, and these are {span.low}, {span.high}")


def _check_values(name: str, values: Sequence[Value]) -> None:
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise SearchError(f"{name}: {values!r} is neither a Range nor a tuple of one or more values")
    for value in values:
        if type(value) not in (bool, int, float, str):
            raise SearchError(f"{name}: {value!r} is no bool, int, float or text, and cannot be written down exactly")
        if isinstance(value, float) and not math.isfinite(value):
            raise SearchError(f"{name}: {value} is not finite; leave it out")
    if len(set(values)) != len(values):
        raise SearchError(f"{name}: a value appears twice in {tuple(values)} (1, 1.0 and True are the same); keep one")


def space_text(space: Space) -> dict[str, Any]:
    """The space as what keys and plans hold of it (:func:`cluster.keys.encode`)."""
    text: dict[str, Any] = {}
    for name, choice in checked_space(space).items():
        if isinstance(choice, Range):
            ends = {"low": float(choice.low), "high": float(choice.high)}
            text[name] = ends | {"log": choice.log, "integer": choice.integer}
        else:
            text[name] = list(choice)
    return text


def grid_size(space: Space) -> int | None:
    """How many points the space has; None if a range of real numbers is part of it."""
    sizes = [_size(choice) for choice in space.values()]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def _size(choice: Sequence[Value] | Range) -> int | None:
    if not isinstance(choice, Range):
        return len(choice)
    return int(choice.high) - int(choice.low) + 1 if choice.integer else None


def grid_point(space: Space, index: int) -> dict[str, Value]:
    """The grid's point of that index: names in sorted order, the last one varies fastest.

    Raises:
        SearchError: The space has no such point, or no grid.
    """
    size = grid_size(space)
    if size is None or not 0 <= index < size:
        raise SearchError(f"the space has {'no grid' if size is None else f'{size} points'}; there is no point {index}")
    point: dict[str, Value] = {}
    for name in sorted(space, reverse=True):
        choice = space[name]
        index, place = divmod(index, _size(choice) or 1)
        point[name] = int(choice.low) + place if isinstance(choice, Range) else choice[place]
    return dict(sorted(point.items()))


def trial_count(space: Space, asked: Asked) -> int:
    """How many trials a search has, known before it begins: no point of a finite space is tried twice.

    Raises:
        SearchError: A grid is asked for and a dimension has no end of points.
    """
    size = grid_size(space)
    if asked.method != "grid":
        return asked.trials if size is None else min(asked.trials, size)
    if size is None:
        endless = [name for name, choice in space.items() if _size(choice) is None]
        raise SearchError(f"{', '.join(endless)}: a range of real numbers has no grid; list values, or ask for tpe")
    return size


def checked_point(space: Space, values: Mapping[str, Value]) -> dict[str, Value]:
    """A point that lies in the space, its names sorted.

    Raises:
        SearchError: It does not.
    """
    if set(values) != set(space):
        raise SearchError(f"a point of this space has values for {', '.join(sorted(space))}, not {sorted(values)}")
    point: dict[str, Value] = {}
    for name in sorted(space):
        choice, value = space[name], values[name]
        point[name] = value
        if isinstance(choice, Range):
            whole = not choice.integer or type(value) is int
            inside = type(value) in (int, float) and whole and choice.low <= float(value) <= choice.high
        elif inside := value in choice:
            point[name] = choice[choice.index(value)]  # 1, 1.0 and True are equal, and only one of them is listed
        if not inside:
            raise SearchError(f"{name}: {value!r} lies outside of its values")
    return point

"""Spaces, their points, and what is refused."""

import math
from typing import Any

import pytest

from cluster.keys import encode
from cluster.search.space import (
    Asked,
    Range,
    SearchError,
    checked_point,
    checked_space,
    grid_point,
    grid_size,
    space_text,
    trial_count,
)

LISTED: dict[str, Any] = {"b": ("x", "y", "z"), "a": (True, False), "c": Range(2, 5, integer=True)}


def test_the_grid_has_every_point_once_in_a_fixed_order() -> None:
    points = [grid_point(LISTED, i) for i in range(grid_size(LISTED) or 0)]
    expected = [{"a": a, "b": b, "c": c} for a in (True, False) for b in "xyz" for c in (2, 3, 4, 5)]
    assert points == expected
    assert [grid_point(dict(reversed(LISTED.items())), i) for i in range(24)] == expected
    with pytest.raises(SearchError, match="24 points; there is no point 24"):
        grid_point(LISTED, 24)


def test_a_range_of_real_numbers_has_no_grid() -> None:
    space: dict[str, Any] = LISTED | {"rate": Range(0.1, 1.0)}
    assert grid_size(space) is None
    with pytest.raises(SearchError, match=r"rate: a range of real numbers has no grid"):
        trial_count(space, Asked(method="grid"))
    assert trial_count(space, Asked(trials=50)) == 50


def test_no_more_trials_than_points() -> None:
    assert trial_count(LISTED, Asked(trials=50)) == 24
    assert trial_count(LISTED, Asked(trials=5)) == 5
    assert trial_count(LISTED, Asked(method="grid", trials=5)) == 24


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "no dimension"),
        ({"a": ()}, "a: () is neither"),
        ({"a": "text"}, "a: 'text' is neither"),
        ({"a": 3}, "a: 3 is neither"),
        ({"a": (None,)}, "a: None is no bool"),
        ({"a": (1.0, math.nan)}, "a: nan is not finite"),
        ({"a": (1, True)}, "a: a value appears twice"),
        ({"": (1, 2)}, "'' cannot name a dimension"),
        ({"a": Range(2, 2)}, "a: the range goes from 2 to 2"),
        ({"a": Range(0, math.inf)}, "a: a range needs finite ends"),
        ({"a": Range(0, 1, log=True)}, "a: a range in logarithms begins above 0"),
        ({"a": Range(0.5, 2, integer=True)}, "a: a range of whole numbers needs whole ends"),
    ],
)
def test_what_is_no_space(space: Any, words: str) -> None:
    with pytest.raises(SearchError) as caught:
        checked_space(space)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("asked", [Asked(trials=0), Asked(batch=0), Asked(seed=-1), Asked(method="best")])  # type: ignore[arg-type]
def test_what_cannot_be_asked(asked: Asked) -> None:
    with pytest.raises(SearchError, match=r"needs|not known"):
        asked.checked()


def test_points_inside_and_outside() -> None:
    space: dict[str, Any] = {"a": (1, 2), "r": Range(0.1, 1.0)}
    assert list(checked_point(space, {"r": 0.1, "a": 2})) == ["a", "r"]
    assert type(checked_point(space, {"r": 1, "a": True})["a"]) is int
    for values in ({"a": 1}, {"a": 3, "r": 0.5}, {"a": 1, "r": 1.5}, {"a": 1, "r": "x"}, {"a": 1, "r": 0.5, "b": 1}):
        with pytest.raises(SearchError):
            checked_point(space, values)  # type: ignore[arg-type]


def test_the_text_of_a_space_does_not_depend_on_its_order() -> None:
    text = encode(space_text(LISTED))
    assert text == encode(space_text(dict(reversed(LISTED.items()))))
    assert text != encode(space_text(LISTED | {"a": (False, True)}))
    assert space_text({"r": Range(1, 2)}) == {"r": {"low": 1.0, "high": 2.0, "log": False, "integer": False}}

"""The one text of a value, and the keys made of it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.keys import canonical, encode, unit_key

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "value",
    [
        np.float64(1.5),
        np.float32(1.5),
        np.int64(3),
        np.bool_(True),
        np.str_("KO"),
        np.arange(3),
        float("nan"),
        float("inf"),
        -float("inf"),
        {1, 2},
        frozenset({1}),
        b"bytes",
        1j,
        {1: "a"},
        {None: "a"},
        {np.str_("a"): 1},
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_what_has_no_single_text_is_refused(value: Any, depth: int) -> None:
    nested = [value, [value], {"a": {"b": (1, value)}}][depth]
    with pytest.raises(TypeError):
        canonical(nested)
    with pytest.raises(TypeError):
        unit_key({"part": nested})


def test_a_known_key() -> None:
    """Pinned: if it changes, every results folder in the world is computed again."""
    parts = {
        "model": "HAR",
        "period": 50,
        "rate": 0.1,
        "flag": True,
        "none": None,
        "names": ["Ä", "b"],
        "in": {"x": -0.0},
    }
    assert encode(parts) == (
        '{"flag":true,"in":{"x":-0.0},"model":"HAR","names":["Ä","b"],"none":null,"period":50,"rate":0.1}'.encode()
    )
    assert unit_key(parts) == "417c416c5b5eb28b7c521b82f3f84a97"


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=6), st.randoms())
def test_the_order_of_parts_does_not_matter(parts: dict[str, Any], random: Any) -> None:
    shuffled = list(parts.items())
    random.shuffle(shuffled)
    assert unit_key(dict(shuffled)) == unit_key(parts)


def test_tuples_are_lists() -> None:
    assert unit_key({"periods": (50, 150)}) == unit_key({"periods": [50, 150]})


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (True, 1), ("1", 1), (None, "null"), ([], {}), ([1, 2], [2, 1])])
def test_different_values_have_different_keys(one: Any, other: Any) -> None:
    assert unit_key({"a": one}) != unit_key({"a": other})

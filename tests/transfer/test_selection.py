"""The quantile rule, ties included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from volforecast.transfer.selection import INCLUSION_RATES, select
from volforecast.transfer.subsequences import Distances


def chosen(distances: list[float], rate: int) -> list[bool]:
    part = Distances(np.arange(len(distances)), np.array(distances))
    return select([part], rates=(rate,)).selected[rate].tolist()


@pytest.mark.parametrize(
    ("distances", "rate", "selected"),
    [
        ([1.0], 25, [True]),
        ([1.0, 2.0], 50, [True, False]),  # the median is 1.5
        ([3.0, 1.0, 2.0], 50, [False, True, True]),  # the median is one of them, and belongs
        ([5.0, 1.0, 2.0, 3.0, 4.0], 25, [False, True, True, False, False]),
        ([1.0, 1.0, 1.0, 9.0], 25, [True, True, True, False]),  # ties with the quantile are all in
        ([7.0, 7.0, 7.0], 25, [True, True, True]),
        ([1.0, 2.0, 2.0, 2.0], 75, [True, True, True, True]),
    ],
)
def test_cases_worked_by_hand(distances: list[float], rate: int, selected: list[bool]) -> None:
    assert chosen(distances, rate) == selected


@given(st.lists(st.integers(0, 20).map(float), min_size=1, max_size=60), st.sampled_from(INCLUSION_RATES))
def test_agrees_with_plain_loops(distances: list[float], rate: int) -> None:
    limit = naive.quantile(distances, rate)
    assert chosen(distances, rate) == [distance <= limit for distance in distances]


@given(st.lists(st.integers(0, 1000).map(float), min_size=1, max_size=60, unique=True))
def test_lower_rates_select_fewer_of_the_same(distances: list[float]) -> None:
    low, middle, high = (np.array(chosen(distances, rate)) for rate in INCLUSION_RATES)
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert middle.sum() == (len(distances) + 1) // 2


def test_parts_are_joined_in_the_order_of_their_rows() -> None:
    parts = [Distances(np.array([40, 62]), np.array([4.0, 1.0])), Distances(np.array([3, 25]), np.array([2.0, 3.0]))]
    found = select(parts)
    assert found.start.tolist() == [3, 25, 40, 62]
    assert found.distance.tolist() == [2.0, 3.0, 4.0, 1.0]
    assert found.selected[50].tolist() == [True, False, False, True]

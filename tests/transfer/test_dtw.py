"""The distance against the textbook recursion, tslearn, and itself in another layout."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tslearn.metrics import dtw_path_from_metric

from tests import naive
from volforecast.predictors import STD, build_rows
from volforecast.transfer.dtw import dtw_scalar, dtw_to_blocks

LENGTH = 22


def sequences(rows: int, seed: int = 0, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(size=(rows, width))


@pytest.mark.parametrize(
    ("query", "block", "distance"),
    [
        ([[1.0]], [[1.0]], 0.0),
        ([[1.0]], [[4.0]], 3.0),
        ([[0.0, 0.0]], [[3.0, 4.0]], 5.0),  # Euclidean, and no root of the sum
        ([[0.0], [0.0]], [[1.0], [2.0]], 3.0),
        ([[1.0], [2.0], [3.0]], [[1.0], [2.0], [2.0], [3.0]], 0.0),  # warped
        ([[1.0], [1.0], [9.0]], [[1.0], [9.0], [9.0]], 0.0),
        ([[0.0], [0.0], [0.0]], [[2.0]], 6.0),  # every row is paired with the only one
        ([[1.0], [5.0], [1.0]], [[1.0], [1.0], [1.0]], 4.0),
    ],
)
def test_cases_worked_by_hand(query: list[list[float]], block: list[list[float]], distance: float) -> None:
    q, b = np.array(query), np.array(block)
    assert naive.dtw(query, block) == distance
    assert dtw_scalar(q, b) == distance
    assert dtw_to_blocks(q, b, np.array([0]), len(b)).tolist() == [distance]


@pytest.mark.parametrize("blocks", [1, 2, 63, 64, 65, 127, 128, 129])
def test_the_vectorised_kernel_equals_the_written_out_recursion_bit_by_bit(blocks: int) -> None:
    rows = sequences(LENGTH * blocks + 5, seed=blocks)
    query = sequences(LENGTH, seed=99)
    starts = 5 + LENGTH * np.arange(blocks)
    fast = dtw_to_blocks(query, rows, starts, LENGTH)
    slow = np.array([dtw_scalar(query, rows[start : start + LENGTH]) for start in starts])
    assert fast.tobytes() == slow.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 6),
    n=st.integers(1, 6),
    width=st.integers(1, 4),
    blocks=st.integers(1, 70),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    ties=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_all_shapes_agree(m: int, n: int, width: int, blocks: int, scale: float, ties: bool, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = scale * (draw.integers(0, 3, (n + blocks, width)) if ties else draw.lognormal(size=(n + blocks, width)))
    query = scale * (draw.integers(0, 3, (m, width)) if ties else draw.lognormal(size=(m, width)))
    starts = draw.integers(0, blocks + 1, blocks)
    fast = dtw_to_blocks(query, rows, starts, n)
    slow = np.array([dtw_scalar(query, rows[start : start + n]) for start in starts])
    assert fast.tobytes() == slow.tobytes()
    oracle = [naive.dtw(query.tolist(), rows[start : start + n].tolist()) for start in starts[:3]]
    np.testing.assert_allclose(fast[:3], oracle, rtol=1e-12)


def test_real_blocks_agree_with_tslearn() -> None:
    rows = build_rows(naive.dj30())
    first = rows.first_row("V")
    query = rows.X[first + 28 : first + 50, : len(STD)]
    source = rows.first_row("JPM")
    starts = source + 1000 + LENGTH * np.arange(40)  # 2007 and the crisis
    distances = dtw_to_blocks(query, rows.X[:, : len(STD)], starts, LENGTH)
    blocks = [rows.X[start : start + LENGTH, : len(STD)] for start in starts]
    theirs = [dtw_path_from_metric(query, block, metric="euclidean")[1] for block in blocks]
    np.testing.assert_allclose(distances, theirs, rtol=1e-10)
    np.testing.assert_allclose(distances[:10], [naive.dtw(query.tolist(), b.tolist()) for b in blocks[:10]], rtol=1e-12)


def test_the_distance_is_symmetric_and_zero_to_itself() -> None:
    a, b = sequences(LENGTH, 1), sequences(LENGTH, 2)
    assert dtw_scalar(a, a) == 0.0
    assert math.isclose(dtw_scalar(a, b), dtw_scalar(b, a), rel_tol=1e-14)


def test_order_repetition_and_company_of_blocks_do_not_matter() -> None:
    query, rows = sequences(LENGTH, 3), sequences(700, 4)
    starts = np.arange(0, 600, 7)
    distances = dtw_to_blocks(query, rows, starts, LENGTH)
    order = np.random.default_rng(0).permutation(len(starts))
    assert dtw_to_blocks(query, rows, starts[order], LENGTH).tobytes() == distances[order].tobytes()
    alone = [dtw_to_blocks(query, rows, starts[i : i + 1], LENGTH)[0] for i in range(len(starts))]
    assert np.array(alone).tobytes() == distances.tobytes()


def test_arrays_of_shared_memory_and_other_layouts_give_the_same_bytes() -> None:
    query, rows, starts = sequences(LENGTH, 5), sequences(500, 6), np.arange(0, 470, 22)
    distances = dtw_to_blocks(query, rows, starts, LENGTH).tobytes()
    frozen = [array.copy() for array in (query, rows, starts)]
    for array in frozen:
        array.flags.writeable = False
    assert dtw_to_blocks(frozen[0], frozen[1], frozen[2], LENGTH).tobytes() == distances
    wide = np.hstack([rows, rows])[:, :3]
    assert dtw_to_blocks(np.asfortranarray(query), wide, starts, LENGTH).tobytes() == distances
    assert dtw_to_blocks(query, np.asfortranarray(rows), starts.astype(np.int32), LENGTH).tobytes() == distances


def test_no_blocks_give_no_distances() -> None:
    assert dtw_to_blocks(sequences(3), sequences(30), np.empty(0, dtype=np.int64), 3).shape == (0,)


def test_nan_is_an_error_never_a_distance() -> None:
    rows = sequences(60)
    query = sequences(LENGTH, 1)
    query[7, 1] = np.nan
    with pytest.raises(ValueError, match="query holds NaN"):
        dtw_to_blocks(query, rows, np.array([0]), LENGTH)
    for place in (0, 10, 21):
        spoilt = rows.copy()
        spoilt[place, 2] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            dtw_to_blocks(rows[:LENGTH], spoilt, np.array([30, 0]), LENGTH)
        assert np.isfinite(dtw_to_blocks(rows[:LENGTH], spoilt, np.array([30]), LENGTH)).all()


@pytest.mark.parametrize("starts", [[-1], [39], [0, 100]])
def test_blocks_outside_the_rows_are_an_error(starts: list[int]) -> None:
    with pytest.raises(ValueError, match="reach outside the 60 rows"):
        dtw_to_blocks(sequences(LENGTH), sequences(60), np.array(starts), LENGTH)


def test_other_predictors_are_an_error() -> None:
    with pytest.raises(ValueError, match="same predictors"):
        dtw_to_blocks(sequences(LENGTH, width=2), sequences(60), np.array([0]), LENGTH)

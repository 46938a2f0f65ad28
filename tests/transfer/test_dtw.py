"""The distance against the textbook recursion, tslearn, and itself in other layouts, precisions and company."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tslearn.metrics import dtw_path_from_metric

from tests import naive
from volforecast.predictors import STD, build_rows
from volforecast.transfer import dtw_kernel
from volforecast.transfer.dtw import Layout, Question, dtw_scalar, lay_out

LENGTH = 22


def sequences(rows: int, seed: int = 0, width: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(size=(rows, width))


def ask(layout: Layout, query: np.ndarray, first: Sequence[int] = (0,), unknown: Sequence[int] = (0,)) -> Question:
    """Questions at origins before which some last rows of every source are not known."""
    known = np.maximum(layout.rows - np.array(unknown, dtype=np.int64)[:, None], 0)
    return Question(query, np.array(first, dtype=np.int64), known)


def slow(sources: Sequence[np.ndarray], layout: Layout, question: Question) -> np.ndarray:
    """One window after the other, by the recursion written out."""
    m, found = layout.length, []
    for o, first in enumerate(question.first):
        for rows, known in zip(sources, question.known[o], strict=True):
            query = np.ascontiguousarray(question.rows[first : first + m])
            found += [dtw_scalar(query, rows[start : start + m]) for start in layout.starts(np.array([known]))]
    return np.array(found)


def to_windows(query: np.ndarray, rows: np.ndarray, step: int) -> np.ndarray:
    layout = lay_out([rows], len(query), step)
    return dtw_kernel.distances(layout, ask(layout, query))


@pytest.mark.parametrize(
    ("query", "block", "distance"),
    [
        ([[1.0]], [[1.0]], 0.0),
        ([[1.0]], [[4.0]], 3.0),
        ([[0.0, 0.0]], [[3.0, 4.0]], 5.0),  # Euclidean, and no root of the sum
        ([[0.0], [0.0]], [[1.0], [2.0]], 3.0),
        ([[1.0], [2.0], [2.0]], [[1.0], [1.0], [2.0]], 0.0),  # warped
        ([[1.0], [1.0], [9.0]], [[1.0], [9.0], [9.0]], 0.0),
        ([[0.0], [0.0], [0.0]], [[2.0], [2.0], [2.0]], 6.0),
        ([[1.0], [5.0], [1.0]], [[1.0], [1.0], [1.0]], 4.0),
    ],
)
def test_cases_worked_by_hand(query: list[list[float]], block: list[list[float]], distance: float) -> None:
    q, b = np.array(query), np.array(block)
    assert naive.dtw(query, block) == distance
    assert dtw_scalar(q, b) == distance
    assert to_windows(q, b, len(b)).tolist() == [distance]


@pytest.mark.parametrize("windows", [1, 2, 7, 8, 9, 63, 64, 65, 150, 151, 152, 153, 400])
@pytest.mark.parametrize("overlapping", [False, True], ids=["blocks", "overlapping"])
def test_the_vectorised_kernel_equals_the_written_out_recursion_bit_by_bit(windows: int, overlapping: bool) -> None:
    step = 1 if overlapping else LENGTH
    rows = sequences(LENGTH + step * (windows - 1) + (0 if overlapping else 5), seed=windows)
    layout = lay_out([rows], LENGTH, step)
    question = ask(layout, sequences(LENGTH, seed=99))
    fast = dtw_kernel.distances(layout, question)
    assert len(fast) == windows
    assert fast.tobytes() == slow([rows], layout, question).tobytes()


@settings(max_examples=60)
@given(
    m=st.integers(1, 12),
    width=st.integers(1, 4),
    days=st.lists(st.integers(0, 120), min_size=1, max_size=5),
    origins=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), min_size=1, max_size=5),
    overlapping=st.booleans(),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    ties=st.booleans(),
    ring=st.sampled_from([1, 4096, dtw_kernel.RING]),
    seed=st.integers(0, 1000),
)
def test_all_sources_and_origins_agree(
    m: int,
    width: int,
    days: list[int],
    origins: list[tuple[int, int]],
    overlapping: bool,
    scale: float,
    ties: bool,
    ring: int,
    seed: int,
) -> None:
    """Origins in any order, near each other or not; sources of any length, in one piece or in parts."""
    draw = np.random.default_rng(seed)

    def values(rows: int) -> np.ndarray:
        return scale * (draw.integers(0, 3, (rows, width)) if ties else draw.lognormal(size=(rows, width)))

    sources = [values(rows) for rows in days]
    layout = lay_out(sources, m, 1 if overlapping else m)
    question = ask(layout, values(40 + m), *zip(*origins, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dtw_kernel, "RING", ring)
        fast = dtw_kernel.distances(layout, question)
    assert fast.tobytes() == slow(sources, layout, question).tobytes()


@given(m=st.integers(1, 6), n=st.integers(1, 6), width=st.integers(1, 4), seed=st.integers(0, 1000))
def test_the_recursion_written_out_agrees_with_plain_loops(m: int, n: int, width: int, seed: int) -> None:
    query, block = sequences(m, seed, width), sequences(n, seed + 1, width)
    assert math.isclose(dtw_scalar(query, block), naive.dtw(query.tolist(), block.tolist()), rel_tol=1e-12)


def test_origins_asked_together_give_the_bytes_of_each_by_itself() -> None:
    sources = [sequences(rows, rows) for rows in (300, 22, 0, 150)]
    layout = lay_out(sources, LENGTH, LENGTH)
    query, first, unknown = sequences(120, 1), [0, 5, 6, 60, 98, 5], [60, 55, 54, 7, 0, 55]
    together = dtw_kernel.distances(layout, ask(layout, query, first, unknown))
    alone = [dtw_kernel.distances(layout, ask(layout, query, [f], [u])) for f, u in zip(first, unknown, strict=True)]
    assert together.tobytes() == b"".join(part.tobytes() for part in alone)


def test_what_comes_after_the_known_rows_is_not_looked_at() -> None:
    rows, query = sequences(300), sequences(40, 1)
    later_rows, later_query = rows.copy(), query.copy()
    later_rows[260:], later_query[30:] = np.nan, np.nan
    for step in (1, LENGTH):
        found = []
        for values, target in ((rows, query), (later_rows, later_query)):
            layout = lay_out([values], LENGTH, step)
            found.append(dtw_kernel.distances(layout, ask(layout, target, [0, 8], [45, 40])))
        assert found[0].tobytes() == found[1].tobytes()


def test_real_blocks_agree_with_tslearn() -> None:
    rows = build_rows(naive.dj30())
    first, source = rows.first_row("V"), rows.first_row("JPM")
    query = rows.X[first + 28 : first + 50, : len(STD)]
    crisis = rows.X[source + 1000 : source + 1000 + 40 * LENGTH, : len(STD)]  # 2007 and after
    distances = to_windows(query, crisis, LENGTH)
    blocks = crisis.reshape(40, LENGTH, -1)
    theirs = [dtw_path_from_metric(query, block, metric="euclidean")[1] for block in blocks]
    np.testing.assert_allclose(distances, theirs, rtol=1e-10)
    np.testing.assert_allclose(distances[:10], [naive.dtw(query.tolist(), b.tolist()) for b in blocks[:10]], rtol=1e-12)


@pytest.mark.parametrize("overlapping", [False, True], ids=["blocks", "overlapping"])
def test_real_distances_equal_the_written_out_recursion_bit_by_bit(overlapping: bool) -> None:
    rows = build_rows(naive.dj30())
    first = rows.first_row("CRM")
    sources = [rows.X[begin + 21 : begin + 900, : len(STD)].copy() for begin in map(rows.first_row, ("JPM", "TRV"))]
    layout = lay_out(sources, LENGTH, 1 if overlapping else LENGTH)
    question = ask(layout, rows.X[first + 28 : first + 60, : len(STD)], [0, 5, 10], [10, 5, 0])
    assert dtw_kernel.distances(layout, question).tobytes() == slow(sources, layout, question).tobytes()


@pytest.mark.parametrize("step", [1, LENGTH])
def test_float32_loses_no_more_than_its_precision(step: int) -> None:
    sources = [sequences(700, 2), sequences(333, 3)]
    query = sequences(30, 4)
    found = []
    for precision in ("float64", "float32"):
        layout = lay_out(sources, LENGTH, step, precision)
        found.append(dtw_kernel.distances(layout, ask(layout, query, [0, 3, 8], [8, 5, 0])))
    assert found[0].tobytes() != found[1].tobytes()
    np.testing.assert_allclose(found[1], found[0], rtol=2e-6)  # 22 to 43 costs, each rounded to 24 bits


def test_the_distance_is_symmetric_and_zero_to_itself() -> None:
    a, b = sequences(LENGTH, 1), sequences(LENGTH, 2)
    assert dtw_scalar(a, a) == 0.0
    assert math.isclose(dtw_scalar(a, b), dtw_scalar(b, a), rel_tol=1e-14)


def test_arrays_of_shared_memory_and_other_layouts_give_the_same_bytes() -> None:
    query, rows = sequences(LENGTH, 5), sequences(500, 6)
    distances = to_windows(query, rows, LENGTH).tobytes()
    layout = lay_out([np.asfortranarray(rows)], LENGTH, LENGTH)
    for array in (layout.values, layout.begin, layout.pitch, layout.rows, query):
        array.flags.writeable = False
    for same in (query, np.asfortranarray(query), np.hstack([query, query])[:, :3]):
        assert dtw_kernel.distances(layout, ask(layout, same)).tobytes() == distances


@pytest.mark.parametrize("sources", [[], [0], [3, 21, 0]])
def test_no_windows_give_no_distances(sources: list[int]) -> None:
    layout = lay_out([sequences(rows) for rows in sources] or [np.empty((0, 3))], LENGTH, LENGTH)
    assert dtw_kernel.distances(layout, ask(layout, sequences(LENGTH))).shape == (0,)


def test_nan_is_an_error_never_a_distance() -> None:
    rows, query = sequences(66), sequences(LENGTH, 1)
    spoilt = query.copy()
    spoilt[7, 1] = np.nan
    with pytest.raises(ValueError, match="query holds NaN"):
        to_windows(spoilt, rows, LENGTH)
    for place in (0, 10, 21, 30, 65):
        spoilt = rows.copy()
        spoilt[place, 2] = np.nan
        for step in (1, LENGTH):
            with pytest.raises(ValueError, match="not a finite float64 number"):
                to_windows(query, spoilt, step)


def test_what_is_too_large_for_the_precision_is_an_error() -> None:
    for precision, size in (("float32", 1e20), ("float64", 1e155)):
        layout = lay_out([size * sequences(44)], LENGTH, LENGTH, precision)
        with pytest.raises(ValueError, match=f"not a finite {precision} number"):
            dtw_kernel.distances(layout, ask(layout, sequences(LENGTH)))


def test_what_does_not_fit_is_an_error() -> None:
    layout = lay_out([sequences(60), sequences(50)], LENGTH, LENGTH)
    for first in (-1, 9):
        with pytest.raises(ValueError, match="reach outside the 30 rows"):
            dtw_kernel.distances(layout, ask(layout, sequences(30), [first]))
    with pytest.raises(ValueError, match="for sources with 3 predictors"):
        dtw_kernel.distances(layout, ask(layout, sequences(LENGTH, width=2)))
    with pytest.raises(ValueError, match="more rows are called known"):
        dtw_kernel.distances(layout, ask(layout, sequences(LENGTH), [0], [-1]))
    with pytest.raises(ValueError, match="origins x sources"):
        dtw_kernel.distances(layout, Question(sequences(LENGTH), np.array([0]), np.array([[60]])))

"""Windows of any length against plain loops, and their selections stored as bits and read again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from tests.examples import examples
from tests.studies.first_days_panel import TARGET, market, world
from volforecast.data.parquet import from_parquet, to_parquet
from volforecast.predictors import REDUCED_SETS
from volforecast.studies.first_days_selections import selected_at, short_selection_table
from volforecast.transfer.dtw import DTW
from volforecast.transfer.short_windows import (
    ShortSelection,
    Windows,
    make_plain_shards,
    measure_short,
    select_short,
    short_queries,
)

BLOCKS = DTW()


def measured(prefix: int, origins: list[int], longest: int, dtw: DTW, count: int = 2) -> list[list[Windows]]:
    """The shards' answers."""
    whole = market().by_prefix[max(REDUCED_SETS)].rows
    queries = short_queries(market().by_prefix[prefix].rows, TARGET, origins, longest)
    shards = make_plain_shards(whole, market().sources, count)
    assert len(shards) == count
    return [measure_short(shard, queries, dtw) for shard in shards]


@pytest.mark.parametrize("windows", ["blocks", "overlapping"])
@pytest.mark.parametrize(("prefix", "origins"), [(1, [1, 2, 9]), (5, [5, 6, 7, 30, 31]), (22, [22, 25, 44, 45])])
def test_distances_are_those_of_plain_loops(prefix: int, origins: list[int], windows: str) -> None:
    cut = naive.blocks if windows == "blocks" else naive.runs
    answers = measured(prefix, origins, 22, DTW(windows=windows))  # type: ignore[arg-type]
    for i, origin in enumerate(origins):
        length, expected = world().first_days_windows(TARGET, origin, prefix, cut)
        found = [answer[i] for answer in answers]
        assert {part.length for part in found} == {length}
        distances = np.concatenate([part.distance for part in found])
        np.testing.assert_allclose(distances, [block.distance for block in expected], rtol=1e-12)
        counts = np.concatenate([part.counts for part in found])
        assert counts.tolist() == [sum(b.asset == source for b in expected) for source in market().sources]


def test_no_query_is_longer_than_asked() -> None:
    answers = measured(1, [3, 4, 5, 6], 4, BLOCKS)
    assert [window.length for window in answers[0]] == [3, 4, 4, 4]
    three = measured(1, [5], 4, BLOCKS)
    np.testing.assert_array_equal(answers[0][2].distance, three[0][0].distance)  # whatever else is asked for


def test_the_order_of_shards_changes_nothing() -> None:
    one, other = (part[0] for part in measured(5, [9], 22, BLOCKS))
    found, turned = select_short([one, other]), select_short([other, one])
    assert found.limits == turned.limits
    for rate in found.selected:
        np.testing.assert_array_equal(found.selected[rate], turned.selected[rate])
    np.testing.assert_array_equal(found.first, turned.first)


def test_sources_without_windows_give_an_empty_selection() -> None:
    none = Windows(7, np.array([0, 40]), np.array([0, 0]), np.empty(0))
    found = select_short([none])
    assert all(np.isnan(limit) for limit in found.limits.values())
    assert not any(len(flags) for flags in found.selected.values())
    rows = market().by_prefix[1].rows
    table = short_selection_table(rows, (TARGET, 1, 5), [7], [found])
    assert table.num_rows == 0
    assert selected_at(rows, table, 50, BLOCKS)(7).tolist() == []


@examples(60)
@given(data=st.data())
def test_stored_bits_are_read_as_they_were_written(data: st.DataObject) -> None:
    rows, length = market().by_prefix[1].rows, data.draw(st.integers(1, 5), label="length")
    sources = market().sources
    counts = [data.draw(st.integers(0, min(20, rows.days(source) // length)), label=source) for source in sources]
    first = [rows.first_row(source) for source in sources]
    flags = {
        rate: np.array(data.draw(st.lists(st.booleans(), min_size=sum(counts), max_size=sum(counts))), dtype=np.bool_)
        for rate in (25, 50, 75)
    }
    limits = dict.fromkeys(flags, 1.0)
    selection = ShortSelection(length, np.array(first), np.array(counts), limits, flags)
    table = from_parquet(to_parquet(short_selection_table(rows, (TARGET, 1, 5), [5, 6], [selection, selection])))
    for rate, chosen in flags.items():
        starts = [f + k * length for f, n in zip(first, counts, strict=True) for k in range(n)]
        expected = [start + j for start, flag in zip(starts, chosen, strict=True) if flag for j in range(length)]
        for origin in (5, 6):
            assert selected_at(rows, table, rate, BLOCKS)(origin).tolist() == expected
    stored = sum(len(bits) for bits in table["selected_25"].to_pylist())
    assert stored == 2 * sum(-(-n // 8) for n in counts)

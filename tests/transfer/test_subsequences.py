"""The grid of subsequences, and that it does not matter how the sources are cut into shards."""

import dataclasses
import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from volforecast.data.panel import Panel
from volforecast.predictors import PredictorRows, build_rows
from volforecast.transfer.dtw import DTW, lay_out
from volforecast.transfer.selection import INCLUSION_RATES, Selection, select
from volforecast.transfer.subsequences import Distances, make_shards, measure, queries_at

BLOCKS, OVERLAPPING = DTW(), DTW(windows="overlapping")
SOURCES = 7
TARGET = "NEW00001"


@functools.lru_cache(maxsize=1)
def small() -> tuple[Panel, PredictorRows]:
    """Seven sources with histories of different lengths, one of them too short for a block."""
    with tempfile.TemporaryDirectory() as folder:
        panel = naive.simulated(Path(folder), sources=SOURCES, source_days=320, target_days=140)
    days = {asset: 320 - 37 * i for i, asset in enumerate(panel.with_role("source")[:-1])} | {"SRC00007": 160}
    counted = panel.daily.groupby("asset").cumcount(ascending=False)
    keep = counted < panel.daily["asset"].map(days).fillna(320)
    panel = dataclasses.replace(panel, daily=panel.daily[keep].reset_index(drop=True))
    return panel, build_rows(panel)


@settings(max_examples=100)
@given(known=st.integers(0, 200), length=st.integers(1, 30))
def test_blocks_are_cut_from_the_end(known: int, length: int) -> None:
    pairs = [("A", row) for row in range(known)]
    for step, slow in ((length, naive.blocks), (1, naive.runs)):
        layout = lay_out([np.zeros((known, 3))], length, step)
        starts = [window[0][1] for window in slow(pairs, length)]
        assert layout.starts(np.array([known])).tolist() == starts
        assert int(layout.windows(np.array(known))) == len(starts)


@pytest.mark.parametrize(("known", "starts"), [(21, []), (22, [0]), (43, [21]), (44, [0, 22]), (45, [1, 23])])
def test_the_excess_at_the_beginning_is_dropped(known: int, starts: list[int]) -> None:
    assert lay_out([np.zeros((45, 3))], 22, 22).starts(np.array([known])).tolist() == starts


def parts(shards: int, origins: Sequence[int], length: int = 22, dtw: DTW = BLOCKS) -> list[list[Distances]]:
    """What each shard answers, origin by origin."""
    panel, rows = small()
    queries = queries_at(rows, TARGET, origins, length)
    cut = make_shards(rows, panel.with_role("source"), shards, length, dtw)
    return [measure(shard, queries) for shard in cut]


def selection(shards: int, origin: int, length: int = 22, dtw: DTW = BLOCKS) -> Selection:
    return select([answer[0] for answer in parts(shards, [origin], length, dtw)])


def test_the_query_ends_with_the_forecast_row() -> None:
    panel, rows = small()
    table = naive.predictors(panel, TARGET)
    query = queries_at(rows, TARGET, [60], 22)
    assert int(query.cuts[0]) == naive.day_number(table.loc[60, "date"])
    np.testing.assert_allclose(query.values, table.loc[39:60, naive.STD].to_numpy(), rtol=1e-12)


def by_asset(rows: PredictorRows, found: Selection, rate: int) -> list[tuple[str, int]]:
    starts = found.start[found.selected[rate]]
    owners = np.searchsorted(rows.offsets, starts, side="right") - 1
    return [(rows.assets[a], int(start - rows.offsets[a]) + 1) for a, start in zip(owners, starts, strict=True)]


@pytest.mark.parametrize(
    ("origin", "length", "dtw"),
    [*((o, 22, BLOCKS) for o in (43, 50, 65, 100)), (60, 10, BLOCKS), (80, 5, BLOCKS), (60, 5, OVERLAPPING)],
)
def test_windows_distances_and_selections_agree_with_plain_loops(origin: int, length: int, dtw: DTW) -> None:
    panel, rows = small()
    windows = naive.blocks if dtw == BLOCKS else naive.runs
    slow = naive.World(panel).distances(TARGET, origin, length, windows)
    found = selection(3, origin, length, dtw)
    np.testing.assert_allclose(found.distance, [block.distance for block in slow], rtol=1e-12)
    everything = dataclasses.replace(found, selected={100: np.ones(len(slow), dtype=bool)})
    assert by_asset(rows, everything, 100) == [(block.asset, block.start) for block in slow]
    for rate in INCLUSION_RATES:
        limit = naive.quantile([block.distance for block in slow], rate)
        chosen = [(block.asset, block.start) for block in slow if block.distance <= limit]
        assert by_asset(rows, found, rate) == chosen


def test_real_panel_agrees_with_plain_loops() -> None:
    panel = naive.dj30()
    rows = build_rows(panel)
    sources = ("AAPL", "TRV")  # TRV begins in 2007: its calendar differs
    world = naive.World(panel, [*sources, "V"])
    query = queries_at(rows, "V", [150], 22)
    found = select([measure(shard, query)[0] for shard in make_shards(rows, sources, 2)])
    slow = world.distances("V", 150)
    assert by_asset(rows, dataclasses.replace(found, selected={0: found.distance >= 0}), 0) == [b[:2] for b in slow]
    np.testing.assert_allclose(found.distance, [block.distance for block in slow], rtol=1e-12)


def same(a: Selection, b: Selection) -> bool:
    arrays = [(a.start, b.start), (a.distance, b.distance), *((a.selected[e], b.selected[e]) for e in INCLUSION_RATES)]
    return all(x.tobytes() == y.tobytes() and x.dtype == y.dtype for x, y in arrays)


@settings(max_examples=40)
@given(
    shards=st.integers(1, SOURCES + 2),
    origin=st.integers(43, 139),
    dtw=st.sampled_from([BLOCKS, OVERLAPPING]),
    data=st.data(),
)
def test_number_and_order_of_shards_do_not_matter(shards: int, origin: int, dtw: DTW, data: st.DataObject) -> None:
    answers = [answer[0] for answer in parts(shards, [origin], dtw=dtw)]
    assert same(select(data.draw(st.permutations(answers))), selection(1, origin, dtw=dtw))


@settings(max_examples=40)
@given(origins=st.lists(st.integers(43, 139), min_size=1, max_size=6), dtw=st.sampled_from([BLOCKS, OVERLAPPING]))
def test_origins_asked_together_are_each_as_by_itself(origins: list[int], dtw: DTW) -> None:
    answers = parts(2, origins, dtw=dtw)
    for i, origin in enumerate(origins):
        assert same(select([answer[i] for answer in answers]), selection(3, origin, dtw=dtw))


def test_one_query_is_measured_as_the_first_of_many() -> None:
    panel, rows = small()
    shard = make_shards(rows, panel.with_role("source"), 1)[0]
    one = measure(shard, queries_at(rows, TARGET, [60], 22))[0]
    assert same(select([one]), select([measure(shard, queries_at(rows, TARGET, [60, 65], 22))[0]]))
    with pytest.raises(ValueError, match="queries of 10 rows"):
        measure(shard, queries_at(rows, TARGET, [60], 10))[0]


def test_float32_changes_few_selections_on_real_data() -> None:
    """What the setting costs: errors of the size of float32's last digits, and near ties that fall the other way."""
    panel = naive.dj30()
    rows = build_rows(panel)
    error, changed, windows = 0.0, 0, 0
    for target in ("CRM", "V", "DOW"):
        queries = queries_at(rows, target, range(50, 150, 5), 22)
        found = []
        for precision in ("float64", "float32"):
            dtw = DTW(precision=precision)  # type: ignore[arg-type]
            found.append(measure(make_shards(rows, panel.with_role("source"), 1, 22, dtw)[0], queries))
        for exact, rounded in zip(*found, strict=True):
            error = max(error, float((np.abs(rounded.distance - exact.distance) / exact.distance).max()))
            a, b = select([exact]), select([rounded])
            changed += sum(int((a.selected[rate] != b.selected[rate]).sum()) for rate in INCLUSION_RATES)
            windows += len(a.start)
    print(f"largest relative error {error:.1e}; {changed} of {3 * windows} selections differ")
    assert windows > 50_000
    assert 0.0 < error < 2e-6
    assert changed <= 20


@pytest.mark.parametrize("count", range(1, SOURCES + 3))
def test_every_source_is_in_one_shard(count: int) -> None:
    panel, rows = small()
    shards = make_shards(rows, panel.with_role("source"), count)
    assert len(shards) <= count
    assert [asset for shard in shards for asset in shard.assets] == list(panel.with_role("source"))
    for shard in shards:
        for a, asset in enumerate(shard.assets):
            own = slice(rows.first_row(asset) + 21, rows.first_row(asset) + rows.days(asset))
            part = slice(shard.offsets[a], shard.offsets[a + 1])
            assert shard.first_rows[a] == own.start
            layout = shard.layout
            place = np.arange(layout.rows[a])
            place = layout.begin[a] + place % 22 * layout.pitch[a] + place // 22
            assert layout.values[:, place].T.tobytes() == rows.X[own, :3].tobytes()
            assert shard.label_date[part].tolist() == rows.label_date[own].tolist()


def test_equal_sources_are_shared_out_evenly() -> None:
    panel, rows = small()
    equal = tuple(asset for asset in panel.with_role("source") if rows.days(asset) > 200)
    sizes = [len(shard.label_date) for shard in make_shards(rows, equal, 2)]
    assert max(sizes) < 0.7 * sum(sizes)


def test_before_any_block_exists_nothing_is_selected() -> None:
    panel, rows = small()
    query = dataclasses.replace(queries_at(rows, TARGET, [50], 22), cuts=np.array([0]))
    found = select([measure(shard, query)[0] for shard in make_shards(rows, panel.with_role("source"), 2)])
    assert len(found.start) == len(found.distance) == 0
    assert all(len(found.selected[rate]) == 0 for rate in INCLUSION_RATES)

"""Selection rates against plain loops over trading days, and what must not change them."""

import datetime as dt
import functools
import math
from collections import defaultdict
from random import Random
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from volforecast.evaluation.selection_rates import Counts, count, selection_by_time, source_tables
from volforecast.studies.selections import SELECTION_SCHEMA

LENGTH = 4  # of a window: many of them in a short history
CALENDAR = [day.date() for day in pd.bdate_range("2001-01-01", periods=700)]
TABLES = {25: "table_12", 50: "table_13", 75: "table_14"}
SECTORS = {"AA": "Energy", "BB": "Utilities", "CC": "Energy", "T1": "Energy", "T2": "Materials"}


class Window(NamedTuple):
    """One row of a selection, and how many of its source's trading days lie between its first one and the origin."""

    target: str
    period: int
    origin: int
    asset: str
    start: dt.date
    chosen: tuple[bool, bool, bool]
    distance: int


def windows(
    target: str, listing: int, period: int, sources: dict[str, tuple[int, int]], step: int, seed: int
) -> list[Window]:
    """Every window at the origins of a period: sources trade from the first to the last of two days of the calendar."""
    draw = np.random.default_rng(seed)
    rows = []
    for origin in range(period, period + 30, 5):
        today = listing + origin - 1
        for asset, (first, last) in sorted(sources.items()):
            days = [day for day in range(first, last + 1) if day <= today]
            pairs = days[:-1]  # the last day is the label of the one before
            position = len(pairs) - LENGTH
            found = []
            while position >= 0:
                rank = draw.integers(0, 100)
                chosen = (bool(rank < 25), bool(rank < 50), bool(rank < 75))
                start = pairs[position]
                found.append(Window(target, period, origin, asset, CALENDAR[start], chosen, today - start))
                position -= step
            rows += found[::-1]
    return rows


def table_of(rows: list[Window]) -> pa.Table:
    columns = [
        [row.target for row in rows],
        [row.period for row in rows],
        [row.origin for row in rows],
        [row.asset for row in rows],
        [row.start for row in rows],
        [0.0] * len(rows),
        *([row.chosen[i] for row in rows] for i in range(3)),
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SELECTION_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SELECTION_SCHEMA)


Cell = tuple[int, int, float]  # windows, selected, mean over origins of their ratio


def slow_rates(rows: list[Window], rate: int, key: str) -> dict[tuple[str, object], Cell]:
    """Windows, selected windows, and the mean over origins of the share, by target and source or time."""
    seen: dict[tuple[str, object], dict[tuple[int, int], list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        place: object = row.asset if key == "asset" else 100 * ((row.distance - 1) // 100)
        seen[row.target, place][row.period, row.origin].append(row.chosen[(25, 50, 75).index(rate)])
    cells: dict[tuple[str, object], Cell] = {}
    for where, origins in seen.items():
        everything = [chosen for one in origins.values() for chosen in one]
        shares = [sum(one) / len(one) for one in origins.values()]
        cells[where] = (len(everything), sum(everything), sum(shares) / len(shares))
    return cells


def fast_rates(table: pd.DataFrame, key: str) -> dict[tuple[str, object], Cell]:
    table = table[table["windows"] > 0]
    keys = zip(table["target"], table[key], strict=True)
    return dict(zip(keys, zip(table["windows"], table["selected"], table["selection_rate"], strict=True), strict=True))


def agree(fast: dict[tuple[str, object], Cell], slow: dict[tuple[str, object], Cell]) -> None:
    assert fast.keys() == slow.keys()
    for where, cell in slow.items():
        assert fast[where][:2] == cell[:2], where
        assert math.isclose(fast[where][2], cell[2], rel_tol=1e-12), where


def check_rates(rows: list[Window], counts: list[Counts]) -> None:
    by_time = selection_by_time(counts)
    for rate, name in TABLES.items():
        agree(fast_rates(source_tables(counts, SECTORS)[name], "asset"), slow_rates(rows, rate, "asset"))
        agree(fast_rates(by_time[by_time["inclusion"] == rate], "bin"), slow_rates(rows, rate, "bin"))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[list[Window]], int]:
    """The selections of some targets and periods, and the step of their windows; all sources trade to the end."""
    step = draw(st.sampled_from([1, 3, LENGTH]))
    listings = {name: draw(st.integers(20, 560)) for name in ("T1", "T2")[: draw(st.integers(1, 2))]}
    sources = {name: (draw(st.integers(0, 650)), 699) for name in ("AA", "BB", "CC")[: draw(st.integers(1, 3))]}
    parts = [
        windows(target, listing, period, sources, step, draw(st.integers(0, 99)))
        for target, listing in listings.items()
        for period in (40, 55)  # origins of both are 55, 60, 65
    ]
    return parts, step


@examples(25)
@given(worlds())
def test_rates_agree_with_plain_loops(world: tuple[list[list[Window]], int]) -> None:
    parts, step = world
    rows = [row for part in parts for row in part]
    counts = [count(table_of(part), LENGTH, step) for part in parts]
    if rows:
        check_rates(rows, counts)
    else:
        assert not any(len(one.by_source) or len(one.by_time) for one in counts)


@examples(12)
@given(worlds(), st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_of_parts_matters(world: tuple[list[list[Window]], int], random: Random) -> None:
    parts, step = world
    rows = [row for part in parts for row in part]
    ordered = [count(table_of(part), LENGTH, step) for part in parts]
    mixed = [list(part) for part in parts]
    for part in mixed:
        random.shuffle(part)
    for one, other in zip(ordered, [count(table_of(part), LENGTH, step) for part in mixed], strict=True):
        pd.testing.assert_frame_equal(one.by_source, other.by_source, check_exact=True)
        pd.testing.assert_frame_equal(one.by_time, other.by_time, check_exact=True)
    if rows:
        for counts in (ordered[::-1], [count(table_of(rows), LENGTH, step)]):
            for name, table in source_tables(ordered, SECTORS).items():
                pd.testing.assert_frame_equal(source_tables(counts, SECTORS)[name], table, rtol=1e-12)
            pd.testing.assert_frame_equal(selection_by_time(counts), selection_by_time(ordered), rtol=1e-12)


@examples(12)
@given(worlds())
def test_counts_add_up_to_the_stored_rows(world: tuple[list[list[Window]], int]) -> None:
    parts, step = world
    rows = [row for part in parts for row in part]
    if not rows:
        return
    counts = [count(table_of(part), LENGTH, step) for part in parts]
    by_time = selection_by_time(counts)
    for i, (rate, name) in enumerate(TABLES.items()):
        for table in (source_tables(counts, SECTORS)[name], by_time[by_time["inclusion"] == rate]):
            assert table["windows"].sum() == len(rows)
            assert table["selected"].sum() == sum(row.chosen[i] for row in rows)
            assert table["selection_rate"].dropna().between(0, 1).all()
            assert (table["selection_rate"].isna() == (table["windows"] == 0)).all()


# -------------------------------------------------------------------------------------------------------- whole tables


@functools.lru_cache(maxsize=1)
def two_targets() -> list[Counts]:
    """BB lists after all origins of T1."""
    sources = {"AA": (0, 699), "BB": (300, 699), "CC": (50, 699)}
    parts = [windows("T1", 150, 40, sources, LENGTH, 1), windows("T2", 400, 40, sources, LENGTH, 2)]
    return [count(table_of(part), LENGTH, LENGTH) for part in parts]


def test_every_source_has_a_row_for_every_target() -> None:
    for table in source_tables(two_targets(), SECTORS).values():
        assert list(table.columns) == [
            "sector",
            "asset",
            "target",
            "same_sector",
            "windows",
            "selected",
            "selection_rate",
        ]
        assert table[["sector", "asset", "target"]].to_numpy().tolist() == [
            ["Energy", "AA", "T1"],
            ["Energy", "AA", "T2"],
            ["Energy", "CC", "T1"],
            ["Energy", "CC", "T2"],
            ["Utilities", "BB", "T1"],
            ["Utilities", "BB", "T2"],
        ]
        assert table["same_sector"].tolist() == [True, False, True, False, False, False]
        assert table["windows"].dtype == table["selected"].dtype == np.int64
        absent = table.iloc[4]
        assert (absent["windows"], absent["selected"]) == (0, 0)
        assert math.isnan(absent["selection_rate"])


def test_without_sectors_none_is_the_same() -> None:
    table = source_tables(two_targets(), {})["table_12"]
    assert set(table["sector"]) == {""}
    assert not table["same_sector"].any()
    assert table["asset"].drop_duplicates().tolist() == ["AA", "BB", "CC"]
    assert not source_tables(two_targets(), {"AA": "Energy"})["table_12"]["same_sector"].any()


def test_time_has_the_lower_edges_of_hundred_days() -> None:
    table = selection_by_time(two_targets())
    assert list(table.columns) == ["inclusion", "target", "bin", "windows", "selected", "selection_rate"]
    assert table["inclusion"].drop_duplicates().tolist() == [25, 50, 75]
    assert table.loc[table["target"] == "T1", "bin"].drop_duplicates().tolist() == [0, 100, 200]


@pytest.mark.parametrize(("distance", "edge"), [(4, 0), (100, 0), (104, 100), (200, 100), (204, 200)])
def test_the_first_hundred_observations_are_the_first_bin(distance: int, edge: int) -> None:
    rows = windows("T1", 300, 40, {"AA": (0, 699)}, LENGTH, 1)
    alone = [row._replace(chosen=(row.distance == distance,) * 3) for row in rows if row.origin == 40]
    assert sum(row.chosen[0] for row in alone) == 1
    table = selection_by_time([count(table_of(alone), LENGTH, LENGTH)])
    table = table[(table["inclusion"] == 25) & (table["selected"] == 1)]
    assert table["bin"].tolist() == [edge]
    assert table["selection_rate"].tolist() == [1 / 25]  # of the 100 days' 25 windows


def test_a_source_that_trades_no_more_is_measured_from_the_origin() -> None:
    """Its last day lies 300 trading days before the first origin: no window of it is recent."""
    sources = {"AA": (0, 699), "CC": (0, 200)}
    rows = windows("T1", 461, 40, sources, LENGTH, 3)
    counts = count(table_of(rows), LENGTH, LENGTH)
    gone = count(table_of([row._replace(chosen=(row.asset == "CC",) * 3) for row in rows]), LENGTH, LENGTH)
    by_time = selection_by_time([gone])
    reached = by_time.loc[by_time["selected"] > 0, "bin"]
    assert (reached.min(), reached.max()) == (300, 500)
    agree(fast_rates(source_tables([counts], SECTORS)["table_13"], "asset"), slow_rates(rows, 50, "asset"))


def test_nothing_to_select_from_counts_nothing() -> None:
    counts = count(SELECTION_SCHEMA.empty_table(), LENGTH, LENGTH)
    assert len(counts.by_source) == len(counts.by_time) == 0
    full = two_targets()
    for name, table in source_tables([counts, *full], SECTORS).items():
        pd.testing.assert_frame_equal(table, source_tables(full, SECTORS)[name])
    pd.testing.assert_frame_equal(selection_by_time([counts, *full]), selection_by_time(full))

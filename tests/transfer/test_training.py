"""Training sets as sets of pairs (asset, day), against the specification read out loud."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import naive
from volforecast.data.panel import Panel
from volforecast.predictors import EXT, STD, PredictorRows, build_rows
from volforecast.transfer.selection import select
from volforecast.transfer.subsequences import make_shards, measure, queries_at
from volforecast.transfer.training import TrainingSet, assemble, block_rows, make_pool, target_pairs

APPROACHES = ["TO", "NP", "MTL-25", "MTL-50", "MTL-75"]


def training_set(
    rows: PredictorRows, sources: tuple[str, ...], target: str, origin: int, approach: str, columns: Sequence[str]
) -> TrainingSet:
    """What the study puts together at an origin."""
    pool, products = make_pool(rows, sources), None
    query = queries_at(rows, target, [origin], 22)
    if approach == "TO":
        chosen = np.empty(0, dtype=np.int64)
    elif approach == "NP":
        chosen, products = pool.known_at(int(query.cuts[0])), pool.products_at(int(query.cuts[0]), len(columns))
    else:
        found = select([measure(shard, query)[0] for shard in make_shards(rows, sources, 2)])
        chosen = block_rows(found.start[found.selected[int(approach[-2:])]], 22)
    kind = approach[:3].rstrip("-")
    own = target_pairs(rows, target, origin)
    return assemble(rows, pool, own, chosen, len(columns), kind, products)  # type: ignore[arg-type]


def check_products(train: TrainingSet) -> None:
    """Sums made without the rows are the rows' own; so is their number."""
    before = train.rows
    Z = np.column_stack([np.ones(len(train.y)), train.X, train.y])
    np.testing.assert_allclose(train.products, Z.T @ Z, rtol=1e-12, atol=1e-12 * max(len(Z), 1))
    assert before == train.rows == len(train.y)


@functools.lru_cache(maxsize=1)
def real() -> tuple[naive.World, PredictorRows, tuple[str, ...]]:
    """CRM lists 1.5 years after its sources begin; TRV begins five years later; DOW's last days lack volume."""
    panel = naive.dj30()
    sources = ("AXP", "TRV")
    return naive.World(panel, [*sources, "CRM", "DOW"]), build_rows(panel), sources


@pytest.mark.parametrize("columns", [STD, EXT], ids=["STD", "EXT"])
@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize(("target", "origin"), [("CRM", 50), ("CRM", 145), ("DOW", 545)])
def test_real_training_sets_agree_with_plain_loops(
    target: str, origin: int, approach: str, columns: tuple[str, ...]
) -> None:
    world, rows, sources = real()
    train = training_set(rows, sources, target, origin, approach, columns)
    dropped = train.dropped
    pairs = world.training_pairs(target, origin, approach)
    kept, X, y, lacking = world.training_table(pairs, columns)
    np.testing.assert_allclose(train.X, X, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(train.y, y, rtol=1e-12)
    assert len(kept) == len(train.y)
    check_products(train)
    assert dropped == lacking
    if target == "DOW" and columns == EXT:
        assert dropped > 0  # without volume there is no dv
    if columns == STD:
        assert dropped == 0
        assert len(train.y) == len(pairs)


def test_the_last_pair_of_the_target_has_its_label_on_the_day_of_the_origin() -> None:
    _, rows, _ = real()
    own = target_pairs(rows, "CRM", 50)
    first = rows.first_row("CRM")
    assert len(own) == 28  # t = 22 ... 49
    assert rows.label_date[own].max() == rows.date[first + 49]
    assert target_pairs(rows, "CRM", 22).size == 0
    assert target_pairs(rows, "CRM", 23).tolist() == [first + 21]


# ---------------------------------------------------------------------------------------------- calendars that differ


def odd_calendars() -> Panel:
    """A target on business days, and sources that rest on Wednesdays, trade at weekends, end early, or begin late."""
    days = {
        "NEW": pd.bdate_range("2020-01-01", periods=80),
        "REST": pd.bdate_range("2019-09-02", "2020-05-01", freq="C", weekmask="Mon Tue Thu Fri"),
        "WEEK": pd.date_range("2019-10-01", "2020-05-01"),
        "ENDS": pd.bdate_range("2019-06-03", "2020-03-02"),
        "LATE": pd.bdate_range("2020-02-27", "2020-05-01"),
    }
    draw = np.random.default_rng(7)
    tables = [pd.DataFrame({"asset": a, "date": d, "rv": draw.lognormal(-9, 0.6, len(d))}) for a, d in days.items()]
    daily = pd.concat(tables).sort_values(["asset", "date"]).reset_index(drop=True)
    daily = daily.assign(close=10.0, volume=np.arange(len(daily)) % 9.0, earnings_next_day=False)
    names = sorted(days)
    assets = pd.DataFrame({"asset": names, "role": ["target" if name == "NEW" else "source" for name in names]})
    dates = pd.date_range("2019-06-01", "2020-05-01")
    market = pd.DataFrame({"date": dates, **{name: draw.lognormal(size=len(dates)) for name in EXT[6:]}})
    return Panel(assets, daily, market, "")


@pytest.mark.parametrize("columns", [STD, EXT], ids=["STD", "EXT"])
@pytest.mark.parametrize("approach", APPROACHES)
def test_other_calendars_agree_with_plain_loops(approach: str, columns: tuple[str, ...]) -> None:
    panel = odd_calendars()
    world, rows = naive.World(panel), build_rows(panel)
    for origin in (43, 44, 45, 50, 51, 52, 53, 79):  # one for every day of the week
        train = training_set(rows, panel.with_role("source"), "NEW", origin, approach, columns)
        check_products(train)
        _, X, y, lacking = world.training_table(world.training_pairs("NEW", origin, approach), columns)
        np.testing.assert_allclose(train.X, X, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(train.y, y, rtol=1e-12)
        assert train.dropped == lacking


def test_a_source_pair_counts_from_the_date_of_its_label() -> None:
    """REST trades on Tuesday 10 and Thursday 12 March 2020: Tuesday's pair is unknown until Thursday's close."""
    panel = odd_calendars()
    rows = build_rows(panel)
    pool = make_pool(rows, ("REST",))
    tuesday, thursday = (naive.day_number(pd.Timestamp(f"2020-03-{day}")) for day in (10, 12))
    for cut in (tuesday, tuesday + 1):
        assert rows.date[pool.known_at(cut)].max() == tuesday - 1  # Monday's pair, labelled on Tuesday
    assert rows.date[pool.known_at(thursday)].max() == tuesday
    assert rows.date[pool.known_at(tuesday - 1)].max() == tuesday - 4  # Friday's pair


def test_a_source_that_has_ended_gives_all_its_labelled_pairs() -> None:
    rows = build_rows(odd_calendars())
    known = make_pool(rows, ("ENDS",)).known_at(naive.day_number(pd.Timestamp("2020-05-01")))
    assert len(known) == rows.days("ENDS") - 22  # from day 22 to the last day but one
    assert np.isfinite(rows.y[known]).all()


def test_rows_are_ordered_by_date_then_asset_whatever_order_they_come_in() -> None:
    panel = odd_calendars()
    rows = build_rows(panel)
    own = target_pairs(rows, "NEW", 60)
    pool = make_pool(rows, panel.with_role("source"))
    sources = pool.known_at(int(rows.date[rows.first_row("NEW") + 59]))
    train = assemble(rows, pool, own, sources, 3, "NP")
    shuffled = np.random.default_rng(0).permutation(sources)
    assert assemble(rows, pool, own[::-1], shuffled, 3, "NP").X.tobytes() == train.X.tobytes()
    place = {rows.X[row, :3].tobytes(): row for row in np.concatenate([own, sources])}
    order = [place[row.tobytes()] for row in train.X]
    keys = [(rows.date[row], rows.assets[np.searchsorted(rows.offsets, row, side="right") - 1]) for row in order]
    assert keys == sorted(keys)


def test_rows_lacking_a_predictor_are_dropped_from_ext_only_and_counted() -> None:
    rows = build_rows(odd_calendars())
    own = target_pairs(rows, "NEW", 60)
    X = rows.X.copy()
    X[own[[3, 8]], EXT.index("dv")] = np.nan
    X[own[8], EXT.index("vix")] = np.nan
    holed = dataclasses.replace(rows, X=X)
    lacking = int(np.isnan(X[own]).any(axis=1).sum())
    pool, nobody = make_pool(holed, ("REST",)), np.empty(0, dtype=np.int64)
    train = assemble(holed, pool, own, nobody, len(EXT), "TO")
    assert train.dropped == lacking >= 2
    check_products(train)
    assert len(train.y) == len(own) - lacking
    assert np.isfinite(train.X).all()
    train = assemble(holed, pool, own, nobody, len(STD), "TO")
    assert (train.rows, train.dropped) == (len(own), 0)


def test_a_training_set_may_be_empty() -> None:
    rows = build_rows(odd_calendars())
    nothing = np.empty(0, dtype=np.int64)
    train = assemble(rows, make_pool(rows, ("REST",)), nothing, nothing, len(EXT), "TO")
    assert train.products.tolist() == np.zeros((13, 13)).tolist()
    assert train.X.shape == (0, len(EXT))
    assert train.y.shape == (0,)
    assert (train.rows, train.dropped) == (0, 0)


def test_shared_memory_rows_are_enough(tmp_path: Path) -> None:
    """Arrays that cannot be written, as workers see them."""
    panel = naive.simulated(tmp_path, source_days=200, target_days=90)
    rows = build_rows(panel)
    for name in ("offsets", "X", "y", "date", "label_date"):
        getattr(rows, name).flags.writeable = False
    train = training_set(rows, panel.with_role("source"), "NEW00001", 60, "MTL-50", EXT)
    assert len(train.y) > 0
    assert train.X.flags.writeable  # a copy: no model can reach the panel

"""Rolling forecasts of one period against plain loops, and what happens on days that are not ordinary."""

import dataclasses
import datetime as dt
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import naive
from volforecast.data.panel import Panel
from volforecast.errors import FitError
from volforecast.models import FNN, HAR, XGB
from volforecast.models.protocol import FloatArray, Model, TrainingSet
from volforecast.predictors import build_rows
from volforecast.seeds import seed_of
from volforecast.studies.model_names import parse
from volforecast.studies.rolling import (
    FORECAST_COLUMNS,
    FORECAST_SCHEMA,
    Estimation,
    IntArray,
    Market,
    Schedule,
    naive_forecasts,
)
from volforecast.transfer.selection import select
from volforecast.transfer.subsequences import make_shards, measure, queries_at
from volforecast.transfer.training import block_rows, make_pool

TARGET = "NEW00001"
PERIOD, SCHEDULE = 50, Schedule()
APPROACHES = ["TO", "NP", "MTL-25", "MTL-50", "MTL-75"]
BLANK_DAYS = [60, 70, 94, 95, 96, 120]  # days of the target without volume: no dv on that day and the next


def market_of(panel: Panel) -> Market:
    rows, sources = build_rows(panel), panel.with_role("source")
    return Market(rows, make_pool(rows, sources), panel.with_role("target"), sources, panel.fingerprint)


def selector(market: Market, rate: int | None) -> Callable[[int], IntArray]:
    """The source rows an inclusion rate selects at an origin."""

    @functools.cache
    def at(origin: int) -> IntArray:
        assert rate is not None
        query = queries_at(market.rows, TARGET, [origin], 22)
        found = select([measure(shard, query)[0] for shard in make_shards(market.rows, market.sources, 2)])
        return block_rows(found.start[found.selected[rate]], 22)

    return at


def estimation(
    market: Market, name: str, model: Model, period: int = PERIOD, schedule: Schedule = SCHEDULE
) -> Estimation:
    parsed = parse(name)
    return Estimation(market, TARGET, period, parsed, model, schedule, 1, selector(market, parsed.rate))


@functools.lru_cache(maxsize=1)
def panel() -> Panel:
    """Three sources, and a target some of whose days lack volume."""
    with tempfile.TemporaryDirectory() as folder:
        simulated = naive.simulated(Path(folder))
    daily = simulated.daily.copy()
    own = daily.index[daily["asset"] == TARGET]
    daily.loc[own[[day - 1 for day in BLANK_DAYS]], "volume"] = [0.0, np.nan, np.nan, 0.0, np.nan, 0.0]
    return dataclasses.replace(simulated, daily=daily)


@functools.lru_cache(maxsize=1)
def market() -> Market:
    return market_of(panel())


@functools.lru_cache(maxsize=1)
def world() -> naive.World:
    return naive.World(panel())


@functools.lru_cache(maxsize=16)
def har_table(name: str) -> pd.DataFrame:
    return estimation(market(), name, HAR()).forecasts().to_pandas()


@pytest.mark.parametrize("predictors", ["STD", "EXT"])
@pytest.mark.parametrize("approach", APPROACHES)
def test_a_period_of_har_forecasts_agrees_with_plain_loops(approach: str, predictors: str) -> None:
    name = f"{approach} HAR-{predictors}"
    table = har_table(name)
    columns = naive.STD if predictors == "STD" else naive.EXT
    slow = pd.DataFrame(naive.har_forecasts(world(), TARGET, PERIOD, approach, columns))
    np.testing.assert_allclose(table["forecast"], slow["forecast"], rtol=1e-8)
    np.testing.assert_allclose(table["realized"], slow["realized"], rtol=1e-12)
    for column in ("origin", "status", "train_rows", "dropped_rows"):
        assert table[column].tolist() == slow[column].tolist(), column
    assert pd.to_datetime(table["date"]).tolist() == slow["date"].tolist()
    assert set(table["model"]) == {name}
    assert set(table["target"]) == {TARGET}
    assert set(table["period"]) == {PERIOD}
    assert table["epochs"].isna().all()
    assert table["reason"].isna().all()


def test_the_table_has_the_published_columns_first() -> None:
    assert tuple(FORECAST_SCHEMA.names[:8]) == FORECAST_COLUMNS
    table = estimation(market(), "TO HAR-STD", HAR()).forecasts()
    assert table.schema == FORECAST_SCHEMA


@pytest.mark.parametrize("name", ["TO HAR-STD", "MTL-50 HAR-EXT"])
def test_every_day_of_the_period_is_forecast_once(name: str) -> None:
    table = har_table(name)
    days = [world().dates[TARGET].index(pd.Timestamp(date)) + 1 for date in table["date"]]
    assert days == list(range(PERIOD + 1, PERIOD + 101))
    assert table["origin"].tolist() == [PERIOD + 5 * ((day - PERIOD - 1) // 5) for day in days]


def test_a_schedule_that_does_not_divide_ends_with_a_short_block() -> None:
    schedule = Schedule(horizon_days=8, refit_every=5)
    table = estimation(market(), "TO HAR-STD", HAR(), schedule=schedule).forecasts().to_pandas()
    assert table["origin"].tolist() == [50] * 5 + [55] * 3


@pytest.mark.parametrize("approach", APPROACHES)
@pytest.mark.parametrize("model", [HAR(), XGB(trees=5), FNN(max_epochs=3)], ids=["HAR", "XGB", "FNN"])
def test_days_without_a_predictor_have_the_forecasts_of_the_std_model(approach: str, model: Model) -> None:
    kind, schedule = type(model).__name__, Schedule(50, 5)
    ext = estimation(market(), f"{approach} {kind}-EXT", model, schedule=schedule).forecasts().to_pandas()
    std = estimation(market(), f"{approach} {kind}-STD", model, schedule=schedule).forecasts().to_pandas()
    blank = {day for first in BLANK_DAYS for day in (first, first + 1)}  # the predictors of these days are incomplete
    expected = ["fallback" if PERIOD + i in blank else "ok" for i in range(50)]
    assert ext["status"].tolist() == expected
    assert set(std["status"]) == {"ok"}
    fallback = ext["status"] == "fallback"
    assert ext.loc[fallback, "forecast"].to_numpy().tobytes() == std.loc[fallback, "forecast"].to_numpy().tobytes()
    assert not np.isclose(ext.loc[~fallback, "forecast"], std.loc[~fallback, "forecast"], rtol=1e-9).all()
    assert ext["reason"].isna().all()


def test_an_origin_all_of_whose_days_lack_a_predictor() -> None:
    daily = panel().daily.copy()
    own = daily.index[daily["asset"] == TARGET]
    daily.loc[own[49:], "volume"] = np.nan  # from day 50 on
    bare = market_of(dataclasses.replace(panel(), daily=daily))
    schedule = Schedule(20, 5)
    for model in (HAR(), FNN(max_epochs=3)):
        kind = type(model).__name__
        ext = estimation(bare, f"NP {kind}-EXT", model, schedule=schedule).forecasts().to_pandas()
        std = estimation(bare, f"NP {kind}-STD", model, schedule=schedule).forecasts().to_pandas()
        assert set(ext["status"]) == {"fallback"}
        assert ext["forecast"].tolist() == std["forecast"].tolist()
        assert ext["train_rows"].tolist() == std["train_rows"].tolist()
        assert ext["epochs"].fillna(0).tolist() == std["epochs"].fillna(0).tolist()


class Stub:
    """A model that answers what it is told, and remembers what it was asked."""

    def __init__(self, answer: Callable[[TrainingSet, FloatArray], FloatArray], tuned: Any = None) -> None:
        self.answer, self.tuned = answer, tuned
        self.calls: list[tuple[str, int, Any, int]] = []

    def tune(self, first: TrainingSet, seed: int) -> Any:
        self.calls.append(("tune", len(first.y), None, seed))
        return self.tuned

    def forecast(self, train: TrainingSet, rows: FloatArray, tuned: Any, seed: int) -> FloatArray:
        self.calls.append(("fit", len(train.y), tuned, seed))
        return self.answer(train, rows)


def test_negative_forecasts_become_the_smallest_variance_so_far() -> None:
    table = estimation(market(), "TO HAR-STD", Stub(lambda t, rows: np.resize([-1.0, 0.0, 2.5], len(rows)))).forecasts()
    frame = table.to_pandas()
    rv = [world().row((TARGET, t), naive.STD)[0] for t in range(1, PERIOD + 101)]
    smallest = [min(rv[:origin]) for origin in frame["origin"]]
    expected = [{0: low, 1: 0.0, 2: 2.5}[i % 5 % 3] for i, low in enumerate(smallest)]
    np.testing.assert_allclose(frame["forecast"], expected, rtol=1e-12)
    assert len(set(smallest)) > 1  # it falls as days are added
    assert set(frame["status"]) == {"ok"}


def test_real_negative_forecasts_agree_with_plain_loops() -> None:
    """Eleven predictors and 28 days: least squares forecasts negative variances for CRM."""
    dj30 = naive.dj30()
    rows = build_rows(dj30)
    nobody = Market(rows, make_pool(rows, dj30.with_role("source")[:1]), ("CRM",), (), "")
    table = dataclasses.replace(estimation(nobody, "TO HAR-EXT", HAR()), target="CRM").forecasts().to_pandas()
    slow = pd.DataFrame(naive.har_forecasts(naive.World(dj30, ["CRM"]), "CRM", PERIOD, "TO", naive.EXT))
    np.testing.assert_allclose(table["forecast"], slow["forecast"], rtol=1e-8)
    assert table["forecast"].duplicated().sum() > 10  # the smallest variance so far, again and again
    assert (table["forecast"] > 0).all()


def test_a_failed_estimation_has_a_reason_and_leaves_the_others_alone() -> None:
    def sometimes(train: TrainingSet, rows: FloatArray) -> FloatArray:
        if len(train.y) == 38:  # origin 60
            raise FitError("no luck")
        return np.ones(len(rows))

    table = estimation(market(), "TO HAR-STD", Stub(sometimes)).forecasts().to_pandas()
    failed = table["origin"] == 60
    assert set(table.loc[failed, "status"]) == {"failed"}
    assert table.loc[failed, "forecast"].isna().all()
    assert set(table.loc[failed, "reason"]) == {"TO HAR-STD at origin 60: no luck"}
    assert set(table.loc[failed, "train_rows"]) == {38}
    assert set(table.loc[~failed, "status"]) == {"ok"}
    assert table.loc[~failed, "reason"].isna().all()
    assert table["realized"].notna().all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_forecasts_that_are_no_numbers_are_failures(value: float) -> None:
    table = estimation(market(), "TO HAR-STD", Stub(lambda t, rows: np.full(len(rows), value))).forecasts().to_pandas()
    assert set(table["status"]) == {"failed"}
    assert table["forecast"].isna().all()
    assert table["reason"].str.contains("not a finite number").all()


def test_only_the_fallback_of_a_day_fails() -> None:
    def std_fails(train: TrainingSet, rows: FloatArray) -> FloatArray:
        if rows.shape[1] == 3:
            raise FitError("no luck")
        return np.ones(len(rows))

    table = estimation(market(), "TO HAR-EXT", Stub(std_fails)).forecasts().to_pandas()
    assert set(table["status"]) == {"ok", "failed"}
    failed = table["status"] == "failed"
    assert failed.tolist() == (har_table("TO HAR-EXT")["status"] == "fallback").tolist()
    assert table.loc[failed, "reason"].str.startswith("TO HAR-STD at origin").all()


def test_what_is_tuned_at_the_first_origin_serves_all() -> None:
    stub = Stub(lambda t, rows: np.ones(len(rows)), tuned=17)
    table = estimation(market(), "MTL-50 FNN-STD", stub).forecasts().to_pandas()
    kinds = [call[0] for call in stub.calls]
    assert kinds == ["tune"] + ["fit"] * 20
    assert stub.calls[0][1] == stub.calls[1][1]  # the same rows: the first origin's
    assert {call[2] for call in stub.calls[1:]} == {17}
    assert set(table["epochs"]) == {17}
    assert table["train_rows"].tolist() == np.repeat([call[1] for call in stub.calls[1:]], 5).tolist()


def test_a_fallback_tuned_late_is_tuned_on_the_first_origin() -> None:
    stub = Stub(lambda t, rows: np.ones(len(rows)), tuned=17)
    estimation(market(), "TO FNN-EXT", stub).forecasts()
    tunes = [call for call in stub.calls if call[0] == "tune"]
    assert [call[1] for call in tunes] == [28, 28]
    assert tunes[1][3] == seed_of(1, TARGET, PERIOD, PERIOD, "TO FNN-STD", "tune")


def test_seeds_name_target_period_origin_and_model() -> None:
    stub = Stub(lambda t, rows: np.ones(len(rows)))
    estimation(market(), "TO XGB-STD", stub, period=60, schedule=Schedule(10, 5)).forecasts()
    expected = [seed_of(1, TARGET, 60, *rest) for rest in ((60, "TO XGB-STD", "tune"), (60, "TO XGB-STD", "fit"))]
    assert [call[3] for call in stub.calls] == [*expected, seed_of(1, TARGET, 60, 65, "TO XGB-STD", "fit")]


def test_an_estimation_can_be_repeated() -> None:
    for model in (XGB(trees=5), FNN(max_epochs=3)):
        name = f"NP {type(model).__name__}-EXT"
        one, two = (estimation(market(), name, model, schedule=Schedule(10, 5)).forecasts() for _ in range(2))
        assert one.equals(two)


def test_the_naive_forecast_is_the_variance_of_the_day_before() -> None:
    table = naive_forecasts(market(), TARGET, PERIOD, SCHEDULE).to_pandas()
    rv = [world().row((TARGET, t), naive.STD)[0] for t in range(1, PERIOD + 101)]
    np.testing.assert_allclose(table["forecast"], rv[PERIOD - 1 : -1], rtol=1e-15)
    np.testing.assert_allclose(table["realized"], rv[PERIOD:], rtol=1e-15)
    assert set(table["model"]) == {"NF"}
    assert set(table["status"]) == {"ok"}
    assert [isinstance(date, dt.date) for date in table["date"]] == [True] * 100
    reference = har_table("TO HAR-STD")
    for column in ("target", "period", "origin", "date"):
        assert table[column].tolist() == reference[column].tolist()

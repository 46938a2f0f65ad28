"""Nothing that happens after the close of day t changes the forecast of day t+1, to the last bit.

A model estimated at the close of day o forecasts day o+1 from what is known then, and the four days that follow from
predictors known at their own eves: the k-th forecast may know what happened up to day o+k, its model may not.
"""

import functools
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import naive
from tests.studies.test_rolling import TARGET, estimation, market_of
from volforecast.data.panel import MARKET_SERIES, Panel
from volforecast.models import FNN, HAR, MODELS, XGB
from volforecast.models.protocol import Model
from volforecast.predictors import build_rows
from volforecast.studies.model_names import pick
from volforecast.studies.rolling import Market, Schedule
from volforecast.studies.selections import selection_table
from volforecast.transfer.selection import select
from volforecast.transfer.subsequences import make_shards, measure, queries_at

ORIGINS = (50, 60)  # two sample periods of one origin each
ONCE = Schedule(horizon_days=5, refit_every=5)
# (with its usual rate the network would still be near zero after 20 epochs, and its forecasts be replaced if negative)
QUICK: dict[str, Model] = {"HAR": HAR(), "FNN": FNN(max_epochs=20, learning_rate=0.05), "XGB": XGB(trees=6)}
NAMES = pick(())


@functools.lru_cache(maxsize=1)
def panel() -> Panel:
    with tempfile.TemporaryDirectory() as folder:
        return naive.simulated(Path(folder), seed=3, sources=2, source_days=180, target_days=75)


class Run(NamedTuple):
    """All that is forecast and selected at one origin."""

    forecasts: dict[str, list[bytes]]  # model -> the forecasts of days o+1 ... o+5 with their status
    selection: str


def selected(market: Market, origin: int) -> str:
    query = queries_at(market.rows, TARGET, [origin], 22)
    found = select([measure(shard, query)[0] for shard in make_shards(market.rows, market.sources, 2)])
    table = selection_table(market.rows, TARGET, origin, [origin], [found])
    return f"{found.distance.tobytes()!r} {table.to_pydict()}"


def run(panel: Panel, origin: int, names: tuple[str, ...] = NAMES) -> Run:
    market = market_of(panel)
    forecasts = {}
    for name in names:
        model = QUICK[name.split(" ")[1].split("-")[0]]
        table = estimation(market, name, model, period=origin, schedule=ONCE).forecasts()
        values, statuses = table["forecast"].to_numpy(), table["status"].to_pylist()
        forecasts[name] = [value.tobytes() + status.encode() for value, status in zip(values, statuses, strict=True)]
    return Run(forecasts, selected(market, origin))


@functools.lru_cache(maxsize=4)
def quiet(origin: int) -> Run:
    return run(panel(), origin)


@functools.lru_cache(maxsize=1)
def target_days() -> list[int]:
    rows = build_rows(panel())
    first = rows.first_row(TARGET)
    return rows.date[first : first + rows.days(TARGET)].tolist()


class Change(NamedTuple):
    """One value of the panel, replaced."""

    table: str
    row: int
    column: str
    value: object

    def apply(self, panel: Panel) -> Panel:
        return naive.changed(panel, self.table, self.row, self.column, self.value)

    def date(self, panel: Panel) -> int:
        return naive.day_number(getattr(panel, self.table).loc[self.row, "date"])


@st.composite
def changes(draw: st.DrawFn, after: int) -> Change:
    """A change dated after a day, most of them soon after it."""
    table = draw(st.sampled_from(["daily", "daily", "market"]))
    columns = ("rv", "close", "volume", "earnings_next_day") if table == "daily" else MARKET_SERIES
    column = draw(st.sampled_from(columns))
    content = getattr(panel(), table)
    dates = np.array([naive.day_number(date) for date in content["date"]])
    horizon = draw(st.sampled_from([3, 10, 10_000]))
    rows = np.flatnonzero((dates > after) & (dates <= after + horizon))
    row = int(draw(st.sampled_from(rows.tolist())))
    value: object = not content.loc[row, column] if column == "earnings_next_day" else draw(st.floats(1e-3, 1e3))
    if column in ("close", "volume", "vix"):
        value = draw(st.sampled_from([value, np.nan]))
    return Change(table, row, column, value)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_happens_later_changes_nothing(data: st.DataObject) -> None:
    origin = data.draw(st.sampled_from(ORIGINS), label="origin")
    cut = target_days()[origin - 1]
    change = data.draw(changes(after=cut), label="change")
    before, after = quiet(origin), run(change.apply(panel()), origin)
    assert after.selection == before.selection
    # the forecast made at the close of day o+k is free to know what happened up to then
    free = [target_days()[origin - 1 + k] >= change.date(panel()) for k in range(5)]
    assert not free[0]
    for name in NAMES:
        for k in range(5):
            if not free[k]:
                assert after.forecasts[name][k] == before.forecasts[name][k], (name, k)


def test_every_model_is_tried() -> None:
    assert set(QUICK) == set(MODELS)
    assert set(quiet(ORIGINS[0]).forecasts) == set(NAMES)
    assert len(NAMES) == 30


# ------------------------------------------------------------------------------------------ the test above can fail


def row_of(asset: str, days_before_origin: int, origin: int = ORIGINS[0]) -> int:
    """The row of an asset on the date of the target's day ``origin - days_before_origin``."""
    day = target_days()[origin - 1 - days_before_origin]
    daily = panel().daily
    own = daily.index[daily["asset"] == asset]
    return int(next(row for row in own if naive.day_number(daily.loc[row, "date"]) == day))


def sure() -> set[str]:
    """Models that must notice; the units of a network may all be switched off for the row that is forecast."""
    return {name for name in NAMES if "FNN" not in name}


def changed_models(change: Change) -> set[str]:
    before, after = quiet(ORIGINS[0]), run(change.apply(panel()), ORIGINS[0])
    return {name for name in NAMES if after.forecasts[name][0] != before.forecasts[name][0]}


def test_the_target_of_today_changes_every_forecast() -> None:
    change = Change("daily", row_of(TARGET, 0), "rv", 7e-4)
    assert sure() | {"TO FNN-STD", "MTL-50 FNN-STD"} <= changed_models(change)
    assert run(change.apply(panel()), ORIGINS[0], ()).selection != quiet(ORIGINS[0]).selection


def test_a_source_of_today_is_the_label_of_its_last_pair() -> None:
    """Naive pooling uses it, and no distance does: the row of that day has no label yet."""
    change = Change("daily", row_of("SRC00001", 0), "rv", 7e-3)
    found = changed_models(change)
    assert {name for name in sure() if name.startswith("NP")} <= found
    assert not any(name.startswith("TO") for name in found)
    assert run(change.apply(panel()), ORIGINS[0], ()).selection == quiet(ORIGINS[0]).selection


def test_a_source_of_yesterday_is_in_the_last_block() -> None:
    change = Change("daily", row_of("SRC00001", 1), "rv", 7e-3)
    assert run(change.apply(panel()), ORIGINS[0], ()).selection != quiet(ORIGINS[0]).selection


@pytest.mark.parametrize(("column", "value"), [("close", 1e3), ("volume", 1.0), ("volume", np.nan)])
def test_price_and_volume_of_the_eve_change_ext_forecasts_only(column: str, value: float) -> None:
    found = changed_models(Change("daily", row_of(TARGET, 0), column, value))
    assert not any(name.endswith("STD") for name in found)
    assert {name for name in NAMES if name.endswith("HAR-EXT")} <= found


def test_a_market_level_of_the_eve_changes_ext_forecasts_only() -> None:
    market = panel().market
    day = target_days()[ORIGINS[0] - 1]
    row = next(i for i in market.index if naive.day_number(market.loc[i, "date"]) == day)
    found = changed_models(Change("market", int(row), "vix", 80.0))
    assert not any(name.endswith("STD") for name in found)
    assert {name for name in NAMES if name.endswith("HAR-EXT")} <= found


def test_a_day_later_the_same_value_is_known() -> None:
    """The forecast of day o+2 made with the model of day o knows day o+1."""
    change = Change("daily", row_of(TARGET, -1), "rv", 7e-4)
    before, after = quiet(ORIGINS[0]), run(change.apply(panel()), ORIGINS[0])
    for name in NAMES:
        assert after.forecasts[name][0] == before.forecasts[name][0]
        if "HAR" in name:
            assert after.forecasts[name][1] != before.forecasts[name][1]

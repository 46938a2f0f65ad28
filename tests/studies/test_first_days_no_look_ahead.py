"""In the first days, too, nothing that happens after the close of day t changes the forecast of day t+1 by a bit.

Every day is an origin, so one run tells for all of them: a change of the panel on some date may touch what is forecast
and selected at the origins from that date on, and must not touch the others.
"""

import functools
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import naive
from tests.studies.first_days_panel import TARGET, market, panel, run_here, study_of
from volforecast.data.panel import MARKET_SERIES, Panel
from volforecast.data.parquet import from_parquet
from volforecast.models.xgb import XGB
from volforecast.studies.first_days import FirstDays
from volforecast.studies.first_days_config import FirstDaysFNN

MODELS = ("HAR", "1-MTL-50 XGB-EXT", "5-NP XGB-STD", "1-NP FNN-EXT", "5-MTL-25 FNN-STD", "22-TO FNN-STD")
# (with its usual rate the network would still be near zero after a few epochs, and its forecasts be replaced)
QUICK = {"fnn": FirstDaysFNN(max_epochs=5, learning_rate=0.05), "xgb": XGB(trees=4)}


class Run(NamedTuple):
    """All that is forecast and selected, as bytes, by model (or asset and prefix) and origin."""

    forecasts: dict[tuple[str, int], bytes]
    selections: dict[tuple[str, int, int], str]


def study() -> FirstDays:
    return study_of(*MODELS, **QUICK)


def run(panel: Panel) -> Run:
    data = study().load(panel)
    plan = study().plan(data)
    units = tuple(unit for unit in plan.units if unit.kind != "confidence")
    found = Run({}, {})
    for payload in run_here(study(), data, msgspec.structs.replace(plan, units=units)).values():
        table = from_parquet(payload)
        for row in table.to_pylist():
            if "forecast" in row:
                value = np.float64(row["forecast"]).tobytes() + f"{row['status']} {row['train_rows']}".encode()
                found.forecasts[row["model"], row["origin"]] = value
            else:
                found.selections[row["asset"], row["prefix"], row["origin"]] = str(row)
    return found


@functools.lru_cache(maxsize=1)
def quiet() -> Run:
    return run(panel())


@functools.lru_cache(maxsize=1)
def target_days() -> list[int]:
    rows = market().by_prefix[1].rows
    first = rows.first_row(TARGET)
    return rows.date[first : first + rows.days(TARGET)].tolist()


class Change(NamedTuple):
    """One value of the panel, replaced."""

    table: str
    row: int
    column: str
    value: object

    def apply(self) -> Panel:
        return naive.changed(panel(), self.table, self.row, self.column, self.value)

    def date(self) -> int:
        return naive.day_number(getattr(panel(), self.table).loc[self.row, "date"])


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A change on a day from the target's first one to its fiftieth."""
    table = draw(st.sampled_from(["daily", "daily", "market"]))
    column = draw(
        st.sampled_from(("rv", "close", "volume", "earnings_next_day") if table == "daily" else MARKET_SERIES)
    )
    content = getattr(panel(), table)
    dates = np.array([naive.day_number(date) for date in content["date"]])
    rows = np.flatnonzero((dates >= target_days()[0]) & (dates <= target_days()[49]))
    row = int(draw(st.sampled_from(rows.tolist())))
    value: object = not content.loc[row, column] if column == "earnings_next_day" else draw(st.floats(1e-3, 1e3))
    if column in ("close", "volume", "vix"):
        value = draw(st.sampled_from([value, np.nan]))
    return Change(table, row, column, value)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(change=changes())
def test_what_happens_later_changes_nothing(change: Change) -> None:
    before, after = quiet(), run(change.apply())
    dates = target_days()
    known = {key for key in before.forecasts if dates[key[1] - 1] < change.date()}
    assert {key: after.forecasts[key] for key in known} == {key: before.forecasts[key] for key in known}
    chosen = {key for key in before.selections if dates[key[2] - 1] < change.date()}
    assert {key: after.selections[key] for key in chosen} == {key: before.selections[key] for key in chosen}


# ------------------------------------------------------------------------------------------ the test above can fail


def row_of(asset: str, day: int) -> int:
    """The row of an asset on the date of the target's trading day ``day``."""
    daily = panel().daily
    own = daily.index[daily["asset"] == asset]
    return int(next(row for row in own if naive.day_number(daily.loc[row, "date"]) == target_days()[day - 1]))


@pytest.mark.parametrize("day", [1, 5, 12, 30])
def test_the_targets_variance_of_today_is_known_today(day: int) -> None:
    before, after = quiet(), run(Change("daily", row_of(TARGET, day), "rv", 7e-4).apply())
    changed = {key for key in before.forecasts if after.forecasts[key] != before.forecasts[key]}
    assert min(origin for _, origin in changed) == day
    at_once = {model for model, origin in changed if origin == day}
    assert "NF" in at_once
    assert {model for model, origin in before.forecasts if origin == day and "NP HAR" in model} <= at_once
    touched = {key for key in before.selections if after.selections.get(key) != before.selections[key]}
    assert min(origin for *_, origin in touched) == day


def test_a_sources_variance_of_today_is_a_label_today() -> None:
    before, after = quiet(), run(Change("daily", row_of("SRC00001", 9), "rv", 7e-3).apply())
    changed = {key for key in before.forecasts if after.forecasts[key] != before.forecasts[key]}
    assert ("1-NP HAR-STD", 9) in changed
    assert min(origin for _, origin in changed) == 9
    assert not any(model.split(" ")[0].endswith("TO") or model == "NF" for model, _ in changed)
    touched = {key for key in before.selections if after.selections.get(key) != before.selections[key]}
    assert min(origin for *_, origin in touched) == 10  # its row has a label, and so a window, a day later

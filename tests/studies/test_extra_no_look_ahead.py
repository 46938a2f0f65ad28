"""No model beside the paper's knows more than the close of the day before: what is measured later changes nothing."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import naive
from tests.studies.in_process import computed
from volforecast.data.measures import MEASURES
from volforecast.data.panel import Panel, read_panel
from volforecast.data.parquet import from_parquet
from volforecast.measured_rows import NEEDS
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

TARGET, ORIGIN = "NEW00001", 50
STUDY = NewIssues(NewIssuesConfig(models=("extra",), periods=(ORIGIN,), horizon_days=5, replications=100).checked())
USERS = {name: [one for one, needed in NEEDS.items() if name in needed] for name in MEASURES}  # classes by measure


@functools.lru_cache(maxsize=1)
def panel() -> Panel:
    with tempfile.TemporaryDirectory() as folder:
        naive.simulated(Path(folder), seed=8, sources=2, source_days=180, target_days=75)
        return read_panel(folder, measures=MEASURES)


def forecasts(panel: Panel) -> dict[str, list[bytes]]:
    """The forecasts of days 51 to 55 by every model, with their status."""
    data = STUDY.load(panel)
    plan = STUDY.plan(data)
    payloads = computed(STUDY, data, plan)
    found = {}
    for unit in plan.units:
        if unit.kind == "forecast":
            table = from_parquet(payloads[unit.key])
            pairs = zip(table["forecast"].to_numpy(), table["status"].to_pylist(), strict=True)
            found[str(unit.coordinates["model"])] = [value.tobytes() + status.encode() for value, status in pairs]
    return found


@functools.lru_cache(maxsize=1)
def quiet() -> dict[str, list[bytes]]:
    return forecasts(panel())


@functools.lru_cache(maxsize=1)
def days() -> list[int]:
    """The target's trading days, from its first one on."""
    own = panel().daily[panel().daily["asset"] == TARGET]
    return [naive.day_number(date) for date in own["date"]]


def changed(row: int, column: str, value: float) -> Panel:
    return naive.changed(panel(), "daily", row, column, value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_what_is_measured_later_changes_nothing(data: st.DataObject) -> None:
    cut = days()[ORIGIN - 1]
    dates = np.array([naive.day_number(date) for date in panel().daily["date"]])
    horizon = data.draw(st.sampled_from([3, 10, 10_000]), label="horizon")
    later = np.flatnonzero((dates > cut) & (dates <= cut + horizon))
    row = int(data.draw(st.sampled_from(later.tolist()), label="row"))
    column = data.draw(st.sampled_from(["rv", *MEASURES]), label="column")
    value = data.draw(st.sampled_from([1e-6, 3e-3] if column == "rv" else [0.0, 3e-3, np.nan]), label="value")
    after = forecasts(changed(row, column, value))
    # the forecast made at the close of day o+k is free to know what was measured up to then
    for k in range(5):
        if days()[ORIGIN - 1 + k] < dates[row]:
            for name, values in quiet().items():
                assert after[name][k] == values[k], (name, k)


@pytest.mark.parametrize("column", MEASURES)
def test_what_is_measured_on_the_eve_changes_the_models_made_of_it(column: str) -> None:
    """So the test above can fail."""
    daily = panel().daily
    row = int(daily.index[daily["asset"] == TARGET][ORIGIN - 1])
    value = 0.3 * float(daily.loc[row, column])
    after = forecasts(changed(row, column, value))
    different = {name for name, values in after.items() if values[0] != quiet()[name][0]}
    approaches = ("TO", "NP", "MTL-25", "MTL-50", "MTL-75")
    assert different == {f"{approach} {one}" for one in USERS[column] for approach in approaches}


def test_a_measure_of_a_source_on_the_eve_is_in_no_training_row_yet() -> None:
    """Its label is tomorrow's; the measure of the day before is in a pair that pooled models have."""
    daily = panel().daily
    dates = np.array([naive.day_number(date) for date in daily["date"]])
    own = (daily["asset"] == "SRC00001").to_numpy()
    for day, expected in ((ORIGIN, set()), (ORIGIN - 1, {"NP HARQ"})):
        row = int(np.flatnonzero(own & (dates == days()[day - 1]))[0])
        after = forecasts(changed(row, "rq", 0.3 * float(daily.loc[row, "rq"])))
        different = {name for name, values in after.items() if values[0] != quiet()[name][0]}
        assert {name for name in different if not name.startswith("MTL")} == expected
        assert all("HARQ" in name for name in different)
        assert bool(different) == bool(expected)

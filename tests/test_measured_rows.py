"""Predictors made of realized measures against values worked out day by day."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from tests import naive
from volforecast.data.measures import MEASURES
from volforecast.data.panel import Panel, read_panel
from volforecast.errors import PanelError
from volforecast.measured_rows import EXTRA_SETS, NEEDS, measured_rows, measures_needed, require_measures
from volforecast.predictors import build_rows


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    folder = tmp_path_factory.mktemp("rows")
    naive.simulated(folder, seed=4, sources=2, source_days=90, target_days=60)
    return read_panel(str(folder), measures=MEASURES)


@pytest.mark.parametrize("predictors", EXTRA_SETS)
def test_rows_day_by_day(panel: Panel, predictors: str) -> None:
    rows = measured_rows(panel, build_rows(panel), predictors)
    assert rows.names == EXTRA_SETS[predictors]
    assert rows.width(predictors) == rows.volatilities == 4
    assert rows.first_day == 22
    for asset in rows.assets:
        days = panel.daily[panel.daily["asset"] == asset].to_dict("records")
        rv = [1e4 * day["rv"] for day in days]
        for t, day in enumerate(days):
            value = {
                "rv_d": rv[t],
                "rv_w": sum(rv[t - 4 : t + 1]) / 5 if t >= 4 else math.nan,
                "rv_m": sum(rv[t - 21 : t + 1]) / 22 if t >= 21 else math.nan,
                "rv_d_rq": rv[t] * math.sqrt(1e8 * day["rq"]),
                "jump": max(rv[t] - 1e4 * day["bpv"], 0.0),
                "rs_neg": 1e4 * day["rs_neg"],
                "rs_pos": 1e4 * day["rs_pos"],
            }
            found = rows.X[rows.first_row(asset) + t]
            np.testing.assert_allclose(found, [value[name] for name in EXTRA_SETS[predictors]], rtol=1e-12)


def test_labels_dates_and_numbers_of_rows_are_those_of_the_standard_rows(panel: Panel) -> None:
    standard = build_rows(panel)
    rows = measured_rows(panel, standard, "SHAR")
    for name in ("assets", "offsets", "y", "date", "label_date"):
        assert getattr(rows, name) is getattr(standard, name)


@pytest.mark.parametrize("predictors", EXTRA_SETS)
def test_a_day_without_a_measure_has_no_predictor_made_of_it(panel: Panel, predictors: str) -> None:
    daily = panel.daily.copy()
    daily.loc[37, list(NEEDS[predictors])] = np.nan
    rows = measured_rows(dataclasses.replace(panel, daily=daily), build_rows(panel), predictors)
    whole = measured_rows(panel, build_rows(panel), predictors)
    assert np.isnan(rows.X[37]).sum() == len(NEEDS[predictors])
    assert np.isnan(rows.X).sum() == np.isnan(whole.X).sum() + len(NEEDS[predictors])


def test_a_jump_is_never_negative(panel: Panel) -> None:
    jumps = measured_rows(panel, build_rows(panel), "HAR-J").X[:, 3]
    assert (jumps == 0.0).any()
    assert (jumps > 0.0).any()
    assert (jumps >= 0.0).all()


def test_measures_needed() -> None:
    assert measures_needed(["STD", "EXT", "STD"]) == ()
    assert measures_needed(["HARQ", "STD", "SHAR", "HARQ"]) == ("rq", "rs_neg", "rs_pos")


def test_a_panel_without_a_column_is_told_what_to_do(tmp_path: Path, panel: Panel) -> None:
    bare = dataclasses.replace(panel, daily=panel.daily.drop(columns="rs_pos"))
    require_measures(bare, "HARQ", ["NEW00001"])
    with pytest.raises(
        PanelError, match=r"^SHAR needs rs_pos \(daily.parquet\), .*volforecast panel.*--models"
    ) as error:
        require_measures(bare, "SHAR", ["NEW00001"])
    assert "\n" not in str(error.value)


def test_a_target_without_any_value_is_named(panel: Panel) -> None:
    daily = panel.daily.copy()
    daily.loc[daily["asset"] == "NEW00001", "rq"] = np.nan
    empty = dataclasses.replace(panel, daily=daily)
    with pytest.raises(PanelError, match="target NEW00001 has no rq on any day; HARQ needs it") as error:
        require_measures(empty, "HARQ", ["NEW00001"])
    assert "\n" not in str(error.value)

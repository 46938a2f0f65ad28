"""Predictors, labels and their dates against plain loops, on real and simulated panels."""

import dataclasses
import functools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from volforecast.data.panel import Panel
from volforecast.errors import PanelError
from volforecast.predictors import EXT, NO_LABEL, STD, PredictorRows, build_rows, require_inputs


@functools.lru_cache(maxsize=1)
def small() -> Panel:
    with tempfile.TemporaryDirectory() as folder:
        return naive.simulated(Path(folder), sources=2, source_days=120, target_days=60)


def own_rows(rows: PredictorRows, asset: str) -> slice:
    first = rows.first_row(asset)
    return slice(first, first + rows.days(asset))


def assert_equals_naive(panel: Panel, rows: PredictorRows, asset: str) -> None:
    own, slow = own_rows(rows, asset), naive.predictors(panel, asset)
    assert rows.days(asset) == len(slow)
    np.testing.assert_allclose(rows.X[own], slow[list(EXT)].to_numpy(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(rows.y[own], slow["y"].to_numpy(), rtol=1e-12)
    day = pd.Timestamp("1970-01-01")
    assert list(rows.date[own]) == [(date - day).days for date in slow["date"]]
    assert list(rows.label_date[own][:-1]) == [(date - day).days for date in slow["label_date"][:-1]]
    assert rows.label_date[own][-1] == NO_LABEL


def test_names_and_order() -> None:
    assert list(STD) == naive.STD
    assert list(EXT) == naive.EXT


@pytest.mark.parametrize("asset", ["CRM", "DOW", "JPM", "TRV"])
def test_real_panel_agrees_with_plain_loops(asset: str) -> None:
    panel = naive.dj30()
    assert_equals_naive(panel, build_rows(panel), asset)


def test_simulated_panel_agrees_with_plain_loops() -> None:
    rows = build_rows(small())
    assert rows.assets == tuple(sorted(rows.assets))
    for asset in rows.assets:
        assert_equals_naive(small(), rows, asset)


def test_a_row_begins_when_its_window_is_full() -> None:
    rows = build_rows(small())
    X = rows.X[own_rows(rows, "NEW00001")]
    first = {name: int(np.flatnonzero(~np.isnan(X[:, j]))[0]) + 1 for j, name in enumerate(EXT)}
    assert first == dict.fromkeys(EXT, 1) | {"rv_w": 5, "rv_m": 22, "mom": 6, "dv": 2, "us3m": 2, "hsi": 2}


def test_no_row_depends_on_how_long_the_history_is() -> None:
    panel, whole = small(), build_rows(small())
    for days in (22, 23, 24, 40, 59):
        daily = panel.daily.groupby("asset").head(days).reset_index(drop=True)
        cut = build_rows(dataclasses.replace(panel, daily=daily))
        for asset in whole.assets:
            assert cut.X[own_rows(cut, asset)].tobytes() == whole.X[own_rows(whole, asset)][:days].tobytes()


def market_panel(market: dict[str, list[object]], **daily: list[object]) -> Panel:
    """One asset that trades on 2-6 January 2020 (a Thursday to a Monday, with the weekend in between)."""
    dates = pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"])
    table = pd.DataFrame({"asset": "A", "date": dates, "rv": 1e-4, "close": 10.0, "volume": 5.0} | daily)
    assets = pd.DataFrame({"asset": ["A"], "role": ["source"]})
    dated = pd.DataFrame(market).assign(date=lambda t: pd.to_datetime(t["date"]))
    return Panel(assets, table, dated, "")


def predictor(panel: Panel, name: str) -> list[float]:
    return build_rows(panel).X[:, EXT.index(name)].tolist()


def test_a_closed_market_gives_zero_differences() -> None:
    panel = market_panel(
        {"date": ["2020-01-02", "2020-01-03", "2020-01-06"], "hsi": [100.0, np.nan, 110.0], "us3m": [1.5, np.nan, 1.7]}
    )
    np.testing.assert_allclose(predictor(panel, "hsi"), [np.nan, 0.0, np.log(1.1) ** 2])
    np.testing.assert_allclose(predictor(panel, "us3m"), [np.nan, 0.0, 0.2])


def test_levels_published_on_days_without_trading_count_on_the_next_trading_day() -> None:
    panel = market_panel({"date": ["2020-01-01", "2020-01-04", "2020-01-07"], "vix": [10.0, 20.0, 30.0]})
    assert predictor(panel, "vix") == [10.0, 10.0, 20.0]


def test_before_the_first_publication_there_is_no_predictor() -> None:
    panel = market_panel({"date": ["2020-01-03", "2020-01-06"], "epu": [90.0, 91.0], "hsi": [100.0, 101.0]})
    np.testing.assert_array_equal(predictor(panel, "epu"), [np.nan, 90.0, 91.0])
    assert np.isnan(predictor(panel, "hsi")[:2]).all()
    assert np.isnan(predictor(panel, "us3m")).all()


def test_a_day_without_trades_has_no_dollar_volume() -> None:
    panel = market_panel({"date": ["2020-01-02"], "vix": [1.0]}, volume=[5.0, 0.0, 5.0])
    assert np.isnan(predictor(panel, "dv")).all()
    panel = market_panel({"date": ["2020-01-02"], "vix": [1.0]}, volume=[5.0, 10.0, np.nan])
    np.testing.assert_allclose(predictor(panel, "dv"), [np.nan, np.log(2.0), np.nan])


def test_a_panel_with_variances_only() -> None:
    panel = small()
    bare = dataclasses.replace(panel, daily=panel.daily[["asset", "date", "rv"]], market=panel.market[["date"]])
    rows = build_rows(bare)
    assert rows.X[:, :3].tobytes() == build_rows(panel).X[:, :3].tobytes()
    assert np.isnan(rows.X[:, 3:]).all()


@settings(max_examples=60)
@given(data=st.data())
def test_no_predictor_knows_a_later_value(data: st.DataObject) -> None:
    """Changing a value of day t + 1 or later, of the asset or of the market, changes no row up to t."""
    panel, before = small(), build_rows(small())
    table = data.draw(st.sampled_from(["daily", "market"]), label="table")
    row = data.draw(st.integers(0, len(getattr(panel, table)) - 1), label="row")
    if table == "daily":
        column = data.draw(st.sampled_from(["rv", "close", "volume", "earnings_next_day"]), label="column")
    else:
        column = data.draw(st.sampled_from(["us3m", "hsi", "ads", "epu", "vix"]), label="column")
    value = True if column == "earnings_next_day" else data.draw(st.floats(1e-6, 1e6), label="value")
    after = build_rows(naive.changed(panel, table, row, column, value))
    changed_day = (getattr(panel, table).loc[row, "date"] - pd.Timestamp("1970-01-01")).days
    earlier = before.date < changed_day
    if table == "daily":  # other assets know nothing of this one at all
        own = np.zeros(len(before.date), dtype=bool)
        own[own_rows(before, panel.daily.loc[row, "asset"])] = True
        earlier |= ~own
    assert after.X[earlier].tobytes() == before.X[earlier].tobytes()


def test_the_change_itself_is_seen() -> None:
    panel, before = small(), build_rows(small())
    for table, column in (("daily", "rv"), ("daily", "close"), ("daily", "volume"), ("market", "vix")):
        after = build_rows(naive.changed(panel, table, 40, column, 777.0))
        assert after.X.tobytes() != before.X.tobytes()


def one_line(error: pytest.ExceptionInfo[PanelError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_missing_inputs_are_named() -> None:
    panel = small()
    require_inputs(panel)
    without = dataclasses.replace(
        panel, daily=panel.daily.drop(columns=["volume"]), market=panel.market[["date", "hsi"]]
    )
    with pytest.raises(PanelError) as error:
        require_inputs(without)
    message = one_line(error)
    for words in ("volume (daily.parquet)", "us3m (market.parquet)", "vix (market.parquet)", "--models"):
        assert words in message
    assert "hsi" not in message
    assert "close" not in message


def test_an_empty_market_series_is_named() -> None:
    panel = small()
    with pytest.raises(PanelError) as error:
        require_inputs(dataclasses.replace(panel, market=panel.market.assign(ads=np.nan)))
    assert "ads (market.parquet)" in one_line(error)
    assert "--models" in one_line(error)


@pytest.mark.parametrize("column", ["close", "volume"])
def test_a_target_without_an_input_is_named(column: str) -> None:
    panel = small()
    daily = panel.daily.copy()
    daily.loc[daily["asset"] == "NEW00001", column] = np.nan
    with pytest.raises(PanelError) as error:
        require_inputs(dataclasses.replace(panel, daily=daily))
    message = one_line(error)
    for words in ("target NEW00001", column, "--models"):
        assert words in message

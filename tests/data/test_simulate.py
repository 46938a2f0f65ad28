"""The simulated panel: its tables, what it claims about volatility, and its likeness to the Dow 30."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import exchange_calendars
import msgspec
import numpy as np
import pandas as pd
import pytest

from benchmarks.simulator_realism import compare, statistics, variogram_hurst
from volforecast.data.realized import EXTRA
from volforecast.data.simulate import (
    GICS_SECTORS,
    SimulatedPanel,
    SimulatorSettings,
    simulate_panel,
    write_simulated,
)
from volforecast.data.simulate_paths import listing_log_variance
from volforecast.errors import ConfigError, PanelError

DJ30 = Path(__file__).resolve().parents[3] / "shared" / "data" / "dj30"


@cache
def default_panel() -> SimulatedPanel:
    return simulate_panel(SimulatorSettings(), seed=1)


@cache
def bar_panel() -> SimulatedPanel:
    # The six last sessions of 2024 hold an early close, the 24th of December; NEW00001 lists within them.
    settings = SimulatorSettings(sources=2, targets=2, source_days=300, target_days=4, bars_days=6)
    return simulate_panel(settings, seed=3)


@cache
def mean_statistics() -> pd.Series:
    panels = [simulate_panel(SimulatorSettings(sources=22, targets=0), seed=seed) for seed in range(6)]
    return pd.DataFrame([statistics(panel.daily, panel.assets) for panel in panels]).mean()


def test_tables_have_the_columns_of_a_panel() -> None:
    panel = default_panel()
    assert list(panel.assets) == ["asset", "name", "sector", "role", "first_trading_day"]
    assert list(panel.daily) == ["asset", "date", "rv", "close", "volume", "earnings_next_day", *EXTRA]
    assert list(panel.market) == ["date", "us3m", "hsi", "ads", "epu", "vix"]
    assert panel.assets["role"].value_counts().to_dict() == {"source": 20, "target": 4}
    assert set(panel.assets["sector"]) <= set(GICS_SECTORS)
    assert panel.daily["earnings_next_day"].dtype == bool
    assert not panel.daily.isna().any(axis=None)
    assert (panel.daily[["rv", "close", "volume"]] > 0).all(axis=None)
    assert not panel.bars
    for dates in (panel.daily["date"], panel.market["date"], panel.assets["first_trading_day"]):
        assert dates.dtype == "datetime64[us]"
        assert (dates == dates.dt.normalize()).all()
    keys = panel.daily[["asset", "date"]]
    assert keys.equals(keys.sort_values(["asset", "date"], ignore_index=True))
    assert not keys.duplicated().any()


def test_days_are_nyse_sessions_and_targets_list_one_after_the_other() -> None:
    panel = default_panel()
    dates = panel.daily.groupby("asset")["date"]
    sessions = exchange_calendars.get_calendar("XNYS", start="2018-01-01", end="2024-12-31").sessions[-1500:]
    np.testing.assert_array_equal(panel.daily.loc[panel.daily["asset"] == "SRC00001", "date"], sessions)
    counts = dates.size()
    assert counts.filter(like="SRC").eq(1500).all()
    assert counts.filter(like="NEW").to_list() == [600, 640, 680, 720]
    first = panel.assets.set_index("asset")["first_trading_day"]
    pd.testing.assert_series_equal(dates.min(), first, check_names=False)


def test_listings_go_round_when_there_are_many() -> None:
    settings = SimulatorSettings(sources=1, targets=5, source_days=100, target_days=60, listing_gap_days=15)
    counts = simulate_panel(settings, seed=1).daily.groupby("asset").size()
    assert counts.filter(like="NEW").to_list() == [60, 75, 90, 64, 79]


def test_last_day_need_not_be_a_session() -> None:
    panel = simulate_panel(SimulatorSettings(sources=1, targets=0, source_days=40, last_day="2024-12-25"), seed=1)
    assert panel.daily["date"].max() == pd.Timestamp("2024-12-24")


def test_market_levels_are_published_on_their_own_days() -> None:
    market = default_panel().market.set_index("date")
    sessions = market.index.isin(default_panel().daily["date"])
    published = market.notna()
    assert published["vix"].to_numpy().tolist() == sessions.tolist()
    assert published[["ads", "epu"]].all(axis=None)
    assert (published["hsi"] & ~sessions).sum() > 20
    assert (~published["hsi"] & sessions).sum() > 20
    assert (~published["us3m"] & sessions).sum() > 5
    assert not market.ffill().loc[sessions].isna().any(axis=None)
    steps = market["us3m"].dropna().diff().dropna().abs()
    assert steps.max() <= 0.35
    assert steps.median() <= 0.011
    assert market["us3m"].min() >= 0
    assert market["epu"].min() > 0
    assert market["ads"].autocorr(1) > 0.97
    log_rv = np.log(default_panel().daily.pivot(index="date", columns="asset", values="rv")).mean(axis=1)
    assert np.log(market["vix"].dropna()).corr(log_rv) > 0.6


def test_log_variance_is_rough() -> None:
    settings = SimulatorSettings(sources=11, targets=0, source_days=3000, earnings=False)
    panel = simulate_panel(settings, seed=5)
    truth = np.log(panel.truth.pivot(index="date", columns="asset", values="integrated_variance"))
    measured = np.log(panel.daily.pivot(index="date", columns="asset", values="rv"))
    # Between the 0.1 of the asset's own factors and the 0.3 of the market; measurement error takes 0.03 off.
    assert 0.10 < truth.apply(variogram_hurst).mean() < 0.18
    assert 0.08 < measured.apply(variogram_hurst).mean() < 0.15
    # The mean reversion bends the variogram of the assets' own part: 0.1 shows as 0.07 over lags of 1 to 40 days.
    own = truth.sub(truth.mean(axis=1), axis=0)
    assert 0.05 < own.apply(variogram_hurst).mean() < 0.12


def test_rv_measures_the_variance_of_the_session_with_the_error_of_78_returns() -> None:
    panel = simulate_panel(SimulatorSettings(sources=10, targets=0, jumps_per_day=0.0), seed=1)
    error = (panel.daily["rv"] / panel.truth["integrated_variance"]).to_numpy()
    assert error.mean() == pytest.approx(1.0, abs=0.01)
    # 2 / 78 if every cell had the same variance; the busy open raises it.
    assert 2 / 78 < error.var() < 0.05
    jumpy = simulate_panel(SimulatorSettings(sources=10, targets=0), seed=1)
    share = (jumpy.daily["rv"].to_numpy() / panel.daily["rv"].to_numpy()).mean() - 1
    assert 0.02 < share < 0.1


def test_statistics_are_plausible() -> None:
    found = mean_statistics()
    bands = {
        "annualised volatility, root mean RV": (0.22, 0.30),
        "log RV: standard deviation": (0.7, 0.95),
        "log RV: skewness": (0.2, 1.2),
        "log RV: autocorrelation, lag 1": (0.6, 0.8),
        "log RV: autocorrelation, lag 5": (0.45, 0.65),
        "log RV: autocorrelation, lag 22": (0.25, 0.5),
        "log RV: autocorrelation, lag 100": (0.0, 0.3),
        "return and log RV of the same day: correlation": (-0.15, -0.02),
        "return and log RV of the next day: correlation": (-0.15, -0.05),
        "return: autocorrelation, lag 1": (-0.03, 0.03),
        "log volume and log RV, each less its 22-day mean: correlation": (0.4, 0.8),
        "announcement day: log RV less its 22-day mean": (0.7, 1.2),
    }
    outside = {name: found[name] for name, (low, high) in bands.items() if not low < found[name] < high}
    assert not outside
    same = found["log RV: correlation of pairs, same sector"]
    other = found["log RV: correlation of pairs, other sector"]
    assert same > other + 0.01
    assert other > 0.4


def test_panel_resembles_the_dow_30() -> None:
    if not DJ30.is_dir():
        pytest.skip("no folder ../shared/data/dj30 beside the repository")
    both = compare(DJ30, days=1500, seeds=8)
    tolerances = {
        "annualised volatility, root mean RV": 0.05,
        "log RV: standard deviation": 0.06,
        "log RV: skewness": 0.3,
        "log RV: standard deviation of daily change": 0.05,
        "log RV: Hurst exponent (variogram, lags 1-40)": 0.02,
        "log RV: autocorrelation, lag 1": 0.05,
        "log RV: autocorrelation, lag 5": 0.06,
        "log RV: autocorrelation, lag 22": 0.08,
        "log RV: autocorrelation, lag 100": 0.08,
        "cross-sectional mean of log RV: autocorrelation, lag 1": 0.05,
        "log RV less cross-sectional mean: standard deviation": 0.04,
        "log RV less cross-sectional mean: autocorrelation, lag 1": 0.05,
        "log RV less cross-sectional mean: autocorrelation, lag 22": 0.05,
        "log RV: correlation of pairs, same sector": 0.06,
        "log RV: correlation of pairs, other sector": 0.06,
        "change of log RV: correlation of pairs, other sector": 0.06,
        "return and log RV of the next day: correlation": 0.03,
        "variance of close-to-close returns over mean RV": 0.2,
        "announcement day: log RV less its 22-day mean": 0.15,
    }
    distance = (both["real"] - both["simulated"]).abs()
    far = {name: both.loc[name].to_dict() for name, allowed in tolerances.items() if not distance[name] < allowed}
    assert not far


def test_log_variance_rises_with_announcements_and_only_then() -> None:
    quiet = simulate_panel(SimulatorSettings(earnings=False), seed=1)
    calm, loud = quiet.truth["integrated_variance"], default_panel().truth["integrated_variance"]
    change = np.log(loud.to_numpy() / calm.to_numpy())
    asset = default_panel().daily["asset"]
    eve = default_panel().daily["earnings_next_day"]
    announced = eve.groupby(asset).shift(1, fill_value=False).to_numpy()
    assert eve.mean() == pytest.approx(1 / 63, abs=0.002)
    assert change[announced].min() > 0.2
    assert change[announced].mean() == pytest.approx(0.95, abs=0.1)
    assert (change == 0).mean() > 0.94
    assert not quiet.daily["earnings_next_day"].any()
    spacing = np.diff(np.flatnonzero(eve[asset == "SRC00001"]))
    assert spacing.min() >= 59
    assert spacing.max() <= 67


def test_new_listings_start_volatile_and_calm_down() -> None:
    plain = simulate_panel(SimulatorSettings(listing_effect=0.0), seed=1)
    truth = default_panel().truth
    change = np.log(truth["integrated_variance"] / plain.truth["integrated_variance"])
    age = truth.groupby("asset").cumcount()
    target = truth["asset"].str.startswith("NEW")
    np.testing.assert_allclose(change[target], listing_log_variance(age[target].to_numpy()), atol=1e-9)
    assert not change[~target].any()
    assert (np.diff(listing_log_variance(np.arange(600))) < 0).all()
    many = simulate_panel(SimulatorSettings(sources=11, targets=40, source_days=1000, target_days=300), seed=2)
    daily = many.daily.assign(log_rv=np.log(many.daily["rv"]), age=many.daily.groupby("asset").cumcount())
    seasoned = daily[daily["asset"].str.startswith("SRC")].groupby("date")["log_rv"].mean()
    daily["excess"] = daily["log_rv"] - daily["date"].map(seasoned)
    new = daily.pivot(index="asset", columns="age", values="excess").filter(like="NEW", axis=0)
    level = new.loc[:, 250:299].mean(axis=1)
    weeks = [new.loc[:, first:last].mean(axis=1).sub(level).mean() for first, last in ((0, 4), (5, 21), (100, 149))]
    assert weeks[0] > weeks[1] + 0.2
    assert weeks[1] > weeks[2] + 0.1


def test_volatile_listings_have_a_price_however_long_the_panel_was_there_before_them() -> None:
    settings = SimulatorSettings(
        sources=1, targets=60, source_days=1500, target_days=100, listing_gap_days=0, annual_volatility=1.0
    )
    daily = simulate_panel(settings, 1).daily
    first = daily[daily["asset"].str.startswith("NEW")].groupby("asset")["close"].first()
    assert first.between(5.0, 500.0).all()
    assert (daily["close"] > 0).all()


def test_assets_do_not_change_when_more_are_asked_for() -> None:
    common = {"source_days": 200, "target_days": 60, "listing_gap_days": 10, "bars_days": 2}
    small = simulate_panel(SimulatorSettings(sources=2, targets=1, **common), seed=9)
    large = simulate_panel(SimulatorSettings(sources=13, targets=5, **common), seed=9)
    kept = large.daily["asset"].isin(small.assets["asset"])
    pd.testing.assert_frame_equal(large.daily[kept].reset_index(drop=True), small.daily)
    listed = large.assets["asset"].isin(small.assets["asset"])
    pd.testing.assert_frame_equal(large.assets[listed].reset_index(drop=True), small.assets)
    pd.testing.assert_frame_equal(large.market, small.market)
    for asset, bars in small.bars.items():
        pd.testing.assert_frame_equal(large.bars[asset], bars)


def test_the_seed_decides() -> None:
    settings = SimulatorSettings(sources=2, targets=1, source_days=100, target_days=50)
    first, again, other = (simulate_panel(settings, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.daily, again.daily)
    pd.testing.assert_frame_equal(first.market, again.market)
    assert not np.isclose(first.daily["rv"], other.daily["rv"]).any()


def realized_by_previous_tick(day: pd.DataFrame) -> float:
    """RV of one session, grid point by grid point: the slow twin."""
    prices = [day["open"].iloc[0]]
    ends = day["timestamp"] + pd.Timedelta(minutes=1)
    grid = day["timestamp"].iloc[0] + pd.Timedelta(minutes=5)
    while grid <= ends.iloc[-1]:
        prices.append(day.loc[ends <= grid, "close"].iloc[-1])
        grid += pd.Timedelta(minutes=5)
    return float(sum(np.log(after / before) ** 2 for before, after in pairwise(prices)))


def test_daily_rows_are_those_of_the_bars() -> None:
    panel = bar_panel()
    daily = panel.daily.set_index(["asset", "date"])
    assert set(panel.bars) == set(panel.assets["asset"])
    for asset, bars in panel.bars.items():
        assert list(bars) == ["timestamp", "open", "high", "low", "close", "volume"]
        assert bars["timestamp"].is_monotonic_increasing
        days = list(bars.groupby(bars["timestamp"].dt.normalize()))
        assert len(days) == (4 if asset == "NEW00001" else 6)
        for date, day in days:
            short = date == pd.Timestamp("2024-12-24")
            assert len(day) == (210 if short else 390)
            assert day["timestamp"].iloc[0] == date + pd.Timedelta(hours=9, minutes=30)
            row = daily.loc[(asset, date)]
            assert row["rv"] == pytest.approx(realized_by_previous_tick(day), rel=1e-12)
            assert row["close"] == day["close"].iloc[-1]
            assert row["volume"] == day["volume"].sum()
            assert (day["high"] >= day[["open", "close"]].max(axis=1)).all()
            assert (day["low"] <= day[["open", "close"]].min(axis=1)).all()
            assert (day["low"] > 0).all()


def test_bars_change_the_daily_table_by_rounding_only() -> None:
    settings = SimulatorSettings(sources=2, targets=2, source_days=300, target_days=4)
    plain = simulate_panel(settings, seed=3).daily
    barred = bar_panel().daily
    pd.testing.assert_frame_equal(plain, barred, rtol=5e-3)
    before = plain["date"] < plain["date"].drop_duplicates().nlargest(6).min()
    pd.testing.assert_frame_equal(plain[before], barred[before])


def test_minutes_are_a_diffusion_between_the_five_minute_points() -> None:
    settings = SimulatorSettings(sources=4, targets=0, source_days=60, target_days=1, bars_days=40, jumps_per_day=0.0)
    panel = simulate_panel(settings, seed=4)
    last = panel.daily.groupby("asset").tail(40)
    minute = np.concatenate([np.log(bars["close"] / bars["open"]) for bars in panel.bars.values()])
    assert (minute**2).sum() / last["rv"].sum() == pytest.approx(1.0, abs=0.05)


def test_written_panels_are_equal_byte_for_byte(tmp_path: Path) -> None:
    for name in ("first", "second"):
        settings = SimulatorSettings(sources=2, targets=1, source_days=60, target_days=30, bars_days=2)
        write_simulated(simulate_panel(settings, seed=1), tmp_path / name)
    files = sorted(file.relative_to(tmp_path / "first") for file in (tmp_path / "first").rglob("*.parquet"))
    assert [str(file) for file in files] == [
        "assets.parquet",
        "bars/NEW00001.parquet",
        "bars/SRC00001.parquet",
        "bars/SRC00002.parquet",
        "daily.parquet",
        "market.parquet",
    ]
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    panel = simulate_panel(settings, seed=1)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "first" / "daily.parquet"), panel.daily)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "first" / "market.parquet"), panel.market)


def test_bars_of_another_panel_are_not_mixed_in(tmp_path: Path) -> None:
    settings = SimulatorSettings(sources=2, targets=0, source_days=60, target_days=1, bars_days=1)
    write_simulated(simulate_panel(settings, seed=1), str(tmp_path))
    write_simulated(simulate_panel(settings, seed=2), str(tmp_path))
    fewer = msgspec.structs.replace(settings, sources=1)
    with pytest.raises(PanelError, match="holds SRC00002"):
        write_simulated(simulate_panel(fewer, seed=1), tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sources", 0),
        ("targets", -1),
        ("source_days", 10),
        ("target_days", 1501),
        ("listing_gap_days", -1),
        ("annual_volatility", 25.0),
        ("hurst", 0.0),
        ("market_hurst", float("nan")),
        ("jumps_per_day", -0.1),
        ("listing_effect", -1.0),
        ("leverage", -1.0),
        ("bars_days", 1501),
        ("last_day", "tomorrow"),
        ("last_day", "1999-01-01"),
    ],
)
def test_settings_name_the_field_the_value_and_the_remedy(field: str, value: float | str) -> None:
    with pytest.raises(ConfigError, match=rf"^{field} is .*: .+") as caught:
        SimulatorSettings(**{field: value})
    assert str(value) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_know_their_fields() -> None:
    assert msgspec.json.decode(b'{"sources": 3}', type=SimulatorSettings) == SimulatorSettings(sources=3)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"sauces": 3}', type=SimulatorSettings)

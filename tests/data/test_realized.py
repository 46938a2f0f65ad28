import os
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.naive_realized import Bar, naive_measures, naive_returns
from volforecast.data.bars import bar_minutes, check_bars, read_bars
from volforecast.data.build import build_panel
from volforecast.data.realized import (
    bipower_variation,
    daily_from_bars,
    realized_quarticity,
    realized_variance,
    semivariances,
)
from volforecast.data.sessions import sessions
from volforecast.errors import ConfigError, PanelError

SHARED = Path(__file__).parents[3] / "shared" / "data"
MEASURES = ["rv", "bpv", "rq", "rs_pos", "rs_neg"]
# Everything the rules let through, so that the numbers of incomplete days are compared too.
LAX: dict[str, Any] = {"min_coverage": 0.0, "max_open_end": 100_000}


def real(name: str) -> str:
    if not (SHARED / name).exists():
        pytest.skip(f"needs ../shared/data/{name}")
    return str(SHARED / name)


@pytest.fixture(scope="module")
def five() -> pd.DataFrame:
    return read_bars(real("bars-5min"), assets=["ARM", "SPY", "BA"])


@pytest.fixture(scope="module")
def four_years() -> pd.DataFrame:
    return read_bars(real("btc-bars-1m/BTCUSD.parquet"), "24/7")


@pytest.fixture(scope="module")
def bitcoin(four_years: pd.DataFrame) -> pd.DataFrame:
    return four_years[four_years["timestamp"] < "2017-10-01"].reset_index(drop=True)


def make(
    stamps: "list[str] | pd.DatetimeIndex", close: "list[float] | np.ndarray", first_open: float = 100.0
) -> pd.DataFrame:
    close = np.asarray(close, dtype=float)
    opens = np.append(first_open, close[:-1])
    bars = pd.DataFrame(
        {
            "timestamp": pd.DatetimeIndex(stamps),
            "open": opens,
            "high": np.maximum(opens, close),
            "low": np.minimum(opens, close),
            "close": close,
            "volume": 1.0,
        }
    )
    return check_bars(bars, "X").assign(asset="X")


def walk(days: list[str], minutes: int = 5, seed: int = 1, start: str = "09:30", end: str = "16:00") -> pd.DataFrame:
    stamps = pd.DatetimeIndex([])
    for day in days:
        stamps = stamps.append(pd.date_range(f"{day} {start}", f"{day} {end}", freq=f"{minutes}min", inclusive="left"))
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.001, len(stamps))))
    return make(stamps, close)


def aggregate(bars: pd.DataFrame) -> pd.DataFrame:
    """Five-minute bars of one-minute bars of one asset."""
    by = bars.groupby(bars["timestamp"].dt.floor("5min"))
    table = by.agg(
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
    )
    return table.reset_index().assign(asset=bars["asset"].iloc[0])


def assert_like_naive(bars: pd.DataFrame, daily: pd.DataFrame, calendar: str, dates: "pd.Series[pd.Timestamp]") -> None:
    minutes = bar_minutes(bars["timestamp"], "X")
    hours = sessions(dates.iloc[0], dates.iloc[-1], calendar).set_index("date")
    rows = daily.set_index("date")
    for day in dates:
        start, end = (hours.loc[day, side].to_pydatetime() for side in ("open", "close"))
        own = bars[bars["timestamp"].between(start, end)]
        ticks = [
            Bar(t.to_pydatetime(), o, c) for t, o, c in zip(own["timestamp"], own["open"], own["close"], strict=True)
        ]
        expected = naive_measures(naive_returns(ticks, minutes, start, end))
        got = rows.loc[day, MEASURES].to_dict() if day in rows.index else dict.fromkeys(MEASURES, 0.0)
        # Squares of rounded returns: an ulp of a log price (1e-15) matters where returns are tiny.
        assert got == pytest.approx(expected, rel=1e-11, abs=1e-20), day


def test_formulas_by_hand() -> None:
    returns = np.array([[0.01, -0.02, 0.03, 0.0], [0.01, 0.01, 0.0, 0.0]])
    np.testing.assert_allclose(realized_variance(returns), [14e-4, 2e-4], rtol=1e-14)
    np.testing.assert_allclose(bipower_variation(returns), np.pi / 2 * np.array([8e-4, 1e-4]), rtol=1e-14)
    np.testing.assert_allclose(
        realized_quarticity(returns, np.array([4, 2])), [4 / 3 * 98e-8, 2 / 3 * 2e-8], rtol=1e-14
    )
    np.testing.assert_allclose(semivariances(returns), [[10e-4, 2e-4], [4e-4, 0]], rtol=1e-14)
    assert realized_variance(np.empty((2, 0))).tolist() == [0.0, 0.0]


def test_previous_tick_by_hand() -> None:
    # One-minute bars: 101 is known at 09:35, 102 (stamped 09:35, ended 09:36) at 09:40 only, then nothing until 15:50.
    stamps = ["2025-05-12 09:31", "2025-05-12 09:35", "2025-05-12 15:49", "2025-05-12 15:50"]
    daily = daily_from_bars(make(stamps, [101, 102, 103, 104], 100.0), **LAX).daily
    expected = np.log(1.01) ** 2 + np.log(102 / 101) ** 2 + np.log(103 / 102) ** 2 + np.log(104 / 103) ** 2
    assert daily["rv"].item() == pytest.approx(expected, rel=1e-12)
    assert (daily["close"].item(), daily["volume"].item()) == (104, 4)


def test_bars_out_of_hours_do_not_count() -> None:
    inside = walk(["2025-07-02", "2025-07-03"])
    inside = inside[~(inside["timestamp"] >= "2025-07-03 13:00")]
    outside = ["2025-07-02 09:25", "2025-07-02 16:00", "2025-07-03 08:00", "2025-07-03 13:00", "2025-07-05 12:00"]
    both = pd.concat([inside, make(outside, [1.0, 2, 3, 4, 5])]).sort_values("timestamp", ignore_index=True)
    quiet, loud = daily_from_bars(inside), daily_from_bars(both)
    pd.testing.assert_frame_equal(quiet.daily, loud.daily)
    assert loud.dropped[["date", "reason"]].astype(str).to_numpy().tolist() == [
        ["2025-07-05", "not a session of XNYS"],
    ]


@pytest.mark.parametrize("asset", ["ARM", "SPY"])
def test_real_days_equal_the_naive_twin(five: pd.DataFrame, asset: str) -> None:
    bars = five[five["asset"] == asset]
    daily = daily_from_bars(bars, extra=True, **LAX).daily
    assert len(daily) == 210
    assert_like_naive(bars, daily, "XNYS", daily["date"])


def test_real_minutes_equal_the_naive_twin(bitcoin: pd.DataFrame) -> None:
    daily = daily_from_bars(bitcoin, calendar="24/7", extra=True, **LAX).daily
    assert_like_naive(bitcoin, daily, "24/7", daily["date"].iloc[[0, 8, 200, 400]])


@settings(max_examples=40)
@given(st.data())
def test_random_bars_with_missing_minutes_equal_the_naive_twin(data: st.DataObject) -> None:
    minutes = data.draw(st.sampled_from([1, 5]))
    # A full day, a day with an early close, and bars before and after the session.
    slots = pd.DatetimeIndex([])
    for day in ("2025-07-02", "2025-07-03"):
        slots = slots.append(pd.date_range(f"{day} 09:00", f"{day} 16:30", freq=f"{minutes}min"))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    present = rng.random(len(slots)) < data.draw(st.sampled_from([0.02, 0.1, 0.5, 1.0]))
    # The length must show: minutes off the five-minute grid, or none.
    present[1:3] = True
    bars = make(slots[present], 100 * np.exp(np.cumsum(rng.normal(0, 0.01, present.sum()))))
    bars["open"] *= np.exp(rng.normal(0, 0.001, len(bars)))
    in_session = bars["timestamp"].dt.hour.between(10, 11)
    if not in_session.any() or (minutes == 5 and bar_minutes(bars["timestamp"], "X") != 5):
        return
    result = daily_from_bars(bars, extra=True, **LAX)
    dates = pd.Series(pd.to_datetime(["2025-07-02", "2025-07-03"]))
    assert_like_naive(bars, result.daily, "XNYS", dates)
    assert {*result.daily["date"], *result.dropped["date"]} == set(bars["timestamp"].dt.normalize())


def test_early_closes_have_42_returns(five: pd.DataFrame) -> None:
    bars = five[five["asset"] == "SPY"]
    daily = daily_from_bars(bars, extra=True).daily.set_index("date")
    for day in ("2025-07-03", "2025-11-28", "2025-12-24"):
        own = bars[bars["timestamp"].between(f"{day} 09:30", f"{day} 12:55")]  # the feed goes on to 13:05
        returns = np.diff(np.log([own["open"].iloc[0], *own["close"]]))
        assert len(returns) == 42
        assert daily.loc[day, "rv"] == pytest.approx(np.sum(returns**2), rel=1e-10)
        assert daily.loc[day, "rq"] == pytest.approx(42 / 3 * np.sum(returns**4), rel=1e-10)


def test_partial_last_day_is_reported(five: pd.DataFrame) -> None:
    daily, dropped = daily_from_bars(five)
    assert daily.groupby("asset").size().to_dict() == {"ARM": 209, "BA": 207, "SPY": 209}
    assert dropped.astype(str).to_numpy().tolist() == [
        ["ARM", "2026-03-12", "ends early: bars to 10:35, session to 16:00"],
        ["SPY", "2026-03-12", "ends early: bars to 10:35, session to 16:00"],
    ]


def test_first_day_of_arm() -> None:
    bars = read_bars(real("bars-5min-ipo"))
    daily, dropped = daily_from_bars(bars)
    own = bars[bars["timestamp"] < "2023-09-15"]
    assert f"{own['timestamp'].iloc[0]:%H:%M}" == "12:05"
    expected = np.sum(np.diff(np.log([own["open"].iloc[0], *own["close"]])) ** 2)
    first = daily.iloc[0]
    assert str(first["date"].date()) == "2023-09-14"
    assert first["rv"] == pytest.approx(expected, rel=1e-10)
    assert first["rv"] == pytest.approx(0.00939, abs=1e-5)
    assert (first["close"], first["volume"]) == (own["close"].iloc[-1], own["volume"].sum())
    assert dropped["date"].astype(str).tolist() == ["2024-07-02"]
    assert (bars["timestamp"].dt.normalize() == "2023-11-24").sum() == 43  # the 13:00 print is not in the session
    black_friday = bars[bars["timestamp"].between("2023-11-24 09:30", "2023-11-24 12:55")]
    assert daily.set_index("date").loc["2023-11-24", "close"] == black_friday["close"].iloc[-1]


@pytest.mark.parametrize("calendar", ["24/7", "XNYS"])
def test_one_minute_bars_equal_their_five_minute_bars(bitcoin: pd.DataFrame, calendar: str) -> None:
    full = bitcoin.groupby(bitcoin["timestamp"].dt.normalize())["close"].transform("size") == 1440
    for bars in (bitcoin[full], bitcoin):  # previous tick: missing minutes make no difference either
        one = daily_from_bars(bars, calendar=calendar, extra=True)
        from_five = daily_from_bars(aggregate(bars), calendar=calendar, extra=True)
        pd.testing.assert_frame_equal(one.daily.drop(columns="volume"), from_five.daily.drop(columns="volume"), rtol=0)
        np.testing.assert_allclose(one.daily["volume"], from_five.daily["volume"], rtol=1e-12)
        pd.testing.assert_frame_equal(one.dropped, from_five.dropped)
        assert len(one.daily) > 0


def test_published_bitcoin_panel_is_met(four_years: pd.DataFrame) -> None:
    published = pd.read_parquet(real("spx-crypto/daily.parquet"))
    published = published[published["asset"] == "BTC"].assign(date=lambda t: t["date"].astype("datetime64[us]"))
    both = daily_from_bars(four_years, calendar="24/7").daily.merge(published, on="date", suffixes=("", "_published"))
    ratio = both["rv"] / both["rv_published"]
    assert len(both) > 1200
    assert ratio.median() == pytest.approx(1, abs=1e-4)
    assert ratio.between(0.98, 1.02).all()


@settings(max_examples=15)
@given(st.integers(0, 3), st.integers(0, 2**32))
def test_bars_after_a_day_change_nothing_of_it(day: int, seed: int) -> None:
    days = ["2025-07-01", "2025-07-02", "2025-07-03", "2025-07-07"]
    bars = walk(days, seed=seed)
    bars = bars[~bars["timestamp"].between("2025-07-03 13:00", "2025-07-04")].reset_index(drop=True)
    end = pd.Timestamp(days[day]) + pd.Timedelta(days=1)
    later = bars["timestamp"] >= end
    changed = bars.assign(**{column: bars[column].where(~later, bars[column] * 1.5) for column in ("open", "close")})
    until = [daily_from_bars(table, extra=True).daily for table in (bars, changed, bars[~later])]
    known = [table[table["date"] < end].reset_index(drop=True) for table in until]
    for other in known[1:]:  # equal to the last bit
        pd.testing.assert_frame_equal(known[0], other, check_exact=True)
    if later.any():
        assert not until[0].equals(until[1])


@pytest.mark.parametrize("seed", range(4))
def test_a_day_alone_has_the_same_bits(seed: int) -> None:
    bars = walk(["2025-07-02", "2025-07-03"], seed=seed)  # 78 returns, then 42
    together = daily_from_bars(bars, extra=True).daily
    for row, day in enumerate(["2025-07-02", "2025-07-03"]):
        own = bars[bars["timestamp"].dt.normalize() == day]
        alone = daily_from_bars(own, extra=True).daily
        pd.testing.assert_frame_equal(alone, together.iloc[[row]].reset_index(drop=True), check_exact=True)


@pytest.mark.parametrize(("last", "kept"), [("15:40", True), ("15:35", False)])
def test_bars_must_end_a_quarter_of_an_hour_before_the_close(last: str, kept: bool) -> None:
    bars = walk(["2025-06-02"])
    daily, dropped = daily_from_bars(bars[bars["timestamp"] <= f"2025-06-02 {last}"])
    assert (len(daily), len(dropped)) == ((1, 0) if kept else (0, 1))


def test_bars_after_a_time_of_day_change_no_return_before_it(five: pd.DataFrame) -> None:
    # Within the day, too: the grid price at 12:00 uses no bar that ends after 12:00.
    bars = five[(five["asset"] == "ARM") & (five["timestamp"].dt.normalize() == "2025-06-02")]
    noon = daily_from_bars(bars[bars["timestamp"] < "2025-06-02 12:00"], **LAX).daily["rv"].item()
    flat = bars.copy()
    flat.loc[flat["timestamp"] >= "2025-06-02 12:00", "close"] = flat.loc[
        flat["timestamp"] == "2025-06-02 11:55", "close"
    ].item()
    assert daily_from_bars(flat, **LAX).daily["rv"].item() == noon


def test_every_missing_day_has_a_reason() -> None:
    days = ["2025-06-02", "2025-06-03", "2025-06-04", "2025-06-05", "2025-06-06"]
    bars = walk(days)
    day = bars["timestamp"].dt.normalize().astype(str)
    clock = bars["timestamp"].dt.strftime("%H:%M")
    bars = bars[
        (day != "2025-06-03")
        & ~((day == "2025-06-04") & (clock > "09:40") & (clock < "15:50"))
        & ~((day == "2025-06-05") & (clock > "15:30"))
    ].copy()
    bars.loc[bars["timestamp"] > "2025-06-06", ["open", "high", "low", "close"]] = 7.0
    daily, dropped = daily_from_bars(bars.reset_index(drop=True))
    assert daily["date"].astype(str).tolist() == ["2025-06-02"]
    assert dropped[["date", "reason"]].astype(str).to_numpy().tolist() == [
        ["2025-06-03", "no bars: none in the session"],
        ["2025-06-04", "too few bars: in 5 of 78 intervals"],
        ["2025-06-05", "ends early: bars to 15:35, session to 16:00"],
        ["2025-06-06", "rv is zero: no price change on the grid"],
    ]


def test_late_listing_is_no_gap() -> None:
    bars = walk(["2021-11-10"], start="13:05")
    unknown = daily_from_bars(bars)
    assert unknown.dropped["reason"].tolist() == ["too few bars: in 35 of 78 intervals"]
    assert len(unknown.daily) == 0
    assert list(unknown.daily.columns) == ["asset", "date", "rv", "close", "volume", "earnings_next_day"]
    known = daily_from_bars(bars, listed={"X": date(2021, 11, 10)})
    assert len(known.daily) == 1
    assert len(known.dropped) == 0


def test_earnings_flag_the_session_before() -> None:
    bars = walk(["2025-06-05", "2025-06-06", "2025-06-09", "2025-06-10"])
    earnings = pd.DataFrame(
        {"asset": ["X", "X", "Y"], "date": pd.to_datetime(["2025-06-08", "2025-06-11", "2025-06-06"])}
    )
    daily = daily_from_bars(bars, earnings=earnings).daily  # Sunday the 8th counts as Monday; the 11th is not there yet
    assert daily["earnings_next_day"].tolist() == [False, True, False, True]


def test_wrong_zone_and_wrong_settings_are_stated() -> None:
    night = walk(["2025-06-05"], start="00:00", end="06:00")
    with pytest.raises(PanelError, match=r"bars of X: none of the 72 bars .* lies in a session of XNYS; check --cal"):
        daily_from_bars(night)
    with pytest.raises(ConfigError, match="bars of X last 5 minutes; sampling every 1"):
        daily_from_bars(walk(["2025-06-05"]), sampling=1)
    with pytest.raises(ConfigError, match="min_coverage"):
        daily_from_bars(night, min_coverage=2)


def test_stamps_at_the_close_of_bars_are_refused() -> None:
    bars = walk([f"2025-06-0{day}" for day in (2, 3, 4, 5, 6)])
    assert len(daily_from_bars(bars).daily) == 5
    with pytest.raises(PanelError, match=r"at the close of 5 sessions and at the open of 0 .* subtract"):
        daily_from_bars(bars.assign(timestamp=bars["timestamp"] + pd.Timedelta(minutes=5)))


def bars_folder(tmp_path: Path) -> str:
    folder = tmp_path / "bars"
    folder.mkdir()
    for asset, seed in (("AA", 1), ("BB", 2)):
        walk(["2025-06-02", "2025-06-03"], seed=seed).drop(columns="asset").to_parquet(folder / f"{asset}.parquet")
    return str(folder)


def test_panel_from_bars_alone(tmp_path: Path) -> None:
    built = build_panel(bars_folder(tmp_path), None, str(tmp_path / "panel"))
    assert sorted(os.listdir(tmp_path / "panel")) == ["assets.parquet", "daily.parquet", "dropped.parquet"]
    daily = pd.read_parquet(tmp_path / "panel" / "daily.parquet")
    pd.testing.assert_frame_equal(daily, built.daily)
    assert daily.groupby("asset").size().to_dict() == {"AA": 2, "BB": 2}
    assert list(daily.columns[-4:]) == ["bpv", "rq", "rs_pos", "rs_neg"]
    assets = pd.read_parquet(tmp_path / "panel" / "assets.parquet")
    assert list(assets.columns) == ["asset", "name", "sector", "first_trading_day"]
    assert assets["first_trading_day"].astype(str).tolist() == ["2025-06-02", "2025-06-02"]
    with pytest.raises(PanelError, match=r"daily\.parquet is there already"):
        build_panel(bars_folder(tmp_path / "panel"), None, str(tmp_path / "panel"))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_panel_with_asset_and_earnings_tables(tmp_path: Path, ending: str) -> None:
    assets = pd.DataFrame(
        {
            "asset": ["BB", "AA", "NA"],
            "role": ["target", "source", "source"],
            "first_trading_day": ["2025-06-02", "", "2001-01-01"] if ending == "csv" else ["2025-06-02", None, None],
            "country": "US",
        }
    )
    earnings = pd.DataFrame({"asset": ["BB"], "date": ["2025-06-03"]})
    for name, table in (("assets", assets), ("earnings", earnings)):
        path = tmp_path / f"{name}.{ending}"
        table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    built = build_panel(
        bars_folder(tmp_path),
        str(tmp_path / f"assets.{ending}"),
        str(tmp_path / "panel"),
        earnings_path=str(tmp_path / f"earnings.{ending}"),
        extra=False,
    )
    assert built.assets.drop(columns="first_trading_day").to_numpy().tolist() == [
        ["AA", "AA", "", "source", "US"],
        ["BB", "BB", "", "target", "US"],
    ]
    assert built.assets["first_trading_day"].astype(str).tolist() == ["2025-06-02", "2025-06-02"]
    assert built.daily.loc[built.daily["earnings_next_day"], ["asset", "date"]].astype(str).to_numpy().tolist() == [
        ["BB", "2025-06-02"]
    ]
    assert built.dropped[["asset", "reason"]].to_numpy().tolist() == [["NA", "no bars: none of this asset"]]
    assert built.dropped["date"].isna().all()


def test_panel_inputs_that_break_a_rule(tmp_path: Path) -> None:
    bars, out = bars_folder(tmp_path), str(tmp_path / "panel")
    table = tmp_path / "assets.csv"
    for text, message in (
        ("asset,role\nAA,source\n", "no row for BB, which has bars"),
        ("asset\nAA\nAA\nBB\n", "names AA more than once"),
        ("name\nAA\n", "lacks asset in column asset"),
        ("asset,first_trading_day\nAA,soon\n", "first_trading_day is not a date"),
    ):
        table.write_text(text)
        with pytest.raises(PanelError, match=message) as caught:
            build_panel(bars, str(table), out)
        assert "\n" not in str(caught.value)
    with pytest.raises(PanelError, match="cannot be read"):
        build_panel(bars, str(tmp_path / "absent.csv"), out)
    with pytest.raises(PanelError, match="none of the 4 days can be used"):
        build_panel(bars, None, out, calendar="24/7")
    assert not os.path.exists(out)


def test_a_failed_write_leaves_the_old_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars, out = bars_folder(tmp_path), tmp_path / "panel"
    build_panel(bars, None, str(out))
    before = {name: (out / name).read_bytes() for name in os.listdir(out)}

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("volforecast.data.build.os.fsync", no_space)
    with pytest.raises(PanelError, match=r"dropped\.parquet cannot be written \(.*No space left"):
        build_panel(bars, None, str(out), extra=False, overwrite=True)
    assert {name: (out / name).read_bytes() for name in os.listdir(out)} == before
    monkeypatch.undo()
    build_panel(bars, None, str(out), extra=False, overwrite=True)
    assert "rq" not in pd.read_parquet(out / "daily.parquet")


def test_remote_panel(tmp_path: Path) -> None:
    build_panel(bars_folder(tmp_path), None, "memory://volforecast-panel")
    system = fsspec.filesystem("memory")
    with system.open("/volforecast-panel/daily.parquet") as stream:
        assert len(pd.read_parquet(stream)) == 4
    system.rm("/volforecast-panel", recursive=True)

"""Hours made of one-minute bars: by a loop over minutes, by hand, and from real bars."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from volforecast.cli import main
from volforecast.data.bars import check_bars
from volforecast.data.hourly_build import BAR_FEATURES, build_hourly
from volforecast.data.hourly_files import read_hourly
from volforecast.errors import PanelError

REAL = Path(__file__).parents[3] / "shared" / "data"
START = pd.Timestamp("2021-03-01")


def some_bars(minutes: list[int], seed: int = 0, still: float = 0.1) -> pd.DataFrame:
    """Bars that open at these minutes after the start; some do not move the price."""
    draw = np.random.default_rng(seed)
    moves = draw.normal(0, 1e-3, len(minutes)) * (draw.random(len(minutes)) > still)
    close = 5000 * np.exp(np.cumsum(moves))
    frame = pd.DataFrame(
        {
            "timestamp": START + pd.to_timedelta(minutes, unit="min"),
            "open": close,
            "high": close * (1 + draw.uniform(0, 1e-3, len(minutes))),
            "low": close * (1 - draw.uniform(0, 1e-3, len(minutes))),
            "close": close,
            "volume": draw.exponential(2.0, len(minutes)),
        }
    )
    return check_bars(frame, "BTC", "24/7")


def naive(bars: pd.DataFrame) -> dict[pd.Timestamp, dict[str, float]]:
    """Rows by their time stamp, minute by minute."""
    minutes = [int((stamp - START) / pd.Timedelta(minutes=1)) for stamp in bars["timestamp"]]
    at = dict(zip(minutes, bars.to_dict("records"), strict=True))

    def hour(begin: int) -> dict[str, float] | None:
        before = [m for m in minutes if m + 1 <= begin]
        inside = [m for m in range(begin, begin + 60) if m in at]
        if not before or max(minutes) + 1 < begin + 60 or len(inside) < 15:
            return None
        after = [m for m in minutes if m + 1 > begin + 60]
        known = [before[-1], *inside, *after[:1]]
        for one, two in pairwise(known):
            # whether a minute of a silence that is too long, or the one that ends it, lies in this hour
            if two - one > 30 and any(begin <= m < begin + 60 for m in range(one + 1, two + 1)):
                return None
        path = [before[-1], *inside]
        r = [math.log(at[two]["close"] / at[one]["close"]) for one, two in pairwise(path)]
        rv = sum(x * x for x in r)
        if rv <= 0:
            return None
        volume = sum(at[m]["volume"] for m in inside)
        return {
            "rv": rv,
            "log_volume": math.log(1 + volume),
            "traded_minutes": len(inside) / 60,
            "log_range": math.log(max(at[m]["high"] for m in inside) / min(at[m]["low"] for m in inside)),
            "hour_return": sum(r),
            "jump_share": max(0.0, 1 - math.pi / 2 * sum(abs(a * b) for a, b in pairwise(r)) / rv),
            "downside_share": sum(x * x for x in r if x < 0) / rv,
            "signed_volume": sum(at[m]["volume"] * ((x > 0) - (x < 0)) for m, x in zip(inside, r, strict=True))
            / volume,
        }

    rows = {}
    for begin in range(minutes[0] // 60 * 60, minutes[-1] + 1, 60):
        last, own = hour(begin - 60), hour(begin)
        if last is not None and own is not None:
            stamp = (START + pd.Timedelta(minutes=begin)).tz_localize("UTC")
            rows[stamp] = {"vol": 100 * math.sqrt(365) * math.sqrt(own["rv"])} | {
                name: last[name] for name in BAR_FEATURES
            }
    return rows


@st.composite
def minutes_with_holes(draw: st.DrawFn) -> list[int]:
    """Minutes of some eight hours, thinned, with silences."""
    first = draw(st.integers(0, 70))
    thin = draw(st.sampled_from([0.0, 0.3, 0.7]))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    minutes = [m for m in range(first, draw(st.integers(300, 480))) if rng.random() >= thin]
    for _ in range(draw(st.integers(0, 3))):
        begin, length = draw(st.integers(60, 420)), draw(st.integers(20, 100))
        minutes = [m for m in minutes if not begin <= m < begin + length]
    return minutes


@examples(60)
@given(minutes_with_holes(), st.integers(0, 5))
def test_hours_as_a_loop_over_minutes_finds_them(minutes: list[int], seed: int) -> None:
    bars = some_bars(minutes, seed)
    expected = naive(bars)
    if not expected:
        with pytest.raises(PanelError, match="no hour can be used"):
            build_hourly(bars)
        return
    built = build_hourly(bars)
    assert list(built.hours["timestamp"]) == list(expected)
    for name in ("vol", *BAR_FEATURES):
        np.testing.assert_allclose(
            built.hours[name], [row[name] for row in expected.values()], rtol=1e-9, atol=1e-12, err_msg=name
        )
    np.testing.assert_array_equal(built.hours["return_previous_hour"], built.hours["hour_return"])
    assert not set(built.dropped["timestamp"]) & set(built.hours["timestamp"])


def test_an_hour_by_hand() -> None:
    # the price doubles in one minute of the second hour and falls back in the next; elsewhere a tick up and down
    bars = some_bars(list(range(240)))
    close = np.where(np.arange(240) % 2 == 0, 100.0, 100.0 * math.exp(0.001))
    close[70] = 200.0
    flat = bars.assign(open=close, high=close, low=close, close=close, volume=1.0)
    built = build_hourly(flat)
    stamps = [f"{stamp:%H:%M}" for stamp in built.hours["timestamp"]]
    assert stamps == ["02:00", "03:00"]  # 00:00 has no price before it, so 01:00 has no features
    np.testing.assert_allclose(built.hours["vol"], 100 * math.sqrt(365) * math.sqrt(60 * 0.001**2), rtol=1e-9)
    first = built.hours.iloc[0]
    assert first["log_volume"] == pytest.approx(math.log(61))
    assert first["traded_minutes"] == 1.0
    assert first["log_range"] == pytest.approx(math.log(2))
    assert first["hour_return"] == pytest.approx(0.0, abs=1e-12)
    up, down = math.log(2) - 0.001, -math.log(2) + 0.001
    rv = 58 * 0.001**2 + up**2 + down**2
    assert first["downside_share"] == pytest.approx((29 * 0.001**2 + down**2) / rv)
    # minute 70 is even: the price before and after is 100 exp(0.001)


def test_reasons_for_hours_left_out() -> None:
    minutes = [m for m in range(12 * 60 - 20) if not (190 <= m < 230 or (300 <= m < 360 and m % 5))]
    bars = some_bars(minutes, still=0.0)
    same = bars["timestamp"].between(START + pd.Timedelta(hours=8), START + pd.Timedelta(hours=9, minutes=-1))
    price = float(bars.loc[same.idxmax() - 1, "close"])
    bars.loc[same, ["open", "high", "low", "close"]] = price
    built = build_hourly(bars)
    reasons = {f"{row.timestamp:%H}": row.reason for row in built.dropped.itertuples()}
    assert reasons == {
        "01": "the hour before is none, so no features",
        "03": "a silence of more than 30 minutes",
        "04": "the hour before is none, so no features",
        "05": "fewer than 15 bars",
        "06": "the hour before is none, so no features",
        "08": "its price never changes",
        "09": "the hour before is none, so no features",
        "11": "no price is known at its beginning, or the bars end in it",
    }


def test_a_long_silence_spoils_every_hour_that_it_touches() -> None:
    bars = some_bars([m for m in range(600) if not 170 <= m < 205], still=0.0)  # 02:50 to 03:25
    assert [f"{stamp:%H}" for stamp in build_hourly(bars).hours["timestamp"]] == ["05", "06", "07", "08", "09"]
    bars = some_bars([m for m in range(600) if not 170 <= m < 199], still=0.0)  # a minute fewer than too long
    assert len(build_hourly(bars).hours) == 8


@examples(30)
@given(st.integers(2, 8), st.integers(0, 1000))
def test_nothing_of_a_row_depends_on_what_comes_after_its_label_and_no_feature_on_its_label(
    hour: int, seed: int
) -> None:
    bars = some_bars(list(range(600)), 1, still=0.0)
    t = START + pd.Timedelta(hours=hour)
    draw = np.random.default_rng(seed)
    before = build_hourly(bars).hours.set_index("timestamp")

    def changed(since: pd.Timestamp) -> pd.DataFrame:
        other = bars.copy()
        later = other["timestamp"] >= since  # a bar stamped t covers the minute after t
        factor = np.exp(draw.normal(0, 0.01, int(later.sum())))
        for column in ("open", "high", "low", "close"):
            other.loc[later, column] *= factor
        other.loc[later, "volume"] *= 3
        return build_hourly(other).hours.set_index("timestamp")

    stamp = t.tz_localize("UTC")
    features = [*BAR_FEATURES, "return_previous_hour"]
    pd.testing.assert_frame_equal(before.loc[:stamp, features], changed(t).loc[:stamp, features])
    assert (before.loc[stamp, "vol"] != changed(t).loc[stamp, "vol"]).all()
    pd.testing.assert_frame_equal(before.loc[:stamp], changed(t + pd.Timedelta(hours=1)).loc[:stamp])


def test_days_sentiment_and_books() -> None:
    bars = some_bars(list(range(4 * 1440)), still=0.0)
    daily = pd.DataFrame({"date": pd.date_range("2021-03-02", periods=2), "value": [20, 45]})
    books = pd.DataFrame(
        {"timestamp": pd.date_range("2021-03-02 03:00", periods=40, freq="h", tz="UTC"), "spread": 1.5}
    )
    built = build_hourly(
        bars, daily, books, first=pd.Timestamp("2021-03-02").date(), last=pd.Timestamp("2021-03-03").date()
    )
    assert built.hours["timestamp"].iloc[0] == pd.Timestamp("2021-03-02 03:00", tz="UTC")
    assert len(built.hours) == 40
    assert list(built.hours.columns) == ["timestamp", "vol", "return_previous_hour", "spread", *BAR_FEATURES]
    assert set(built.dropped["reason"]) == {"no snapshot of the order book"}
    assert len(built.dropped) == 8
    assert built.sentiment is not None
    days = built.sentiment["timestamp"].dt.day
    np.testing.assert_allclose(built.sentiment["fng_value"], np.where(days == 2, 0.20, 0.45))
    assert built.carried == 0


def test_bars_of_five_minutes_are_refused() -> None:
    with pytest.raises(PanelError, match="5 minutes"):
        build_hourly(some_bars(list(range(0, 3000, 5))))


def test_the_command_writes_what_the_reader_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bars, daily, out = tmp_path / "BTC.parquet", tmp_path / "fear.parquet", tmp_path / "hours"
    some_bars([m for m in range(60 * 24 * 40) if not 30_000 <= m < 30_100], still=0.0).to_parquet(bars)
    days = pd.date_range("2021-03-01", periods=45)
    pd.DataFrame({"date": days, "value": np.arange(45) + 10}).drop(index=20).to_parquet(daily)
    words = ["hourly", "--bars", str(bars), "--out", str(out), "--sentiment", str(daily), "--to", "2021-04-08"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "hours, 2021-03-01 02:00 to 2021-04-08 23:00 UTC" in printed
    assert "a silence of more than 30 minutes" in printed
    assert "1 days without a value have that of the day before" in printed
    table = read_hourly(str(out))
    assert table.feature_names == BAR_FEATURES
    assert table.index_names == ("fng_value",)
    assert len(pd.read_parquet(out / "dropped.parquet")) > 0
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err


def test_the_command_asks_which_asset_is_meant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("BTC", "ETH"):
        some_bars(list(range(1500)), still=0.0).to_parquet(tmp_path / f"{name}.parquet")
    assert main(["hourly", "--bars", str(tmp_path), "--out", str(tmp_path / "hours")]) == 2
    assert "name one with --asset" in capsys.readouterr().err
    assert main(["hourly", "--bars", str(tmp_path), "--out", str(tmp_path / "hours"), "--asset", "ETH"]) == 0


def test_sentiment_that_covers_part_of_the_hours_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some_bars(list(range(60 * 72)), still=0.0).to_parquet(tmp_path / "BTC.parquet")
    (tmp_path / "fear.csv").write_text("date,value\n2021-03-02,50\n2021-03-03,60\n")
    words = ["hourly", "--bars", str(tmp_path / "BTC.parquet"), "--sentiment", str(tmp_path / "fear.csv")]
    assert main([*words, "--out", str(tmp_path / "one")]) == 2
    assert "no value of 2021-03-01" in (error := capsys.readouterr().err)
    assert error.count("\n") == 1
    assert main([*words, "--out", str(tmp_path / "two"), "--from", "2021-03-02"]) == 0
    assert len(pd.read_parquet(tmp_path / "two" / "sentiment.parquet")) == 48


@pytest.mark.skipif(not REAL.exists(), reason="needs bars and hours at ../shared/data, beside the repository")
def test_two_exchanges_agree_on_the_hours_that_they_share() -> None:
    bars = check_bars(pd.read_parquet(REAL / "btc-bars-1m" / "BTCUSD.parquet"), "BTC", "24/7")
    built = build_hourly(bars)
    assert len(built.hours) == 29_180
    other = pd.read_parquet(REAL / "btc-2018" / "hourly.parquet")
    both = other[~other["gap_artefact"]].merge(built.hours, on="timestamp", suffixes=("", "_here"))
    assert len(both) == 2594
    assert np.corrcoef(both["vol"], both["vol_here"])[0, 1] > 0.94
    assert (both["vol_here"] / both["vol"]).median() == pytest.approx(1.054, abs=0.01)
    known = both["return_previous_hour"].notna()
    assert np.corrcoef(both["return_previous_hour"][known], both["return_previous_hour_here"][known])[0, 1] > 0.96

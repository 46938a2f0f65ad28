"""The hourly table that is read: what comes through, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volforecast.data.hourly_files import gaps, hourly_table, read_hourly
from volforecast.data.order_book import BOOK_FEATURES
from volforecast.data.simulate_hourly import (
    HourlySettings,
    SimulatedHours,
    draw_hours,
    simulate_hourly,
    write_simulated_hours,
)
from volforecast.errors import PanelError
from volforecast.hourly_rows import Sample

BTC_2018 = Path(__file__).parents[3] / "shared" / "data" / "btc-2018"
SETTINGS = HourlySettings(hours=700, gaps=2)

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def drawn() -> SimulatedHours:
    return draw_hours(SETTINGS, 1)


def put(column: str, row: int, value: object) -> Change:
    """One cell changed."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row, column] = value
        return table

    return change


def move(row: int, by: str) -> Change:
    """One time stamp moved."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row, "timestamp"] += pd.Timedelta(by)
        return table

    return change


def test_a_folder_gives_the_table_that_was_written(tmp_path: Path, drawn: SimulatedHours) -> None:
    write_simulated_hours(drawn, str(tmp_path / "hours"))
    table = read_hourly(str(tmp_path / "hours"))
    assert table.fingerprint == simulate_hourly(SETTINGS, 1).fingerprint
    assert table.feature_names == BOOK_FEATURES
    assert table.index_names == ("fng_value", "cbbi_value")
    np.testing.assert_array_equal(table.vol, drawn.hourly["vol"])
    np.testing.assert_array_equal(table.features, drawn.hourly[list(BOOK_FEATURES)])
    np.testing.assert_array_equal(table.times, drawn.hourly["timestamp"].dt.tz_localize(None))


def test_a_folder_on_s3(s3_url: str, drawn: SimulatedHours) -> None:
    write_simulated_hours(drawn, s3_url)
    assert read_hourly(s3_url).fingerprint == simulate_hourly(SETTINGS, 1).fingerprint
    with pytest.raises(PanelError, match="is there already"):
        write_simulated_hours(drawn, s3_url)


def test_stamps_without_zone_are_utc_and_others_are_converted(drawn: SimulatedHours) -> None:
    expected = hourly_table(drawn.hourly, drawn.sentiment).fingerprint
    for stamps in (
        drawn.hourly["timestamp"].dt.tz_localize(None),
        drawn.hourly["timestamp"].dt.tz_convert("Asia/Tokyo"),
        drawn.hourly["timestamp"].dt.as_unit("ns"),
    ):
        assert hourly_table(drawn.hourly.assign(timestamp=stamps), drawn.sentiment).fingerprint == expected


def test_the_order_of_columns_does_not_matter_and_fear_and_greed_comes_first(drawn: SimulatedHours) -> None:
    table = hourly_table(drawn.hourly[drawn.hourly.columns[::-1]], drawn.sentiment[drawn.sentiment.columns[::-1]])
    assert table.fingerprint == hourly_table(drawn.hourly, drawn.sentiment).fingerprint


def test_sentiment_may_have_more_hours(drawn: SimulatedHours) -> None:
    part = drawn.hourly.iloc[10:650].reset_index(drop=True)
    table = hourly_table(part, drawn.sentiment)
    np.testing.assert_array_equal(table.indices[:, 0], drawn.sentiment["fng_value"].iloc[10:650])


def test_what_a_table_may_lack(drawn: SimulatedHours) -> None:
    bare = hourly_table(drawn.hourly[["timestamp", "vol"]], pd.DataFrame())
    assert (bare.feature_names, bare.index_names, len(bare.orthogonal)) == ((), (), 0)
    assert bare.features.shape == bare.indices.shape == (700, 0)
    assert np.isnan(bare.returns).all()
    assert not bare.artefact.any()
    assert len(Sample(bare, "clean").blocks(1).test)  # returns that no model can read cost no rows


def test_bars_know_the_return_of_the_hour_before(drawn: SimulatedHours) -> None:
    table = drawn.hourly[["timestamp", "vol"]].assign(hour_return=drawn.hourly["return_previous_hour"].fillna(0.0))
    np.testing.assert_array_equal(hourly_table(table, pd.DataFrame()).returns, table["hour_return"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("vol", 5, np.nan), r"vol is nan at 2018-06-05T03:00:00; .*drop the row"),
        (put("vol", 5, np.inf), "vol is inf at 2018-06-05T03"),
        (put("vol", 5, -1.0), "vol is -1 at .*per cent"),
        (put("vol", 5, 0.0), "vol is 0 at"),
        (put("spread", 7, np.nan), "spread is nan at 2018-06-05T05"),
        (put("return_previous_hour", 7, -np.inf), "return_previous_hour is -inf"),
        (put("return_previous_hour", 7, np.nan), r"return_previous_hour is unknown at 2018-06-05T05.*drop the column"),
        (put("timestamp", 7, pd.NaT), "row 7 has no timestamp"),
        (move(7, "-1h"), r"2018-06-05T04:00:00 \(row 7\) occurs twice"),
        (move(7, "-2h"), r"2018-06-05T03:00:00 \(row 7\) comes after"),
        (move(7, "30min"), r"2018-06-05T05:30.* \(row 7\) is not on the hour"),
        (lambda table: table.iloc[::-1], "comes after"),
        (lambda table: table.drop(columns="vol"), "no column vol"),
        (lambda table: table.drop(columns="timestamp"), "no column timestamp"),
        (lambda table: table.assign(mood=1.0), "column mood is not known"),
        (lambda table: table.assign(spread="1"), "column spread holds .*not numbers"),
        (lambda table: table.assign(gap_artefact=1.0), "column gap_artefact holds float64"),
        (lambda table: table.assign(timestamp=np.arange(len(table))), "column timestamp holds int64"),
    ],
)
def test_hours_that_break_a_rule(drawn: SimulatedHours, change: Change, message: str) -> None:
    with pytest.raises(PanelError, match=message) as error:
        hourly_table(change(drawn.hourly.copy()), drawn.sentiment)
    assert "\n" not in str(error.value)
    assert "hourly.parquet" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(index=9), "no row for 2018-06-05T07:00:00, one of 1 hours"),
        (lambda table: table.iloc[:600], "one of 100 hours"),
        (put("fng_value", 3, 1.2), "fng_value is 1.2 at .*between 0 and 1"),
        (put("cbbi_value", 3, np.nan), "cbbi_value is nan"),
        (move(7, "-1h"), "occurs twice"),
        (lambda table: table[["timestamp"]], "no index beside timestamp"),
        (lambda table: table.assign(aggregate_sentiment=0.5), "aggregate_sentiment is 0.5 at .*the mean of fng_value"),
    ],
)
def test_sentiment_that_breaks_a_rule(drawn: SimulatedHours, change: Change, message: str) -> None:
    with pytest.raises(PanelError, match=message) as error:
        hourly_table(drawn.hourly, change(drawn.sentiment.copy()))
    assert "\n" not in str(error.value)
    assert "sentiment.parquet" in str(error.value)


def test_too_few_hours_name_the_rows_that_are_missing(tmp_path: Path, drawn: SimulatedHours) -> None:
    drawn.hourly.iloc[:250].to_parquet(tmp_path / "hourly.parquet")
    with pytest.raises(PanelError, match=r"250 hours leave the (valid|test) rows of iteration \d empty \(clean mode"):
        read_hourly(str(tmp_path))


def test_a_folder_without_a_table_and_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(PanelError, match=r"no hourly.parquet in this folder; volforecast hourly"):
        read_hourly(str(tmp_path))
    (tmp_path / "hourly.parquet").write_bytes(b"PAR1 but not for long")
    with pytest.raises(PanelError, match="not a readable Parquet table") as error:
        read_hourly(str(tmp_path))
    assert "\n" not in str(error.value)
    pd.DataFrame({"timestamp": [], "vol": []}).to_parquet(tmp_path / "hourly.parquet")
    with pytest.raises(PanelError, match="is empty"):
        read_hourly(str(tmp_path))


def test_gaps_are_listed_with_what_is_done_about_them(drawn: SimulatedHours) -> None:
    found = gaps(hourly_table(drawn.hourly, drawn.sentiment))
    steps = drawn.hourly["timestamp"].diff() / pd.Timedelta(hours=1)
    after = drawn.hourly[steps > 1]
    assert list(found["to"]) == list(after["timestamp"])
    np.testing.assert_array_equal(found["hours"], steps[steps > 1])
    assert ["left out" in text for text in found["treatment"]] == list(after["gap_artefact"])
    assert list(found["to"] - found["from"]) == [pd.Timedelta(hours=hours) for hours in found["hours"]]


@pytest.mark.skipif(not BTC_2018.exists(), reason="needs the hours of 2018 at ../shared/data/btc-2018")
def test_the_hours_of_the_paper() -> None:
    table = read_hourly(str(BTC_2018))
    assert len(table) == 2605
    assert table.feature_names == BOOK_FEATURES
    assert table.index_names == ("fng_value", "cbbi_value")
    assert len(table.orthogonal) == 2605
    assert str(table.times[0]) == "2018-06-04T22:00:00"
    assert str(table.times[-1]) == "2018-09-30T21:00:00"
    found = gaps(table)
    assert [(f"{row.to:%m-%d %H}", row.hours, "left out" in str(row.treatment)) for row in found.itertuples()] == [
        ("07-03 21", 72, True),
        ("07-16 06", 15, False),
        ("08-03 21", 72, True),
        ("09-03 21", 72, True),
    ]

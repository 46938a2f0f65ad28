"""Sentiment by the hour: the day's value, how long it is kept, and when a sample in clean mode may read it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from volforecast.data.hourly_files import read_hourly
from volforecast.data.sentiment import aggregate, hourly_index, unexplained
from volforecast.data.simulate_hourly import HourlySettings, simulate_hourly
from volforecast.errors import PanelError
from volforecast.hourly_rows import Sample

BTC_2018 = Path(__file__).parents[3] / "shared" / "data" / "btc-2018"
HOURS = np.datetime64("2021-03-01T00", "h") + np.arange(24 * 30)


def daily(values: list[float], first: str = "2021-03-01") -> pd.DataFrame:
    return pd.DataFrame({"date": pd.date_range(first, periods=len(values)), "value": values})


def test_an_hour_has_the_value_of_its_day() -> None:
    values = np.random.default_rng(0).integers(0, 101, 30)
    found = hourly_index(daily(list(values)), HOURS)
    np.testing.assert_array_equal(found.values, np.repeat(values / 100.0, 24))
    assert found.carried == 0


@examples(40)
@given(st.sets(st.integers(1, 29)), st.randoms(use_true_random=False))
def test_days_without_a_value_keep_the_last_one_for_a_week(missing: set[int], shuffling: object) -> None:
    table = daily(list(range(30))).drop(index=list(missing))
    rows = list(table.index)
    shuffling.shuffle(rows)  # type: ignore[attr-defined]
    expected, longest = [], 0
    for day in range(30):
        last = max(known for known in table.index if known <= day)
        expected.append(last / 100.0)
        longest = max(longest, day - last)
    if longest > 7:
        with pytest.raises(PanelError, match="has no value of"):
            hourly_index(table.loc[rows], HOURS)
    else:
        found = hourly_index(table.loc[rows], HOURS)
        np.testing.assert_allclose(found.values, np.repeat(expected, 24), rtol=1e-15)
        assert found.carried == len(missing)


@given(st.integers(0, 29))
def test_a_later_day_changes_no_earlier_hour(day: int) -> None:
    table = daily(list(range(30)))
    changed = table.assign(value=np.where(np.arange(30) > day, 99, table["value"]))
    before, after = hourly_index(table, HOURS).values, hourly_index(changed, HOURS).values
    np.testing.assert_array_equal(before[: 24 * (day + 1)], after[: 24 * (day + 1)])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (daily([50.0] * 30, "2021-03-02"), "no value of 2021-03-01 .*reaches from 2021-03-02 to 2021-03-31"),
        (daily([50.0] * 20), "no value of 2021-03-28"),
        (daily([50.0] * 29 + [101.0]), "value is 101 on 2021-03-30; it lies between 0 and 100"),
        (daily([50.0] * 29 + [np.nan]), "value is nan on 2021-03-30"),
        (pd.concat([daily([50.0] * 30), daily([40.0])]), "2021-03-01 has more than one row"),
        (daily([50.0] * 30).rename(columns={"value": "fng"}), "no column value"),
        (daily([50.0] * 30).assign(date="2021-03-01"), "column date does not hold a date"),
        (daily([50.0] * 30).assign(value="50"), "column value holds no numbers"),
        (daily([]), "column date does not hold|the table is empty"),
    ],
)
def test_days_that_break_a_rule(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(PanelError, match=message) as error:
        hourly_index(table, HOURS)
    assert "\n" not in str(error.value)


def test_the_mean_and_what_it_does_not_explain() -> None:
    draw = np.random.default_rng(0)
    indices = draw.uniform(0, 1, (500, 2))
    mean = aggregate(indices)
    np.testing.assert_allclose(mean, (indices[:, 0] + indices[:, 1]) / 2)
    rest = unexplained(indices[:, 0], mean, np.arange(500))
    assert rest.mean() == pytest.approx(0, abs=1e-12)
    assert np.corrcoef(rest, mean)[0, 1] == pytest.approx(0, abs=1e-12)
    slope = np.cov(indices[:, 0], mean)[0, 1] / np.var(mean, ddof=1)
    np.testing.assert_allclose(rest, indices[:, 0] - indices[:, 0].mean() - slope * (mean - mean.mean()), atol=1e-12)


def test_a_sample_finds_the_same_part_unexplained() -> None:
    table = simulate_hourly(HourlySettings(hours=800, gaps=1), 3)
    sample = Sample(table, "clean")
    blocks = sample.blocks(2)
    # the day-old values, by row
    shifted = np.array(
        [int(np.searchsorted(table.times, t - np.timedelta64(24, "h"), "right")) - 1 for t in table.times]
    )
    known = shifted >= 0
    indices = np.where(known[:, None], table.indices[shifted], np.nan)
    expected = unexplained(indices[:, 0], aggregate(indices), blocks.train)
    np.testing.assert_allclose(sample.orthogonal(blocks.test, blocks.train), expected[blocks.test], atol=1e-12)


@examples(30)
@given(st.integers(100, 799), st.integers(0, 48))
def test_clean_mode_reads_sentiment_that_is_as_old_as_the_lag(row: int, lag: int) -> None:
    table = simulate_hourly(HourlySettings(hours=800, gaps=1), 3)
    sample = Sample(table, "clean", sentiment_lag=lag)
    published = np.flatnonzero(table.times <= table.times[row] - np.timedelta64(lag, "h"))
    assert sample.aggregate[row] == table.indices[published[-1]].mean()


@pytest.mark.skipif(not BTC_2018.exists(), reason="needs the hours of 2018 at ../shared/data/btc-2018")
def test_the_papers_orthogonal_sentiment_is_a_line_on_the_aggregate_of_a_longer_sample() -> None:
    table = read_hourly(str(BTC_2018))
    mean = aggregate(table.indices)
    ours = unexplained(table.indices[:, 0], mean, np.arange(len(table)))
    # nearly theirs, which is exactly on another line: they estimated before rows were left out
    assert np.corrcoef(ours, table.orthogonal)[0, 1] == pytest.approx(0.99966, abs=1e-5)
    fitted = table.indices[:, 0] - table.orthogonal
    slope, intercept = np.polyfit(mean, fitted, 1)
    np.testing.assert_allclose(fitted, intercept + slope * mean, atol=1e-12)
    assert (intercept, slope) == pytest.approx((-0.238355, 1.490442), abs=1e-6)
    assert table.orthogonal.mean() == pytest.approx(0.001095, abs=1e-6)

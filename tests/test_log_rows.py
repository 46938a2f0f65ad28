"""Log realized variance as a series: predictors and labels by a loop, the split by its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volforecast.log_rows import LogSeries, mean_of_last, split


def a_series(days: int, seed: int = 0) -> LogSeries:
    draw = np.random.default_rng(seed)
    dates = np.datetime64("2016-01-04") + np.arange(days)
    return LogSeries("BTC", dates, draw.standard_normal(days) - 8.0)


@pytest.mark.parametrize("horizon", [1, 5, 22])
def test_labels_and_predictors_are_means_of_the_days_they_name(horizon: int) -> None:
    series = a_series(60)
    har, labels = series.har(), series.labels(horizon)
    for t in range(60):
        for column, days in enumerate((1, 5, 22)):
            if t + 1 < days:
                assert np.isnan(har[t, column])
            else:
                np.testing.assert_allclose(har[t, column], np.mean(series.x[t + 1 - days : t + 1]), rtol=1e-14)
        if t + horizon < 60:
            np.testing.assert_allclose(labels[t], np.mean(series.x[t + 1 : t + 1 + horizon]), rtol=1e-14)
        else:
            assert np.isnan(labels[t])


def test_a_horizon_longer_than_the_series_has_no_label() -> None:
    assert np.isnan(a_series(10).labels(10)).all()
    assert np.isnan(mean_of_last(np.arange(3.0), 5)).all()


@given(st.integers(60, 400), st.integers(21, 45), st.sampled_from([1, 5, 22]))
def test_every_day_of_a_label_lies_in_its_part(days: int, first: int, horizon: int) -> None:
    parts = split(days, first, horizon)
    edges = [0, days // 2, int(days * 0.75), days]
    assert parts.known == edges[1]
    for rows, begin, end in zip(parts[:3], edges[:-1], edges[1:], strict=True):
        assert (rows >= first).all()
        assert ((rows + 1 >= begin) & (rows + horizon < end)).all()
        # and no row that could belong to it is left out
        assert len(rows) == max(0, end - horizon - max(first, begin - 1))


@given(st.integers(0, 58))
def test_a_later_day_changes_no_earlier_predictor(day: int) -> None:
    series = a_series(60)
    changed = series.x.copy()
    changed[day + 1 :] += 1.0
    other = series._replace(x=changed)
    np.testing.assert_array_equal(series.har()[: day + 1], other.har()[: day + 1])
    np.testing.assert_array_equal(series.labels(1)[:day], other.labels(1)[:day])


def test_the_fingerprint_knows_days_and_values_and_not_the_name() -> None:
    series = a_series(60)
    assert series.fingerprint == series._replace(asset="ETH").fingerprint
    assert series.fingerprint != series._replace(x=np.nextafter(series.x, 0)).fingerprint
    assert series.fingerprint != series._replace(dates=series.dates + 1).fingerprint
    assert series.before(series.dates[30]).x.tolist() == series.x[:30].tolist()

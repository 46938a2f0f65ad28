"""Tests of hourly series against statsmodels where there are no gaps, and against loops where there are."""

import dataclasses
import io
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.stattools import acf, adfuller, grangercausalitytests, kpss
from threadpoolctl import threadpool_limits

from volforecast.data.hourly import HourlyTable
from volforecast.data.hourly_files import read_hourly
from volforecast.data.simulate_hourly import LEADING, HourlySettings, simulate_hourly
from volforecast.hourly_diagnostics import (
    ORTHOGONAL,
    PAPER_FEATURES,
    SENTIMENT,
    autocorrelation,
    causes,
    chosen_features,
    diagnostics,
    granger,
    longest_stretch,
    significant_features,
    stationarity,
)
from volforecast.hourly_rows import LOOKBACK, Mode, Sample

BTC_2018 = Path(__file__).parents[2] / "shared" / "data" / "btc-2018"
MODES: tuple[Mode, Mode] = ("clean", "paper")
STATSMODELS = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::Warning")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As units run: on a busy machine threads that wait for each other take a hundred times as long."""
    with threadpool_limits(limits=1):
        yield


@cache
def hours(gaps: int = 0, count: int = 700, seed: int = 1) -> HourlyTable:
    return simulate_hourly(HourlySettings(hours=count, gaps=gaps), seed)


def by_statsmodels(pair: np.ndarray, lags: int) -> pd.DataFrame:  # type: ignore[type-arg]
    """Statistic and p-value of the F test of each number of lags; the second column may cause the first."""
    with redirect_stdout(io.StringIO()):
        found = grangercausalitytests(pair, lags)
    tests = [found[lag][0]["ssr_ftest"] for lag in range(1, lags + 1)]
    return pd.DataFrame([(t[0], t[1]) for t in tests], columns=["statistic", "p_value"])


@STATSMODELS
@pytest.mark.parametrize("cause", ["spread", "bid_depth", "weighted_spread"])
def test_granger_tests_of_a_table_without_gaps_are_those_of_statsmodels(cause: str) -> None:
    table = hours()
    column = table.features[:, table.feature_names.index(cause)]
    paper = granger(Sample(table, "paper"), np.arange(700), cause, 8)
    pair = np.column_stack([table.vol / 100, column])
    pd.testing.assert_frame_equal(paper[["statistic", "p_value"]], by_statsmodels(pair, 8), rtol=1e-6)
    assert paper["rows"].tolist() == [700 - lag for lag in range(1, 9)]
    assert paper["rejected"].tolist() == (paper["p_value"] < 0.05).tolist()
    # in clean mode the feature of row t is known at t: seen from statsmodels it comes an hour earlier
    clean = granger(Sample(table, "clean"), np.arange(699), cause, 8)
    pair = np.column_stack([table.vol[:-1] / 100, column[1:]])
    pd.testing.assert_frame_equal(clean[["statistic", "p_value"]], by_statsmodels(pair, 8), rtol=1e-6)


@STATSMODELS
def test_granger_tests_of_sentiment() -> None:
    table = hours()
    mean = table.indices.mean(axis=1)
    line = np.polyfit(mean, table.indices[:, 0], 1)
    for cause, series in ((SENTIMENT, mean), (ORTHOGONAL, table.indices[:, 0] - np.polyval(line, mean))):
        pair = np.column_stack([table.vol / 100, series])
        expected = by_statsmodels(pair, 5)
        rows = np.arange(700)
        sample = Sample(table, "paper")
        if cause == ORTHOGONAL:
            # their own table gives the part; here a line through all rows does
            sample = Sample(dataclasses.replace(table, orthogonal=series), "paper")
        pd.testing.assert_frame_equal(granger(sample, rows, cause, 5)[["statistic", "p_value"]], expected, rtol=1e-5)
        clean = granger(Sample(table, "clean"), rows, cause, 5)
        assert clean["rows"].max() < 700 - 23  # before it is published there is no sentiment
        assert np.isfinite(clean["p_value"]).all()


def test_granger_tests_never_reach_over_a_gap() -> None:
    table = hours(gaps=3)
    sample = Sample(table, "clean")
    assert (np.diff(table.run) != 0).sum() >= 3
    rows = sample.blocks(2).refit
    found = granger(sample, rows, "spread", 4)
    assert set(found["rows"]) == {len(rows)}  # these have 30 hours before them
    every = granger(sample, np.flatnonzero(~table.artefact), "spread", 4)
    spread = table.features[:, table.feature_names.index("spread")]
    for lag in range(1, 5):
        targets = [
            row
            for row in range(lag, 700)
            if all(
                table.times[row] - table.times[row - i] == np.timedelta64(i, "h") and not table.artefact[row - i]
                for i in range(lag + 1)
            )
            and not table.artefact[row]
        ]
        y = np.array([table.vol[row] for row in targets])
        own = np.array([[1.0, *(table.vol[row - i] for i in range(1, lag + 1))] for row in targets])
        both = np.column_stack([own, [[spread[row - i] for i in range(lag)] for row in targets]])
        small, large = (np.sum((y - X @ np.linalg.lstsq(X, y, rcond=None)[0]) ** 2) for X in (own, both))
        free = len(targets) - 2 * lag - 1
        row = every.iloc[lag - 1]
        assert row["rows"] == len(targets)
        assert row["statistic"] == pytest.approx((small - large) / lag / (large / free), rel=1e-6)


def test_an_artefact_and_later_hours_change_no_granger_test() -> None:
    table = hours(gaps=1)
    sample = Sample(table, "clean")
    rows = sample.blocks(3).refit
    later = np.arange(700) > rows[-1]
    changed = dataclasses.replace(
        table,
        vol=np.where(table.artefact | later, 1e4, table.vol),
        features=np.where(later[:, None], 1e4, table.features),
    )
    pd.testing.assert_frame_equal(granger(sample, rows, "spread"), granger(Sample(changed, "clean"), rows, "spread"))
    assert significant_features(sample, rows) == significant_features(Sample(changed, "clean"), rows)


def test_a_cause_that_does_not_change_and_rows_that_are_too_few_have_no_statistic() -> None:
    table = hours()
    features = table.features.copy()
    features[:, 0] = 3.0
    still = Sample(dataclasses.replace(table, features=features), "clean")
    found = granger(still, np.arange(700), "spread", 3)
    assert found["statistic"].isna().all()
    assert found["p_value"].isna().all()
    assert not found["rejected"].any()
    few = granger(Sample(table, "clean"), np.arange(100, 110), "spread", 8)
    # one more row than parameters is enough
    assert few["statistic"].isna().tolist() == [10 - 2 * lag - 1 < 1 for lag in range(1, 9)]


def test_features_that_lead_are_found_and_others_seldom() -> None:
    taken: dict[str, int] = {}
    partly = 0
    for seed in range(4):
        sample = Sample(hours(count=1300, gaps=1, seed=seed), "clean")
        rows = np.flatnonzero(sample.table.position >= LOOKBACK)
        for name in significant_features(sample, rows):
            taken[name] = taken.get(name, 0) + 1
        rejected = {name: granger(sample, rows, name, 5)["rejected"] for name in sample.table.feature_names}
        assert significant_features(sample, rows) == tuple(name for name, own in rejected.items() if own.all())
        partly += sum(own.any() and not own.all() for own in rejected.values())
    assert partly  # a feature that leads at some of the lags is not taken
    assert all(taken.get(name) == 4 for name in LEADING)
    assert sum(count for name, count in taken.items() if name not in LEADING) <= 2


def test_where_nothing_leads_the_likeliest_feature_is_taken() -> None:
    draw = np.random.default_rng(3)
    table = dataclasses.replace(hours(), features=draw.standard_normal((700, 10)))
    sample, rows = Sample(table, "clean"), np.arange(100, 500)
    p = {name: granger(sample, rows, name, 5)["p_value"].to_numpy() for name in table.feature_names}
    assert not any((own < 0.05).all() for own in p.values())
    assert significant_features(sample, rows) == (min(p, key=lambda name: float(p[name][-1])),)


def test_the_paper_names_its_features_itself() -> None:
    table, rows = hours(), np.arange(100, 400)
    assert chosen_features(Sample(table, "paper"), rows) == PAPER_FEATURES
    clean = Sample(table, "clean")
    assert chosen_features(clean, rows) == significant_features(clean, rows)
    names = tuple(f"bar {i}" for i in range(10))
    bars = Sample(dataclasses.replace(table, feature_names=names), "paper")
    assert chosen_features(bars, rows) == significant_features(bars, rows)
    assert set(chosen_features(bars, rows)) <= set(names)


def test_causes_are_those_that_the_table_has() -> None:
    table = hours()
    assert causes(Sample(table, "clean")) == (*table.feature_names, SENTIMENT, ORTHOGONAL)
    one = dataclasses.replace(table, indices=table.indices[:, :1], index_names=("fng_value",))
    assert causes(Sample(one, "clean")) == (*table.feature_names, SENTIMENT)  # one index is its own mean
    bare = dataclasses.replace(
        table, features=np.empty((700, 0)), feature_names=(), indices=np.empty((700, 0)), index_names=()
    )
    assert causes(Sample(bare, "clean")) == ()
    tables = diagnostics(Sample(bare, "clean"), 1, np.arange(300))
    assert tables["granger"].empty
    assert set(tables["diagnostics"]["series"]) == {"volatility"}


@STATSMODELS
@pytest.mark.parametrize("mode", MODES)
def test_autocorrelations_without_gaps_are_those_of_statsmodels(mode: Mode) -> None:
    table = hours()
    found = autocorrelation(Sample(table, mode), np.arange(700), 20)
    value, interval = acf(table.vol, nlags=20, alpha=0.05)
    np.testing.assert_allclose(found["value"], value[1:], rtol=1e-9)
    np.testing.assert_allclose(found["bound"], (interval[:, 1] - value)[1:], rtol=1e-9)
    box = acorr_ljungbox(table.vol, lags=[5, 24])
    ours = stationarity(Sample(table, mode), np.arange(700)).set_index("test").loc["Ljung-Box"]
    np.testing.assert_allclose(ours["statistic"], box["lb_stat"], rtol=1e-9)
    np.testing.assert_allclose(ours["p_value"].astype(float), box["lb_pvalue"], rtol=1e-9)


def test_autocorrelations_count_pairs_of_one_run() -> None:
    table = hours(gaps=3)
    sample = Sample(table, "clean")
    rows = np.arange(90, 640)
    rows = rows[~table.artefact[rows]]
    y = table.vol / 100
    mean = y[rows].mean()
    inside = set(rows.tolist())
    found = autocorrelation(sample, rows, 12)
    for lag in (1, 5, 12):
        pairs = [
            (row, row - lag)
            for row in rows
            if row - lag in inside and table.times[row] - table.times[row - lag] == np.timedelta64(lag, "h")
            if not table.artefact[row - lag : row].any()
        ]
        products = sum((y[i] - mean) * (y[j] - mean) for i, j in pairs) / len(pairs)
        expected = products / np.mean((y[rows] - mean) ** 2) * (len(rows) - lag) / len(rows)
        row = found.iloc[lag - 1]
        assert row["pairs"] == len(pairs)
        assert row["value"] == pytest.approx(expected)


@STATSMODELS
def test_stationarity_is_tested_on_the_longest_stretch() -> None:
    table = hours(gaps=3)
    sample = Sample(table, "clean")
    runs = [np.flatnonzero(table.run == number) for number in np.unique(table.run)]
    longest = max(runs, key=len)
    np.testing.assert_array_equal(longest_stretch(sample, np.arange(700)), longest)
    np.testing.assert_array_equal(longest_stretch(Sample(table, "paper"), np.arange(700)), np.arange(700))
    found = stationarity(sample, np.arange(700)).set_index(["series", "test"])
    for name, values in (("volatility", table.vol / 100), ("spread", table.features[:, 0])):
        adf, level = found.loc[(name, "ADF")], found.loc[(name, "KPSS")]
        expected = adfuller(values[longest])
        assert (adf["statistic"], adf["p_value"], adf["lags"]) == pytest.approx(expected[:3])
        assert adf["rows"] == len(longest)
        expected = kpss(values[longest], nlags="auto")
        assert (level["statistic"], level["p_value"], level["lags"]) == pytest.approx(expected[:3])


def test_a_trend_is_no_stationary_series() -> None:
    table = hours()
    draw = np.random.default_rng(0)
    walk = dataclasses.replace(table, vol=50 + np.cumsum(draw.normal(0, 0.1, 700)))
    found = stationarity(Sample(walk, "clean"), np.arange(700)).set_index(["series", "test"])["rejected"]
    assert not found[("volatility", "ADF")]
    assert found[("volatility", "KPSS")]
    noise = dataclasses.replace(table, vol=50 + draw.normal(0, 1, 700))
    found = stationarity(Sample(noise, "clean"), np.arange(700)).set_index(["series", "test"])["rejected"]
    assert found[("volatility", "ADF")]
    assert not found[("volatility", "KPSS")]


@pytest.mark.parametrize("mode", MODES)
def test_tables_of_a_span(mode: Mode) -> None:
    table = hours(gaps=2)
    sample = Sample(table, mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what statsmodels warns of is nothing that a run should print
        whole, span = diagnostics(sample, 0, None), diagnostics(sample, 2, sample.blocks(2).refit)
    assert set(whole) == {"diagnostics", "granger", "autocorrelation"}
    assert set(span) == {"diagnostics", "granger"}
    assert list(whole["autocorrelation"].columns) == ["mode", "series", "lag", "value", "bound", "pairs"]
    assert list(span["granger"].columns) == [
        "mode", "iteration", "cause", "lag", "statistic", "p_value", "rejected", "rows",
    ]  # fmt: skip
    assert list(span["diagnostics"].columns) == [
        "mode", "iteration", "series", "test", "statistic", "p_value", "rejected", "lags", "rows",
    ]  # fmt: skip
    assert (span["granger"]["iteration"] == 2).all()
    assert (whole["granger"]["mode"] == mode).all()
    assert len(span["granger"]) == 12 * 30


@pytest.mark.skipif(not BTC_2018.exists(), reason="needs the hours of 2018 at ../shared/data/btc-2018")
def test_what_the_paper_says_of_the_hours_of_2018() -> None:
    tables = diagnostics(Sample(read_hourly(str(BTC_2018)), "paper"), 0, None)
    verdict = tables["diagnostics"].set_index(["series", "test"])["rejected"]
    assert verdict[("volatility", "ADF")]
    assert verdict[("volatility", "KPSS")]
    rejected = tables["granger"][tables["granger"]["rejected"]].groupby("cause")["lag"].apply(list)
    assert set(rejected.index) == {*PAPER_FEATURES, SENTIMENT, ORTHOGONAL}
    assert rejected["spread"] == list(range(1, 9))
    assert rejected["bid_depth"] == list(range(1, 10))
    assert rejected[SENTIMENT] == [1, 2]
    # where the paper writes "lags 1-30" and "up to lag 19", some lags between do not reject
    assert rejected["ask_depth"] == [1, 6, 7, *range(10, 31)]
    assert rejected["bid_volume"] == rejected["volume_difference"] == list(range(4, 31))
    assert rejected[ORTHOGONAL] == [*range(1, 9), 18, 19]

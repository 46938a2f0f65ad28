"""What models see of an hourly table: values looked up by time, nothing from the future, blocks by their definition."""

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from volforecast.data.hourly import HOUR, HourlyTable, IntArray
from volforecast.data.hourly_files import read_hourly
from volforecast.data.simulate_hourly import HourlySettings, simulate_hourly
from volforecast.hourly_rows import EMBARGO, LOOKBACK, Mode, Sample

BTC_2018 = Path(__file__).parents[2] / "shared" / "data" / "btc-2018"
MODES: tuple[Mode, Mode] = ("clean", "paper")
COUNT = 6


@cache
def hours(seed: int = 1) -> HourlyTable:
    """700 hours with a long and a short gap, and a third part of sentiment of its own."""
    table = simulate_hourly(HourlySettings(hours=700, gaps=2), seed)
    return dataclasses.replace(table, orthogonal=np.random.default_rng(seed).standard_normal(700))


def one(row: int) -> IntArray:
    return np.array([row])


def seen(sample: Sample, row: int, learnt: IntArray) -> list[np.ndarray]:  # type: ignore[type-arg]
    """All that a model can read for a target."""
    return [
        sample.vol_lags(one(row), COUNT),
        sample.vol_means(one(row), (1, 6, 24)),
        sample.feature_lags(one(row), COUNT),
        sample.sentiment_lags(one(row), COUNT),
        sample.orthogonal(one(row), learnt),
        sample.returns_before(row, 50),
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lag", [24, 3])
@examples(60)
@given(data=st.data())
def test_nothing_that_becomes_known_after_t_is_read(mode: Mode, lag: int, data: st.DataObject) -> None:
    table = hours()
    sample = Sample(table, mode, sentiment_lag=lag)
    usable = np.concatenate([sample.blocks(k).test for k in (1, 6)])
    row = int(data.draw(st.sampled_from(usable.tolist())))
    draw = np.random.default_rng(data.draw(st.integers(0, 1000)))
    late = np.arange(len(table)) >= row  # a label of row t is known an hour later
    unknown = np.arange(len(table)) > row  # features of row t are known at t
    unpublished = table.times > table.times[row] - np.timedelta64(lag, "h")

    def noise(values: np.ndarray, where: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        """The values, changed where they are not known yet."""
        changed = values + draw.exponential(1.0, values.shape)
        return np.where(where.reshape(-1, *[1] * (values.ndim - 1)), changed, values)

    if mode == "paper":
        unknown = unpublished = late
    future = dataclasses.replace(
        table,
        vol=noise(table.vol, late),
        returns=noise(table.returns, unknown),
        features=noise(table.features, unknown),
        indices=noise(table.indices, unpublished),
        orthogonal=noise(table.orthogonal, late),
    )
    learnt = np.arange(60, 90)
    for before, after in zip(
        seen(sample, row, learnt), seen(Sample(future, mode, sentiment_lag=lag), row, learnt), strict=True
    ):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_known_at_t_is_read(mode: Mode) -> None:
    """The other side of the test above: the newest values that are known do matter."""
    table, row = hours(), 300
    behind = 0 if mode == "clean" else 1
    vol, features, returns = table.vol.copy(), table.features.copy(), table.returns.copy()
    vol[row - 1] += 1
    features[row - behind] += 1
    returns[row - behind] += 1
    changed = Sample(dataclasses.replace(table, vol=vol, features=features, returns=returns), mode)
    sample = Sample(table, mode)
    rows = one(row)
    assert changed.vol_lags(rows, 1)[0, 0] == pytest.approx(sample.vol_lags(rows, 1)[0, 0] + 0.01)
    assert changed.vol_means(rows, (6,))[0, 0] == pytest.approx(sample.vol_means(rows, (6,))[0, 0] + 0.01 / 6)
    np.testing.assert_allclose(changed.feature_lags(rows, 1), sample.feature_lags(rows, 1) + 1)
    assert changed.returns_before(row, 1)[-1] == pytest.approx(sample.returns_before(row, 1)[-1] + 1)


@examples(60)
@given(st.integers(1, 5), st.integers(0, 699), st.integers(1, 40))
def test_clean_lags_are_the_hours_by_the_clock_or_none_at_all(seed: int, row: int, count: int) -> None:
    table = hours(seed)
    sample = Sample(table, "clean")
    at = {t: i for i, t in enumerate(table.times) if not table.artefact[i]}
    t = table.times[row]
    before = [at.get(t - i * HOUR) for i in range(1, count + 1)]
    alone = table.artefact[row]
    if None in before or alone:
        with pytest.raises(IndexError, match="hours before it"):
            sample.vol_lags(one(row), count)
        with pytest.raises(IndexError, match="hours before it"):
            sample.vol_means(one(row), (1, count))
        return
    expected = [table.vol[i] / 100 for i in before if i is not None]
    np.testing.assert_array_equal(sample.vol_lags(one(row), count)[0], expected)
    np.testing.assert_allclose(sample.vol_means(one(row), (1, count))[0], [expected[0], np.mean(expected)], rtol=1e-10)
    lags = sample.feature_lags(one(row), count + 1, ["spread", "bid_slope"])[0]
    columns = [table.feature_names.index(name) for name in ("spread", "bid_slope")]
    np.testing.assert_array_equal(lags, table.features[[row, *(i for i in before if i is not None)]][:, columns])


@examples(60)
@given(st.integers(1, 699), st.integers(1, 60))
def test_paper_lags_are_the_rows_before(row: int, count: int) -> None:
    table = hours()
    sample = Sample(table, "paper")
    begin = max(0, row - count)
    np.testing.assert_allclose(
        sample.vol_means(one(row), (count,))[0, 0], table.vol[begin:row].mean() / 100, rtol=1e-10
    )
    if row < count:
        with pytest.raises(IndexError):
            sample.vol_lags(one(row), count)
        return
    rows = row - 1 - np.arange(count)
    np.testing.assert_array_equal(sample.vol_lags(one(row), count)[0], table.vol[rows] / 100)
    np.testing.assert_array_equal(sample.feature_lags(one(row), count)[0], table.features[rows])
    np.testing.assert_array_equal(sample.sentiment_lags(one(row), count)[0], table.indices[rows].mean(axis=1))
    np.testing.assert_array_equal(sample.orthogonal(one(row), np.arange(50)), table.orthogonal[[row - 1]])


@examples(60)
@given(st.integers(0, 699), st.integers(1, 400))
def test_returns_stay_within_the_run(row: int, count: int) -> None:
    table = hours()
    found = Sample(table, "clean").returns_before(row, count)
    expected: list[float] = []
    i = row
    while len(expected) < count and table.position[i] > 0:
        expected.insert(0, table.returns[i])
        i -= 1
    np.testing.assert_array_equal(found, expected)
    paper = Sample(table, "paper").returns_before(row, count)
    np.testing.assert_array_equal(paper, table.returns[max(1, row - count) : row])
    assert np.isfinite(found).all()


def test_an_artefact_is_read_by_no_clean_row() -> None:
    table = hours()
    wild = dataclasses.replace(table, vol=np.where(table.artefact, 1e5, table.vol))
    for k in range(1, 7):
        blocks = Sample(wild, "clean").blocks(k)
        for rows, same in zip(blocks, Sample(table, "clean").blocks(k), strict=True):
            np.testing.assert_array_equal(rows, same)
            assert not table.artefact[rows].any()
            np.testing.assert_array_equal(
                Sample(wild, "clean").vol_lags(rows, LOOKBACK), Sample(table, "clean").vol_lags(rows, LOOKBACK)
            )


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("iteration", range(1, 7))
def test_clean_blocks_by_their_definition(seed: int, iteration: int) -> None:
    table = hours(seed)
    edges = [round(70 * i) for i in range(11)]

    def usable(first: int, last: int, skip: int) -> list[int]:
        rows = range(edges[first] + skip, edges[last])
        times = set(table.times[~table.artefact])
        return [
            row
            for row in rows
            if table.times[row] in times and all(table.times[row] - i * HOUR in times for i in range(1, LOOKBACK + 1))
        ]

    k = iteration - 1
    for har in (False, True):  # every model has the same rows
        blocks = Sample(table, "clean").blocks(iteration, har=har)
        assert blocks.train.tolist() == usable(k, k + 3, 0)
        assert blocks.valid.tolist() == usable(k + 3, k + 4, EMBARGO)
        assert blocks.refit.tolist() == usable(k, k + 4, 0)
        assert blocks.test.tolist() == usable(k + 4, k + 5, EMBARGO)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("har", [False, True])
@pytest.mark.parametrize("iteration", range(1, 7))
def test_blocks_come_in_order_of_time(mode: Mode, har: bool, iteration: int) -> None:
    blocks = Sample(hours(), mode).blocks(iteration, har=har)
    for rows in blocks:
        assert len(rows)
        assert (np.diff(rows) > 0).all()
    assert blocks.train[-1] < blocks.valid[0]
    assert blocks.valid[-1] < blocks.test[0]
    assert blocks.refit[-1] < blocks.test[0]
    gap = blocks.test[0] - blocks.refit[-1]
    assert gap == 1 if mode == "paper" and har else gap >= EMBARGO + 1


def test_lengths_that_ten_does_not_divide() -> None:
    table = simulate_hourly(HourlySettings(hours=2605, gaps=0), 1)
    sizes = [261] * 5 + [260] * 5
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for k in range(1, 7):
        clean = Sample(table, "clean").blocks(k)
        assert clean.test.tolist() == list(range(starts[k + 3] + EMBARGO, starts[k + 4]))
        paper = Sample(table, "paper").blocks(k)
        assert paper.test.tolist() == list(range(starts[k + 3] + 1 + EMBARGO, min(starts[k + 4] + 1, 2605)))
        family = Sample(table, "paper").blocks(k, har=True)
        assert family.test.tolist() == list(range(starts[k + 3] + 1, min(starts[k + 4] + 1, 2605)))
        assert family.refit.tolist() == list(range(starts[k + 3] + 1 - 1044, starts[k + 3] + 1))


def test_without_any_return_no_row_is_lost() -> None:
    table = dataclasses.replace(hours(), returns=np.full(700, np.nan))
    for k in (1, 6):
        for rows, expected in zip(Sample(table, "clean").blocks(k), Sample(hours(), "clean").blocks(k), strict=True):
            np.testing.assert_array_equal(rows, expected)


def test_a_name_that_is_no_feature() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Sample(hours(), "clean").feature_lags(one(300), 1, ["mood"])


@pytest.mark.skipif(not BTC_2018.exists(), reason="needs the hours of 2018 at ../shared/data/btc-2018")
def test_har_in_paper_mode_has_the_errors_of_the_papers_table() -> None:
    sample = Sample(read_hourly(str(BTC_2018)), "paper")
    found = []
    for k in range(1, 7):
        blocks = sample.blocks(k, har=True)
        assert len(blocks.refit) == 1044
        X, Z = (
            np.column_stack([np.ones(len(rows)), sample.vol_means(rows, (1, 6, 24))])
            for rows in (blocks.refit, blocks.test)
        )
        beta = np.linalg.lstsq(X, sample.y[blocks.refit], rcond=None)[0]
        error = np.maximum(Z @ beta, 0.0) - sample.y[blocks.test]
        found.append((np.sqrt(np.mean(error**2)), np.mean(np.abs(error))))
    rmse, mae = np.array(found).T
    np.testing.assert_array_equal(rmse.round(4), [0.0658, 0.0756, 0.0552, 0.0708, 0.0509, 0.0365])
    np.testing.assert_array_equal(mae.round(4), [0.0371, 0.0457, 0.0348, 0.0371, 0.0326, 0.0272])

"""Split-conformal calibration: its exact guarantee, its order, and a twin in loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.evaluation import naive_rough as naive
from volforecast.errors import InputError
from volforecast.evaluation.conformal import calibrate, central_pairs
from volforecast.evaluation.quantiles import LEVELS

VALUES = st.floats(-10.0, 10.0, width=32)


def forecasts_of(days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Too narrow quantile forecasts, and what was realized."""
    rng = np.random.default_rng(seed)
    labels = rng.standard_normal(days)
    quantiles = 0.5 * rng.standard_normal(days)[:, None] + 0.6 * np.array([-1.6, -0.7, 0.0, 0.7, 1.6])
    return quantiles, labels


@pytest.mark.parametrize("days", [9, 10, 19, 20, 100])
def test_equals_the_twin(days: int) -> None:
    for seed in range(20):
        valid, labels = forecasts_of(days, seed)
        test, _ = forecasts_of(30, seed + 1000)
        expected = naive.calibrate(valid.tolist(), labels.tolist(), test.tolist(), list(LEVELS))
        np.testing.assert_array_equal(calibrate(valid, labels, test, LEVELS), expected)


@given(arrays(np.float64, (12, 5), elements=VALUES), arrays(np.float64, 12, elements=VALUES))
def test_of_exchangeable_days_the_promised_number_is_covered(quantiles: np.ndarray, labels: np.ndarray) -> None:
    """Each of 12 days left out in turn: exactly the event whose probability the guarantee bounds, whatever the values.

    Of m + 1 exchangeable days at least ceil((m + 1)(1 - a)) are covered when calibrated on the m others.
    """
    days = len(labels)
    covered = np.zeros(2)
    for day in range(days):
        others = np.arange(days) != day
        result = calibrate(quantiles[others], labels[others], quantiles[[day]], LEVELS)[0]
        for k, (low, high) in enumerate(((1, 3), (0, 4))):
            # a day's own score may equal the margin up to rounding
            covered[k] += result[low] - 1e-9 <= labels[day] <= result[high] + 1e-9
    assert covered[0] >= np.ceil(days * 0.5)
    assert covered[1] >= np.ceil(days * 0.9)


def test_coverage_of_independent_days_is_close_to_what_is_promised() -> None:
    valid, labels = forecasts_of(2000, 1)
    test, realized = forecasts_of(20_000, 2)
    raw = [float(((test[:, low] <= realized) & (realized <= test[:, high])).mean()) for low, high in ((1, 3), (0, 4))]
    assert raw[0] < 0.4
    assert raw[1] < 0.75
    fixed = calibrate(valid, labels, test, LEVELS)
    for (low, high), promised in (((1, 3), 0.5), ((0, 4), 0.9)):
        share = float(((fixed[:, low] <= realized) & (realized <= fixed[:, high])).mean())
        assert abs(share - promised) < 0.03


def test_too_wide_intervals_become_narrower() -> None:
    valid, labels = forecasts_of(500, 3)
    wide = valid[:, [2]] + 5.0 * (valid - valid[:, [2]])
    fixed = calibrate(wide, labels, wide, LEVELS)
    assert ((fixed[:, 4] - fixed[:, 0]) < (wide[:, 4] - wide[:, 0])).all()


@given(
    arrays(np.float64, (15, 5), elements=VALUES),
    arrays(np.float64, 15, elements=VALUES),
    arrays(np.float64, (6, 5), elements=VALUES),
)
def test_quantiles_never_cross_and_the_median_stays(valid: np.ndarray, labels: np.ndarray, test: np.ndarray) -> None:
    before = test.copy()
    result = calibrate(valid, labels, test, LEVELS)
    assert (np.diff(result, axis=1) >= 0.0).all()
    np.testing.assert_array_equal(result[:, 2], before[:, 2])
    np.testing.assert_array_equal(test, before)
    shuffle = np.random.default_rng(1).permutation(15)
    np.testing.assert_array_equal(calibrate(valid[shuffle], labels[shuffle], test, LEVELS), result)


def test_by_hand() -> None:
    """Of 9 scores 1, ..., 9 the 5th for one half, the 9th for nine tenths: ceil(10 x 0.5) and ceil(10 x 0.9)."""
    labels = np.arange(1.0, 10.0)
    valid = np.zeros((9, 5))
    result = calibrate(valid, labels, np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]]), LEVELS)
    assert result.tolist() == [[-11.0, -6.0, 0.0, 6.0, 11.0]]


def test_a_narrowed_inner_interval_stops_at_the_median_and_an_outer_one_at_it() -> None:
    valid = np.tile([-9.0, -8.0, 0.0, 8.0, 9.0], (19, 1))
    result = calibrate(valid, np.zeros(19), np.array([[-3.0, -2.0, 0.5, 3.0, 4.0]]), LEVELS)
    # margins are -8 and -9: all ends would pass the median
    assert result.tolist() == [[0.5, 0.5, 0.5, 0.5, 0.5]]


def test_levels() -> None:
    assert central_pairs(LEVELS) == [(1, 3), (0, 4)]
    assert central_pairs([0.5]) == []
    for levels in ([0.05, 0.95], [0.1, 0.5, 0.95], [0.95, 0.5, 0.05], [0.0, 0.5, 1.0], [], [0.2, 0.4, 0.6, 0.8]):
        with pytest.raises(InputError, match="symmetric around a median"):
            central_pairs(levels)


def test_wrong_input() -> None:
    valid, labels = forecasts_of(30, 4)
    with pytest.raises(InputError, match="at least 9"):
        calibrate(valid[:8], labels[:8], valid, LEVELS)
    assert calibrate(valid[:9], labels[:9], valid, LEVELS).shape == (30, 5)
    with pytest.raises(InputError, match="5 levels for every validation"):
        calibrate(valid, labels[:-1], valid, LEVELS)
    with pytest.raises(InputError, match="5 levels for every validation"):
        calibrate(valid, labels, valid[:, :3], LEVELS)
    with pytest.raises(InputError, match="finite"):
        calibrate(valid, np.where(labels > 1.0, np.nan, labels), valid, LEVELS)

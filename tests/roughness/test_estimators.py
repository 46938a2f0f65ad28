"""The Hurst estimators against slow twins, exact noise of known H, their invariances, and wrong input."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.roughness import naive_hurst as naive
from volforecast.data.rough import fractional_brownian_motion
from volforecast.errors import InputError
from volforecast.roughness.estimators import (
    ESTIMATORS,
    METHODS,
    SHORTEST,
    detrended_fluctuation,
    fluctuation_points,
    moment_scaling,
    rescaled_range,
    rescaled_range_points,
    variogram,
    variogram_points,
    wavelet_points,
    wavelet_variance,
)
from volforecast.roughness.expected import (
    WINDOWS,
    anis_lloyd,
    fluctuations,
    rescaled_ranges,
    wavelet_filter,
    wavelet_variances,
    windows_for,
)
from volforecast.roughness.scaling import GRID, HurstEstimate
from volforecast.seeds import generator


def motion(hurst: float, days: int, seed: int = 1) -> np.ndarray:
    rng = generator("test estimators", days, str(hurst), seed)
    return np.asarray(fractional_brownian_motion(days - 1, hurst, rng)[0])


X = motion(0.2, 300)


def test_rescaled_ranges_are_those_of_loops() -> None:
    points = rescaled_range_points(X[None])
    windows = windows_for(len(X) - 1)
    assert windows == (8, 11, 16, 23, 32, 45, 64)
    np.testing.assert_allclose(np.exp(points.log_value[0]), [naive.rescaled_range(X, w) for w in windows], rtol=1e-10)


def test_fluctuations_are_those_of_fitted_lines() -> None:
    points = fluctuation_points(X[None])
    expected = [naive.fluctuation(X, window) for window in windows_for(len(X))]
    np.testing.assert_allclose(np.exp(points.log_value[0]), expected, rtol=1e-9)


@pytest.mark.parametrize("q", [0.5, 2.0, 3.0])
def test_moments_are_those_of_loops(q: float) -> None:
    points = variogram_points(X[None], q)
    np.testing.assert_allclose(np.exp(points.log_value[0]), [naive.moment(X, lag, q) for lag in range(1, 51)])


@pytest.mark.parametrize("wavelet", ["db4", "haar", "sym5"])
@pytest.mark.parametrize("octave", [1, 2, 4])
def test_undecimated_coefficients_hold_every_interior_one_of_the_decimated_transform(wavelet: str, octave: int) -> None:
    ours = np.convolve(X, wavelet_filter(wavelet, octave), mode="valid")
    theirs = naive.interior_coefficients(X, wavelet, octave)
    assert len(theirs) >= 4
    distance = np.abs(theirs[:, None] - ours).min(axis=1)
    assert distance.max() < 1e-9


def test_wavelet_variance_is_the_mean_square_of_the_filtered_series() -> None:
    points = wavelet_points(X[None], correct=False)
    first = np.log2(np.mean(np.convolve(X, wavelet_filter("db4", 1), mode="valid") ** 2))
    # 146.5 degrees of freedom: the logarithm of their mean square is low by about 1 / 146.5, in natural units
    assert points.log_value[0, 0] == pytest.approx(first + 1 / 146.5 / np.log(2), abs=1e-4)


def test_the_regressions_are_least_squares() -> None:
    found = detrended_fluctuation(X, correct=False)
    slope, intercept = np.polyfit(found.log_scale, found.log_value, 1)
    assert found.slope == pytest.approx(slope)
    assert found.intercept == pytest.approx(intercept)
    assert found.r_squared == pytest.approx(np.corrcoef(found.log_scale, found.log_value)[0, 1] ** 2)
    weighted = wavelet_variance(X)
    root = np.sqrt(wavelet_points(X[None]).weights)
    assert weighted.slope == pytest.approx(np.polyfit(weighted.log_scale, weighted.log_value, 1, w=root)[0])


@pytest.mark.parametrize("method", METHODS)
def test_the_reported_line_is_the_line_through_the_reported_points(method: str) -> None:
    found = ESTIMATORS[method](X)
    np.testing.assert_allclose(found.fitted, found.intercept + found.slope * found.log_scale, atol=1e-9)
    if method != "Wavelet":
        assert np.polyfit(found.log_scale, found.log_value, 1)[0] == pytest.approx(found.slope)


def test_slopes_are_the_laws_of_the_exponents() -> None:
    assert rescaled_range(X).slope == pytest.approx(rescaled_range(X).hurst)
    assert variogram(X).slope == pytest.approx(2 * variogram(X).hurst)
    assert variogram(X, q=0.5).slope == pytest.approx(0.5 * variogram(X, q=0.5).hurst)
    assert wavelet_variance(X).slope == pytest.approx(2 * wavelet_variance(X).hurst + 1)


def test_expected_rescaled_range_of_white_noise_is_that_of_anis_and_lloyd() -> None:
    white = rescaled_ranges()[np.flatnonzero(np.isclose(GRID, 0.5))[0]]
    np.testing.assert_allclose(np.exp(white), [anis_lloyd(window) for window in WINDOWS], rtol=4e-3)


@pytest.mark.parametrize("row", [1, 5, 14, 20])
def test_expected_fluctuations_are_those_of_the_full_covariance(row: int) -> None:
    expected = [naive.expected_fluctuation(float(GRID[row]), window) for window in WINDOWS[:6]]
    np.testing.assert_allclose(np.exp(fluctuations()[row, :6]), expected, rtol=1e-7)


def test_expected_wavelet_variances_are_those_of_many_paths() -> None:
    hurst, octave = 0.1, 3
    paths = fractional_brownian_motion(4095, hurst, generator("wavelet variance"), paths=40)
    weights = wavelet_filter("db4", octave)
    measured = np.mean([np.mean(np.convolve(path, weights, mode="valid") ** 2) for path in paths])
    expected = np.interp(hurst, GRID, 2 ** wavelet_variances("db4", octave))
    assert measured == pytest.approx(expected, rel=0.03)


# standard deviations of bias.csv at 2,500 days are at most 0.03; the mean of 8 paths within four of its own
@pytest.mark.parametrize("hurst", [0.05, 0.1, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("method", METHODS)
def test_exact_noise_gives_back_its_exponent(method: str, hurst: float) -> None:
    found = [ESTIMATORS[method](motion(hurst, 2500, seed)).hurst for seed in range(8)]
    assert np.mean(found) == pytest.approx(hurst, abs=4 * 0.033 / np.sqrt(8) if hurst > 0.2 else 0.025)


def test_the_correction_matters_where_the_series_is_rough() -> None:
    raw = np.mean([wavelet_variance(motion(0.1, 2500, seed), correct=False).hurst for seed in range(4)])
    assert raw < -0.1
    assert np.mean([rescaled_range(motion(0.1, 2500, seed), correct=False).hurst for seed in range(4)]) > 0.2


def test_moments_of_exact_motion_scale_linearly_in_their_order() -> None:
    found = moment_scaling(motion(0.1, 5000))
    np.testing.assert_allclose(found.zeta, found.hurst * np.array(found.q), atol=0.02)
    assert found.hurst == pytest.approx(0.1, abs=0.03)


walks = st.builds(
    lambda seed, days, hurst: motion(hurst, days, seed),
    st.integers(0, 10_000),
    st.integers(100, 400),
    st.sampled_from([0.05, 0.1, 0.5, 0.9]),
)


@settings(max_examples=25, deadline=None)
@given(walks, st.floats(-50, 50), st.floats(1e-3, 1e3))
def test_shift_and_scale_change_nothing_and_figures_are_sound(x: np.ndarray, shift: float, scale: float) -> None:
    for method in METHODS:
        if len(x) < SHORTEST[method]:
            continue
        found, moved = ESTIMATORS[method](x), ESTIMATORS[method](shift + scale * x)
        assert moved.hurst == pytest.approx(found.hurst, abs=1e-6)
        assert 0 <= found.r_squared <= 1
        assert moved.r_squared == pytest.approx(found.r_squared, abs=1e-6)
        assert np.isfinite([found.hurst, found.slope, found.intercept]).all()
        assert found.log_scale.shape == found.log_value.shape == found.fitted.shape


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-9.0, -8.5, -2.0]), min_size=100, max_size=160))
def test_series_of_few_values_have_an_estimate_or_a_stated_error(values: list[float]) -> None:
    for method in METHODS:
        try:
            found = ESTIMATORS[method](values)
        except InputError:
            continue
        assert np.isfinite([found.hurst, found.r_squared]).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.where(np.arange(300) == 7, np.nan, X), "value 8 of the series is nan"),
        (np.where(np.arange(300) == 0, -np.inf, X), "value 1 of the series is -inf"),
        (np.full(300, -9.2), "is constant"),
        (np.zeros(300), "is constant"),
        (X[:60], "has 60 days, but needs at least"),
        (np.empty(0), "has 0 days"),
        (X.reshape(2, 150), "shape"),
    ],
)
def test_wrong_input_is_one_line(method: str, x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ESTIMATORS[method](x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["R/S", "DFA", "Wavelet"])
def test_a_straight_line_is_refused(method: str) -> None:
    with pytest.raises(InputError, match="no variation at some scale"):
        ESTIMATORS[method](np.arange(300.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: variogram(X, q=0), "q is 0"),
        (lambda: variogram(X, q=float("nan")), "q is nan"),
        (lambda: wavelet_variance(X, wavelet="bior2.2"), "no orthogonal wavelet"),
        (lambda: wavelet_variance(X, wavelet="none"), "no orthogonal wavelet"),
        (lambda: wavelet_variance(X[:100], wavelet="db20"), "too few for 3 octaves"),
    ],
)
def test_wrong_settings_are_refused(call: Callable[[], HurstEstimate], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("method", METHODS)
def test_the_shortest_series_has_an_estimate_and_one_day_less_has_none(method: str) -> None:
    x = X[: SHORTEST[method]]
    assert np.isfinite(ESTIMATORS[method](x).hurst)
    with pytest.raises(InputError, match="needs at least"):
        ESTIMATORS[method](x[:-1])

"""The rough processes against their theory: covariances, Hurst exponents, innovations."""

import numpy as np
import pytest

from volforecast.data.rough import (
    cauchy_autocovariance,
    circulant_paths,
    fgn_autocovariance,
    fractional_brownian_motion,
    fractional_gaussian_noise,
    innovation_filter,
    rough_log_volatility,
)
from volforecast.errors import ConfigError
from volforecast.seeds import generator


def variogram_hurst(paths: np.ndarray, lags: tuple[int, ...] = (1, 2, 4, 8, 16, 32)) -> float:
    """Half the slope of log mean squared increments on log lag, over all paths together."""
    mean_squares = [np.mean((paths[:, lag:] - paths[:, :-lag]) ** 2) for lag in lags]
    return float(np.polyfit(np.log(lags), np.log(mean_squares), 1)[0] / 2)


@pytest.mark.parametrize("hurst", [0.05, 0.1, 0.3, 0.5, 0.7])
def test_variogram_of_exact_noise_gives_back_the_hurst_exponent(hurst: float) -> None:
    paths = fractional_brownian_motion(2**13, hurst, generator("rough", "hurst", str(hurst)), paths=16)
    assert variogram_hurst(paths) == pytest.approx(hurst, abs=0.015)


@pytest.mark.parametrize("hurst", [0.05, 0.1, 0.3, 0.5, 0.7])
def test_sample_autocovariance_of_noise_is_the_theoretical_one(hurst: float) -> None:
    count, n = 20_000, 40
    noise = fractional_gaussian_noise(n, hurst, generator("rough", "covariance", str(hurst)), paths=count)
    lags = np.arange(n)
    expected = fgn_autocovariance(n, hurst)[np.abs(lags[:, None] - lags)]
    # The standard error of a covariance of unit normals is at most sqrt(2 / count) = 0.01; 1600 entries, five of them.
    assert np.abs(noise.T @ noise / count - expected).max() < 0.05
    assert np.abs(noise.mean(axis=0)).max() < 0.04


def test_noise_covariance_is_the_covariance_of_motion_increments() -> None:
    hurst, n = 0.3, 12
    times = np.arange(n + 1.0)
    power = times ** (2 * hurst)
    motion = 0.5 * (power[:, None] + power - np.abs(times[:, None] - times) ** (2 * hurst))
    increments = np.diff(np.diff(motion, axis=0), axis=1)
    lags = np.arange(n)
    np.testing.assert_allclose(increments, fgn_autocovariance(n, hurst)[np.abs(lags[:, None] - lags)], atol=1e-12)


def test_noise_of_one_half_is_white() -> None:
    np.testing.assert_allclose(fgn_autocovariance(6, 0.5), [1, 0, 0, 0, 0, 0], atol=1e-12)


def test_motion_starts_at_zero_and_spreads_like_a_power() -> None:
    motion = fractional_brownian_motion(64, 0.1, generator("rough", "motion"), paths=8000)
    assert motion.shape == (8000, 65)
    assert not motion[:, 0].any()
    np.testing.assert_allclose(motion.var(axis=0)[1:], np.arange(1, 65) ** 0.2, rtol=0.1)


@pytest.mark.parametrize("hurst", [0.01, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("scale", [1.0, 70.0, 2000.0])
@pytest.mark.parametrize("memory", [0.1, 0.7, 3.0])
def test_cauchy_covariance_has_an_exact_embedding_at_every_length(hurst: float, scale: float, memory: float) -> None:
    for n in (2, 3, 50, 1751):
        paths = rough_log_volatility(n, hurst, scale, memory, generator("rough", "embedding"), paths=3)
        assert paths.shape == (3, n)
        assert np.isfinite(paths).all()


def test_cauchy_paths_have_the_stated_covariance() -> None:
    count, n = 20_000, 40
    paths = rough_log_volatility(n, 0.1, 10.0, 0.7, generator("rough", "cauchy"), paths=count)
    lags = np.arange(n)
    expected = cauchy_autocovariance(n, 0.1, 10.0, 0.7)[np.abs(lags[:, None] - lags)]
    assert np.abs(paths.T @ paths / count - expected).max() < 0.05


def test_cauchy_paths_are_rough_at_short_lags_and_remember_over_long_ones() -> None:
    paths = rough_log_volatility(2**13, 0.1, 1e6, 0.36, generator("rough", "local"), paths=16)
    assert variogram_hurst(paths) == pytest.approx(0.1, abs=0.02)
    far = cauchy_autocovariance(200_001, 0.1, 1.0, 0.7)
    # The approach to the power law is as slow as 2H = 0.2: at lag 1e5 the exponent is 0.64 on its way to 0.7.
    assert np.log(far[100_000] / far[200_000]) / np.log(2) == pytest.approx(0.7 / (1 + 1e5**-0.2), abs=0.01)


def test_innovations_are_white_and_of_unit_variance() -> None:
    covariance = cauchy_autocovariance(4251, 0.1, 2000.0, 0.36)
    path = circulant_paths(covariance, generator("rough", "innovations"))[0]
    innovations = np.convolve(path, innovation_filter(covariance[:251]), mode="valid")
    assert len(innovations) == 4001
    assert innovations.var() == pytest.approx(1.0, abs=0.08)
    correlations = [np.corrcoef(innovations[lag:], innovations[:-lag])[0, 1] for lag in range(1, 30)]
    assert np.abs(correlations).max() < 4 / np.sqrt(len(innovations))
    past = np.corrcoef(innovations[1:], path[250:-1])[0, 1]
    assert abs(past) < 4 / np.sqrt(len(innovations))


def test_equal_generators_give_equal_paths() -> None:
    first, second = (fractional_gaussian_noise(100, 0.1, generator("rough", "equal"), paths=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert abs(np.corrcoef(first)[0, 1]) < 0.5


@pytest.mark.parametrize("hurst", [0.0, 1.0, -0.1, float("nan")])
def test_a_hurst_exponent_outside_its_range_is_refused(hurst: float) -> None:
    with pytest.raises(ConfigError, match=r"hurst is .* outside \(0, 1.0\)"):
        fgn_autocovariance(10, hurst)


def test_wrong_covariances_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"hurst is 0.6, outside \(0, 0.5\]"):
        cauchy_autocovariance(10, 0.6, 1.0, 1.0)
    with pytest.raises(ConfigError, match="must be positive"):
        cauchy_autocovariance(10, 0.1, -1.0, 1.0)
    with pytest.raises(ConfigError, match="eigenvalue"):
        circulant_paths(np.array([1.0, 0.9, 0.0, 0.0]), generator("rough", "wrong"))
    with pytest.raises(ConfigError, match="at least 2"):
        circulant_paths(np.array([1.0]), generator("rough", "short"))

"""Exact simulation of rough Gaussian processes: fractional noise, fractional motion, stationary log-volatility.

Gatheral, Jaisson & Rosenbaum (2018, Quantitative Finance 18(6)) find that log-volatility behaves like a fractional
Brownian motion with a Hurst exponent near 0.1. Bennedsen, Lunde & Pakkanen (2022, Journal of Financial Econometrics
20(5)) add that its memory over months is a second, separate property, which a process of the Cauchy class (Gneiting &
Schlather 2004, SIAM Review 46(2)) has as a second parameter. Both kinds are stationary Gaussian sequences with a known
autocovariance, so they are drawn exactly by circulant embedding (Davies & Harte 1987, Biometrika 74(1)).

Every function is pure; time is counted in steps (days in the simulator).
"""

import numpy as np
from numpy.typing import NDArray

from volforecast.errors import ConfigError

FloatArray = NDArray[np.float64]


def fgn_autocovariance(n: int, hurst: float) -> FloatArray:
    """Autocovariance of fractional Gaussian noise of unit variance.

    Args:
        n: Number of lags, from lag 0.
        hurst: Hurst exponent H, 0 < H < 1; at 1/2 the noise is white.

    Returns:
        Shape (n,): ``(|k+1|^2H - 2 |k|^2H + |k-1|^2H) / 2`` (Mandelbrot & Van Ness 1968).
    """
    _check_hurst(hurst, upper=1.0)
    powers = np.abs(np.arange(-1, n + 1, dtype=np.float64)) ** (2 * hurst)
    return 0.5 * (powers[2:] - 2 * powers[1:-1] + powers[:-2])


def cauchy_autocovariance(n: int, hurst: float, scale: float, memory: float) -> FloatArray:
    """Autocovariance of the rough Cauchy process of unit variance.

    ``(1 + (k / scale)^2H)^(-memory / 2H)``: for lags well below ``scale`` increments scale like those of a fractional
    Brownian motion with exponent H; for lags well above it correlations decay like ``k^-memory``. With H <= 1/2 the
    function is convex and decreasing, which makes its circulant embedding non-negative definite at every length.

    Args:
        n: Number of lags, from lag 0.
        hurst: Hurst exponent H of the paths, 0 < H <= 1/2.
        scale: Lag, in steps, between the rough regime and the regime of the memory; positive.
        memory: Exponent of the decay; below 1 the process has long memory; positive.

    Returns:
        Shape (n,).
    """
    _check_hurst(hurst, upper=0.5)
    if not (scale > 0 and memory > 0):
        raise ConfigError(f"scale is {scale} and memory is {memory}, but both must be positive: give positive numbers")
    lags = np.arange(n, dtype=np.float64)
    covariance: FloatArray = (1 + (lags / scale) ** (2 * hurst)) ** (-memory / (2 * hurst))
    return covariance


def circulant_paths(autocovariance: FloatArray, rng: np.random.Generator, paths: int = 1) -> FloatArray:
    """Exact paths of a stationary Gaussian sequence with mean 0, by circulant embedding (Davies & Harte 1987).

    The autocovariance is the first row of a circulant matrix of order ``2 (n - 1)`` whose eigenvalues are its Fourier
    transform; white complex noise weighted by their roots and transformed has the wanted covariance exactly, and its
    real and imaginary parts are two independent paths. The cost is O(n log n) a pair.

    Args:
        autocovariance: Shape (n,), n >= 2, lags 0 to n - 1.
        rng: Source of randomness; a path depends on its state, on n and on the place of the path.
        paths: Number of independent paths.

    Returns:
        Shape (paths, n).
    """
    n = len(autocovariance)
    if n < 2:
        raise ConfigError(f"a path of {n} steps has no circulant embedding: ask for at least 2 steps")
    row = np.concatenate([autocovariance, autocovariance[-2:0:-1]])
    eigenvalues = np.fft.fft(row).real
    # Rounding leaves values around -1e-14 where the exact eigenvalue is 0; anything larger means another covariance.
    if eigenvalues.min() < -1e-9 * eigenvalues.max():
        raise ConfigError(
            f"the circulant embedding of this autocovariance has the eigenvalue {eigenvalues.min():.3g}, so it cannot"
            " be drawn exactly: use a convex decreasing autocovariance or fractional Gaussian noise"
        )
    weights = np.sqrt(np.maximum(eigenvalues, 0.0) / len(row))
    pairs = (paths + 1) // 2
    noise = rng.standard_normal((pairs, 2, len(row)))
    drawn = np.fft.fft(weights * (noise[:, 0] + 1j * noise[:, 1]), axis=1)[:, :n]
    both = np.stack([drawn.real, drawn.imag], axis=1).reshape(2 * pairs, n)
    return np.ascontiguousarray(both[:paths])


def fractional_gaussian_noise(n: int, hurst: float, rng: np.random.Generator, paths: int = 1) -> FloatArray:
    """Fractional Gaussian noise of unit variance: the increments of fractional Brownian motion over unit steps.

    Args:
        n: Steps of a path, at least 2.
        hurst: Hurst exponent H, 0 < H < 1.
        rng: Source of randomness.
        paths: Number of independent paths.

    Returns:
        Shape (paths, n).
    """
    return circulant_paths(fgn_autocovariance(n, hurst), rng, paths)


def fractional_brownian_motion(n: int, hurst: float, rng: np.random.Generator, paths: int = 1) -> FloatArray:
    """Fractional Brownian motion at times 0, 1, ..., n, with value 0 at time 0 and variance ``t^2H`` at time t.

    Args:
        n: Steps of a path, at least 2.
        hurst: Hurst exponent H, 0 < H < 1.
        rng: Source of randomness.
        paths: Number of independent paths.

    Returns:
        Shape (paths, n + 1).
    """
    motion = np.zeros((paths, n + 1))
    np.cumsum(fractional_gaussian_noise(n, hurst, rng, paths), axis=1, out=motion[:, 1:])
    return motion


def rough_log_volatility(
    n: int, hurst: float, scale: float, memory: float, rng: np.random.Generator, paths: int = 1
) -> FloatArray:
    """Stationary rough log-volatility of mean 0 and variance 1: the Cauchy process of :func:`cauchy_autocovariance`.

    Args:
        n: Days of a path, at least 2.
        hurst: Hurst exponent H of the paths, 0 < H <= 1/2; about 0.1 for single assets.
        scale: Days after which the memory takes over from the roughness.
        memory: Exponent of the decay of correlations over long lags.
        rng: Source of randomness.
        paths: Number of independent paths.

    Returns:
        Shape (paths, n); scale it by a standard deviation and add a level to have a log variance.
    """
    return circulant_paths(cauchy_autocovariance(n, hurst, scale, memory), rng, paths)


def innovation_filter(autocovariance: FloatArray) -> FloatArray:
    """Filter that turns a stationary sequence into its one-step innovations of unit variance.

    The innovation of day t is what the values of the days before do not predict (Yule-Walker equations of order
    p = ``len(autocovariance) - 1``). Returns that move with these innovations, not with the increments of volatility,
    have a leverage effect without being autocorrelated: increments of a rough process predict each other, innovations
    do not.

    Args:
        autocovariance: Shape (p + 1,), lags 0 to p.

    Returns:
        Shape (p + 1,): ``np.convolve(path, filter, mode="valid")`` gives the innovations of ``path[p:]``.
    """
    order = len(autocovariance) - 1
    lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    coefficients = np.linalg.solve(autocovariance[lags], autocovariance[1:])
    variance = autocovariance[0] - coefficients @ autocovariance[1:]
    whitening: FloatArray = np.concatenate([[1.0], -coefficients]) / np.sqrt(variance)
    return whitening


def _check_hurst(hurst: float, upper: float) -> None:
    # H = 1/2 is Brownian and has an embedding; H = 1 is a straight line and has none.
    inside = 0 < hurst < 1 if upper == 1.0 else 0 < hurst <= upper
    if not inside:
        bracket = ")" if upper == 1.0 else "]"
        raise ConfigError(f"hurst is {hurst}, outside (0, {upper}{bracket}: log-volatility is near 0.1")

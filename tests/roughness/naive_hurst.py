"""Slow, obvious versions of the Hurst estimators' statistics, written from their definitions."""

from itertools import pairwise

import numpy as np
import pywt


def rescaled_range(x: np.ndarray, window: int) -> float:
    """Mean R/S of windows of increments that overlap by half."""
    increments = [b - a for a, b in pairwise(x)]
    ratios = []
    for start in range(0, len(increments) - window + 1, window // 2):
        part = np.array(increments[start : start + window])
        total, path = 0.0, []
        for value in part - part.mean():
            total += value
            path.append(total)
        ratios.append((max(path) - min(path)) / part.std())
    return float(np.mean(ratios))


def fluctuation(x: np.ndarray, window: int) -> float:
    """Root mean square of what a fitted line leaves over in windows that overlap by half."""
    squares = []
    for start in range(0, len(x) - window + 1, window // 2):
        part, days = x[start : start + window], np.arange(window)
        squares.append(np.mean((part - np.polyval(np.polyfit(days, part, 1), days)) ** 2))
    return float(np.sqrt(np.mean(squares)))


def moment(x: np.ndarray, lag: int, q: float) -> float:
    """Mean absolute change over ``lag`` days to the power q."""
    return float(np.mean([abs(x[t + lag] - x[t]) ** q for t in range(len(x) - lag)]))


def interior_coefficients(x: np.ndarray, wavelet: str, octave: int) -> np.ndarray:
    """Coefficients of the decimated transform of PyWavelets that no boundary rule has touched.

    A constant is added and zeros are put beside the series: where that changes nothing, no boundary entered.
    """
    zero = pywt.wavedec(x + 100.0, wavelet, mode="zero", level=octave)[1]
    other = pywt.wavedec(x, wavelet, mode="constant", level=octave)[1]
    return np.asarray(zero[np.isclose(zero, other, rtol=0, atol=1e-9)])


def expected_fluctuation(hurst: float, window: int) -> float:
    """Root of the expected squared fluctuation, from the full covariance of fractional Brownian motion."""
    times = np.arange(1.0, window + 1)
    power = times ** (2 * hurst)
    covariance = 0.5 * (power[:, None] + power - np.abs(times[:, None] - times) ** (2 * hurst))
    design = np.column_stack([np.ones(window), times])
    projection = np.eye(window) - design @ np.linalg.solve(design.T @ design, design.T)
    return float(np.sqrt(np.trace(projection @ covariance) / window))

"""Bias, spread and honesty of the Hurst estimators on exact fractional noise.

    python benchmarks/hurst_bias.py                   # writes volforecast/roughness/bias.csv
    python benchmarks/hurst_bias.py --rescaled-range  # writes volforecast/roughness/rescaled_range.csv, which R/S uses
    python benchmarks/hurst_bias.py --schemes         # prints standard errors of three block bootstraps
    python benchmarks/hurst_bias.py --noise           # prints what measurement noise in RV does
    python benchmarks/hurst_bias.py --raw             # prints the bias without the finite-scale correction

Paths are exact fractional Brownian motion (Davies & Harte 1987). Every cell has a seed of its own, so that it can be
computed again alone. ``docs/methods/roughness.md`` holds what this prints.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from volforecast.data.rough import fractional_brownian_motion, fractional_gaussian_noise
from volforecast.roughness.bootstrap import block_length, bootstrap_hurst, resampled
from volforecast.roughness.estimators import (
    METHODS,
    POINTS,
    checked,
    fluctuation_points,
    rescaled_range_points,
    variogram_points,
    wavelet_points,
)
from volforecast.roughness.expected import WINDOWS
from volforecast.roughness.scaling import GRID, FloatArray, hurst_of
from volforecast.seeds import generator

HOME = Path(__file__).parents[1] / "volforecast" / "roughness"
HURSTS = (0.05, 0.1, 0.3, 0.5, 0.7)
PATHS = 400  # of the bias and the standard deviation
RESAMPLED = {500: 150, 1000: 80, 2500: 40, 5000: 25}  # of them, by length, those that are also bootstrapped
REPLICATIONS = 50
VALUES = 1 << 20  # held at a time


def cell(hurst: float, days: int, paths: int = PATHS, bootstrapped: int | None = None) -> pd.DataFrame:
    """One row a method for series of one length and roughness."""
    x = motion(hurst, days, paths)
    estimates = {method: hurst_of(POINTS[method](x)) for method in METHODS}
    count = RESAMPLED[days] if bootstrapped is None else bootstrapped
    drawn = [
        bootstrap_hurst(checked(x[i], "Variogram"), REPLICATIONS, generator("hurst bias", "boot", days, str(hurst), i))
        for i in range(count)
    ]
    rows = []
    for method in METHODS:
        found = estimates[method]
        errors = np.array([np.nanstd(sample[method], ddof=1) for sample in drawn])
        covered = np.abs(found[:count] - hurst) < 1.96 * errors
        figures = (found.mean(), found.mean() - hurst, found.std(ddof=1), errors.mean(), covered.mean())
        rows.append((method, hurst, days, *(round(float(figure), 4) for figure in figures), paths, count))
    columns = [
        "method",
        "hurst",
        "days",
        "mean",
        "bias",
        "standard_deviation",
        "standard_error",
        "coverage",
        "paths",
        "bootstrapped",
    ]
    return pd.DataFrame(rows, columns=columns)


def motion(hurst: float, days: int, paths: int) -> FloatArray:
    """Exact paths, shape (paths, days); path i depends on i, not on how many there are."""
    draws = [generator("hurst bias", "path", days, str(hurst), i) for i in range(paths)]
    return np.concatenate([fractional_brownian_motion(days - 1, hurst, rng) for rng in draws])


def expected_rescaled_ranges(windows: int = 100_000) -> pd.DataFrame:
    """Mean R/S of windows of exact fractional Gaussian noise, by window length and H."""
    rows = []
    for hurst in np.round(GRID, 2):
        for window in WINDOWS:
            rng = generator("rescaled range", window, str(hurst))
            count = min(windows, 10_000 + 10_000_000 // window)
            total, left = 0.0, count
            while left:
                paths = min(left, VALUES // window)
                noise = fractional_gaussian_noise(window, float(hurst), rng, paths)
                deviations = noise - noise.mean(axis=1, keepdims=True)
                path = deviations.cumsum(axis=1)
                total += float(((path.max(axis=1) - path.min(axis=1)) / deviations.std(axis=1)).sum())
                left -= paths
            rows.append((hurst, window, round(total / count, 4)))
    return pd.DataFrame(rows, columns=["hurst", "window", "rescaled_range"])


def levels(x: FloatArray, starts: np.ndarray, block: int) -> FloatArray:
    """Blocks of the series itself."""
    windows = sliding_window_view(np.concatenate([x, x[: block - 1]]), block)
    chosen: FloatArray = windows[starts].reshape(len(starts), -1)[:, : len(x)]
    return chosen


def increments(x: FloatArray, starts: np.ndarray, block: int) -> FloatArray:
    """Blocks of its increments."""
    return np.cumsum(levels(np.diff(x) - np.diff(x).mean(), starts, block), axis=1)


def schemes(days: int = 1000, paths: int = 40) -> pd.DataFrame:
    """Mean standard error over the true standard deviation, and coverage, of three block bootstraps."""
    rows = []
    makers: list[tuple[str, int, Callable[[FloatArray, np.ndarray, int], FloatArray]]] = [
        ("levels", 22, levels),
        ("levels", days // 8, levels),
        ("increments", 22, increments),
        ("increments", days // 8, increments),
        ("innovations", block_length(days), resampled),
    ]
    for hurst in (0.1, 0.7):
        x = motion(hurst, days, PATHS)
        estimates = {method: hurst_of(POINTS[method](x)) for method in METHODS}
        for name, block, made in makers:
            errors: dict[str, list[float]] = {method: [] for method in METHODS}
            for i in range(paths):
                rng = generator("schemes", name, block, str(hurst), i)
                starts = rng.integers(0, days - 1, size=(REPLICATIONS, -(-2 * days // block)))
                series = made(checked(x[i], "Variogram"), starts, block)
                for method in METHODS:
                    errors[method].append(float(hurst_of(POINTS[method](series)).std(ddof=1)))
            for method in METHODS:
                error = np.array(errors[method])
                spread = estimates[method].std(ddof=1)
                covered = np.mean(np.abs(estimates[method][:paths] - hurst) < 1.96 * error)
                rows.append((hurst, name, block, method, error.mean() / spread, covered))
    return pd.DataFrame(rows, columns=["hurst", "blocks_of", "block", "method", "error_over_spread", "coverage"])


def noise(days: int = 1000, daily_change: float = 0.6) -> pd.DataFrame:
    """Bias when RV has M returns a day: log RV is log IV plus an error of variance 2 / M (asymptotic, no jumps).

    ``daily_change`` is the standard deviation of a day's change of log IV.
    """
    rows = []
    for returns in (288, 78, 26, 13):
        for hurst in (0.1, 0.3):
            rng = generator("noise", returns, str(hurst))
            x = daily_change * motion(hurst, days, PATHS)
            x = x + np.sqrt(2 / returns) * rng.standard_normal(x.shape)
            rows += [(returns, hurst, m, float(hurst_of(POINTS[m](x)).mean()) - hurst) for m in METHODS]
    return pd.DataFrame(rows, columns=["returns", "hurst", "method", "bias"])


def raw(days: int = 1000) -> pd.DataFrame:
    """Bias without correction; of R/S also with that of Anis and Lloyd, which is for white noise."""
    from volforecast.roughness.expected import anis_lloyd

    rows = []
    for hurst in HURSTS:
        x = motion(hurst, days, PATHS)
        plain = rescaled_range_points(x, correct=False)
        expected = np.log([anis_lloyd(window) for window in WINDOWS[: len(plain.log_scale)]])
        white = plain._replace(log_value=plain.log_value - expected + 0.5 * plain.log_scale)
        kinds = {
            "R/S": plain,
            "R/S, Anis-Lloyd": white,
            "DFA": fluctuation_points(x, correct=False),
            "Variogram": variogram_points(x),
            "Wavelet": wavelet_points(x, correct=False),
        }
        rows += [(hurst, name, float(hurst_of(points).mean()) - hurst) for name, points in kinds.items()]
    return pd.DataFrame(rows, columns=["hurst", "method", "bias"])


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for option in ("rescaled-range", "schemes", "noise", "raw"):
        parser.add_argument(f"--{option}", action="store_true")
    asked = parser.parse_args()
    if asked.rescaled_range:
        expected_rescaled_ranges().to_csv(HOME / "rescaled_range.csv", index=False)
    elif asked.schemes:
        print(schemes().pivot(index=["hurst", "blocks_of", "block"], columns="method").round(2).to_string())
    elif asked.noise:
        print(noise().pivot(index=["returns", "hurst"], columns="method", values="bias").round(3).to_string())
    elif asked.raw:
        print(raw().pivot(index="hurst", columns="method", values="bias").round(3).to_string())
    else:
        table = pd.concat([cell(hurst, days) for days in RESAMPLED for hurst in HURSTS], ignore_index=True)
        table.to_csv(HOME / "bias.csv", index=False)
        print(table.to_string(index=False))


if __name__ == "__main__":
    main()

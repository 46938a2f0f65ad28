"""The simulator beside a real panel: the same statistics on both, over windows of equal length.

    python benchmarks/simulator_realism.py --panel PATH [--days 1500] [--seeds 24]

Sample autocorrelations and standard deviations of a process with long memory depend on the length of the sample, so
the real panel is cut into consecutive windows as long as the simulated panels, and the statistics are averaged over
windows (real) and seeds (simulated). Within a window only assets with a complete log RV count; a figure is the mean
over assets, then over windows. ``docs/simulator.md`` holds the table this prints.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from volforecast.data.simulate import SimulatorSettings, simulate_panel

VARIOGRAM_LAGS = (1, 2, 3, 5, 8, 12, 18, 27, 40)


def autocorrelation(x: pd.Series, lag: int) -> float:
    """Sample autocorrelation (biased form) of one series without gaps."""
    z = x.to_numpy() - x.mean()
    return float(z[lag:] @ z[:-lag] / (z @ z))


def variogram_hurst(x: pd.Series) -> float:
    """Half the slope of log mean squared increments on log lag, lags 1 to 40 days."""
    z = x.to_numpy()
    mean_squares = [np.mean((z[lag:] - z[:-lag]) ** 2) for lag in VARIOGRAM_LAGS]
    return float(np.polyfit(np.log(VARIOGRAM_LAGS), np.log(mean_squares), 1)[0] / 2)


def pair_means(correlations: pd.DataFrame, sectors: pd.Series) -> tuple[float, float]:
    """Mean correlation of the pairs within one sector, and of the pairs across sectors."""
    upper = np.triu_indices(len(correlations), 1)
    names = sectors.loc[correlations.columns].to_numpy()
    same = names[upper[0]] == names[upper[1]]
    values = correlations.to_numpy()[upper]
    return float(values[same].mean()), float(values[~same].mean())


def statistics(daily: pd.DataFrame, assets: pd.DataFrame) -> pd.Series:
    """The statistics of one window of a daily panel; rows of assets with gaps in the window are left out."""
    table = daily.assign(log_rv=np.log(daily["rv"].where(daily["rv"] > 0)))
    log_rv = table.pivot(index="date", columns="asset", values="log_rv").dropna(axis=1)
    sectors = assets.set_index("asset")["sector"]
    change = log_rv.diff().iloc[1:]
    same, different = pair_means(log_rv.corr(), sectors)
    same_change, different_change = pair_means(change.corr(), sectors)
    mean = log_rv.mean(axis=1)
    own = log_rv.sub(mean, axis=0)
    rv = np.exp(log_rv.to_numpy())
    found: dict[str, float] = {
        "annualised volatility, root mean RV": float(np.sqrt(252 * rv.mean(axis=0)).mean()),
        "annualised volatility, root median RV": float(np.sqrt(252 * np.median(rv, axis=0)).mean()),
        "log RV: standard deviation": float(log_rv.std().mean()),
        "log RV: skewness": float(log_rv.skew().mean()),
        "log RV: excess kurtosis": float(log_rv.kurt().mean()),
        "log RV: standard deviation of daily change": float(change.std().mean()),
        "log RV: Hurst exponent (variogram, lags 1-40)": float(log_rv.apply(variogram_hurst).mean()),
    }
    for lag in (1, 5, 22, 100):
        found[f"log RV: autocorrelation, lag {lag}"] = float(log_rv.apply(autocorrelation, lag=lag).mean())
    for lag in (1, 22, 100):
        found[f"cross-sectional mean of log RV: autocorrelation, lag {lag}"] = autocorrelation(mean, lag)
    found["cross-sectional mean of log RV: standard deviation"] = float(mean.std())
    found["cross-sectional mean of log RV: Hurst exponent"] = variogram_hurst(mean)
    found["log RV less cross-sectional mean: standard deviation"] = float(own.std().mean())
    for lag in (1, 22, 100):
        name = f"log RV less cross-sectional mean: autocorrelation, lag {lag}"
        found[name] = float(own.apply(autocorrelation, lag=lag).mean())
    found |= {
        "log RV: correlation of pairs, same sector": same,
        "log RV: correlation of pairs, other sector": different,
        "change of log RV: correlation of pairs, same sector": same_change,
        "change of log RV: correlation of pairs, other sector": different_change,
    }
    return pd.Series(found | _price_statistics(table))


def _price_statistics(table: pd.DataFrame) -> dict[str, float]:
    """Statistics that need close, volume and earnings dates; NaN where the panel has none in the window."""
    groups = [group.sort_values("date") for _, group in table.groupby("asset")]
    kept: dict[str, list[float]] = {}
    for group in groups:
        ret = np.log(group["close"]).diff()
        volume = np.log(group["volume"].where(group["volume"] > 0))
        excess = group["log_rv"] - group["log_rv"].rolling(22).mean().shift(1)
        announced = group["earnings_next_day"].shift(1).eq(True)
        if ret.count() < 500:
            continue
        values = {
            "return and log RV of the same day: correlation": ret.corr(group["log_rv"]),
            "return and log RV of the next day: correlation": ret.corr(group["log_rv"].shift(-1)),
            "return and log RV 22 days later: correlation": ret.corr(group["log_rv"].shift(-22)),
            "return: autocorrelation, lag 1": ret.corr(ret.shift(1)),
            "variance of close-to-close returns over mean RV": ret.var() / group["rv"][ret.notna()].mean(),
            "log volume and log RV, each less its 22-day mean: correlation": excess.corr(
                volume - volume.rolling(22).mean().shift(1)
            ),
            "log volume less its 22-day mean: standard deviation": (volume - volume.rolling(22).mean().shift(1)).std(),
            "announcement day: log RV less its 22-day mean": excess[announced].mean(),
        }
        for name, value in values.items():
            kept.setdefault(name, []).append(float(value))
    return {name: float(np.mean(finite)) for name, values in kept.items() if (finite := _finite(values))}


def _finite(values: list[float]) -> list[float]:
    return [value for value in values if np.isfinite(value)]


def windows(daily: pd.DataFrame, days: int) -> Iterator[pd.DataFrame]:
    """Consecutive windows of ``days`` trading days, counted from the last one back; a shorter rest is dropped."""
    dates = np.sort(daily["date"].unique())
    for end in range(len(dates), days - 1, -days):
        yield daily[daily["date"].between(dates[end - days], dates[end - 1])]


def compare(panel: Path, days: int, seeds: int) -> pd.DataFrame:
    """Columns ``real``, ``simulated`` and ``spread`` (standard deviation over seeds), one statistic a row."""
    assets = pd.read_parquet(panel / "assets.parquet")
    daily = pd.read_parquet(panel / "daily.parquet")
    real = pd.DataFrame([statistics(window, assets) for window in windows(daily, days)])
    simulated = [
        simulate_panel(SimulatorSettings(sources=22, targets=0, source_days=days), seed=seed) for seed in range(seeds)
    ]
    ours = pd.DataFrame([statistics(one.daily, one.assets) for one in simulated])
    columns = {"real": real.mean(), "simulated": ours.mean(), "spread": ours.std()}
    return pd.DataFrame(columns).reindex(real.columns)


def main() -> None:
    """Print the comparison as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panel", type=Path, required=True, help="folder with assets.parquet and daily.parquet")
    parser.add_argument("--days", type=int, default=1500, help="length of a window in trading days")
    parser.add_argument("--seeds", type=int, default=24, help="number of simulated panels")
    given = parser.parse_args()
    print("| statistic | real | simulated | spread over seeds |\n|---|---|---|---|")
    for name, row in compare(given.panel, given.days, given.seeds).iterrows():
        print(f"| {name} | {row['real']:.3f} | {row['simulated']:.3f} | {row['spread']:.3f} |")


if __name__ == "__main__":
    main()

"""Slow, obvious twins of the evaluation of the cross-asset study: plain loops, nothing shared with the fast code."""

import math
from statistics import mean, stdev

import pandas as pd
from scipy.stats import t as student

Key = tuple[str, int, str]
Runs = dict[Key, dict[int, dict[pd.Timestamp, float]]]
Labels = dict[tuple[str, int], dict[pd.Timestamp, float]]


def two_sided(losses_i: list[float], losses_j: list[float], horizon: int) -> tuple[float, float, str]:
    """Statistic, two-sided p-value and kernel, from the formulas as printed."""
    d = [a - b for a, b in zip(losses_i, losses_j, strict=True)]
    days = len(d)
    centre = sum(d) / days

    def autocovariance(lag: int) -> float:
        return sum((d[t] - centre) * (d[t - lag] - centre) for t in range(lag, days)) / days

    variance = autocovariance(0) + 2.0 * sum(autocovariance(lag) for lag in range(1, horizon))
    kernel = "rectangular"
    if variance <= 1e-12 * autocovariance(0):
        kernel = "Bartlett"
        weighted = [(1.0 - lag / horizon) * autocovariance(lag) for lag in range(1, horizon)]
        variance = autocovariance(0) + 2.0 * sum(weighted)
    factor = math.sqrt((days + 1 - 2 * horizon + horizon * (horizon - 1) / days) / days)
    statistic = factor * centre / math.sqrt(variance / days)
    return statistic, 2.0 * float(student.sf(abs(statistic), days - 1)), kernel


def plain(forecasts: pd.DataFrame) -> tuple[Runs, Labels]:
    """Forecasts by model, seed and day, seeds that lack a day left out; labels by day."""
    runs: Runs = {}
    labels: Labels = {}
    for row in forecasts.itertuples():
        labels.setdefault((row.target, row.horizon), {})[row.date] = row.realized
        own = runs.setdefault((row.target, row.horizon, row.model), {}).setdefault(row.seed, {})
        if row.status == "ok" and not math.isnan(row.forecast):
            own[row.date] = row.forecast
    for (target, horizon, _), seeds in runs.items():
        for seed in [seed for seed, days in seeds.items() if len(days) < len(labels[target, horizon])]:
            del seeds[seed]
    return runs, labels


def metrics(forecast: dict[pd.Timestamp, float], realized: dict[pd.Timestamp, float]) -> dict[str, float]:
    days = sorted(realized)
    f, y = [forecast[day] for day in days], [realized[day] for day in days]
    f_mean, y_mean = mean(f), mean(y)
    covariance = sum((a - f_mean) * (b - y_mean) for a, b in zip(f, y, strict=True))
    f_square, y_square = sum((a - f_mean) ** 2 for a in f), sum((b - y_mean) ** 2 for b in y)
    error = sum((b - a) ** 2 for a, b in zip(f, y, strict=True))
    return {
        "RMSE": math.sqrt(error / len(days)),
        "MAE": mean(abs(b - a) for a, b in zip(f, y, strict=True)),
        "R2": 1.0 - error / y_square,
        "Correlation": covariance / math.sqrt(f_square * y_square),
    }


def mean_and_spread(values: list[float]) -> tuple[float, float]:
    if not values:
        return math.nan, math.nan
    return mean(values), stdev(values) if len(values) > 1 else math.nan


def table_3(forecasts: pd.DataFrame) -> dict[tuple[str, int, str, str], tuple[float, float, int, int]]:
    runs, labels = plain(forecasts)
    found = {}
    for (target, horizon, model), seeds in runs.items():
        realized = labels[target, horizon]
        by_seed = [metrics(days, realized) for days in seeds.values()]
        for metric in ("RMSE", "MAE", "R2", "Correlation"):
            figures = mean_and_spread([one[metric] for one in by_seed])
            found[target, horizon, model, metric] = (*figures, len(seeds), len(realized))
    return found


def daily_loss(runs: Runs, labels: Labels, target: str, horizon: int, model: str, power: int) -> list[float]:
    """Mean over seeds of the seeds' losses, by day."""
    realized = labels[target, horizon]
    seeds = runs[target, horizon, model].values()
    return [mean(abs(days[day] - realized[day]) ** power for days in seeds) for day in sorted(realized)]


def table_6(forecasts: pd.DataFrame) -> dict[tuple[str, int, str, str], tuple[float, float]]:
    runs, labels = plain(forecasts)
    found = {}
    for target, horizon, model in runs:
        for benchmark in ("HAR", "LSTM"):
            if model != benchmark and runs[target, horizon, model] and runs.get((target, horizon, benchmark)):
                pair = [daily_loss(runs, labels, target, horizon, name, 2) for name in (benchmark, model)]
                found[target, horizon, benchmark, model] = two_sided(*pair, horizon)[:2]
    return found


def table_4(forecasts: pd.DataFrame) -> dict[tuple[str, int, str], tuple[float, float, float, int, int]]:
    runs, labels = plain(forecasts)
    found = {}
    for target, horizon in labels:
        scratch, transfer = (runs[target, horizon, name] for name in ("LSTM", "Transfer LSTM"))
        both = sorted(set(scratch) & set(transfer))
        for metric, power in (("RMSE", 2), ("MAE", 1), ("R2", 0), ("Correlation", 0)):
            better = []
            for seed in both:
                one = metrics(scratch[seed], labels[target, horizon])[metric]
                other = metrics(transfer[seed], labels[target, horizon])[metric]
                better.append(100.0 * (one - other if power else other - one) / abs(one))
            p_value = math.nan
            if power:
                names = ("LSTM", "Transfer LSTM")
                pair = [daily_loss(runs, labels, target, horizon, name, power) for name in names]
                p_value = two_sided(*pair, horizon)[1]
            wins = sum(value > 0 for value in better)
            found[target, horizon, metric] = (*mean_and_spread(better), p_value, wins, len(both))
    return found


def calibrate(
    valid: list[list[float]], labels: list[float], test: list[list[float]], levels: list[float]
) -> list[list[float]]:
    """Conformalized quantile regression, interval by interval from the median outwards."""
    middle = len(levels) // 2
    result = [list(row) for row in test]
    for step in range(1, middle + 1):
        low, high = middle - step, middle + step
        scores = sorted(max(row[low] - y, y - row[high]) for row, y in zip(valid, labels, strict=True))
        rank = math.ceil(round((len(labels) + 1) * (levels[high] - levels[low]), 9))
        for row in result:
            row[low] = min(row[low] - scores[rank - 1], row[low + 1])
            row[high] = max(row[high] + scores[rank - 1], row[high - 1])
    return result


def pinball(quantile: float, realized: float, level: float) -> float:
    return level * (realized - quantile) if realized >= quantile else (1.0 - level) * (quantile - realized)

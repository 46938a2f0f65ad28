"""The study of hourly volatility evaluated with dictionaries and loops, slowly and plainly."""

import math
from statistics import mean, stdev

import numpy as np
import pandas as pd
from scipy import stats

Runs = dict[tuple[str, int, str], dict[int, dict[pd.Timestamp, float]]]
Labels = dict[pd.Timestamp, float]

FLOOR = 0.001


def plain(forecasts: pd.DataFrame) -> tuple[Runs, Labels]:
    """Forecasts of the seeds that count, by mode, iteration and model; and what came."""
    runs: Runs = {}
    labels: Labels = {}
    for row in forecasts.itertuples():
        labels[row.timestamp] = row.realized
        seeds = runs.setdefault((row.mode, row.iteration, row.model), {})
        value = row.forecast if row.status == "ok" else math.nan
        seeds.setdefault(row.seed, {})[row.timestamp] = value
    for seeds in runs.values():
        hours = {hour for days in seeds.values() for hour in days}
        for seed in list(seeds):
            if any(not math.isfinite(seeds[seed].get(hour, math.nan)) for hour in hours):
                del seeds[seed]
    return runs, labels


def qlike(forecast: float, realized: float) -> float:
    ratio = max(realized, FLOOR) ** 2 / max(forecast, FLOOR) ** 2
    return ratio - math.log(ratio) - 1.0


def measures(path: dict[pd.Timestamp, float], labels: Labels) -> dict[str, float]:
    y = [labels[hour] for hour in path]
    errors = [labels[hour] - value for hour, value in path.items()]
    centre = mean(y)
    return {
        "RMSE": math.sqrt(mean(e * e for e in errors)),
        "MAE": mean(abs(e) for e in errors),
        "R2": 1.0 - sum(e * e for e in errors) / sum((v - centre) ** 2 for v in y),
        "QLIKE": mean(qlike(value, labels[hour]) for hour, value in path.items()),
    }


def whole(runs: Runs, mode: str, model: str) -> dict[int, dict[pd.Timestamp, float]]:
    """A model's seeds that count in every iteration of a mode, over all hours."""
    parts = [runs[key] for key in sorted(runs) if key[0] == mode and key[2] == model]
    seeds = set.intersection(*(set(part) for part in parts))
    return {seed: {hour: v for part in parts for hour, v in part[seed].items()} for seed in seeds}


def metrics(forecasts: pd.DataFrame) -> dict[tuple[str, int, str, str], tuple[float, float, int]]:
    runs, labels = plain(forecasts)
    every = dict(runs)
    for mode, _, model in runs:
        every[mode, 0, model] = whole(runs, mode, model)
    found = {}
    for (mode, iteration, model), seeds in every.items():
        by_seed = [measures(path, labels) for path in seeds.values()]
        for metric in ("RMSE", "MAE", "R2", "QLIKE"):
            values = [one[metric] for one in by_seed]
            middle = mean(values) if values else math.nan
            spread = stdev(values) if len(values) > 1 else math.nan
            found[mode, iteration, model, metric] = (middle, spread, len(values))
    return found


def average(seeds: dict[int, dict[pd.Timestamp, float]]) -> dict[pd.Timestamp, float]:
    """The mean forecast over seeds."""
    hours = next(iter(seeds.values()))
    return {hour: mean(path[hour] for path in seeds.values()) for hour in hours}


def common_hours(runs: Runs, mode: str, iteration: int) -> list[pd.Timestamp]:
    paths = [
        set(path) for key, seeds in runs.items() if key[:2] == (mode, iteration) for path in list(seeds.values())[:1]
    ]
    return sorted(set.intersection(*paths))


def losses(runs: Runs, labels: Labels, mode: str, iterations: list[int], model: str, loss: str) -> list[float] | None:
    """Of the mean forecast over the hours that all have; None of a model that has failed in an iteration."""
    found = []
    for iteration in iterations:
        seeds = runs.get((mode, iteration, model))
        if not seeds:
            return None
        path = average(seeds)
        for hour in common_hours(runs, mode, iteration):
            error = path[hour] - labels[hour]
            found.append(error * error if loss == "squared error" else qlike(path[hour], labels[hour]))
    return found


def two_sided(benchmark: list[float], model: list[float]) -> tuple[float, float]:
    """At horizon 1 the corrected test is the one-sample t test of the differences."""
    found = stats.ttest_1samp(np.array(benchmark) - np.array(model), 0.0)
    return float(found.statistic), float(found.pvalue)

"""Slow, obvious twins of volforecast.evaluation: plain loops, nothing shared with the fast code."""

import math
from statistics import mean

import numpy as np
import pandas as pd
from scipy.stats import t as student


def loss(name: str, forecast: float, realized: float) -> float:
    if math.isnan(forecast) or math.isnan(realized):
        return math.nan
    if name == "MSE":
        return (forecast - realized) ** 2
    if name == "MAE":
        return abs(forecast - realized)
    if forecast <= 0 or realized <= 0:
        return math.nan
    return realized / forecast - math.log(realized / forecast) - 1


def diebold_mariano(losses_i: list[float], losses_j: list[float], horizon: int = 1) -> tuple[float, float]:
    """Statistic and one-sided p-value from the formula as Harvey, Leybourne & Newbold print it."""
    d = [a - b for a, b in zip(losses_i, losses_j, strict=True)]
    days = len(d)
    centre = sum(d) / days
    variance = sum((x - centre) ** 2 for x in d) / days  # gamma_0, the only term at horizon 1
    factor = math.sqrt((days + 1 - 2 * horizon + horizon * (horizon - 1) / days) / days)
    statistic = factor * centre / math.sqrt(variance / days)
    return statistic, float(student.cdf(statistic, days - 1))


def model_confidence_set(losses: np.ndarray, indices: np.ndarray) -> tuple[list[int], list[float]]:
    """Elimination order and p-values in that order, every set's statistics computed from scratch."""
    alive = list(range(losses.shape[1]))
    order, p_values, greatest = [], [], 0.0
    while len(alive) > 1:
        part = losses[:, alive]
        observed = part.mean(axis=0)[:, None] - part.mean(axis=0)
        resampled = np.array([part[rows].mean(axis=0)[:, None] - part[rows].mean(axis=0) for rows in indices])
        recentred = resampled - observed
        deviation = np.sqrt((recentred**2).mean(axis=0)) + np.eye(len(alive))
        statistics = observed / deviation
        worst = int(np.unravel_index(statistics.argmax(), statistics.shape)[0])
        simulated = (recentred / deviation).max(axis=(1, 2))
        greatest = max(greatest, float((simulated > statistics.max()).mean()))
        order.append(alive.pop(worst))
        p_values.append(greatest)
    return [*order, alive[0]], [*p_values, 1.0]


def stationary_bootstrap(days: int, probability: float, rng: np.random.Generator) -> list[int]:
    rows: list[int] = []
    for _ in range(days):
        if not rows or rng.random() < probability:
            rows.append(int(rng.integers(days)))
        else:
            rows.append((rows[-1] + 1) % days)
    return rows


Run = dict[str, dict[pd.Timestamp, dict[str, tuple[int, float, float, str]]]]


def plain(forecasts: pd.DataFrame) -> Run:
    """The long table as target -> day -> model -> (period, forecast, realized, status)."""
    run: Run = {}
    for row in forecasts.itertuples():
        cell = (row.period, row.forecast, row.realized, row.status)
        run.setdefault(row.target, {}).setdefault(row.date, {})[row.model] = cell
    return run


def daily_losses(run: Run, target: str, period: int | None, model: str, name: str) -> list[float]:
    """A loss for every day on which any model of the target has a row; NaN where this one has none or failed."""
    losses = []
    for _, cells in sorted(run[target].items()):
        if period is not None and all(cell[0] != period for cell in cells.values()):
            continue
        if model not in cells or cells[model][3] == "failed":
            losses.append(math.nan)
        else:
            losses.append(loss(name, cells[model][1], cells[model][2]))
    return losses


def mean_loss(run: Run, target: str, period: int | None, model: str, name: str) -> float:
    losses = daily_losses(run, target, period, model, name)
    return mean(losses) if losses else math.nan


def mean_ratio(run: Run, period: int | None, model: str, benchmark: str, name: str) -> tuple[float, int, int]:
    """Cross-sectional mean ratio, the targets behind it, and the targets that have the period."""
    ratios, having = [], 0
    for target in sorted(run):
        if not daily_losses(run, target, period, model, name):
            continue
        having += 1
        upper = mean_loss(run, target, period, model, name)
        lower = mean_loss(run, target, period, benchmark, name)
        if not math.isnan(upper) and not math.isnan(lower) and lower > 0:
            ratios.append(upper / lower)
    return (mean(ratios) if ratios else math.nan), len(ratios), having


def rejections(run: Run, model: str, benchmark: str, name: str) -> int:
    """In how many targets the model's loss is significantly smaller over all days together."""
    count = 0
    for target in sorted(run):
        pair = [daily_losses(run, target, None, who, name) for who in (model, benchmark)]
        if any(math.isnan(x) for series in pair for x in series) or pair[0] == pair[1]:
            continue
        count += diebold_mariano(*pair)[1] < 0.05
    return count

"""Slow, obvious oracles written from the specification of the new-issues study, and the panels they are tried on.

Trading days are numbered from 1, as in the specification; a pair is called (asset, t): predictors of day t, label of
day t+1. Nothing here imports the code it is compared with, but for reading and simulating panels and naming seeds.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from xgboost import XGBRegressor

from volforecast.data.panel import Panel, read_panel
from volforecast.data.simulate import SimulatorSettings, simulate_panel, write_simulated
from volforecast.seeds import seed_of

STD = ["rv_d", "rv_w", "rv_m"]
EXT = [*STD, "mom", "dv", "ea", "us3m", "hsi", "ads", "epu", "vix"]
FIRST_DAYS = {  # by prefix: all predictors of the first days, and how many of them, the first ones, are volatilities
    1: (["rv_d", "ea", "ads", "epu", "vix"], 1),
    5: (["rv_d", "rv_w", "dv", "ea", "us3m", "hsi", "ads", "epu", "vix"], 2),
    22: (EXT, 3),
}
DJ30 = Path(__file__).parents[2] / "shared" / "data" / "dj30"

Pair = tuple[str, int]


# ---------------------------------------------------------------------------------------------------------- predictors


def day_number(date: pd.Timestamp) -> int:
    """Days since 1970-01-01."""
    return int((date - pd.Timestamp("1970-01-01")).days)


def as_of(levels: dict[int, float], first: int, day: int) -> float:
    """The last level published on or before a day: look there, then a day earlier, and so on."""
    while day >= first:
        if day in levels:
            return levels[day]
        day -= 1
    return math.nan


def predictors(panel: Panel, asset: str) -> pd.DataFrame:
    """Predictors, label and label date of an asset; the index is the trading day."""
    own = panel.daily[panel.daily["asset"] == asset].to_dict("records")
    last = len(own)
    market = [(day_number(row["date"]), row) for row in panel.market.to_dict("records")]
    level: list[dict[str, float]] = [{} for _ in range(last)]
    for name in EXT[6:]:
        published = {day: row[name] for day, row in market if not math.isnan(row[name])}
        first = min(published)
        for i in range(last):
            level[i][name] = as_of(published, first, day_number(own[i]["date"]))
    rv = [1e4 * row["rv"] for row in own]
    rows = []
    for i in range(last):
        row = dict.fromkeys([*EXT, "y", "label_date"], math.nan)
        row["date"] = own[i]["date"]
        row["rv_d"] = rv[i]
        if i >= 4:
            row["rv_w"] = sum(rv[i - 4 : i + 1]) / 5
        if i >= 21:
            row["rv_m"] = sum(rv[i - 21 : i + 1]) / 22
        if i >= 5:
            row["mom"] = math.log(own[i]["close"]) - math.log(own[i - 5]["close"])
        if i >= 1 and own[i]["volume"] > 0 and own[i - 1]["volume"] > 0:
            dollars = [own[j]["close"] * own[j]["volume"] for j in (i - 1, i)]
            row["dv"] = math.log(dollars[1]) - math.log(dollars[0])
        row["ea"] = 1.0 if own[i]["earnings_next_day"] else 0.0
        if i >= 1:
            row["us3m"] = level[i]["us3m"] - level[i - 1]["us3m"]
            row["hsi"] = (math.log(level[i]["hsi"]) - math.log(level[i - 1]["hsi"])) ** 2
        for name in ("ads", "epu", "vix"):
            row[name] = level[i][name]
        if i + 1 < len(own):
            row["y"] = rv[i + 1]
            row["label_date"] = own[i + 1]["date"]
        rows.append(row)
    return pd.DataFrame(rows, index=range(1, last + 1))


# ------------------------------------------------------------------------------------------------- pairs and distances


def own_pairs(target: str, origin: int) -> list[Pair]:
    """The target's pairs known at the close of day ``origin``."""
    return [(target, t) for t in range(22, origin)]


def source_pairs(dates: dict[str, list[pd.Timestamp]], source: str, cut: pd.Timestamp) -> list[Pair]:
    """A source's pairs at a calendar date, oldest first: those whose LABEL is dated on or before it."""
    days = dates[source]
    return [(source, t) for t in range(22, len(days)) if days[t] <= cut]  # days[t] is the date of trading day t + 1


def blocks(pairs: Sequence[Pair], length: int) -> list[list[Pair]]:
    """The subsequence grid: cut from the end, drop the excess at the beginning."""
    result: list[list[Pair]] = []
    rest = list(pairs)
    while len(rest) >= length:
        result.insert(0, rest[-length:])
        rest = rest[:-length]
    return result


def runs(pairs: Sequence[Pair], length: int) -> list[list[Pair]]:
    """Overlapping windows: one from each pair on that has enough pairs after it."""
    return [list(pairs[i : i + length]) for i in range(len(pairs) - length + 1)]


Windows = Callable[[Sequence[Pair], int], list[list[Pair]]]


def dtw(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> float:
    """The textbook recursion: Euclidean local cost, sum along the cheapest path, no root at the end."""
    cost = [[math.dist(x, y) for y in b] for x in a]
    total = [[math.inf] * (len(b) + 1) for _ in range(len(a) + 1)]
    total[0][0] = 0.0
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            total[i][j] = cost[i - 1][j - 1] + min(total[i - 1][j], total[i][j - 1], total[i - 1][j - 1])
    return total[-1][-1]


def quantile(values: Sequence[float], per_cent: int) -> float:
    """Linear interpolation between the order statistics."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * per_cent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


class Block(NamedTuple):
    """One source subsequence at one origin."""

    asset: str
    start: int  # trading day of its first row
    distance: float


class World:
    """Predictor tables of a whole panel and what is known at an origin, worked out pair by pair."""

    def __init__(self, panel: Panel, assets: Sequence[str] | None = None) -> None:
        names = list(panel.assets["asset"]) if assets is None else list(assets)
        self.tables = {asset: predictors(panel, asset) for asset in names}
        self.dates = {asset: list(table["date"]) for asset, table in self.tables.items()}
        self.sources = [asset for asset in panel.with_role("source") if asset in self.tables]
        self._distances: dict[tuple[str, int, int, object], list[Block]] = {}
        self.values = {asset: table[EXT].to_numpy() for asset, table in self.tables.items()}

    def row(self, pair: Pair, columns: Sequence[str]) -> list[float]:
        asset, t = pair
        return [float(self.values[asset][t - 1, EXT.index(name)]) for name in columns]

    def label(self, pair: Pair) -> float:
        return float(self.tables[pair[0]].loc[pair[1], "y"])

    def cut(self, target: str, origin: int) -> pd.Timestamp:
        """The calendar date of the target's day ``origin``."""
        return self.dates[target][origin - 1]

    def grid(self, target: str, origin: int, length: int = 22, windows: Windows = blocks) -> list[list[Pair]]:
        cut = self.cut(target, origin)
        return [window for source in self.sources for window in windows(source_pairs(self.dates, source, cut), length)]

    def distances(self, target: str, origin: int, length: int = 22, windows: Windows = blocks) -> list[Block]:
        """Every window of every source with its distance to the target's last rows, the forecast row included."""
        key = (target, origin, length, windows)
        if key not in self._distances:
            query = [self.row((target, t), STD) for t in range(origin - length + 1, origin + 1)]
            self._distances[key] = [
                Block(*window[0], dtw(query, [self.row(pair, STD) for pair in window]))
                for window in self.grid(target, origin, length, windows)
            ]
        return self._distances[key]

    def training_pairs(self, target: str, origin: int, approach: str, length: int = 22) -> set[Pair]:
        """Pairs of TO, NP, MTL-25, MTL-50 or MTL-75, before any is dropped for a missing predictor."""
        pairs = set(own_pairs(target, origin))
        if approach == "NP":
            cut = self.cut(target, origin)
            pairs |= {pair for source in self.sources for pair in source_pairs(self.dates, source, cut)}
        elif approach.startswith("MTL"):
            found = self.distances(target, origin, length)
            limit = quantile([block.distance for block in found], int(approach.removeprefix("MTL-")))
            pairs |= {(b.asset, b.start + i) for b in found if b.distance <= limit for i in range(length)}
        return pairs

    def first_days_windows(
        self, target: str, origin: int, prefix: int, windows: Windows = blocks
    ) -> tuple[int, list[Block]]:
        """In the first days: the length of the query, and every window of a source with its distance."""
        columns = FIRST_DAYS[prefix][0][: FIRST_DAYS[prefix][1]]
        query = [self.row((target, t), columns) for t in range(max(prefix, origin - 21), origin + 1)]
        found = [
            Block(*window[0], dtw(query, [self.row(pair, columns) for pair in window]))
            for source in self.sources
            for window in windows(self.first_days_pairs(source, target, origin, prefix), len(query))
        ]
        return len(query), found

    def first_days_pairs(self, source: str, target: str, origin: int, prefix: int) -> list[Pair]:
        """A source's pairs that are known at an origin and have the prefix's volatility predictors."""
        days, cut = self.dates[source], self.cut(target, origin)
        return [(source, t) for t in range(prefix, len(days)) if days[t] <= cut]

    def first_days_training(self, target: str, origin: int, prefix: int, approach: str) -> set[Pair]:
        """Pairs of one approach in the first days, before any is dropped for a missing predictor."""
        pairs = {(target, t) for t in range(prefix, origin)}
        if approach == "NP":
            pairs |= {p for source in self.sources for p in self.first_days_pairs(source, target, origin, prefix)}
        elif approach.startswith("MTL"):
            length, found = self.first_days_windows(target, origin, prefix)
            if found:
                limit = quantile([block.distance for block in found], int(approach.removeprefix("MTL-")))
                pairs |= {(b.asset, b.start + i) for b in found if b.distance <= limit for i in range(length)}
        return pairs

    def training_table(
        self, pairs: set[Pair], columns: Sequence[str]
    ) -> tuple[list[Pair], np.ndarray, np.ndarray, int]:
        """Pairs by date, then asset, without those that lack a predictor; X, y, and how many were dropped."""
        ordered = sorted(pairs, key=lambda pair: (self.dates[pair[0]][pair[1] - 1], pair[0]))
        kept = [pair for pair in ordered if not any(math.isnan(value) for value in self.row(pair, columns))]
        X = np.array([self.row(pair, columns) for pair in kept]).reshape(len(kept), len(columns))
        return kept, X, np.array([self.label(pair) for pair in kept]), len(ordered) - len(kept)


# ----------------------------------------------------------------------------------------------------------- forecasts


def har(X: np.ndarray, y: np.ndarray, row: Sequence[float]) -> float:
    """Ordinary least squares with an intercept, on predictors divided by their largest value; the row's forecast."""
    size = np.where(np.abs(X).max(axis=0) > 0, np.abs(X).max(axis=0), 1.0)
    design = np.column_stack([np.ones(len(X)), X / size])
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    return float(np.array([1.0, *(np.array(row) / size)]) @ coefficients)


class Forecast(NamedTuple):
    """One forecast of a period."""

    origin: int
    date: pd.Timestamp
    forecast: float
    realized: float
    status: str
    train_rows: int
    dropped_rows: int


def har_forecasts(
    world: World, target: str, period: int, approach: str, columns: Sequence[str], horizon: int = 100, every: int = 5
) -> list[Forecast]:
    """A period's forecasts by HAR: refit at s, s+5, ..., forecast the five days that follow."""
    result = []
    rv = [world.row((target, t), STD)[0] for t in range(1, period + horizon + 1)]
    for origin in range(period, period + horizon, every):
        pairs = world.training_pairs(target, origin, approach)
        _, X, y, dropped = world.training_table(pairs, columns)
        _, X_std, y_std, _ = world.training_table(pairs, STD)
        for t in range(origin, min(origin + every, period + horizon)):
            row, status = world.row((target, t), columns), "ok"
            if any(math.isnan(value) for value in row):
                status = "fallback"
                value = har(X_std, y_std, world.row((target, t), STD))
            else:
                value = har(X, y, row)
            if value < 0:
                value = min(rv[:origin])
            result.append(Forecast(origin, world.dates[target][t], value, rv[t], status, len(y), dropped))
    return result


def har_of_few_rows(X: np.ndarray, y: np.ndarray, row: Sequence[float]) -> float:
    """Least squares with an intercept; of all that fit equally well, the smallest slopes of standardised predictors."""
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    varies = deviation > 1e-12 * np.abs(mean)
    Z = (X[:, varies] - mean[varies]) / deviation[varies]
    slopes = np.linalg.pinv(Z, rcond=1e-12) @ (y - y.mean())
    return float(y.mean() + (np.array(row)[varies] - mean[varies]) / deviation[varies] @ slopes)


def boosted(X: np.ndarray, y: np.ndarray, row: Sequence[float], seed: int) -> float:
    """Boosted trees of the specification, by XGBoost's other interface."""
    model = XGBRegressor(
        n_estimators=40,
        max_depth=5,
        learning_rate=0.1,
        gamma=0.1,
        reg_alpha=0.0,
        reg_lambda=1.0,
        subsample=0.75,
        min_child_weight=1.0,
        tree_method="hist",
        base_score=float(np.mean(y)),
        random_state=seed % 2**31,
        n_jobs=1,
    )
    return float(model.fit(X, y).predict(np.array([row]))[0])


def first_days_forecast(world: World, target: str, period: int, origin: int, model: str, seed: int = 1) -> Forecast:
    """The forecast of day origin + 1 by a HAR or XGB model named as ``5-MTL-75 XGB-EXT``."""
    left, right = model.split(" ")
    prefix, _, approach = left.partition("-")
    model_class, predictors = right.split("-")
    columns, volatilities = FIRST_DAYS[int(prefix)]
    rv = [world.row((target, t), STD)[0] for t in range(1, origin + 2)]
    row, status = world.row((target, origin), columns), "ok"
    if predictors == "STD":
        columns, row = columns[:volatilities], row[:volatilities]
    elif any(math.isnan(value) for value in row):
        std = first_days_forecast(world, target, period, origin, model.replace("EXT", "STD"), seed)
        return std._replace(status="fallback")
    pairs = world.first_days_training(target, origin, int(prefix), approach)
    _, X, y, dropped = world.training_table(pairs, columns)
    if not len(y):
        value, status, dropped = rv[origin - 1], "fallback", 0
    elif model_class == "HAR":
        value = har_of_few_rows(X, y, row)
    else:
        value = boosted(X, y, row, seed_of(seed, target, period, origin, model, "fit"))
    if value < 0:
        value = min(rv[:origin])
    return Forecast(origin, world.dates[target][origin], value, rv[origin], status, len(y), dropped)


# -------------------------------------------------------------------------------------------------------------- panels


@functools.lru_cache(maxsize=1)
def _dj30() -> Panel:
    return read_panel(str(DJ30))


def dj30() -> Panel:
    """The Dow 30 panel; the calling test is skipped where it is absent."""
    if not DJ30.exists():
        pytest.skip("needs the Dow 30 panel at ../shared/data/dj30, beside the repository")
    return _dj30()


def simulated(folder: Path, seed: int = 1, **settings: int) -> Panel:
    """A small simulated panel, written and read again."""
    size = {"sources": 3, "targets": 1, "source_days": 330, "target_days": 180} | settings
    write_simulated(simulate_panel(SimulatorSettings(**size), seed), folder)
    return read_panel(str(folder))


def changed(panel: Panel, table: str, row: int, column: str, value: object) -> Panel:
    """The panel with one value replaced."""
    copy = getattr(panel, table).copy()
    copy.loc[row, column] = value
    return dataclasses.replace(panel, **{table: copy})

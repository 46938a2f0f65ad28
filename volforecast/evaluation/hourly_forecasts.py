"""Forecasts of hourly volatility by several seeds: checked, and by mode, test block, model and seed.

All values are ``vol / 100`` (a volatility, not a variance).
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.errors import InputError
from volforecast.evaluation.hourly_order import ALL, mode_order, model_order
from volforecast.evaluation.losses import GREATEST, usable_series

FloatArray = NDArray[np.float64]
Times = NDArray[np.datetime64]

COLUMNS: Final = ("mode", "iteration", "model", "seed", "timestamp", "forecast", "realized", "status")
_KEY: Final = ["mode", "iteration", "model", "seed", "timestamp"]


class Made(NamedTuple):
    """What one model made of one test block.

    Attributes:
        times: Its T hours (in paper mode the HAR family has five more than the others), ascending, shape (T,).
        realized: Volatility of the hours, shape (T,).
        seeds: Those that count: with a usable forecast of every hour.
        forecasts: Theirs, shape (seeds, T).
        failed: How many seeds do not count.
    """

    times: Times
    realized: FloatArray
    seeds: tuple[int, ...]
    forecasts: FloatArray
    failed: int

    @property
    def mean(self) -> FloatArray:
        """The average forecast over seeds, shape (T,); NaN without any."""
        if not self.seeds:
            return np.full(len(self.times), np.nan)
        return np.asarray(self.forecasts.mean(axis=0))


class Block(NamedTuple):
    """One test block in one mode; iteration 0 stands for all blocks of the mode after each other.

    Attributes:
        mode: ``clean`` or ``paper``.
        iteration: 1 to 6, or 0.
        models: What each model made of it, in the order of the tables.
    """

    mode: str
    iteration: int
    models: Mapping[str, Made]


class Common(NamedTuple):
    """The average forecasts of several models over the hours that all of them have.

    Attributes:
        times: The T hours, shape (T,).
        realized: Volatility of the hours, shape (T,).
        means: By model the average forecast over seeds, shape (T,); NaN of a model that has failed in a block.
    """

    times: Times
    realized: FloatArray
    means: Mapping[str, FloatArray]


def blocks(forecasts: pd.DataFrame) -> Iterator[list[Block]]:
    """The test blocks of each mode, the same whatever the order of the rows.

    A seed that lacks an hour of its model, has failed (status ``failed``) or has a forecast that is not finite or whose
    square cannot be computed with is left out of the block as a whole: a mean over fewer hours would not compare.

    Args:
        forecasts: Long table ``mode, iteration, model, seed, timestamp, forecast, realized, status``.

    Raises:
        InputError: A column is missing, there are no rows, a model has two forecasts of one seed for one hour, a label
            is not finite, or models disagree about it.
    """
    table = _checked(forecasts)
    by_mode = {str(mode): rows for mode, rows in table.groupby("mode")}
    for mode in mode_order(by_mode):
        found = []
        for iteration, rows in by_mode[mode].groupby("iteration"):
            own = {str(model): made for model, made in rows.groupby("model")}
            models = {model: _made(own[model]) for model in model_order(own)}
            found.append(Block(mode, int(str(iteration)), models))
        yield found


def together(parts: Sequence[Block]) -> Block:
    """All blocks of a mode after each other; a seed counts if it does in each of them.

    A model that has no rows in one of the blocks has no seeds that count.
    """
    models = {}
    for model in model_order(name for part in parts for name in part.models):
        made = [part.models[model] for part in parts if model in part.models]
        counting = [set(one.seeds) for one in made] if len(made) == len(parts) else [set[int]()]
        seeds = sorted(set.intersection(*counting))
        every = max(len(one.seeds) + one.failed for one in made)
        values = [one.forecasts[[one.seeds.index(seed) for seed in seeds]] for one in made]
        models[model] = Made(
            np.concatenate([one.times for one in made]),
            np.concatenate([one.realized for one in made]),
            tuple(seeds),
            np.concatenate(values, axis=1),
            every - len(seeds),
        )
    return Block(parts[0].mode, ALL, models)


def shared_hours(block: Block) -> Block:
    """A block over the hours that all models have which have not failed there."""
    usable = [made for made in block.models.values() if made.seeds] or list(block.models.values())
    hours = reduce(np.intersect1d, [made.times for made in usable])
    models = {}
    for model, made in block.models.items():
        at = np.flatnonzero(np.isin(made.times, hours))
        models[model] = made._replace(times=made.times[at], realized=made.realized[at], forecasts=made.forecasts[:, at])
    return block._replace(models=models)


def common(parts: Sequence[Block]) -> Common:
    """Average forecasts over the hours of some blocks that all models have which have not failed there.

    Args:
        parts: One block, or all of a mode. In each the average is over the seeds that count there.
    """
    names = model_order(name for part in parts for name in part.models)
    times, realized = [], []
    means: dict[str, list[FloatArray]] = {name: [] for name in names}
    for part in parts:
        shared = shared_hours(part).models
        longest = max(shared.values(), key=lambda made: len(made.times))
        times.append(longest.times)
        realized.append(longest.realized)
        for name in names:
            made = shared.get(name)
            usable = made is not None and bool(made.seeds)
            means[name].append(made.mean if made is not None and usable else np.full(len(longest.times), np.nan))
    joined = {name: np.concatenate(values) for name, values in means.items()}
    return Common(np.concatenate(times), np.concatenate(realized), joined)


def averages(parts: Sequence[Block]) -> Block:
    """All blocks of a mode after each other, the average over the seeds that count in each as the only forecast."""
    models = {}
    for model in model_order(name for part in parts for name in part.models):
        made = [part.models[model] for part in parts if model in part.models]
        mean = np.concatenate([one.mean for one in made])
        whole = len(made) == len(parts) and bool(np.isfinite(mean).all())
        times, realized = (np.concatenate([getattr(one, name) for one in made]) for name in ("times", "realized"))
        kept = mean[None] if whole else np.empty((0, len(mean)))
        models[model] = Made(times, realized, (0,) if whole else (), kept, int(not whole))
    return Block(parts[0].mode, ALL if len(parts) > 1 else parts[0].iteration, models)


def _made(rows: pd.DataFrame) -> Made:
    labels = rows.drop_duplicates("timestamp").sort_values("timestamp").set_index("timestamp")["realized"]
    wide = rows.pivot(index="timestamp", columns="seed", values="forecast").reindex(labels.index).sort_index(axis=1)
    values, realized = wide.to_numpy(dtype=np.float64), labels.to_numpy(dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        usable = usable_series((values - realized[:, None]) ** 2)
    seeds = tuple(int(seed) for seed in wide.columns.to_numpy()[usable])
    times = labels.index.to_numpy(dtype="datetime64[s]")
    return Made(times, realized, seeds, np.ascontiguousarray(values[:, usable].T), int((~usable).sum()))


def _checked(forecasts: pd.DataFrame) -> pd.DataFrame:
    absent = [column for column in COLUMNS if column not in forecasts.columns]
    if absent:
        raise InputError(f"forecasts table lacks the column(s) {', '.join(absent)}")
    if forecasts.empty:
        raise InputError("forecasts table has no rows, so there is nothing to evaluate")
    table = forecasts[list(COLUMNS)].copy()
    for name in ("mode", "model", "status"):  # dictionary-encoded Parquet columns arrive as categories
        table[name] = table[name].astype(str)
    for value in ("forecast", "realized"):
        table[value] = table[value].astype(np.float64)
    table["timestamp"] = pd.to_datetime(table["timestamp"], utc=True).dt.tz_localize(None)
    twice = table.duplicated(_KEY)
    if twice.any():
        mode, iteration, model, seed, at = table.loc[twice, _KEY].iloc[0]
        raise InputError(f"{model}, seed {seed}, has two forecasts for {at} (mode {mode}, iteration {iteration})")
    bad = ~(table["realized"].abs() <= GREATEST)
    if bad.any():
        raise InputError(f"there is no finite label for {table.loc[bad, 'timestamp'].iloc[0]}")
    labels = table.drop_duplicates(["timestamp", "realized"])
    differ = labels.duplicated("timestamp")
    if differ.any():
        at, model = labels.loc[differ, ["timestamp", "model"]].iloc[0]
        raise InputError(f"there are two labels for {at} (one with {model})")
    table.loc[table["status"] == "failed", "forecast"] = np.nan
    return table

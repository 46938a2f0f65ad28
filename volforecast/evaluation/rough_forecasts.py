"""Forecasts of log realized variance by several seeds: checked, and as errors by model, seed and day."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.errors import InputError
from volforecast.evaluation.losses import GREATEST, usable_series
from volforecast.evaluation.rough_order import model_order

FloatArray = NDArray[np.float64]

COLUMNS: Final = ("target", "horizon", "model", "seed", "date", "forecast", "realized", "status")
_KEY: Final = ["target", "horizon", "model", "seed", "date"]


class Errors(NamedTuple):
    """What one target's models made of one horizon.

    Attributes:
        target: The asset forecast.
        horizon: Days ahead.
        realized: Labels of the T days, log units, shape (T,), by date.
        seeds: By model, in the order of the tables, the seeds that count: those with a usable forecast every day.
            None is left of a model whose seeds all failed.
        forecasts: By model their forecasts, log units, shape (seeds, T).
    """

    target: str
    horizon: int
    realized: FloatArray
    seeds: dict[str, tuple[int, ...]]
    forecasts: dict[str, FloatArray]

    @property
    def days(self) -> int:
        return len(self.realized)

    def squared(self, model: str) -> FloatArray:
        """Squared errors by seed and day, shape (seeds, T)."""
        return np.asarray((self.forecasts[model] - self.realized) ** 2)

    def absolute(self, model: str) -> FloatArray:
        """Absolute errors by seed and day, shape (seeds, T)."""
        return np.asarray(np.abs(self.forecasts[model] - self.realized))


def expected(losses: FloatArray, days: int) -> FloatArray:
    """The expected loss of one network each day: losses (seeds, T) to their mean over seeds (T,), NaN without seeds."""
    return np.asarray(losses.mean(axis=0)) if len(losses) else np.full(days, np.nan)


def by_target_and_horizon(forecasts: pd.DataFrame) -> Iterator[Errors]:
    """The errors of each target and horizon, in their order, the same whatever the order of the rows.

    A seed that lacks a day, has failed (status ``failed``) or has a forecast that is not finite or whose square cannot
    be computed with is left out as a whole: an average over fewer days would not compare with the others.

    Args:
        forecasts: Long table ``target, horizon, model, seed, date, forecast, realized, status``, log units.

    Raises:
        InputError: A column is missing, there are no rows, a model has two forecasts of one seed for one day, a label
            is not finite, or models disagree about it.
    """
    table = _checked(forecasts)
    for (target, horizon), rows in table.groupby(["target", "horizon"]):
        labels = rows.drop_duplicates("date").sort_values("date").set_index("date")["realized"]
        wide = rows.pivot(index="date", columns=["model", "seed"], values="forecast").reindex(labels.index)
        realized = labels.to_numpy(dtype=np.float64)
        values = wide.to_numpy(dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            usable = usable_series((values - realized[:, None]) ** 2)
        seeds: dict[str, tuple[int, ...]] = {}
        found: dict[str, FloatArray] = {}
        names = wide.columns.get_level_values("model")
        numbers = wide.columns.get_level_values("seed").to_numpy(dtype=np.int64)
        for model in model_order(names):
            at = np.flatnonzero((names == model) & usable)
            at = at[np.argsort(numbers[at], kind="stable")]
            seeds[model] = tuple(int(number) for number in numbers[at])
            found[model] = np.ascontiguousarray(values[:, at].T)
        yield Errors(str(target), int(str(horizon)), realized, seeds, found)


def _checked(forecasts: pd.DataFrame) -> pd.DataFrame:
    absent = [column for column in COLUMNS if column not in forecasts.columns]
    if absent:
        raise InputError(f"forecasts table lacks the column(s) {', '.join(absent)}")
    if forecasts.empty:
        raise InputError("forecasts table has no rows, so there is nothing to evaluate")
    table = forecasts[list(COLUMNS)].copy()
    for name in ("target", "model", "status"):  # dictionary-encoded Parquet columns arrive as categories
        table[name] = table[name].astype(str)
    for value in ("forecast", "realized"):
        table[value] = table[value].astype(np.float64)
    twice = table.duplicated(_KEY)
    if twice.any():
        target, horizon, model, seed, date = table.loc[twice, _KEY].iloc[0]
        raise InputError(f"target {target} has two forecasts of {model}, seed {seed}, horizon {horizon}, for {date}")
    bad = ~(table["realized"].abs() <= GREATEST)
    if bad.any():
        target, horizon, date = table.loc[bad, ["target", "horizon", "date"]].iloc[0]
        raise InputError(f"target {target} has no finite label for {date} at horizon {horizon}")
    labels = table.drop_duplicates(["target", "horizon", "date", "realized"])
    differ = labels.duplicated(["target", "horizon", "date"])
    if differ.any():
        target, horizon, date, model = labels.loc[differ, ["target", "horizon", "date", "model"]].iloc[0]
        raise InputError(f"target {target} has two labels for {date} at horizon {horizon} (one with {model})")
    table.loc[table["status"] == "failed", "forecast"] = np.nan
    return table

"""Sentiment indices of hours: from daily values, their mean, and what it does not explain of the first of them.

Indices lie between 0 and 1. An hour t has the values of the day (UTC) that t lies in, as stamped; when such a value was
published is not known from its stamp, which is why a sample in clean mode reads it a day later
(``volforecast.hourly_rows.Sample.sentiment_lag``). Definitions: Darracq Paries et al. (2025), section 3.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.errors import PanelError

FloatArray = NDArray[np.float64]

FEAR_GREED = "fng_value"
HIGHEST_FEAR_GREED = 100.0
LONGEST_CARRY = 7  # days that a day without a value keeps the last one
DAY = np.timedelta64(1, "D")


class HourlyIndex(NamedTuple):
    """An index hour by hour.

    Attributes:
        values: Between 0 and 1, shape (n,).
        carried: Days without a value of their own, which kept that of the day before.
    """

    values: FloatArray
    carried: int


def hourly_index(daily: pd.DataFrame, times: NDArray[np.datetime64], where: str = "sentiment") -> HourlyIndex:
    """Fear & Greed by the hour.

    Args:
        daily: ``date`` (days, UTC) and ``value`` (0 to 100), in any order.
        times: Time stamps t of hours, UTC, ascending.
        where: What messages call the daily table.

    Raises:
        PanelError: A date occurs twice, a value is none or outside 0 to 100, or the days do not cover the hours: one
            lies before the first day, or more than seven days after the last that has a value.
    """
    table = _checked(daily, where)
    days = table["date"].to_numpy().astype("datetime64[D]")
    asked = np.asarray(times).astype("datetime64[D]")
    known = np.searchsorted(days, asked, side="right") - 1
    age = asked - days[np.maximum(known, 0)]
    uncovered = (known < 0) | (age > LONGEST_CARRY * DAY)
    if uncovered.any():
        row = int(np.argmax(uncovered))
        raise PanelError(
            f"{where}: has no value of {asked[row]} or the {LONGEST_CARRY} days before it, and there are hours of that "
            f"day; it reaches from {days[0]} to {days[-1]}: cut the hours with --from and --to, or leave the sentiment "
            "out"
        )
    return HourlyIndex(table["value"].to_numpy()[known] / HIGHEST_FEAR_GREED, len(np.unique(asked[age > 0 * DAY])))


def aggregate(indices: FloatArray) -> FloatArray:
    """Mean over the indices: shape (n, S) to (n,)."""
    return np.asarray(indices.mean(axis=1))


def unexplained(first: FloatArray, mean: FloatArray, learnt: NDArray[np.int64]) -> FloatArray:
    """Residuals of the least-squares line of the first index on the mean of all, shape (n,).

    Args:
        first: The first index, shape (n,).
        mean: The mean of all, shape (n,).
        learnt: Rows by which the line is estimated; all of them gives what the paper uses, which looks ahead.
    """
    A = np.column_stack([np.ones(len(learnt)), mean[learnt]])
    intercept, slope = np.linalg.lstsq(A, first[learnt], rcond=None)[0]
    return np.asarray(first - intercept - slope * mean)


def _checked(daily: pd.DataFrame, where: str) -> pd.DataFrame:
    missing = [name for name in ("date", "value") if name not in daily]
    if missing:
        raise PanelError(f"{where}: no column {missing[0]}; it needs date (day) and value (0 to 100)")
    if not pd.api.types.is_datetime64_any_dtype(daily["date"].dtype) or daily["date"].isna().any():
        raise PanelError(f"{where}: column date does not hold a date in every row; write dates")
    dates: pd.Series[Any] = daily["date"]
    dates = dates if dates.dt.tz is None else dates.dt.tz_convert("UTC").dt.tz_localize(None)
    if not pd.api.types.is_numeric_dtype(daily["value"].dtype):
        raise PanelError(f"{where}: column value holds no numbers; write 0 to 100")
    table = pd.DataFrame({"date": dates.dt.normalize(), "value": daily["value"].astype(np.float64)})
    table = table.sort_values("date", kind="stable", ignore_index=True)
    twice = table["date"].duplicated()
    if twice.any():
        raise PanelError(f"{where}: {table['date'][twice].iloc[0]:%Y-%m-%d} has more than one row; keep one")
    bad = ~table["value"].between(0.0, HIGHEST_FEAR_GREED)
    if bad.any():
        row = table[bad].iloc[0]
        raise PanelError(f"{where}: value is {row['value']:g} on {row['date']:%Y-%m-%d}; it lies between 0 and 100")
    if not len(table):
        raise PanelError(f"{where}: the table is empty; it needs one row a day")
    return table

"""An hourly table made of one-minute bars: the volatility of the next hour, and what the bars of the last hour say.

A bar stamped m (its open) covers (m, m + 1 min]. Returns are differences of the logarithms of consecutive closes; a
minute without trades has no bar, so the return over it is that of the next bar there is. A return belongs to the hour
in which its bar ends:

    vol(t) = 100 sqrt(365) sqrt(sum of squared returns of (t, t + 1 h])        in per cent

An hour is none, and nothing is made of it, when

* no bar ended before it, or no bar is known to end at its end or later (the file begins or ends in it);
* a silence (from one bar's end to the next one's) of more than 30 minutes touches it: an outage may hide a move;
* it has fewer than 15 bars;
* its price never changes: a volatility of zero has no logarithm and no QLIKE.

A row t needs (t - 1 h, t], of which its features are made, and (t, t + 1 h], which is its label; otherwise it is left
out, which makes a gap. No value is filled in and no return reaches over a gap. All of a row's features are known at t.
"""

import datetime as dt
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.data.bars import bar_minutes
from volforecast.data.order_book import BOOK_FEATURES
from volforecast.data.sentiment import FEAR_GREED, hourly_index
from volforecast.errors import PanelError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

BAR_FEATURES: Final = (
    "log_volume",  # log(1 + coins traded)
    "traded_minutes",  # share of the hour's minutes that have a bar
    "log_range",  # log(highest / lowest price)
    "hour_return",  # log return from the last close before the hour to its last close
    "jump_share",  # max(0, 1 - bipower variation / realized variance)
    "downside_share",  # share of the realized variance that negative returns make
    "signed_volume",  # (volume of rising bars - volume of falling ones) / volume; 0 without volume
)
FEWEST_BARS: Final = 15
LONGEST_SILENCE: Final = 30  # minutes
PER_CENT_A_YEAR: Final = 100.0 * float(np.sqrt(365.0))
HOUR: Final = 60  # minutes

# why an hour is no hour, the first that holds
_FAULTS: Final = (
    "no price is known at its beginning, or the bars end in it",
    f"a silence of more than {LONGEST_SILENCE} minutes",
    f"fewer than {FEWEST_BARS} bars",
    "its price never changes",
)


class BuiltHours(NamedTuple):
    """What is made of bars.

    Attributes:
        hours: ``timestamp`` (t, UTC), ``vol``, ``return_previous_hour``, the features.
        sentiment: ``timestamp, fng_value``; None without Fear & Greed.
        dropped: ``timestamp, reason``: the hours between the first and last of the bars that have no row.
        carried: Days of Fear & Greed without a value, which kept that of the day before.
    """

    hours: pd.DataFrame
    sentiment: pd.DataFrame | None
    dropped: pd.DataFrame
    carried: int


class _Hours(NamedTuple):
    """All hours from the first bar's to the last one's; every array has their number as its first axis.

    Attributes:
        begins: Minutes since 1970.
        variance: Sum of squared returns, decimal.
        fault: Number in ``_FAULTS`` of why it is none, or -1.
        features: In the order of ``BAR_FEATURES``; of the hour itself, so known when it ends.
    """

    begins: IntArray
    variance: FloatArray
    fault: IntArray
    features: FloatArray


def build_hourly(
    bars: pd.DataFrame,
    sentiment: pd.DataFrame | None = None,
    books: pd.DataFrame | None = None,
    *,
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> BuiltHours:
    """The hourly table of one asset's one-minute bars.

    Args:
        bars: As :func:`volforecast.data.bars.check_bars` returns them, with stamps in UTC.
        sentiment: Daily Fear & Greed, ``date`` and ``value`` (0 to 100).
        books: Hourly features of an order book (:func:`volforecast.data.order_book.book_features`), which stand in the
            table before those of the bars; hours without are left out.
        first: Day (UTC) of the first hour; None for as early as there are bars.
        last: Day of the last hour, likewise.

    Raises:
        PanelError: The bars do not last one minute, no hour is left, or the sentiment does not cover the hours.
    """
    if bar_minutes(bars["timestamp"], "the asset") != 1:
        raise PanelError("bars: they last 5 minutes; an hour's volatility is made of bars of one minute")
    found = _hours(bars)
    # row i is the hour i, seen from its beginning: the hour before must be one, too
    before, own = found.fault[:-1], found.fault[1:]
    begins = found.begins[1:]
    reason = np.where(
        own >= 0,
        np.array([*_FAULTS, ""], dtype=object)[own],
        np.where(before >= 0, "the hour before is none, so no features", ""),
    ).astype(object)
    times = (begins * HOUR).astype("datetime64[s]")  # 60 seconds a minute
    asked = np.ones(len(times), dtype=bool)
    if first is not None:
        asked &= times >= np.datetime64(first, "D")
    if last is not None:
        asked &= times < np.datetime64(last, "D") + np.timedelta64(1, "D")
    features, names = found.features[:-1], list(BAR_FEATURES)
    if books is not None:
        ours, theirs = _aligned(books, times)
        reason[np.isnan(ours).any(axis=1) & (reason == "")] = "no snapshot of the order book"
        features, names = np.column_stack([ours, features]), [*theirs, *names]
    kept = asked & (reason == "")
    stamps = pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC")
    if not kept.any():
        raise PanelError("bars: no hour can be used; give hours with bars in most minutes, or other days with --from")
    hours = pd.DataFrame(features[kept], columns=names)
    hours.insert(0, "timestamp", stamps[kept])
    hours.insert(1, "vol", PER_CENT_A_YEAR * np.sqrt(found.variance[1:][kept]))
    hours.insert(2, "return_previous_hour", found.features[:-1, BAR_FEATURES.index("hour_return")][kept])
    lost = asked & (reason != "")
    dropped = pd.DataFrame({"timestamp": stamps[lost], "reason": reason[lost]})
    if sentiment is None:
        return BuiltHours(hours, None, dropped, 0)
    index = hourly_index(sentiment, times[kept])
    mood = pd.DataFrame({"timestamp": stamps[kept], FEAR_GREED: index.values})
    return BuiltHours(hours, mood, dropped, index.carried)


def _hours(bars: pd.DataFrame) -> _Hours:
    ends = bars["timestamp"].to_numpy().astype("datetime64[m]").astype(np.int64) + 1
    of = (ends - 1) // HOUR - (ends[0] - 1) // HOUR  # number of the hour in which a bar ends
    count = int(of[-1]) + 1
    begins = ((ends[0] - 1) // HOUR + np.arange(count)) * HOUR

    price = np.log(bars["close"].to_numpy(dtype=np.float64))
    returns = np.diff(price, prepend=price[0])
    square = np.square(returns)
    variance: FloatArray = np.bincount(of, square, minlength=count).astype(np.float64)
    number: IntArray = np.bincount(of, minlength=count).astype(np.int64)

    silence = np.diff(ends)
    long = np.flatnonzero(silence > LONGEST_SILENCE)
    touched = np.zeros(count + 1, dtype=np.int64)
    np.add.at(touched, ends[long] // HOUR - begins[0] // HOUR, 1)  # the hour of the first minute after the bar
    np.add.at(touched, of[long + 1] + 1, -1)
    edge = np.zeros(count, dtype=bool)
    edge[0] = True
    edge[-1] |= ends[-1] < begins[-1] + HOUR
    faults = (edge, np.cumsum(touched)[:-1] > 0, number < FEWEST_BARS, variance <= 0)
    return _Hours(begins, variance, _first_of(faults), _features(bars, of, returns, variance, number))


def _features(
    bars: pd.DataFrame, of: IntArray, returns: FloatArray, variance: FloatArray, number: IntArray
) -> FloatArray:
    """Those of each hour from its own bars, shape (hours, 7); NaN where there is no bar or no variance."""
    count = len(number)
    volume = bars["volume"].to_numpy(dtype=np.float64)
    traded = np.bincount(of, volume, minlength=count)
    signed = np.bincount(of, volume * np.sign(returns), minlength=count)
    size = np.abs(returns)
    pairs = np.concatenate([[0.0], size[1:] * size[:-1] * (of[1:] == of[:-1])])
    bipower = np.pi / 2 * np.bincount(of, pairs, minlength=count)
    down = np.bincount(of, np.square(np.minimum(returns, 0.0)), minlength=count)
    there = np.flatnonzero(number)
    begin = np.searchsorted(of, there)
    spread = np.full(count, np.nan)
    highest = np.maximum.reduceat(bars["high"].to_numpy(dtype=np.float64), begin)
    spread[there] = np.log(highest / np.minimum.reduceat(bars["low"].to_numpy(dtype=np.float64), begin))
    moved = variance > 0
    whole = np.where(moved, variance, 1.0)
    return np.column_stack(
        [
            np.log1p(traded),
            number / HOUR,
            spread,
            np.bincount(of, returns, minlength=count),
            np.where(moved, np.maximum(0.0, 1.0 - bipower / whole), np.nan),
            np.where(moved, down / whole, np.nan),
            np.where(traded > 0, signed / np.where(traded > 0, traded, 1.0), 0.0),
        ]
    )


def _first_of(faults: tuple[BoolArray, ...]) -> IntArray:
    found = np.full(len(faults[0]), -1, dtype=np.int64)
    for number, fault in reversed(list(enumerate(faults))):
        found[fault] = number
    return found


def _aligned(books: pd.DataFrame, times: NDArray[np.datetime64]) -> tuple[FloatArray, list[str]]:
    """The books' features at the hours, NaN where there are none, and their names."""
    names = [name for name in BOOK_FEATURES if name in books]
    stamps = pd.DatetimeIndex(books["timestamp"])
    stamps = stamps.tz_localize("UTC") if stamps.tz is None else stamps.tz_convert("UTC")
    at = pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC")
    table = books[names].set_axis(stamps).reindex(at)
    return table.to_numpy(dtype=np.float64), names

"""Realized measures of a day from its intraday bars.

The regular session is cut by a grid of 5 minutes (78 returns from 09:30 to 16:00, 42 when New York closes at 13:00).
The grid's first price is the open of the session's first bar; at each later grid point it is the last close of a bar
that has ENDED by then (previous tick). So everything of a day is known at its close, and nothing in a day's row comes
from another day. Overnight returns are excluded.

With the grid's log returns r_1 ... r_n of a day (decimal):

* ``rv``      = sum r_i^2, realized variance (Andersen & Bollerslev 1998, International Economic Review 39)
* ``bpv``     = (pi/2) sum |r_i||r_{i-1}|, bipower variation (Barndorff-Nielsen & Shephard 2004, Journal of Financial
  Econometrics 2), without a finite-sample factor
* ``rq``      = (n/3) sum r_i^4, realized quarticity (Barndorff-Nielsen & Shephard 2002, JRSS B 64)
* ``rs_pos``, ``rs_neg`` = sum of r_i^2 over r_i > 0 and r_i < 0, realized semivariances (Barndorff-Nielsen, Kinnebrock
  & Shephard 2010); they add up to ``rv``

``rq`` is a variance squared per day squared, the others are decimal variances per day.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from volforecast.data.bars import bar_minutes
from volforecast.data.sessions import DEFAULT_CALENDAR, sessions
from volforecast.errors import ConfigError, PanelError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Stamps: TypeAlias = "pd.Series[pd.Timestamp]"

DAILY = ("asset", "date", "rv", "close", "volume", "earnings_next_day")
EXTRA = ("bpv", "rq", "rs_pos", "rs_neg")
_MINUTE = 60_000_000  # microseconds, the unit of all times below


class Daily(NamedTuple):
    """Days that can be used and days that cannot.

    Attributes:
        daily: ``asset, date, rv, close, volume, earnings_next_day``, with the extra measures appended if asked for.
        dropped: ``asset, date, reason``: every day between an asset's first and last bar that ``daily`` lacks.
    """

    daily: pd.DataFrame
    dropped: pd.DataFrame


class GridReturns(NamedTuple):
    """Returns on the session grid of the days that have bars; the first axis of every array is the day.

    Attributes:
        session: Position in the table of sessions.
        returns: Log returns, shape (days, longest grid); zero after an early close.
        steps: Number of returns of the day's grid.
        covered: Number of grid intervals in which a bar has ended.
        first_step: The first of these intervals, counted from 0.
        last_bar: Position of the day's last bar in the table of bars.
        ended: The grid point that bar set, microseconds of the exchange's clock.
        volume: Sum over the session's bars.
    """

    session: Ints
    returns: Floats
    steps: Ints
    covered: Ints
    first_step: Ints
    last_bar: Ints
    ended: Ints
    volume: Floats


def realized_variance(returns: Floats) -> Floats:
    """Sum of squared returns along the last axis: (..., n) decimal log returns to (...) decimal variances."""
    return _sum(np.square(returns))


def bipower_variation(returns: Floats) -> Floats:
    """(pi/2) times the sum of products of neighbouring absolute returns along the last axis; robust to jumps."""
    size = np.abs(returns)
    return np.pi / 2 * _sum(size[..., 1:] * size[..., :-1])


def realized_quarticity(returns: Floats, steps: Ints | int) -> Floats:
    """(n/3) times the sum of fourth powers along the last axis.

    Args:
        returns: Decimal log returns, shape (..., n).
        steps: n where rows are padded with zeros: the number of returns of each day's grid, shape (...).
    """
    fourth: Floats = np.asarray(steps, dtype=np.float64) / 3 * _sum(np.square(np.square(returns)))
    return fourth


def semivariances(returns: Floats) -> tuple[Floats, Floats]:
    """Sums of squared positive and of squared negative returns along the last axis."""
    return _sum(np.square(np.maximum(returns, 0.0))), _sum(np.square(np.minimum(returns, 0.0)))


def daily_from_bars(
    bars: pd.DataFrame,
    *,
    calendar: str = DEFAULT_CALENDAR,
    extra: bool = False,
    listed: Mapping[str, date] | None = None,
    earnings: pd.DataFrame | None = None,
    min_coverage: float = 0.5,
    max_open_end: int = 15,
    sampling: int = 5,
) -> Daily:
    """The daily table of intraday bars.

    A day is kept if all of this holds; else it is in ``dropped`` with the reason that comes first:

    * it is a session of the exchange (``not a session``) and has bars in it (``no bars``);
    * the last grid point that a bar has set is at most ``max_open_end`` minutes before the close (``ends early``):
      otherwise the day is still going on, or its download was cut, and its variance would be too small without a sign;
    * bars have ended in at least ``min_coverage`` of its grid intervals (``too few bars``). On the day an asset is
      listed (``listed``) the share is counted from its first bar on, because a first trade at noon is no gap;
    * its price has changed on the grid (``rv is zero``): a variance of zero has no logarithm and no QLIKE.

    The rules look at no other day, so bars that arrive later never change a row that is there. Thinly traded assets may
    need a larger ``max_open_end``.

    Args:
        bars: ``asset`` and the columns of :func:`volforecast.data.bars.check_bars`, which must have checked them.
        calendar: The exchange; ``24/7`` for crypto (UTC days of 288 returns).
        extra: Append ``bpv, rq, rs_pos, rs_neg``.
        listed: First trading days by asset, where known.
        earnings: ``asset, date`` of announcements; ``earnings_next_day`` is True on the last session before the session
            of the announcement (on a day without session: of the next one). False everywhere without this table.
        min_coverage: Share of the grid intervals, between 0 and 1.
        max_open_end: Minutes.
        sampling: Grid in minutes; not finer than the bars.

    Returns:
        Both tables sorted by asset and date; ``date`` is ``datetime64[us]``, ``rv`` decimal per day, ``close`` the
        session's last bar's, ``volume`` the session's sum. Rows are known at the close of ``date``.

    Raises:
        ConfigError: An unknown calendar, or a setting out of range.
        PanelError: Bars of an unsupported or mixed length, or stamped at their close, or no bar of an asset lies in any
            session.
    """
    if not 0 <= min_coverage <= 1 or max_open_end < 0 or sampling < 1:
        raise ConfigError("min_coverage must be in [0, 1], max_open_end at least 0 and sampling at least 1 (minutes)")
    parts = []
    for name, own in bars.groupby("asset", sort=True):
        asset = str(name)
        announced = None if earnings is None else earnings.loc[earnings["asset"].astype(str) == asset, "date"]
        first_day = None if listed is None else listed.get(asset)
        first, last = own["timestamp"].min(), own["timestamp"].max()
        # A session may open the day before its date; the month after it holds the announcement of the next session.
        table = sessions(first, last + pd.Timedelta(days=31), calendar)
        grid = grid_returns(own, table, asset, sampling)
        if not len(grid.session):
            raise PanelError(
                f"bars of {asset}: none of the {len(own)} bars (column timestamp, {first} to {last}) lies in a session "
                f"of {calendar}; check --calendar, and that the stamps are in the exchange's time"
            )
        days = _measures(grid, own, table, extra)
        reasons = _reasons(grid, table, days["rv"].to_numpy(), first_day, min_coverage, max_open_end)
        days["earnings_next_day"] = _before_earnings(days["date"], table["date"], announced)
        kept = days[reasons == ""].assign(asset=asset)
        lost = pd.concat(
            [
                pd.DataFrame({"date": days["date"], "reason": reasons})[reasons != ""],
                _without_bars(own["timestamp"], table["date"], days["date"], calendar),
            ]
        ).assign(asset=asset)
        parts.append((kept, lost.sort_values("date")))
    if not parts:
        raise PanelError("bars: the table is empty; give at least one bar")
    columns = [*DAILY, *(EXTRA if extra else ())]
    daily = pd.concat([kept for kept, _ in parts], ignore_index=True)[columns]
    return Daily(daily, pd.concat([lost for _, lost in parts], ignore_index=True)[["asset", "date", "reason"]])


def grid_returns(bars: pd.DataFrame, sessions: pd.DataFrame, asset: str, sampling: int = 5) -> GridReturns:
    """Previous-tick returns of one asset on the grid of each session.

    Args:
        bars: Checked bars of the asset, sorted by ``timestamp``.
        sessions: ``date, open, close`` as :func:`volforecast.data.sessions.sessions` gives them.
        asset: Name for the messages.
        sampling: Minutes between grid points; where a session is no multiple of it, the last step is shorter.

    Raises:
        ConfigError: ``sampling`` is finer than the bars.
        PanelError: The bars' length is mixed or not supported, or the stamps are those of the bars' closes.
    """
    minutes = bar_minutes(bars["timestamp"], asset)
    if sampling % minutes:
        raise ConfigError(f"bars of {asset} last {minutes} minutes; sampling every {sampling} needs a multiple of that")
    opens, closes = _micro(sessions["open"]), _micro(sessions["close"])
    stamp = _micro(bars["timestamp"])
    end = stamp + minutes * _MINUTE
    session = np.searchsorted(opens, stamp, side="right") - 1
    # A bar that opens before the session or ends after its close (the closing auction's print) is not part of it.
    used = np.flatnonzero(session >= 0)
    used = used[end[used] <= closes[session[used]]]
    _refuse_close_stamps(stamp, opens, closes, asset)
    session, end = session[used], end[used]
    days, first, row = np.unique(session, return_index=True, return_inverse=True)
    last = np.append(first[1:], len(used))[: len(days)] - 1
    width = sampling * _MINUTE
    steps = -(-(closes[days] - opens[days]) // width)
    point = np.minimum(-(-(end - opens[session]) // width), steps[row])  # the first grid point that knows the bar
    # Bars are in order, so the last bar that counts for a grid point is the one before (day, point) changes.
    ticks = np.flatnonzero(np.append((np.diff(row) != 0) | (np.diff(point) != 0), True)[: len(used)])
    newest = np.full((len(days), int(steps.max(initial=0)) + 1), -1, dtype=np.int64)
    newest[row[ticks], point[ticks]] = used[ticks]
    newest = np.maximum.accumulate(newest, axis=1)
    first_open = np.log(bars["open"].to_numpy()[used[first]])
    log_price = np.where(newest >= 0, np.log(bars["close"].to_numpy())[newest], first_open[:, None])
    return GridReturns(
        session=days,
        returns=np.diff(log_price, axis=1),
        steps=steps,
        covered=np.bincount(row[ticks], minlength=len(days)),
        first_step=point[first] - 1,
        last_bar=used[last],
        ended=np.minimum(opens[days] + point[last] * width, closes[days]),
        volume=np.bincount(row, bars["volume"].to_numpy()[used], len(days)).astype(np.float64),
    )


def _refuse_close_stamps(stamp: Ints, opens: Ints, closes: Ints, asset: str) -> None:
    """Stop at bars stamped with their close: read as opens, every price would be known one bar later than it was."""
    inside = (opens <= stamp[-1]) & (closes >= stamp[0])
    at_open = _found(opens[inside], stamp)
    at_close = _found(np.setdiff1d(closes[inside], opens), stamp)  # of 24/7 none: a close is the next open
    # A closing auction may be stamped 16:00 and an opening may be late, but not both on nearly all days.
    if inside.sum() >= 5 and 2 * at_close >= inside.sum() and 20 * at_open <= inside.sum():
        raise PanelError(
            f"bars of {asset}: column timestamp has a bar at the close of {at_close} sessions and at the open of "
            f"{at_open} (of {int(inside.sum())}); stamps must be the bar's open: subtract the bar's length"
        )


def _found(times: Ints, stamp: Ints) -> int:
    position = np.minimum(np.searchsorted(stamp, times), len(stamp) - 1)
    return int((stamp[position] == times).sum())


def _measures(grid: GridReturns, bars: pd.DataFrame, table: pd.DataFrame, extra: bool) -> pd.DataFrame:
    days = pd.DataFrame(
        {
            "date": table["date"].to_numpy()[grid.session],
            "rv": realized_variance(grid.returns),
            "close": bars["close"].to_numpy()[grid.last_bar],
            "volume": grid.volume,
        }
    )
    if extra:
        days["bpv"] = bipower_variation(grid.returns)
        days["rq"] = realized_quarticity(grid.returns, grid.steps)
        days["rs_pos"], days["rs_neg"] = semivariances(grid.returns)
    return days


def _reasons(
    grid: GridReturns,
    table: pd.DataFrame,
    rv: Floats,
    first_day: date | None,
    min_coverage: float,
    max_open_end: int,
) -> npt.NDArray[np.object_]:
    """Why each day cannot be used; empty where it can."""
    dates, closes = table["date"].to_numpy()[grid.session], _micro(table["close"])[grid.session]
    listing = dates == (np.datetime64("NaT") if first_day is None else np.datetime64(first_day))
    expected = np.where(listing, grid.steps - grid.first_step, grid.steps)
    reasons = np.full(len(dates), "", dtype=object)
    reasons[rv == 0] = "rv is zero: no price change on the grid"
    for day in np.flatnonzero(grid.covered < min_coverage * expected):
        reasons[day] = f"too few bars: in {grid.covered[day]} of {expected[day]} intervals"
    for day in np.flatnonzero(closes - grid.ended > max_open_end * _MINUTE):
        ended, close = (pd.Timestamp(int(micro), unit="us") for micro in (grid.ended[day], closes[day]))
        reasons[day] = f"ends early: bars to {ended:%H:%M}, session to {close:%H:%M}"
    return reasons


def _without_bars(stamps: Stamps, known: Stamps, days: Stamps, calendar: str) -> pd.DataFrame:
    """Sessions among an asset's dates that have no bar (or only bars out of hours), and dates that are no session."""
    dates = stamps.dt.normalize().drop_duplicates()
    empty = known[known.between(dates.iloc[0], dates.iloc[-1]) & ~known.isin(days)]
    other = dates[~dates.isin(known)]
    return pd.concat(
        [
            pd.DataFrame({"date": empty, "reason": "no bars: none in the session"}),
            pd.DataFrame({"date": other, "reason": f"not a session of {calendar}"}),
        ]
    )


def _before_earnings(days: Stamps, known: Stamps, announced: "Stamps | None") -> npt.NDArray[np.bool_]:
    if announced is None:
        return np.zeros(len(days), dtype=np.bool_)
    # Counted in sessions of the exchange, not in rows: a dropped day does not move the flag.
    of_session = np.searchsorted(known.to_numpy(), announced.dropna().dt.normalize().to_numpy())
    of_session = of_session[of_session < len(known)]  # beyond the last session the library knows
    flagged: npt.NDArray[np.bool_] = np.isin(np.searchsorted(known.to_numpy(), days.to_numpy()) + 1, of_session)
    return flagged


def _sum(values: Floats) -> Floats:
    # Strictly from left to right: numpy's pairwise sum depends on the array's shape, so a day's last bits would depend
    # on which other days are in the table (zeros after an early close then change nothing).
    if not values.shape[-1]:
        return np.zeros(values.shape[:-1])
    total: Floats = np.cumsum(values, axis=-1)[..., -1]
    return total


def _micro(times: Stamps) -> Ints:
    return times.dt.as_unit("us").to_numpy().astype(np.int64)

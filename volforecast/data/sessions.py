"""Regular trading sessions of an exchange, by date, in the exchange's own time.

The hours come from the library ``exchange_calendars``: holidays, early closes and historical changes of hours included.
Any of its names is understood: ``XNYS`` (New York, the default), ``XLON``, ``XHKG``, ...; ``24/7`` is the calendar of
crypto assets, whose session is the UTC day.
"""

from datetime import tzinfo
from functools import lru_cache
from typing import Any

import exchange_calendars
import pandas as pd
from exchange_calendars.errors import InvalidCalendarName

from volforecast.errors import ConfigError, PanelError

DEFAULT_CALENDAR = "XNYS"


def exchange_zone(calendar: str = DEFAULT_CALENDAR) -> tzinfo:
    """The time zone of the exchange (UTC for ``24/7``).

    Raises:
        ConfigError: The calendar's name is not known.
    """
    zone: tzinfo = _exchange(calendar).tz
    return zone


def sessions(start: pd.Timestamp, end: pd.Timestamp, calendar: str = DEFAULT_CALENDAR) -> pd.DataFrame:
    """Regular sessions with ``start <= date <= end``.

    Args:
        start: First date (naive; the time of day is ignored).
        end: Last date; dates after the last one the library knows have no sessions.
        calendar: Name of the exchange in ``exchange_calendars``.

    Returns:
        One row a session, in order: ``date`` (midnight), ``open`` and ``close`` (exchange-local naive stamps; a session
        that runs overnight opens on the day before its date, one of ``24/7`` closes at the next midnight). A lunch
        break is not cut out: open and close are those of the whole day.

    Raises:
        ConfigError: The calendar's name is not known.
        PanelError: ``start`` is before the first date the library knows for this exchange.
    """
    first, last = start.normalize(), end.normalize()
    # Whole years, because the library's calendars are slow to build (0.1 s) and panels ask once an asset.
    table = _schedule(calendar, first.year, max(first.year, last.year))
    return table[table["date"].between(first, last)].reset_index(drop=True)


def _exchange(calendar: str) -> Any:
    try:
        return exchange_calendars.get_calendar(calendar)
    except InvalidCalendarName:
        raise ConfigError(
            f"calendar {calendar!r} is not known; use a name of the library exchange_calendars, "
            "for instance XNYS (New York) or 24/7 (crypto, UTC days)"
        ) from None


@lru_cache(maxsize=64)
def _schedule(calendar: str, first_year: int, last_year: int) -> pd.DataFrame:
    known = _exchange(calendar)
    lower, upper = known.bound_min(), known.bound_max()
    start, end = pd.Timestamp(first_year, 1, 1), pd.Timestamp(last_year, 12, 31)
    if lower is not None and start < lower:
        start = lower
    if upper is not None and end > upper:
        end = upper
    if end <= start:
        raise PanelError(
            f"calendar {calendar}: no sessions are known for {first_year} to {last_year}; "
            "update exchange_calendars, or cut the bars to the years it knows"
        )
    exchange = exchange_calendars.get_calendar(calendar, start=start, end=end)
    hours: pd.DataFrame = exchange.schedule
    local = {
        side: hours[side].dt.tz_convert(exchange.tz).dt.tz_localize(None).dt.as_unit("us").to_numpy()
        for side in ("open", "close")
    }
    return pd.DataFrame({"date": hours.index.to_numpy().astype("datetime64[us]"), **local})

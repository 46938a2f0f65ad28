"""Intraday bars: read from Parquet or CSV, local or ``s3://``, and checked before anything is computed from them.

A bar's ``timestamp`` is its OPEN, in the exchange's own time without a zone; bars last 1 or 5 minutes. Minutes without
trades may be absent. ``volume`` is in units of the asset, prices in any currency.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pandas as pd

from volforecast.data.checks import ISO_DATE, LONGEST_NAME
from volforecast.data.files import read_file
from volforecast.data.sessions import DEFAULT_CALENDAR, exchange_zone
from volforecast.errors import PanelError
from volforecast.printable import printable

PRICES = ("open", "high", "low", "close")
COLUMNS = ("timestamp", *PRICES, "volume")
SMALLEST, LARGEST = 1e-18, 1e18  # price; beyond it, and beyond such a volume of one bar, products lose all meaning
FIRST_YEAR, LAST_YEAR = 1900, 2099  # a stamp elsewhere is a mistake, and the sessions between are made day by day
_EARLIEST, _LATEST = (
    int(np.datetime64(f"{year}-01-01", "us").astype(np.int64)) for year in (FIRST_YEAR, LAST_YEAR + 1)
)
_LONGEST_STAMP = 64  # characters
_WITH_ZONE = r"\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)$"
# By chance no 12 one-minute bars of a day lie all on the 5-minute grid (odds 5**-12): they are 5-minute bars.
_ENOUGH_BARS = 12


def read_bars(path: str, calendar: str = DEFAULT_CALENDAR, assets: Collection[str] | None = None) -> pd.DataFrame:
    """All bars of :func:`iter_bars` in one table.

    Returns:
        ``asset, timestamp, open, high, low, close, volume``, sorted by asset and timestamp.
    """
    tables = [bars.assign(asset=asset) for asset, bars in iter_bars(path, calendar, assets)]
    return pd.concat(tables, ignore_index=True)[["asset", *COLUMNS]]


def iter_bars(
    path: str, calendar: str = DEFAULT_CALENDAR, assets: Collection[str] | None = None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Read bars asset by asset, in the order of their names.

    Args:
        path: A folder with one ``<ASSET>.parquet`` an asset (one is in memory at a time), or one ``.parquet`` or
            ``.csv`` file with a column ``asset``; a file without it holds one asset and is named after it. Local, or
            any URL that fsspec opens (``s3://``).
        calendar: Exchange whose time zone-aware stamps are converted to (see :mod:`volforecast.data.sessions`).
        assets: Read these only; None reads all.

    Yields:
        The asset's name and its bars as :func:`check_bars` returns them.

    Raises:
        PanelError: Nothing is found at ``path``, an asset asked for is absent, or a bar breaks a rule.
        ConfigError: The calendar's name is not known.
    """
    try:
        system, root = fsspec.core.url_to_fs(path)
        is_folder = system.isdir(root)
        files = [name for name in system.ls(root, detail=False) if name.endswith(".parquet")] if is_folder else [root]
        found = is_folder or system.exists(root)
    except (
        Exception
    ) as error:  # the S3 client's own errors (no credentials, no such endpoint) share no base with OSError
        raise PanelError(f"bars: {path} cannot be reached ({_line(error)}); check address and credentials") from error
    if not found:
        raise PanelError(f"bars: nothing is found at {path}; check the path and, for s3://, the credentials")
    if not files:
        raise PanelError(f"bars: folder {path} holds no .parquet file; write one <ASSET>.parquet an asset")
    if is_folder:
        by_asset = {PurePosixPath(name).stem: name for name in files}
        for asset in _wanted(assets, sorted(by_asset), path):
            where = f"bars: {printable(by_asset[asset])}"
            _check_name(asset, where)  # before a file of that name is opened
            yield asset, _checked(_read(system, by_asset[asset], where, COLUMNS), asset, calendar, where)
        return
    where = f"bars: {printable(root)}"
    table = _read(system, root, where, (*COLUMNS, "asset"))
    if "asset" not in table:
        table = table.assign(asset=PurePosixPath(root).stem)
    unnamed = table["asset"].isna() | (table["asset"].astype(str).str.strip() == "")
    if unnamed.any() or not len(table):
        raise PanelError(f"{where} has {int(unnamed.sum())} rows without asset of {len(table)}; name or drop them")
    groups = table.groupby(table["asset"].astype(str), sort=True)
    for asset in _wanted(assets, sorted(map(str, groups.groups)), path):
        _check_name(asset, where)
        yield asset, _checked(groups.get_group(asset), asset, calendar, where)


def check_bars(bars: pd.DataFrame, asset: str, calendar: str = DEFAULT_CALENDAR) -> pd.DataFrame:
    """One asset's bars, typed, in exchange-local time and sorted.

    Args:
        bars: Columns ``timestamp, open, high, low, close, volume`` in any order; others are ignored. Stamps with a time
            zone are converted to the exchange's; stamps without one are taken as exchange-local.
        asset: Name for the messages.
        calendar: The exchange.

    Returns:
        The six columns: ``timestamp`` naive ``datetime64[us]``, increasing, the rest float64.

    Raises:
        PanelError: No bars, a missing column, a stamp that is none, occurs twice or lies outside of the years 1900 to
            2099, a price that is NaN or not between 1e-18 and 1e18, a high below its low, a volume that is NaN,
            negative or above 1e18, or a bar length that is not 1 or 5 minutes throughout. The message is one line and
            names asset, timestamp, column and remedy.
    """
    _require_columns(list(bars.columns), f"bars of {asset}")
    if not len(bars):
        raise PanelError(f"bars of {asset}: no rows; leave the asset out or write its bars")
    stamps = _stamps(bars["timestamp"], asset)
    # before the conversion: a local clock shows one hour twice when summer time ends
    if not (np.diff(stamps.astype(np.int64)) > 0).all():
        twice = stamps.duplicated()
        if twice.any():
            raise PanelError(
                f"bars of {asset}: timestamp {stamps[twice].iloc[0]} occurs more than once{_more(twice)}; keep one bar "
                "each"
            )
    if stamps.dt.tz is not None:
        stamps = stamps.dt.tz_convert(exchange_zone(calendar)).dt.tz_localize(None)
    table = pd.DataFrame({"timestamp": stamps})
    for column in (*PRICES, "volume"):
        try:
            table[column] = bars[column].astype(np.float64)
        except (ValueError, TypeError) as error:
            raise PanelError(
                f"bars of {asset}: column {column} is not numeric ({_line(error)}); write plain decimal numbers"
            ) from error
    for column in PRICES:
        values = table[column].to_numpy()
        bad = ~((values >= SMALLEST) & (values <= LARGEST))
        remedy = f"prices are positive numbers from {SMALLEST:g} to {LARGEST:g}: drop the bar (a minute may be missing)"
        _reject(table, bad, asset, column, remedy)
    volume = table["volume"].to_numpy()
    bad = ~((volume >= 0) & (volume <= LARGEST))
    _reject(table, bad, asset, "volume", f"write 0 where the volume is unknown, at most {LARGEST:g}, or drop the bar")
    bad = table["high"].to_numpy() < table["low"].to_numpy()
    _reject(table, bad, asset, "high", "high is below low: repair the bar or drop it (columns swapped?)")
    if table["timestamp"].is_monotonic_increasing:  # as nearly always, and sorting takes longer than reading
        table = table.reset_index(drop=True)
    else:
        table = table.sort_values("timestamp", kind="stable", ignore_index=True)
    bar_minutes(table["timestamp"], asset)
    return table


def bar_minutes(timestamps: "pd.Series[pd.Timestamp]", asset: str) -> int:
    """Length of the bars in minutes, told from the stamps: 1 or 5.

    A bar that does not start on a multiple of five minutes is a 1-minute bar, and then all must be. Stamps that are all
    multiples of five minutes are 5-minute bars.

    Raises:
        PanelError: Seconds in a stamp, bars of both lengths, or bars of another length (2, 3, 10, 15, ... minutes).
    """
    micro = timestamps.dt.as_unit("us").astype(np.int64).to_numpy()
    minute, rest = np.divmod(micro, 60_000_000)
    if rest.any():
        raise PanelError(
            f"bars of {asset}: timestamp {timestamps.iloc[int(np.argmax(rest != 0))]} is not on a whole minute; "
            "aggregate to bars of 1 or 5 minutes, stamped at their open"
        )
    steps = np.diff(minute)
    day = minute // 1440
    within = steps[day[1:] == day[:-1]]  # nights say nothing about the length
    step = int(np.gcd.reduce(within)) if len(within) else 0
    on_grid = minute % 5 == 0
    if len(within) >= _ENOUGH_BARS and (step not in (1, 5) or (step == 5 and not on_grid.all())):
        raise PanelError(
            f"bars of {asset}: from {timestamps.iloc[0]} on the column timestamp steps by {step} minutes"
            f"{'' if step != 5 else ', but not from full five minutes'}; "
            "aggregate to bars of 1 or 5 minutes, stamped at their open"
        )
    if on_grid.all():
        return 5
    days, position = np.unique(day, return_inverse=True)
    bars, aligned = np.bincount(position), np.bincount(position, weights=on_grid)
    coarse = (bars >= _ENOUGH_BARS) & (aligned == bars)
    if coarse.any():
        date = pd.Timestamp(int(days[np.argmax(coarse)]) * 86_400, unit="s")
        raise PanelError(
            f"bars of {asset}: 1-minute bars (timestamp {timestamps.iloc[int(np.argmin(on_grid))]}) are mixed with "
            f"5-minute bars ({date:%Y-%m-%d}); use one bar length for an asset"
        )
    return 1


def implausible(stamps: "pd.Series[pd.Timestamp]") -> bool:
    """Whether one of the stamps, which are in microseconds and not empty, lies outside of the years 1900 to 2099."""
    micro = stamps.astype(np.int64).to_numpy()
    return bool(len(micro)) and not _EARLIEST <= int(micro.min()) <= int(micro.max()) < _LATEST


def _stamps(column: "pd.Series[Any]", asset: str) -> "pd.Series[pd.Timestamp]":
    """The column as stamps in microseconds, with their zone if they have one."""
    stamps = column
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        if pd.api.types.is_numeric_dtype(column.dtype):
            raise PanelError(
                f"bars of {asset}: column timestamp holds numbers ({column.dtype}); write dates with times, "
                "exchange-local or with their time zone"
            )
        text = column.astype(str)
        long = text.str.len() > _LONGEST_STAMP
        if long.any():
            raise PanelError(
                f"bars of {asset}: timestamp {_shown(text[long].iloc[0])}... is longer than a date and time"
                f"{_more(long)}; write YYYY-MM-DD HH:MM:SS"
            )
        zoned = text.str.contains(_WITH_ZONE)
        if zoned.any() and not zoned.all():
            raise PanelError(
                f"bars of {asset}: timestamp {printable(text[~zoned].iloc[0], 40)} has no time zone, others have one; "
                "write all of them with it or none"
            )
        # With zones, offsets differ between winter and summer, so the common clock is UTC until the conversion.
        stamps = pd.to_datetime(column, utc=bool(zoned.any()), errors="coerce", format="ISO8601")
        odd = stamps.isna() | ~text.str.match(ISO_DATE.pattern)  # pandas would take "now" for the time of this run
        if odd.any():
            raise PanelError(
                f"bars of {asset}: timestamp {_shown(text[odd].iloc[0])} is not a date and time{_more(odd)}; "
                "write YYYY-MM-DD HH:MM:SS"
            )
    if stamps.isna().any():
        raise PanelError(f"bars of {asset}: {int(stamps.isna().sum())} bars have no timestamp; fill it in or drop them")
    try:
        stamps = stamps.dt.as_unit("us")
        far = implausible(stamps)
    except (ValueError, OverflowError):  # more years than microseconds can count
        far = True
    if far:
        raise PanelError(
            f"bars of {asset}: a timestamp lies before {FIRST_YEAR} or after {LAST_YEAR}; correct it or drop the bar"
        )
    return stamps


def _read(system: Any, name: str, where: str, columns: Sequence[str]) -> pd.DataFrame:
    """Those of the columns that a file of bars has."""

    def choose(present: Sequence[str]) -> Sequence[str]:
        _require_columns(present, where)
        return [column for column in columns if column in present]

    return read_file(name, system, choose, where, numbers=(*PRICES, "volume"))


def _checked(bars: pd.DataFrame, asset: str, calendar: str, where: str) -> pd.DataFrame:
    try:
        return check_bars(bars, asset, calendar)
    except PanelError as error:
        raise PanelError(f"{where}: {error}") from error


def _require_columns(present: Sequence[str], where: str) -> None:
    missing = [column for column in COLUMNS if column not in present]
    if missing:
        raise PanelError(
            f"{where}: no column {', '.join(missing)} (it has {printable(', '.join(map(str, present)), 300)}); "
            f"bars need {', '.join(COLUMNS)}"
        )


def _check_name(asset: str, where: str) -> None:
    """Stop at an asset whose name no panel may hold."""
    if not asset.isprintable():
        raise PanelError(f"{where}: the asset {_shown(asset)} has a character that cannot be printed; rename it")
    if len(asset.encode()) > LONGEST_NAME:
        raise PanelError(
            f"{where}: the asset {_shown(asset)}... has a name of {len(asset.encode())} bytes; shorten it to "
            f"{LONGEST_NAME}"
        )


def _wanted(wanted: Collection[str] | None, found: Iterable[str], path: str) -> list[str]:
    if wanted is None:
        return list(found)
    absent = sorted(set(wanted) - set(found))
    if absent or not wanted:
        raise PanelError(f"bars: {path} has no asset {', '.join(absent) or '(none is named)'}; check the name")
    return sorted(set(wanted))


def _reject(table: pd.DataFrame, bad: np.ndarray, asset: str, column: str, remedy: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        stamp, value = table["timestamp"].iloc[row], table[column].iloc[row]
        raise PanelError(f"bars of {asset}: {column} is {value:g} at {stamp}{_more(bad)}; {remedy}")


def _more(bad: "np.ndarray | pd.Series[bool]") -> str:
    count = int(bad.sum()) - 1
    return f" (and {count} more)" if count > 0 else ""


def _shown(text: object) -> str:
    return repr(str(text)[:40])


def _line(error: Exception) -> str:
    return printable(error, 200) or type(error).__name__

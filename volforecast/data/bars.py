"""Intraday bars: read from Parquet or CSV, local or ``s3://``, and checked before anything is computed from them.

A bar's ``timestamp`` is its OPEN, in the exchange's own time without a zone; bars last 1 or 5 minutes. Minutes without
trades may be absent. ``volume`` is in units of the asset, prices in any currency.
"""

from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pandas as pd

from volforecast.data.sessions import DEFAULT_CALENDAR, exchange_zone
from volforecast.errors import PanelError

PRICES = ("open", "high", "low", "close")
COLUMNS = ("timestamp", *PRICES, "volume")
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
    system, root = fsspec.core.url_to_fs(path)
    try:
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
        by_asset = {PurePosixPath(name).stem: name for name in sorted(files)}
        for asset in _wanted(assets, by_asset, path):
            yield asset, check_bars(_read_file(system, by_asset[asset]), asset, calendar)
        return
    table = _read_file(system, root)
    if "asset" not in table:
        table = table.assign(asset=PurePosixPath(root).stem)
    unnamed = table["asset"].isna() | (table["asset"].astype(str).str.strip() == "")
    if unnamed.any() or not len(table):
        raise PanelError(f"bars: {path} has {int(unnamed.sum())} rows without asset of {len(table)}; name or drop them")
    groups = table.groupby(table["asset"].astype(str), sort=True)
    for asset in _wanted(assets, sorted(map(str, groups.groups)), path):
        yield asset, check_bars(groups.get_group(asset), asset, calendar)


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
        PanelError: No bars, a missing column, a stamp that is none or occurs twice, a price that is NaN, infinite, zero
            or negative, a high below its low, a volume that is NaN or negative, or a bar length that is not 1 or 5
            minutes throughout. The message is one line and names asset, timestamp, column and remedy.
    """
    missing = [column for column in COLUMNS if column not in bars]
    if missing:
        raise PanelError(
            f"bars of {asset}: no column {', '.join(missing)} (it has {', '.join(map(str, bars.columns))}); "
            f"bars need {', '.join(COLUMNS)}"
        )
    if not len(bars):
        raise PanelError(f"bars of {asset}: no rows; leave the asset out or write its bars")
    stamps = _stamps(bars["timestamp"], asset)
    twice = stamps.duplicated()
    if twice.any():  # before the conversion: a local clock shows one hour twice when summer time ends
        raise PanelError(
            f"bars of {asset}: timestamp {stamps[twice].iloc[0]} occurs more than once{_more(twice)}; keep one bar each"
        )
    if stamps.dt.tz is not None:
        stamps = stamps.dt.tz_convert(exchange_zone(calendar)).dt.tz_localize(None)
    table = pd.DataFrame({"timestamp": stamps.dt.as_unit("us")})
    for column in (*PRICES, "volume"):
        try:
            table[column] = bars[column].astype(np.float64)
        except (ValueError, TypeError) as error:
            raise PanelError(
                f"bars of {asset}: column {column} is not numeric ({_line(error)}); write plain decimal numbers"
            ) from error
    for column in PRICES:
        values = table[column].to_numpy()
        bad = ~(np.isfinite(values) & (values > 0))
        _reject(table, bad, asset, column, "prices are positive numbers: drop the bar (a missing minute is allowed)")
    volume = table["volume"].to_numpy()
    bad = ~(np.isfinite(volume) & (volume >= 0))
    _reject(table, bad, asset, "volume", "write 0 where the volume is unknown, or drop the bar")
    bad = table["high"].to_numpy() < table["low"].to_numpy()
    _reject(table, bad, asset, "high", "high is below low: repair the bar or drop it (columns swapped?)")
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


def _stamps(column: "pd.Series[Any]", asset: str) -> "pd.Series[pd.Timestamp]":
    stamps = column
    if not pd.api.types.is_datetime64_any_dtype(column.dtype):
        if pd.api.types.is_numeric_dtype(column.dtype):
            raise PanelError(
                f"bars of {asset}: column timestamp holds numbers ({column.dtype}); write dates with times, "
                "exchange-local or with their time zone"
            )
        text = column.astype(str)
        zoned = text.str.contains(r"\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)$", regex=True)
        if zoned.any() and not zoned.all():
            raise PanelError(
                f"bars of {asset}: timestamp {text[~zoned].iloc[0]} has no time zone, others have one; "
                "write all of them with it or none"
            )
        # With zones, offsets differ between winter and summer, so the common clock is UTC until the conversion.
        stamps = pd.to_datetime(column, utc=bool(zoned.any()), errors="coerce", format="ISO8601")
        if stamps.isna().any():
            raise PanelError(
                f"bars of {asset}: timestamp {text[stamps.isna()].iloc[0]!r} is not a date and time"
                f"{_more(stamps.isna())}; write YYYY-MM-DD HH:MM:SS"
            )
    if stamps.isna().any():
        raise PanelError(f"bars of {asset}: {int(stamps.isna().sum())} bars have no timestamp; fill it in or drop them")
    return stamps


def _read_file(system: Any, name: str) -> pd.DataFrame:
    try:
        with system.open(name, "rb") as stream:
            if name.endswith(".csv"):
                # "NA" is a ticker, so only the numbers may be missing.
                empty = {column: ["", "NA", "NaN", "nan", "null"] for column in (*PRICES, "volume")}
                text = {"asset": str, "timestamp": str}
                table: pd.DataFrame = pd.read_csv(stream, dtype=text, keep_default_na=False, na_values=empty)
                return table
            return pd.read_parquet(stream)
    except (OSError, ValueError) as error:
        raise PanelError(f"bars: {name} cannot be read ({_line(error)}); give Parquet or CSV") from error


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


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

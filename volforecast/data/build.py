"""From a folder of intraday bars to a panel folder: ``assets.parquet`` and ``daily.parquet``."""

import io
import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import fsspec
import pandas as pd
from fsspec.implementations.local import LocalFileSystem

from volforecast.data.bars import implausible, iter_bars
from volforecast.data.checks import ISO_DATE, check_daily
from volforecast.data.files import read_file
from volforecast.data.realized import daily_from_bars
from volforecast.data.sessions import DEFAULT_CALENDAR
from volforecast.errors import PanelError
from volforecast.printable import printable


class BuiltPanel(NamedTuple):
    """What was written.

    Attributes:
        assets: ``asset, name, sector, first_trading_day`` and, where the asset table has them, ``role`` and others.
        daily: As :func:`volforecast.data.realized.daily_from_bars` returns it.
        dropped: ``asset, date, reason`` of the days ``daily`` lacks; no ``date`` where an asset is left out.
    """

    assets: pd.DataFrame
    daily: pd.DataFrame
    dropped: pd.DataFrame


def build_panel(
    bars_path: str,
    assets_path: str | None,
    out: str,
    *,
    calendar: str = DEFAULT_CALENDAR,
    earnings_path: str | None = None,
    extra: bool = True,
    min_coverage: float = 0.5,
    max_open_end: int = 15,
    overwrite: bool = False,
) -> BuiltPanel:
    """Write the panel of a set of intraday bars.

    Bars are read asset by asset, so memory holds the bars of one asset (of a folder) and the daily rows of all. Each
    file is written whole or not at all, ``daily.parquet`` last: a folder without it is not a panel.

    Args:
        bars_path: As in :func:`volforecast.data.bars.iter_bars`.
        assets_path: Parquet or CSV table with ``asset`` and, as far as known, ``name, sector, role,
            first_trading_day``. It must name every asset that has bars; others are reported and left out. None writes a
            table without ``role`` (the reader then asks for the targets) in which the first day kept is the first
            trading day.
        out: Panel folder, local or ``s3://``; made if absent. ``dropped.parquet`` is written beside the two tables.
        calendar: The exchange (see :mod:`volforecast.data.sessions`).
        earnings_path: Parquet or CSV table ``asset, date`` of announcements, or None.
        extra: Write ``bpv, rq, rs_pos, rs_neg`` too.
        min_coverage: As in ``daily_from_bars``.
        max_open_end: As in ``daily_from_bars``, minutes.
        overwrite: Replace a panel that is there.

    Raises:
        PanelError: A panel is there already, a table, a bar or a day made of bars breaks a rule, no day of any asset
            can be used, or ``out`` cannot be written.
        ConfigError: An unknown calendar or a setting out of range.
    """
    try:
        system, root = fsspec.core.url_to_fs(out)
        target = PurePosixPath(root)
        present = system.exists(str(target / "daily.parquet"))
    except Exception as error:  # the S3 client's own errors (no credentials) share no base with OSError
        raise PanelError(f"panel {out} cannot be reached ({_line(error)}); check address and credentials") from error
    if present and not overwrite:
        raise PanelError(f"panel {out}: daily.parquet is there already; name another folder, or allow overwriting")
    given = None if assets_path is None else _read_assets(assets_path)
    earnings = None if earnings_path is None else _read_dates(earnings_path, "date", "earnings")
    listed = _first_days(given)
    daily, dropped = [], []
    for asset, bars in iter_bars(bars_path, calendar):
        if given is not None and asset not in given.index:
            raise PanelError(f"assets: {assets_path} has no row for {asset}, which has bars; add it or remove its bars")
        try:
            days = daily_from_bars(
                bars.assign(asset=asset),
                calendar=calendar,
                extra=extra,
                listed=listed,
                earnings=earnings,
                min_coverage=min_coverage,
                max_open_end=max_open_end,
            )
        except PanelError as error:
            raise PanelError(f"bars: {bars_path}: {error}") from error
        daily.append(days.daily)
        dropped.append(days.dropped)
    table = pd.concat(daily, ignore_index=True)
    lost = pd.concat(dropped, ignore_index=True)
    if not len(table):
        raise PanelError(
            f"panel {out}: none of the {len(lost)} days can be used (first: {lost['asset'].iloc[0]}, "
            f"{lost['date'].iloc[0]:%Y-%m-%d}, {lost['reason'].iloc[0]}); check --calendar and the bars' time zone"
        )
    try:
        check_daily(table)  # no panel is written that cannot be read
    except PanelError as error:
        raise PanelError(f"bars: {bars_path} would make the panel's {error}") from error
    assets = _assets(given, table)
    if given is not None:
        absent = sorted(set(given.index) - set(assets["asset"]) - set(lost["asset"]))
        lost = pd.concat(
            [lost, pd.DataFrame({"asset": absent, "date": pd.NaT, "reason": "no bars: none of this asset"})],
            ignore_index=True,
        ).astype({"date": "datetime64[us]"})
    for name, content in (("dropped", lost), ("assets", assets), ("daily", table)):
        try:
            _write(system, str(target / f"{name}.parquet"), content)
        except Exception as error:  # as above
            raise PanelError(
                f"panel {out}: {name}.parquet cannot be written ({_line(error)}); check address, rights and space, "
                "then start again"
            ) from error
    return BuiltPanel(assets, table, lost)


def _assets(given: pd.DataFrame | None, daily: pd.DataFrame) -> pd.DataFrame:
    first = daily.groupby("asset", sort=True)["date"].min()
    table = pd.DataFrame({"first_trading_day": first}) if given is None else given[given.index.isin(first.index)].copy()
    table.index.name = "asset"
    table = table.sort_index().reset_index()
    starts = table["asset"].map(first)
    for column, default in (("first_trading_day", starts), ("name", table["asset"]), ("sector", "")):
        table[column] = table[column].fillna(default) if column in table else default
    order = ["asset", "name", "sector", *(["role"] if "role" in table else []), "first_trading_day"]
    return table[[*order, *(column for column in table if column not in order)]]


def _first_days(given: pd.DataFrame | None) -> Mapping[str, date]:
    if given is None or "first_trading_day" not in given:
        return {}
    return {str(asset): day.date() for asset, day in given["first_trading_day"].dropna().items()}


def _read_assets(path: str) -> pd.DataFrame:
    table = _read_dates(path, "first_trading_day", "assets")
    twice = table["asset"].duplicated()
    if twice.any():
        raise PanelError(f"assets: {path} names {table.loc[twice, 'asset'].iloc[0]} more than once; keep one row")
    return table.set_index("asset")


def _read_dates(path: str, column: str, what: str) -> pd.DataFrame:
    """A small table with ``asset`` and a column of dates (optional in the asset table)."""
    where = f"{what}: {path}"
    required = ["asset", "date"] if what == "earnings" else ["asset"]

    def choose(present: Sequence[str]) -> Sequence[str]:
        missing = [name for name in required if name not in present]
        if missing:
            raise PanelError(f"{where} lacks {missing[0]} in column {missing[0]}; write it")
        return required if what == "earnings" else present

    try:
        system, root = fsspec.core.url_to_fs(path)
    except Exception as error:  # as above
        raise PanelError(f"{where} cannot be read ({_line(error)}); give a Parquet or CSV table") from error
    table = read_file(root, system, choose, where)
    if table["asset"].isna().any():
        raise PanelError(f"{where} lacks some values in column asset; write it")
    table["asset"] = table["asset"].astype(str)
    for name in {"name", "sector", "role"} & set(table):
        table[name] = table[name].astype(object).map(str, na_action="ignore")
    if column in table:
        try:
            table[column] = _days(table[column])
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise PanelError(f"{where}, column {column} is not a date ({_line(error)}); write YYYY-MM-DD") from error
    return table


def _days(given: "pd.Series[Any]") -> "pd.Series[pd.Timestamp]":
    """The column as dates without time and zone; empty where nothing is given."""
    if pd.api.types.is_numeric_dtype(given) and given.notna().any():
        raise ValueError(f"it holds numbers such as {given.dropna().iloc[0]}")
    given = given.replace("", None)
    text = pd.api.types.is_string_dtype(given) or pd.api.types.is_object_dtype(given)
    odd = [day for day in given.dropna().unique() if isinstance(day, str) and not ISO_DATE.match(day)]
    if odd:
        raise ValueError(f"it holds {odd[0][:40]!r}")
    dates = pd.to_datetime(given, format="ISO8601" if text else None)
    dates = dates.dt.tz_localize(None).dt.as_unit("us").dt.normalize()
    if implausible(dates.dropna()):
        raise ValueError("a year is before 1900 or after 2099")
    return dates


def _write(system: Any, path: str, table: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    # An object store shows an object once it is complete. A local file grows in sight, so it gets its name at the end.
    if not isinstance(system, LocalFileSystem):
        system.pipe_file(path, buffer.getvalue())
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)  # locally only: for S3, fsspec would create a mistyped bucket
    unfinished = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open(unfinished, "wb") as stream:
            stream.write(buffer.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise


def _line(error: Exception) -> str:
    return printable(error, 200) or type(error).__name__

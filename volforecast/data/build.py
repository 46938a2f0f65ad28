"""From a folder of intraday bars to a panel folder: ``assets.parquet`` and ``daily.parquet``."""

import io
import os
import uuid
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import fsspec
import pandas as pd
from fsspec.implementations.local import LocalFileSystem

from volforecast.data.bars import iter_bars
from volforecast.data.realized import daily_from_bars
from volforecast.data.sessions import DEFAULT_CALENDAR
from volforecast.errors import PanelError


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
        PanelError: A panel is there already, a table or bar breaks a rule, no day of any asset can be used, or ``out``
            cannot be written.
        ConfigError: An unknown calendar or a setting out of range.
    """
    system, root = fsspec.core.url_to_fs(out)
    target = PurePosixPath(root)
    try:
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
        days = daily_from_bars(
            bars.assign(asset=asset),
            calendar=calendar,
            extra=extra,
            listed=listed,
            earnings=earnings,
            min_coverage=min_coverage,
            max_open_end=max_open_end,
        )
        daily.append(days.daily)
        dropped.append(days.dropped)
    table = pd.concat(daily, ignore_index=True)
    lost = pd.concat(dropped, ignore_index=True)
    if not len(table):
        raise PanelError(
            f"panel {out}: none of the {len(lost)} days can be used (first: {lost['asset'].iloc[0]}, "
            f"{lost['date'].iloc[0]:%Y-%m-%d}, {lost['reason'].iloc[0]}); check --calendar and the bars' time zone"
        )
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
    try:
        with fsspec.open(path, "rb") as stream:
            if path.endswith(".csv"):
                table = pd.read_csv(stream, dtype=str, keep_default_na=False)
            else:
                table = pd.read_parquet(stream)
    except Exception as error:  # as above
        raise PanelError(f"{what}: {path} cannot be read ({_line(error)}); give a Parquet or CSV table") from error
    required = ("asset", "date") if what == "earnings" else ("asset",)
    missing = [name for name in required if name not in table]
    if missing or table["asset"].isna().any():
        raise PanelError(f"{what}: {path} lacks {', '.join(missing) or 'some values'} in column asset; write it")
    table["asset"] = table["asset"].astype(str)
    if column in table:
        try:
            dates = pd.to_datetime(table[column].replace("", None))
            table[column] = dates.dt.tz_localize(None).dt.normalize().dt.as_unit("us")
        except (ValueError, TypeError, AttributeError) as error:
            raise PanelError(
                f"{what}: {path}, column {column} is not a date ({_line(error)}); write YYYY-MM-DD"
            ) from error
    return table


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
    return " ".join(str(error).split())[:200] or type(error).__name__

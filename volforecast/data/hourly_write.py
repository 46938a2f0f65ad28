"""From files of one-minute bars to the folder of an hourly table."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import pandas as pd

from volforecast.data.bars import iter_bars
from volforecast.data.files import read_file
from volforecast.data.hourly_build import BuiltHours, build_hourly
from volforecast.data.order_book import book_features
from volforecast.errors import PanelError
from volforecast.printable import printable


def make_hourly(
    bars_path: str,
    out: str,
    *,
    asset: str | None = None,
    sentiment_path: str | None = None,
    books_path: str | None = None,
    first: dt.date | None = None,
    last: dt.date | None = None,
) -> BuiltHours:
    """Make the hourly table of one asset and write its folder.

    Args:
        bars_path: As in :func:`volforecast.data.bars.iter_bars`; one-minute bars, in UTC or with a time zone.
        out: Folder to write, local or ``s3://``, which holds no hourly table.
        asset: Which of the assets of ``bars_path``; may be None where there is one.
        sentiment_path: Parquet or CSV table ``date, value`` of Fear & Greed, 0 to 100.
        books_path: Snapshots of an order book (:func:`volforecast.data.order_book.book_features`).
        first: First day of the table, None for as early as there are bars.
        last: Last day, likewise.

    Raises:
        PanelError: A file breaks a rule, several assets are there and none is named, the sentiment does not cover the
            hours, or ``out`` cannot be written.
    """
    check_absent(out)
    bars = _only(bars_path, asset)
    daily = None if sentiment_path is None else _read_daily(sentiment_path)
    books = None if books_path is None else book_features(books_path)
    built = build_hourly(
        bars,
        daily,
        books,
        first=first,
        last=last,
    )
    write_tables(out, {"dropped": built.dropped, "sentiment": built.sentiment, "hourly": built.hours})
    return built


def write_tables(out: str, tables: dict[str, pd.DataFrame | None]) -> None:
    """Write those of the tables that there are; ``hourly`` last, so that a folder without it is no hourly table.

    Raises:
        PanelError: ``out`` holds an hourly table, or cannot be written.
    """
    check_absent(out)
    root = out.rstrip("/")
    try:
        if "://" not in root:
            Path(root).mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            if table is not None:
                table.to_parquet(f"{root}/{name}.parquet", index=False)
    except Exception as error:  # the S3 client's own errors (no credentials) share no base with OSError
        raise PanelError(f"{out}: cannot be written ({_line(error)}); check address, rights and space") from error


def check_absent(out: str) -> None:
    """Whether a folder holds no hourly table yet.

    Raises:
        PanelError: It does, or cannot be reached.
    """
    try:
        system, root = fsspec.core.url_to_fs(out)
        present = [
            name
            for name in ("hourly.parquet", "sentiment.parquet", "dropped.parquet")
            if system.exists(str(PurePosixPath(root) / name))
        ]
    except Exception as error:  # as above
        raise PanelError(f"{out}: cannot be reached ({_line(error)}); check address and credentials") from error
    if present:
        raise PanelError(f"{out}: {present[0]} is there already; name another folder, or remove it")


def _only(path: str, asset: str | None) -> pd.DataFrame:
    found = iter_bars(path, "24/7", None if asset is None else (asset,))
    _, bars = next(found)
    try:
        another = next(found, None)
    except PanelError as error:
        raise PanelError(f"{error}; or name the asset that is meant with --asset") from error
    if another is not None:
        raise PanelError(f"bars: {path} holds more than one asset; name one with --asset")
    return bars


def _read_daily(path: str) -> pd.DataFrame:
    where = f"sentiment: {path}"

    def choose(present: Sequence[str]) -> Sequence[str]:
        missing = [name for name in ("date", "value") if name not in present]
        if missing:
            raise PanelError(f"{where}: no column {missing[0]}; it needs date (day) and value (0 to 100)")
        return ["date", "value"]

    try:
        system, root = fsspec.core.url_to_fs(path)
    except Exception as error:  # as above
        raise PanelError(f"{where} cannot be reached ({_line(error)}); check address and credentials") from error
    table = read_file(root, system, choose, where, numbers=("value",))
    dates: pd.Series[Any] = table["date"]
    if not pd.api.types.is_datetime64_any_dtype(dates.dtype):
        try:
            table["date"] = pd.to_datetime(dates, format="%Y-%m-%d")
        except (ValueError, TypeError, OverflowError) as error:
            raise PanelError(f"{where}: column date holds no dates ({_line(error)}); write YYYY-MM-DD") from error
    return table


def _line(error: Exception) -> str:
    return printable(error, 200) or type(error).__name__

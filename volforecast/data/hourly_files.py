"""An hourly table read from a folder and checked: ``hourly.parquet`` and, where there is one, ``sentiment.parquet``.

``hourly.parquet``: ``timestamp`` (whole hours, ascending; with a time zone, or UTC), ``vol`` (per cent, of the hour
that follows), features known at the time stamp (of an order book, or of bars), and optionally ``return_previous_hour``
(without it: the bars' ``hour_return``, else unknown) and ``gap_artefact``. ``sentiment.parquet``: ``timestamp`` and
indices between 0 and 1, and optionally ``aggregate_sentiment`` (their mean) and ``fng_feature``.

Nothing is repaired: what breaks a rule is refused.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pandas as pd
from botocore.exceptions import BotoCoreError
from numpy.typing import NDArray

from volforecast.data.files import UNREADABLE, parquet, read_columns
from volforecast.data.hourly import HOUR, FloatArray, HourlyTable
from volforecast.data.hourly_build import BAR_FEATURES
from volforecast.data.order_book import BOOK_FEATURES
from volforecast.data.sentiment import FEAR_GREED, aggregate
from volforecast.errors import PanelError
from volforecast.hourly_rows import ITERATIONS, Sample
from volforecast.printable import printable

FEATURES = (*BOOK_FEATURES, *BAR_FEATURES)
IGNORED = ("hours_since_prev_row", "rv_next_hour")
AGGREGATE, ORTHOGONAL = "aggregate_sentiment", "fng_feature"
SMALLEST_VOL, LARGEST_VOL = 1e-6, 1e6  # per cent; squares and ratios of what lies between stay finite
_OWN = ("timestamp", "vol", "return_previous_hour", "gap_artefact")


def read_hourly(path: str) -> HourlyTable:
    """Read and check an hourly table.

    Args:
        path: Folder, local or ``s3://``.

    Raises:
        PanelError: A file is missing, cannot be read or breaks a rule, or there are too few hours for the ten intervals
            that models learn and are tested on.
    """
    table = hourly_table(
        _read(path, "hourly.parquet", required=True), _read(path, "sentiment.parquet", required=False), path
    )
    check_length(table, path)
    return table


def hourly_table(hours: pd.DataFrame, sentiment: pd.DataFrame, path: str = "hours") -> HourlyTable:
    """The table of two frames, checked.

    Args:
        hours: As ``hourly.parquet``.
        sentiment: As ``sentiment.parquet``; empty without sentiment.
        path: What messages call the folder of both.

    Raises:
        PanelError: One breaks a rule.
    """
    where = f"{path}/hourly.parquet"
    unknown = [name for name in hours if name not in (*_OWN, *FEATURES, *IGNORED)]
    if unknown:
        raise PanelError(
            f"{where}: column {printable(unknown[0], 60)} is not known; features are {', '.join(FEATURES)}: rename or "
            "drop it"
        )
    for name in ("timestamp", "vol"):
        if name not in hours:
            raise PanelError(f"{where}: no column {name}; it needs timestamp (the hour's beginning) and vol (per cent)")
    times = _times(hours, where)
    vol = _numbers(hours, "vol", times, where)
    _reject((vol < SMALLEST_VOL) | (vol > LARGEST_VOL), vol, "vol", times, where, "it is a volatility in per cent")
    names = tuple(name for name in FEATURES if name in hours)
    features = [_numbers(hours, name, times, where) for name in names]
    index_names, indices, orthogonal = _sentiment(sentiment, times, f"{path}/sentiment.parquet")
    table = HourlyTable(
        times=times,
        vol=vol,
        returns=_returns(hours, times, where),
        features=np.column_stack(features) if features else np.empty((len(times), 0)),
        feature_names=names,
        indices=indices,
        index_names=index_names,
        artefact=_flags(hours, where),
        orthogonal=orthogonal,
    )
    _check_returns(table, where)
    return table


def check_length(table: HourlyTable, where: str) -> None:
    """Whether every block of every iteration has rows in both modes.

    Raises:
        PanelError: One has none.
    """
    for mode in ("clean", "paper"):
        sample = Sample(table, mode)
        for iteration in range(1, ITERATIONS + 1):
            blocks = sample.blocks(iteration)._asdict()
            empty = [name for name, rows in blocks.items() if not len(rows)]
            if empty:
                raise PanelError(
                    f"{where}: {len(table)} hours leave the {empty[0]} rows of iteration {iteration} empty ({mode} "
                    "mode: a row needs 30 unbroken hours before it); give more hours, or hours with fewer gaps"
                )


def gaps(table: HourlyTable) -> pd.DataFrame:
    """Where hours are missing.

    Returns:
        ``from, to`` (time stamps of the rows before and after), ``hours`` between them, ``treatment`` in clean mode.
    """
    after = np.flatnonzero(np.diff(table.times) != HOUR) + 1
    artefact = table.artefact[after]
    return pd.DataFrame(
        {
            "from": pd.DatetimeIndex(table.times[after - 1]).as_unit("us").tz_localize("UTC"),
            "to": pd.DatetimeIndex(table.times[after]).as_unit("us").tz_localize("UTC"),
            "hours": ((table.times[after] - table.times[after - 1]) / HOUR).astype(np.int64),
            "treatment": np.where(
                artefact,
                "not bridged; the first row after it is no hour's volatility and left out",
                "not bridged",
            ).astype(object),
        }
    )


def _read(path: str, name: str, *, required: bool) -> pd.DataFrame:
    """All columns of a table; empty if there is no such table."""
    try:
        filesystem, root = fsspec.core.url_to_fs(path)
        location = str(PurePosixPath(root) / name)
        found = filesystem.exists(location)
    except (OSError, ValueError, ImportError, BotoCoreError) as error:
        raise PanelError(f"{path}: cannot be reached ({_reason(error)}); check address and credentials") from error
    if not found:
        if required:
            raise PanelError(f"{path}: no {name} in this folder; volforecast hourly makes one of one-minute bars")
        return pd.DataFrame()
    try:
        dataset = parquet(location, filesystem)
        table = read_columns(dataset, filesystem, list(dataset.schema.names), f"{path}/{name}")
    except UNREADABLE as error:
        raise PanelError(f"{path}/{name}: not a readable Parquet table ({_reason(error)}); write it again") from error
    if not len(table):
        raise PanelError(f"{path}/{name}: the table is empty; it needs one row an hour")
    return table


def _times(table: pd.DataFrame, where: str) -> NDArray[np.datetime64]:
    """Time stamps in UTC, whole hours, ascending."""
    stamps: pd.Series[Any] = table["timestamp"]
    if not pd.api.types.is_datetime64_any_dtype(stamps.dtype):
        raise PanelError(f"{where}: column timestamp holds {stamps.dtype}, not times; store timestamps in UTC")
    if stamps.isna().any():
        row = int(np.argmax(stamps.isna().to_numpy()))
        raise PanelError(f"{where}: row {row} has no timestamp; fill it in or drop the row")
    if stamps.dt.tz is not None:
        stamps = stamps.dt.tz_convert("UTC").dt.tz_localize(None)
    exact = stamps.dt.as_unit("ns").to_numpy().astype("datetime64[ns]")
    times: NDArray[np.datetime64] = exact.astype("datetime64[h]").astype("datetime64[s]")
    odd = exact != times
    if odd.any():
        row = int(np.argmax(odd))
        raise PanelError(f"{where}: timestamp {exact[row]} (row {row}) is not on the hour; a row is a whole hour")
    step = np.diff(times).astype(np.int64)
    if (step <= 0).any():
        row = int(np.argmax(step <= 0)) + 1
        fault = "occurs twice" if step[row - 1] == 0 else f"comes after {times[row - 1]}"
        raise PanelError(f"{where}: timestamp {times[row]} (row {row}) {fault}; keep one row an hour, oldest first")
    return times


def _numbers(
    table: pd.DataFrame, name: str, times: NDArray[np.datetime64], where: str, *, holes: bool = False
) -> FloatArray:
    """A column of finite numbers; with ``holes`` some may be unknown (NaN)."""
    dtype = table[name].dtype
    if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        raise PanelError(f"{where}: column {printable(name, 60)} holds {dtype}, not numbers; store decimal numbers")
    values = table[name].to_numpy(dtype=np.float64)
    bad = np.isinf(values) if holes else ~np.isfinite(values)
    _reject(bad, values, name, times, where, "it must be a finite number")
    return values


def _reject(
    bad: NDArray[np.bool_], values: FloatArray, name: str, times: NDArray[np.datetime64], where: str, why: str
) -> None:
    if bad.any():
        row, more = int(np.argmax(bad)), int(bad.sum()) - 1
        others = f" (and {more} more)" if more else ""
        raise PanelError(
            f"{where}: {printable(name, 60)} is {values[row]:g} at {times[row]}{others}; {why}: correct it or drop the "
            "row, which makes a gap"
        )


def _returns(table: pd.DataFrame, times: NDArray[np.datetime64], where: str) -> FloatArray:
    for name in ("return_previous_hour", "hour_return"):
        if name in table:
            return _numbers(table, name, times, where, holes=True)
    return np.full(len(times), np.nan)


def _check_returns(table: HourlyTable, where: str) -> None:
    """Stop where a return is unknown though the hour before is there, unless none is known at all."""
    lost = np.isnan(table.returns) & (table.position > 0)
    if lost.any() and np.isfinite(table.returns).any():
        row = int(np.argmax(lost))
        raise PanelError(
            f"{where}: return_previous_hour is unknown at {table.times[row]}, one of {int(lost.sum())} such hours; "
            "models that read returns would skip an hour: supply it, or drop the column"
        )


def _flags(table: pd.DataFrame, where: str) -> NDArray[np.bool_]:
    if "gap_artefact" not in table:
        return np.zeros(len(table), dtype=np.bool_)
    flags = table["gap_artefact"]
    if not pd.api.types.is_bool_dtype(flags.dtype):
        raise PanelError(f"{where}: column gap_artefact holds {flags.dtype}; store true or false in every row")
    return flags.to_numpy(dtype=np.bool_)


def _sentiment(
    table: pd.DataFrame, times: NDArray[np.datetime64], where: str
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Names and values of the indices at the hours, Fear & Greed first, and the table's own unexplained part."""
    if not len(table):
        return (), np.empty((len(times), 0)), np.empty(0)
    if "timestamp" not in table:
        raise PanelError(f"{where}: no column timestamp; it needs the hours of hourly.parquet")
    stamps = _times(table, where)
    at = np.minimum(np.searchsorted(stamps, times), len(stamps) - 1)
    absent = stamps[at] != times
    if absent.any():
        raise PanelError(
            f"{where}: no row for {times[np.argmax(absent)]}, one of {int(absent.sum())} hours of hourly.parquet that "
            "it lacks; supply them, cut the hours, or remove the file"
        )
    own = [str(name) for name in table if name not in ("timestamp", AGGREGATE, ORTHOGONAL)]
    names: Sequence[str] = sorted(own, key=lambda name: name != FEAR_GREED)
    if not names:
        raise PanelError(f"{where}: no index beside timestamp; give {FEAR_GREED} or others between 0 and 1")
    columns = [_numbers(table, name, stamps, where) for name in names]
    for name, values in zip(names, columns, strict=True):
        _reject((values < 0) | (values > 1), values, name, stamps, where, "an index lies between 0 and 1")
    indices = np.column_stack(columns)
    if AGGREGATE in table:
        given, mean = _numbers(table, AGGREGATE, stamps, where), aggregate(indices)
        off = np.abs(given - mean) > 1e-9
        _reject(off, given, AGGREGATE, stamps, where, f"the mean of {', '.join(names)} is another, and is what is used")
    part = _numbers(table, ORTHOGONAL, stamps, where)[at] if ORTHOGONAL in table else np.empty(0)
    return tuple(names), indices[at], part


def _reason(error: Exception) -> str:
    return printable(error, 200) or type(error).__name__

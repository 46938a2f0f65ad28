"""The daily panel: assets, their realized variances, and market series, read from a folder and checked.

A panel folder (local path or ``s3://`` URL) holds ``daily.parquet`` (one file or a dataset partitioned by ``asset=``),
``assets.parquet`` and, optionally, ``market.parquet``; section 1 of the new-issues specification names the columns.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from botocore.exceptions import BotoCoreError

from volforecast.data.checks import Roles, check_assets, check_daily, check_gaps, check_market
from volforecast.data.files import UNREADABLE, parquet, read_columns
from volforecast.data.measures import MEASURES, measure_fingerprints
from volforecast.errors import PanelError
from volforecast.printable import printable

MARKET_SERIES = ("us3m", "hsi", "ads", "epu", "vix")
OPTIONAL = {
    "daily.parquet": ("close", "volume", "earnings_next_day"),
    "assets.parquet": ("name", "sector", "role", "first_trading_day"),
}
MOST_LISTED = 20  # columns of a table that a message lists


@dataclass(frozen=True)
class Columns:
    """How the panel's own tables call the three required columns (``unique_id, ds, y`` in the nixtla convention)."""

    asset: str = "asset"
    date: str = "date"
    rv: str = "rv"


@dataclass(frozen=True)
class Panel:
    """A checked daily panel.

    Attributes:
        assets: One row an asset, sorted by ``asset``: ``asset, name, sector, role, first_trading_day``.
        daily: Sorted by ``asset, date``: ``asset, date, rv`` (decimal variance per day, known at the close of ``date``)
            and, where the panel has them, ``close, volume, earnings_next_day`` and the measures that were asked for.
        market: Levels as published, sorted by ``date``; empty when the panel has none.
        fingerprint: sha256 over everything above but the measures, the same for every file layout of the same content.
        measures: The fingerprints of the measures, by name: of those asked for that the panel has.
    """

    assets: pd.DataFrame
    daily: pd.DataFrame
    market: pd.DataFrame
    fingerprint: str
    measures: Mapping[str, str] = field(default_factory=dict)

    def with_role(self, role: Literal["source", "target"]) -> tuple[str, ...]:
        """The assets that have this role, in alphabetical order."""
        return tuple(self.assets.loc[self.assets["role"] == role, "asset"])


def read_panel(
    path: str,
    *,
    columns: Columns | None = None,
    targets: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    gaps: Literal["error", "allow"] = "error",
    measures: Sequence[str] = (),
    roles: Roles = "given",
) -> Panel:
    """Read and check a panel.

    Args:
        path: Folder, local or ``s3://``.
        columns: Names of the required columns where they differ from ``asset, date, rv``.
        targets: The targets to keep (all of them when empty). On a panel without roles they become the targets and all
            other assets the sources.
        sources: The sources to take, whatever role the panel gives them: an asset may be a target in one run and a
            source in another. Then only they and the targets are kept. Empty takes the panel's roles.
        gaps: What to do with an asset that lacks a date on which most of the panel trades: stop, or take the asset's
            rows as its consecutive trading days.
        measures: Those of ``bpv, rq, rs_neg, rs_pos`` that a model needs (``NewIssuesConfig.measures``); others are not
            read, and those that the panel lacks are only missed by :meth:`NewIssues.load`.
        roles: ``any`` takes a panel without sources, without targets, or without a word about roles as it is.

    Raises:
        PanelError: A table is missing or breaks a rule; the message names asset, date, column and remedy.
    """
    columns = columns or Columns()
    unknown = [name for name in measures if name not in MEASURES]
    if unknown:
        raise PanelError(f"measures: {unknown[0]} is none of {', '.join(MEASURES)}; give some of these")
    wanted = tuple(name for name in MEASURES if name in measures)
    daily = check_daily(_read_table(path, "daily.parquet", columns, required=True, more=wanted), wanted)
    assets = check_assets(
        _read_table(path, "assets.parquet", columns, required=False), daily, targets, sources, roles=roles
    )
    market = check_market(_read_table(path, "market.parquet", columns, required=False), MARKET_SERIES)

    # a target that is not asked for is no source either: its history was cut on purpose
    assets = assets[(assets["role"] == "source") | assets["asset"].isin(targets) | (not targets)].reset_index(drop=True)
    first = daily["asset"].map(assets.set_index("asset")["first_trading_day"])
    role = daily["asset"].map(assets.set_index("asset")["role"])
    # when-issued and pre-listing rows of a target come before its day 1; a source is used as far back as it goes
    daily = daily[role.notna() & ~((role == "target") & (daily["date"] < first))].reset_index(drop=True)
    if gaps == "error":
        check_gaps(daily)
    fingerprint = _fingerprint(assets, daily.drop(columns=list(wanted), errors="ignore"), market)
    return Panel(assets, daily, market, fingerprint, measure_fingerprints(daily, wanted))


def _read_table(path: str, name: str, columns: Columns, *, required: bool, more: tuple[str, ...] = ()) -> pd.DataFrame:
    """What the panel uses of a table, under the project's own names; empty if there is no such table.

    ``more`` are optional columns beside those of ``OPTIONAL``.
    """
    try:
        filesystem, root = fsspec.core.url_to_fs(path)
        location = str(PurePosixPath(root) / name)
        found = filesystem.exists(location)
    except (OSError, ValueError, ImportError, BotoCoreError) as error:
        raise PanelError(f"{path}: cannot be reached ({_reason(error)}); check address and credentials") from error
    if not found:
        if required:
            raise PanelError(
                f"{path}: no {name} in this folder; a panel holds daily.parquet (asset, date, rv) and assets.parquet"
            )
        return pd.DataFrame()
    try:
        dataset = parquet(location, filesystem)
        if name == "daily.parquet" and columns.asset not in dataset.schema.names and filesystem.isdir(location):
            # as text: numbers would turn the folder asset=005930 into the asset 5930
            folders = ds.partitioning(pa.schema([(columns.asset, pa.string())]), flavor="hive")
            dataset = parquet(location, filesystem, folders)
        wanted = _wanted(dataset.schema.names, columns, name, more)
        table = read_columns(dataset, filesystem, list(wanted), f"{path}/{name}")
    except UNREADABLE as error:
        raise PanelError(f"{path}/{name}: not a readable Parquet table ({_reason(error)}); write it again") from error
    return table.rename(columns=wanted)


def _wanted(present: Sequence[str], columns: Columns, name: str, more: tuple[str, ...]) -> dict[str, str]:
    """The columns to read of a table, with the project's own names for them."""
    own = (columns.asset, columns.date, columns.rv)
    if len(set(own)) < 3:
        raise PanelError(f"--columns: {', '.join(own)} name a column twice; give three names")
    if name == "market.parquet":
        date = "date" if "date" in present else columns.date
        wanted = {series: series for series in MARKET_SERIES} | {date: "date"}
    else:
        asked = {columns.asset: "asset"}
        if name == "daily.parquet":
            asked |= {columns.date: "date", columns.rv: "rv"}
        missing = [column for column in asked if column not in present]
        if missing:
            listed = ", ".join(map(str, present[:MOST_LISTED])) + (", ..." if len(present) > MOST_LISTED else "")
            raise PanelError(
                f"{name}: no column {', '.join(map(repr, missing))} (it has {printable(listed, 500)}); "
                "name the columns with --columns asset=...,date=...,rv=..."
            )
        wanted = {column: column for column in (*OPTIONAL[name], *more)} | asked
    return {column: ours for column, ours in wanted.items() if column in present}


def _fingerprint(*tables: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for table in tables:
        for column in table.columns:
            digest.update(f"|{column}|{len(table)}|".encode())
            values = table[column].to_numpy()
            if values.dtype.kind in "fiubM":
                values = values.astype("<i8" if values.dtype.kind == "M" else values.dtype.newbyteorder("<"))
                digest.update(np.ascontiguousarray(values).tobytes())
            else:
                digest.update("\x1f".join(map(str, values)).encode())
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    return printable(error, 200) or type(error).__name__

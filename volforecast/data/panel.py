"""The daily panel: assets, their realized variances, and market series, read from a folder and checked.

A panel folder (local path or ``s3://`` URL) holds ``daily.parquet`` (one file or a dataset partitioned by ``asset=``),
``assets.parquet`` and, optionally, ``market.parquet``; section 1 of the new-issues specification names the columns.
"""

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from botocore.exceptions import BotoCoreError

from volforecast.data.checks import check_assets, check_daily, check_gaps, check_market
from volforecast.errors import PanelError

MARKET_SERIES = ("us3m", "hsi", "ads", "epu", "vix")


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
            and, where the panel has them, ``close, volume, earnings_next_day``.
        market: Levels as published, sorted by ``date``; empty when the panel has none.
        fingerprint: sha256 over everything above, the same for every file layout of the same content.
    """

    assets: pd.DataFrame
    daily: pd.DataFrame
    market: pd.DataFrame
    fingerprint: str

    def with_role(self, role: Literal["source", "target"]) -> tuple[str, ...]:
        """The assets that have this role, in alphabetical order."""
        return tuple(self.assets.loc[self.assets["role"] == role, "asset"])


def read_panel(
    path: str,
    *,
    columns: Columns | None = None,
    targets: tuple[str, ...] = (),
    gaps: Literal["error", "allow"] = "error",
) -> Panel:
    """Read and check a panel.

    Args:
        path: Folder, local or ``s3://``.
        columns: Names of the required columns where they differ from ``asset, date, rv``.
        targets: The targets to keep (all of them when empty). On a panel without roles they become the targets and all
            other assets the sources.
        gaps: What to do with an asset that lacks a date on which most of the panel trades: stop, or take the asset's
            rows as its consecutive trading days.

    Raises:
        PanelError: A table is missing or breaks a rule; the message names asset, date, column and remedy.
    """
    columns = columns or Columns()
    daily = _read_table(path, "daily.parquet", columns, required=True)
    daily = check_daily(_renamed(daily, columns, "daily.parquet"))
    assets = _read_table(path, "assets.parquet", columns, required=False)
    assets = check_assets(_renamed(assets, columns, "assets.parquet") if len(assets) else assets, daily, targets)
    market = _read_table(path, "market.parquet", columns, required=False)
    if "date" not in market:
        market = market.rename(columns={columns.date: "date"})
    market = check_market(market, MARKET_SERIES)

    # a target that is not asked for is no source either: its history was cut on purpose
    assets = assets[(assets["role"] == "source") | assets["asset"].isin(targets) | (not targets)].reset_index(drop=True)
    first = daily["asset"].map(assets.set_index("asset")["first_trading_day"])
    role = daily["asset"].map(assets.set_index("asset")["role"])
    # when-issued and pre-listing rows of a target come before its day 1; a source is used as far back as it goes
    daily = daily[role.notna() & ~((role == "target") & (daily["date"] < first))].reset_index(drop=True)
    if gaps == "error":
        check_gaps(daily)
    return Panel(assets, daily, market, _fingerprint(assets, daily, market))


def _read_table(path: str, name: str, columns: Columns, *, required: bool) -> pd.DataFrame:
    try:
        filesystem, root = fsspec.core.url_to_fs(path)
        location = str(PurePosixPath(root) / name)
        found = filesystem.exists(location)
    except (OSError, ValueError, ImportError, BotoCoreError) as error:
        reason = _one_line(error)
        raise PanelError(f"{path}: cannot be reached ({reason}); check address and credentials") from error
    if not found:
        if required:
            raise PanelError(
                f"{path}: no {name} in this folder; a panel holds daily.parquet (asset, date, rv) and assets.parquet"
            )
        return pd.DataFrame()
    try:
        dataset = ds.dataset(location, filesystem=filesystem, format="parquet")
        if name == "daily.parquet" and columns.asset not in dataset.schema.names and filesystem.isdir(location):
            # as text: numbers would turn the folder asset=005930 into the asset 5930
            folders = ds.partitioning(pa.schema([(columns.asset, pa.string())]), flavor="hive")
            dataset = ds.dataset(location, filesystem=filesystem, format="parquet", partitioning=folders)
        # without pandas' metadata an index of the writer's (often the date) is a column like any other
        table: pd.DataFrame = dataset.to_table().to_pandas(ignore_metadata=True)
    except (OSError, ValueError, TypeError, NotImplementedError, BotoCoreError) as error:
        raise PanelError(f"{path}/{name}: not a readable Parquet table ({_one_line(error)}); write it again") from error
    return table


def _renamed(table: pd.DataFrame, columns: Columns, name: str) -> pd.DataFrame:
    """The table under the project's own column names."""
    if len({columns.asset, columns.date, columns.rv}) < 3:
        raise PanelError(
            f"--columns: {columns.asset}, {columns.date}, {columns.rv} name a column twice; give three names"
        )
    wanted = {columns.asset: "asset"}
    if name == "daily.parquet":
        wanted |= {columns.date: "date", columns.rv: "rv"}
    missing = [column for column in wanted if column not in table]
    if missing:
        raise PanelError(
            f"{name}: no column {', '.join(map(repr, missing))} (it has {', '.join(map(str, table.columns))}); "
            "name the columns with --columns asset=...,date=...,rv=..."
        )
    clash = [new for old, new in wanted.items() if old != new and new in table]
    return table.drop(columns=clash).rename(columns=wanted)


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


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

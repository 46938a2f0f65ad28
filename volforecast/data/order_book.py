"""Features of an order book by the hour, from raw snapshots.

A snapshot lists what is offered at one moment. Of each hour that ends at t only the last snapshot of its last minute,
(t - 60 s, t], is used; an hour without one has no row. Bids above the lowest ask are dropped, and asks below the
highest bid; then bids more than 25% below the highest that is left, and asks more than 25% above the lowest. Of what
remains, best prices first:

* ``spread``: lowest ask less highest bid;
* ``bid_depth, ask_depth``: number of entries; ``bid_volume, ask_volume``: their volume in coins;
* ``difference, volume_difference``: ask less bid;
* ``bid_slope, ask_slope``: volume of the first 10% of the entries (rounded down, one at least);
* ``weighted_spread``: price times volume over the first 10% of the bids, less the same of the asks.

Darracq Paries et al. (2025), sections 1 and 3, leave open the sign of the differences, what is cumulated in the
weighted spread, whether a crossing order is dropped before or after the best prices are found, and how 10% is rounded.
Their published table settles the first two: differences are ask less bid there, and the weighted spread is price times
volume (correlation 0.9998 with the price times the difference of the slopes). The others are ours.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError
from numpy.typing import NDArray

from volforecast.data.files import UNREADABLE, parquet
from volforecast.errors import PanelError
from volforecast.printable import printable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BOOK_FEATURES: Final = (
    "spread",
    "bid_depth",
    "ask_depth",
    "difference",
    "bid_volume",
    "ask_volume",
    "volume_difference",
    "weighted_spread",
    "bid_slope",
    "ask_slope",
)
COLUMNS: Final = ("timestamp", "side", "price", "volume")
WIDTH = 0.25  # of the best price, beyond which an order is not counted
FIRST = 0.1  # share of the entries that slopes and the weighted spread count
LAST_SECONDS = 60  # of an hour, in which its snapshot must lie
BATCH_ROWS = 1 << 17
_SECOND, _HOUR = 1_000_000, 3_600_000_000  # microseconds


class _Side(NamedTuple):
    """One side of a book, best price first."""

    price: FloatArray
    volume: FloatArray


def snapshot_features(bids: FloatArray, asks: FloatArray) -> FloatArray | None:
    """Features of one snapshot, in the order of ``BOOK_FEATURES``.

    Args:
        bids: Price and volume of what is bid, shape (n, 2), in any order.
        asks: Likewise of what is asked.

    Returns:
        Shape (10,); None when a side is empty, or all of it crosses the other.
    """
    if not len(bids) or not len(asks):
        return None
    best_bid, best_ask = bids[:, 0].max(), asks[:, 0].min()
    bids, asks = bids[bids[:, 0] <= best_ask], asks[asks[:, 0] >= best_bid]
    if not len(bids) or not len(asks):
        return None
    best_bid, best_ask = bids[:, 0].max(), asks[:, 0].min()
    bid = _best_first(bids[bids[:, 0] >= (1 - WIDTH) * best_bid], descending=True)
    ask = _best_first(asks[asks[:, 0] <= (1 + WIDTH) * best_ask], descending=False)
    bid_slope, bid_value = _first_entries(bid)
    ask_slope, ask_value = _first_entries(ask)
    bid_volume, ask_volume = bid.volume.sum(), ask.volume.sum()
    return np.array(
        [
            best_ask - best_bid,
            len(bid.price),
            len(ask.price),
            len(ask.price) - len(bid.price),
            bid_volume,
            ask_volume,
            ask_volume - bid_volume,
            bid_value - ask_value,
            bid_slope,
            ask_slope,
        ],
        dtype=np.float64,
    )


def book_features(path: str) -> pd.DataFrame:
    """Hourly features of a file of snapshots, read piece by piece: months need not fit in memory.

    Args:
        path: Parquet file or folder of files, local or ``s3://``: ``timestamp`` (UTC or with a zone; ascending, equal
            within a snapshot), ``side`` (``bid`` or ``ask``), ``price``, ``volume``; one row an entry.

    Returns:
        ``timestamp`` (t, UTC) and ``BOOK_FEATURES``; hours whose last minute has no two-sided snapshot are absent.

    Raises:
        PanelError: It cannot be read, is not in order, or an entry breaks a rule.
    """
    times, rows = [], []
    for hour, snapshot in _last_snapshots(path):
        sides = snapshot["side"].to_numpy()
        entries = snapshot[["price", "volume"]].to_numpy(dtype=np.float64)
        found = snapshot_features(entries[sides == "bid"], entries[sides == "ask"])
        if found is not None:
            times.append(hour)
            rows.append(found)
    if not rows:
        raise PanelError(f"books: {path} has no two-sided snapshot in the last minute of any hour; check its time zone")
    table = pd.DataFrame(np.array(rows), columns=list(BOOK_FEATURES))
    stamps = pd.to_datetime(np.array(times, dtype=np.int64), unit="us", utc=True).as_unit("us")
    table.insert(0, "timestamp", stamps)
    return table


def _best_first(entries: FloatArray, *, descending: bool) -> _Side:
    # among entries of one price the larger comes first, so that the order of the file does not matter
    order = np.lexsort((-entries[:, 1], -entries[:, 0] if descending else entries[:, 0]))
    return _Side(entries[order, 0], entries[order, 1])


def _first_entries(side: _Side) -> tuple[float, float]:
    """Volume and value of the first tenth of a side."""
    count = max(1, int(FIRST * len(side.price)))
    price, volume = side.price[:count], side.volume[:count]
    return float(volume.sum()), float((price * volume).sum())


def _last_snapshots(path: str) -> Iterator[tuple[int, pd.DataFrame]]:
    """End of each hour (microseconds) and the entries of its last snapshot, hour by hour."""
    hour, kept = -1, pd.DataFrame()
    for part in _parts(path):
        ends = _end_of_hour(part["timestamp"].to_numpy())
        for end in np.unique(ends):
            if end != hour and len(kept):
                yield hour, kept
            entries = part[ends == end]
            last = entries["timestamp"].iloc[-1]
            entries = entries[entries["timestamp"] == last]
            same = end == hour and kept["timestamp"].iloc[-1] == last
            hour, kept = int(end), pd.concat([kept, entries]) if same else entries
    if len(kept):
        yield hour, kept


def _parts(path: str) -> Iterator[pd.DataFrame]:
    """Entries of the last minutes of hours, piece by piece: ``timestamp`` (microseconds, UTC), ``side, price, volume``.

    Raises:
        PanelError: As :func:`book_features`; entries of other minutes are only looked at for their order.
    """
    try:
        filesystem, root = fsspec.core.url_to_fs(path)
        dataset = parquet(root, filesystem)
        missing = [name for name in COLUMNS if name not in dataset.schema.names]
        if missing:
            raise PanelError(f"books: {path} has no column {missing[0]}; snapshots need {', '.join(COLUMNS)}")
        if not pa.types.is_timestamp(dataset.schema.field("timestamp").type):
            raise PanelError(f"books: {path}: column timestamp holds no times; store timestamps in UTC")
        latest = np.iinfo(np.int64).min
        for file in dataset.files:
            with filesystem.open(file, "rb") as stream:
                # not the dataset's own batches, which are read ahead by more than a file may have
                for batch in pq.ParquetFile(stream, pre_buffer=False).iter_batches(BATCH_ROWS, columns=list(COLUMNS)):
                    stamps = _microseconds(batch, path)
                    if len(stamps) and (stamps[0] < latest or (np.diff(stamps) < 0).any()):
                        raise PanelError(f"books: {path} is not in order of time; sort it by timestamp")
                    latest = stamps[-1] if len(stamps) else latest
                    inside = _end_of_hour(stamps) - stamps < LAST_SECONDS * _SECOND
                    if inside.any():
                        part = batch.filter(pa.array(inside)).to_pandas().assign(timestamp=stamps[inside])
                        yield _check_entries(part, path)
    except (*UNREADABLE, ImportError, BotoCoreError) as error:
        reason = printable(error, 200) or type(error).__name__
        raise PanelError(f"books: {path} cannot be read ({reason}); give Parquet") from error


def _microseconds(batch: pa.RecordBatch, path: str) -> IntArray:
    stamps = batch.column("timestamp").cast(pa.timestamp("us", "UTC"), safe=False)
    if stamps.null_count:
        raise PanelError(f"books: {path} has an entry without timestamp; fill it in or drop it")
    return np.asarray(pc.cast(stamps, pa.int64()).to_numpy())


def _end_of_hour(stamps: IntArray) -> IntArray:
    """The whole hour at or after each time."""
    return -(-stamps // _HOUR) * _HOUR


def _check_entries(part: pd.DataFrame, path: str) -> pd.DataFrame:
    """Stop at an entry that is none."""
    rules: tuple[tuple[str, Any, str], ...] = (
        ("side", part["side"].isin(["bid", "ask"]), "a side is bid or ask"),
        ("price", np.isfinite(part["price"]) & (part["price"] > 0), "a price is positive"),
        ("volume", np.isfinite(part["volume"]) & (part["volume"] >= 0), "a volume is 0 or more"),
    )
    for name, good, why in rules:
        if not good.all():
            row = part[~good].iloc[0]
            stamp = pd.Timestamp(int(row["timestamp"]), unit="us")
            raise PanelError(f"books: {path}: {name} is {printable(row[name], 40)} at {stamp}; {why}: drop the entry")
    return part

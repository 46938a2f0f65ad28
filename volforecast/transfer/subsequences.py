"""The grid of source subsequences at a forecast origin (new-issues specification, section 4).

Each source's pairs whose label is known at the origin are cut, from the END, into blocks of m rows that do not overlap;
the excess rows at the beginning are dropped.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volforecast.predictors import MONTH, STD, PredictorRows
from volforecast.transfer.dtw import dtw_to_blocks

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIRST_FULL_DAY = MONTH  # the first trading day on which rv_d, rv_w and rv_m all exist


@dataclass(frozen=True)
class Query:
    """What similarity is measured against at one forecast origin.

    Attributes:
        origin: The target's trading day o; everything here is known at its close.
        cut: Calendar date of day o, in days since 1970-01-01.
        values: The target's last m predictor rows x(o-m+1) ... x(o), shape (m, 3), per cent squared.
    """

    origin: int
    cut: int
    values: FloatArray


@dataclass(frozen=True)
class SourceShard:
    """The volatility predictors of some source assets; all that a worker needs to measure distances to them.

    Attributes:
        assets: Names, sorted.
        first_rows: The row of each asset's trading day 1 among all rows of the panel, shape (assets,).
        offsets: Asset ``a`` owns ``rows[offsets[a]:offsets[a + 1]]``, shape (assets + 1,).
        rows: ``rv_d, rv_w, rv_m``, per cent squared, shape (rows, 3); NaN before an asset's day 22.
        label_date: The day of each row's label, in days since 1970-01-01.
    """

    assets: tuple[str, ...]
    first_rows: IntArray
    offsets: IntArray
    rows: FloatArray
    label_date: IntArray


@dataclass(frozen=True)
class Distances:
    """The blocks of one or more sources at one origin and how far they are from the query.

    Attributes:
        start: First row of each block among all rows of the panel, shape (blocks,).
        distance: DTW distance, per cent squared, shape (blocks,).
    """

    start: IntArray
    distance: FloatArray


def make_shards(rows: PredictorRows, sources: tuple[str, ...], count: int) -> list[SourceShard]:
    """Cut the sources into at most ``count`` shards of nearly equal numbers of rows, in alphabetical order."""
    lengths = np.array([rows.days(asset) for asset in sources])
    middle = np.cumsum(lengths) - lengths / 2
    shard_of = np.minimum((middle * count / lengths.sum()).astype(np.int64), count - 1)
    shards = []
    for shard in np.unique(shard_of):
        names = tuple(asset for asset, s in zip(sources, shard_of, strict=True) if s == shard)
        first_rows = np.array([rows.first_row(asset) for asset in names], dtype=np.int64)
        own = [slice(first, first + rows.days(asset)) for first, asset in zip(first_rows, names, strict=True)]
        shards.append(
            SourceShard(
                assets=names,
                first_rows=first_rows,
                offsets=np.concatenate([[0], np.cumsum([s.stop - s.start for s in own])]).astype(np.int64),
                rows=np.concatenate([rows.X[s, : len(STD)] for s in own]),
                label_date=np.concatenate([rows.label_date[s] for s in own]),
            )
        )
    return shards


def block_starts(known_pairs: int, length: int, first_row: int = FIRST_FULL_DAY - 1) -> IntArray:
    """First rows of the blocks of one source, counted from its trading day 1.

    Args:
        known_pairs: Rows of the source, from its day 1 on, whose label is known.
        length: m, rows of a block.
        first_row: The first row with all volatility predictors.
    """
    blocks = max(0, (known_pairs - first_row) // length)
    return known_pairs - length * np.arange(blocks, 0, -1, dtype=np.int64)


def measure(shard: SourceShard, query: Query) -> Distances:
    """Distances between the query and every block of the shard's sources, at the query's origin."""
    starts = []
    for a in range(len(shard.assets)):
        begin, end = shard.offsets[a], shard.offsets[a + 1]
        # label dates rise within an asset: the number of known pairs is a position
        known = int(np.searchsorted(shard.label_date[begin:end], query.cut, side="right"))
        starts.append(begin + block_starts(known, len(query.values)))
    local = np.concatenate(starts) if starts else np.empty(0, dtype=np.int64)
    owner = np.searchsorted(shard.offsets, local, side="right") - 1
    return Distances(
        start=local - shard.offsets[owner] + shard.first_rows[owner],
        distance=dtw_to_blocks(query.values, shard.rows, local, len(query.values)),
    )

"""Windows of sources at a target's forecast origins (new-issues specification, section 4).

Each source's pairs whose label is known at the origin are cut, from the END, into blocks of m rows that do not overlap;
the excess rows at the beginning are dropped. With overlapping windows every run of m such pairs counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volforecast.predictors import MONTH, PredictorRows
from volforecast.transfer import dtw_kernel
from volforecast.transfer.dtw import DTW, Layout, Question, lay_out

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PAPER = DTW()


@dataclass(frozen=True)
class Queries:
    """What similarity is measured against at several origins of one target: its rows once, and where each query ends.

    The query at origin o is the m rows that end with trading day o; nothing later touches its distances.

    Attributes:
        first_day: The trading day of ``values[0]``.
        values: The target's rows, one a trading day, shape (days, 3), per cent squared.
        origins: Trading days o, shape (origins,).
        cuts: Their calendar dates, in days since 1970-01-01, shape (origins,).
        length: m, rows of a query and of a window.
    """

    first_day: int
    values: FloatArray
    origins: IntArray
    cuts: IntArray
    length: int


@dataclass(frozen=True)
class SourceShard:
    """The volatility predictors of some source assets; all that a worker needs to measure distances to them.

    Attributes:
        assets: Names, sorted.
        first_rows: The row of each asset's first full day among all rows of the panel, shape (assets,).
        offsets: Asset ``a`` owns ``label_date[offsets[a]:offsets[a + 1]]``, shape (assets + 1,).
        label_date: The day of each row's label, in days since 1970-01-01, from the first full day on.
        layout: ``rv_d, rv_w, rv_m`` from the first full day on, per cent squared.
    """

    assets: tuple[str, ...]
    first_rows: IntArray
    offsets: IntArray
    label_date: IntArray
    layout: Layout


@dataclass(frozen=True)
class Distances:
    """The windows of one or more sources at one origin and how far they are from the query.

    Attributes:
        start: First row of each window among all rows of the panel, shape (windows,).
        distance: DTW distance, per cent squared, shape (windows,).
    """

    start: IntArray
    distance: FloatArray


def queries_at(rows: PredictorRows, target: str, origins: Sequence[int], length: int) -> Queries:
    """What the sources are compared with at each origin: the target's last ``length`` rows, the forecast row included.

    Args:
        rows: All rows of the panel.
        target: The target asset.
        origins: Trading days of the target; the first query must lie within its history.
        length: m, rows of a query.
    """
    days = np.array(origins, dtype=np.int64)
    first = rows.first_row(target)
    first_day = int(days.min()) - length + 1
    values = rows.X[first + first_day - 1 : first + int(days.max()), : rows.volatilities].copy()
    return Queries(first_day, values, days, rows.date[first + days - 1], length)


def make_shards(
    rows: PredictorRows, sources: tuple[str, ...], count: int, length: int = MONTH, dtw: DTW = PAPER
) -> list[SourceShard]:
    """Cut the sources into at most ``count`` shards of nearly equal numbers of rows, in alphabetical order.

    Args:
        rows: All rows of the panel.
        sources: Names, sorted.
        count: Most shards wanted.
        length: m, rows of a window.
        dtw: Which windows there are, and in which precision they are compared.
    """
    shards = []
    for names in cut_sources(rows, sources, count):
        ends = [rows.first_row(asset) + rows.days(asset) for asset in names]
        begins = [min(rows.first_row(asset) + rows.first_day - 1, end) for asset, end in zip(names, ends, strict=True)]
        own = [slice(begin, end) for begin, end in zip(begins, ends, strict=True)]
        shards.append(
            SourceShard(
                assets=names,
                first_rows=np.array(begins, dtype=np.int64),
                offsets=np.concatenate([[0], np.cumsum([s.stop - s.start for s in own])]).astype(np.int64),
                label_date=np.concatenate([rows.label_date[s] for s in own]),
                layout=lay_out([rows.X[s, : rows.volatilities] for s in own], length, dtw.step(length), dtw.precision),
            )
        )
    return shards


def cut_sources(rows: PredictorRows, sources: tuple[str, ...], count: int) -> list[tuple[str, ...]]:
    """The sources, which are sorted, in at most ``count`` runs of nearly equal numbers of rows."""
    lengths = np.array([rows.days(asset) for asset in sources])
    middle = np.cumsum(lengths) - lengths / 2
    shard_of = np.minimum((middle * count / lengths.sum()).astype(np.int64), count - 1)
    return [
        tuple(asset for asset, s in zip(sources, shard_of, strict=True) if s == shard) for shard in np.unique(shard_of)
    ]


def measure(shard: SourceShard, queries: Queries, device: str = "cpu") -> list[Distances]:
    """Distances between the query of each origin and every window of the shard's sources that is known there.

    What several origins share is computed once; the outcome is the same to the last bit as for each origin by itself.

    Raises:
        ConfigError: The device is a GPU and this process sees none.
        ValueError: The shard is laid out for windows of another length, or a value is NaN.
    """
    layout = shard.layout
    known = known_pairs(shard, queries.cuts)
    distance = distances(shard, queries, known, device)
    counts = layout.windows(known)
    parts = np.split(distance, np.cumsum(counts.sum(axis=1))[:-1])
    starts = [np.repeat(shard.first_rows, n) + layout.starts(k) for n, k in zip(counts, known, strict=True)]
    return [Distances(start, part) for start, part in zip(starts, parts, strict=True)]


def known_pairs(shard: SourceShard, cuts: IntArray) -> IntArray:
    """How many pairs of each source have a label dated on or before each cut, shape (cuts, sources)."""
    known = np.empty((len(cuts), len(shard.assets)), dtype=np.int64)
    for a in range(len(shard.assets)):
        # label dates rise within an asset: the number of known pairs is a position
        own = shard.label_date[shard.offsets[a] : shard.offsets[a + 1]]
        known[:, a] = np.searchsorted(own, cuts, side="right")
    return known


def distances(shard: SourceShard, queries: Queries, known: IntArray, device: str) -> FloatArray:
    """Distances of all windows among the known pairs: origin by origin, source by source, oldest window first.

    Raises:
        ConfigError, ValueError: See :func:`measure`.
    """
    layout = shard.layout
    if queries.length != layout.length:
        raise ValueError(f"queries of {queries.length} rows for sources laid out in windows of {layout.length} rows")
    question = Question(queries.values, queries.origins - queries.length + 1 - queries.first_day, known)
    if device == "cpu":
        return dtw_kernel.distances(layout, question)
    from volforecast.transfer import dtw_torch  # seconds of import that workers without a GPU need not spend

    return dtw_torch.distances(layout, question, device)

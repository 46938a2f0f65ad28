"""Windows of sources in a target's first days, when they are as long as its history is (Teller et al. 2026, 6.3).

At origin o the query is the target's m latest rows, m growing with o up to a longest length, and the sources are cut
into windows of m rows. A length has few origins and a layout of its own; laying out takes less than measuring does, so
source stores keep the plain rows and lay them out for each question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from volforecast.predictors import PredictorRows
from volforecast.transfer.dtw import DTW, lay_out
from volforecast.transfer.selection import INCLUSION_RATES
from volforecast.transfer.subsequences import Queries, SourceShard, cut_sources, distances, known_pairs, queries_at

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class PlainShard:
    """The volatility predictors of some source assets from their first trading day on.

    Attributes:
        assets: Names, sorted.
        first_rows: The row of each asset's first trading day among all rows of the panel, shape (assets,).
        offsets: Asset ``a`` owns rows ``offsets[a]:offsets[a + 1]`` of what follows, shape (assets + 1,).
        label_date: The day of each row's label, in days since 1970-01-01.
        values: Volatility predictors, per cent squared, shape (rows, volatilities); NaN until a predictor exists.
    """

    assets: tuple[str, ...]
    first_rows: IntArray
    offsets: IntArray
    label_date: IntArray
    values: FloatArray


@dataclass(frozen=True)
class ShortQueries:
    """What the sources are asked for at several origins of a target.

    Attributes:
        volatilities: How many volatility predictors are compared, the first ones.
        first_day: The first trading day of an asset that has them all.
        groups: Queries of one length each; their origins in turn are those asked for, in order.
    """

    volatilities: int
    first_day: int
    groups: tuple[Queries, ...]


@dataclass(frozen=True)
class Windows:
    """The windows of one or more sources at one origin and how far they are from the query.

    Attributes:
        length: m, rows of a window.
        first: The row of the panel that each asset's oldest window begins with, shape (assets,), ascending; where there
            is no window, a row of the asset.
        counts: Number of windows of each asset, shape (assets,).
        distance: DTW distance, per cent squared, shape (windows,): asset by asset, oldest window first.
    """

    length: int
    first: IntArray
    counts: IntArray
    distance: FloatArray


@dataclass(frozen=True)
class ShortSelection:
    """All windows at one origin and what each inclusion rate selects.

    Attributes:
        length: As in :class:`Windows`.
        first: Likewise.
        counts: Likewise.
        limits: For each inclusion rate e, the e-quantile of all distances, per cent squared; NaN without windows.
        selected: For each inclusion rate, whether a window's distance is at most the limit, shape (windows,).
    """

    length: int
    first: IntArray
    counts: IntArray
    limits: dict[int, float]
    selected: dict[int, NDArray[np.bool_]]


def make_plain_shards(rows: PredictorRows, sources: tuple[str, ...], count: int) -> list[PlainShard]:
    """Cut the sources into at most ``count`` shards of nearly equal numbers of rows, in alphabetical order.

    Args:
        rows: All rows of the panel, with every volatility predictor that a query may compare.
        sources: Names, sorted.
        count: Most shards wanted.
    """
    shards = []
    for names in cut_sources(rows, sources, count):
        first = np.array([rows.first_row(asset) for asset in names], dtype=np.int64)
        lengths = np.array([rows.days(asset) for asset in names], dtype=np.int64)
        own = np.concatenate([np.arange(begin, begin + n) for begin, n in zip(first, lengths, strict=True)])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        shards.append(PlainShard(names, first, offsets, rows.label_date[own], rows.X[own, : rows.volatilities]))
    return shards


def short_queries(rows: PredictorRows, target: str, origins: Sequence[int], longest: int) -> ShortQueries:
    """The target's latest rows at each origin, the forecast row included: as many as there are, at most ``longest``.

    Args:
        rows: All rows of the panel; their volatility predictors are compared.
        target: The target asset.
        origins: Trading days of the target, rising, from the first one with all volatility predictors on.
        longest: Most rows of a query.
    """

    def length(origin: int) -> int:
        return min(origin - rows.first_day + 1, longest)

    groups = tuple(queries_at(rows, target, list(same), m) for m, same in groupby(origins, length))
    return ShortQueries(rows.volatilities, rows.first_day, groups)


def measure_short(shard: PlainShard, queries: ShortQueries, dtw: DTW) -> list[Windows]:
    """Distances between the query of each origin and every window of the shard's sources that is known there.

    Raises:
        ConfigError: The device is a GPU and this process sees none.
    """
    found = []
    for group in queries.groups:
        laid = _laid_out(shard, queries, group.length, dtw)
        known = known_pairs(laid, group.cuts)
        counts = laid.layout.windows(known)
        distance = np.split(distances(laid, group, known, dtw.device), np.cumsum(counts.sum(axis=1))[:-1])
        oldest = known - group.length - laid.layout.step * (counts - 1)
        first = np.where(counts > 0, laid.first_rows + oldest, shard.first_rows)
        found += [Windows(group.length, *of_origin) for of_origin in zip(first, counts, distance, strict=True)]
    return found


def _laid_out(shard: PlainShard, queries: ShortQueries, length: int, dtw: DTW) -> SourceShard:
    """The shard's rows for windows of ``length`` rows, each asset from its first full day on."""
    ends = shard.offsets[1:]
    begins = np.minimum(shard.offsets[:-1] + queries.first_day - 1, ends)
    own = [slice(begin, end) for begin, end in zip(begins, ends, strict=True)]
    return SourceShard(
        assets=shard.assets,
        first_rows=shard.first_rows + begins - shard.offsets[:-1],
        offsets=np.concatenate([[0], np.cumsum(ends - begins)]).astype(np.int64),
        label_date=np.concatenate([shard.label_date[s] for s in own]),
        layout=lay_out([shard.values[s, : queries.volatilities] for s in own], length, dtw.step(length), dtw.precision),
    )


def select_short(parts: Sequence[Windows], rates: Sequence[int] = INCLUSION_RATES) -> ShortSelection:
    """Join the shards' windows and apply the quantile rule (linear interpolation).

    The outcome does not depend on how the sources were cut into shards.
    """
    parts = sorted(parts, key=lambda part: int(part.first[0]))
    distance = np.concatenate([part.distance for part in parts])
    quantiles = np.quantile(distance, [rate / 100 for rate in rates]) if len(distance) else [np.nan] * len(rates)
    limits = {rate: float(limit) for rate, limit in zip(rates, quantiles, strict=True)}
    return ShortSelection(
        length=parts[0].length,
        first=np.concatenate([part.first for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        limits=limits,
        selected={rate: distance <= limit for rate, limit in limits.items()},
    )

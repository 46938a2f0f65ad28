"""Which source windows are selected for several targets at one origin, computed in one process.

What the source stores do for a study, for a single origin: the sources are gone through a few at a time, so that a
trial holds the layout of no more than these.
"""

from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

from volforecast.predictors import PredictorRows
from volforecast.studies.first_days_selections import short_selection_table
from volforecast.studies.selections import selection_table
from volforecast.transfer.dtw import DTW
from volforecast.transfer.selection import select
from volforecast.transfer.short_windows import make_plain_shards, measure_short, select_short, short_queries
from volforecast.transfer.subsequences import cut_sources, make_shards, measure, queries_at

AT_ONCE = 50  # sources


def windows_at(
    rows: PredictorRows, sources: tuple[str, ...], targets: Sequence[str], origin: int, length: int, dtw: DTW
) -> list[pa.Table]:
    """The selection table of each target at an origin (:mod:`volforecast.studies.selections`)."""
    dtw = on_cpu(dtw)
    queries = [queries_at(rows, target, [origin], length) for target in targets]
    answers = []
    for names in _runs(rows, sources):
        shard = make_shards(rows, names, 1, length, dtw)[0]
        answers.append([measure(shard, query)[0] for query in queries])
    return [
        selection_table(rows, target, origin, [origin], [select(parts)])
        for target, parts in zip(targets, zip(*answers, strict=True), strict=True)
    ]


def short_windows_at(
    rows: PredictorRows, sources: tuple[str, ...], targets: Sequence[str], prefix: int, length: int, dtw: DTW
) -> list[pa.Table]:
    """The same in the first days, at the origin ``prefix`` (:mod:`volforecast.studies.first_days_selections`)."""
    dtw = on_cpu(dtw)
    queries = [short_queries(rows, target, [prefix], length) for target in targets]
    answers = []
    for names in _runs(rows, sources):
        shard = make_plain_shards(rows, names, 1)[0]
        answers.append([measure_short(shard, query, dtw)[0] for query in queries])
    return [
        short_selection_table(rows, (target, prefix, prefix), [prefix], [select_short(parts)])
        for target, parts in zip(targets, zip(*answers, strict=True), strict=True)
    ]


def on_cpu(dtw: DTW) -> DTW:
    """The same distances, computed without a GPU: one origin is too little for it."""
    return msgspec.structs.replace(dtw, device="cpu")


def _runs(rows: PredictorRows, sources: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield from cut_sources(rows, sources, -(-len(sources) // AT_ONCE))

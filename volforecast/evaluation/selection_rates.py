"""How often source subsequences are selected: by source asset, and by their distance in time.

Source: Teller, Pigorsch & Pigorsch (2026), section 6.2, tables 12-14 and figures 4-6. Both are means over forecast
origins of that origin's share selected / available; an origin at which a source (or a span of time) has no windows does
not count for it.

Selections are counted part by part (:func:`count`), so that no more than one part is ever held; what is kept of a part
is as small as its sources times its targets. Counts add up to the same in any order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from volforecast.transfer.selection import INCLUSION_RATES

IntArray = NDArray[np.int64]

BIN = 100  # trading days
SOURCE_TABLES = {25: "table_12", 50: "table_13", 75: "table_14"}
COLUMNS = ["target", "period", "origin", "asset", "start", *(f"selected_{rate}" for rate in INCLUSION_RATES)]
_SUMS = ["origins", "windows", *(f"{what}_{rate}" for what in ("selected", "shares") for rate in INCLUSION_RATES)]


@dataclass(frozen=True)
class Counts:
    """What some selections come to; ``shares`` are sums over origins of selected / available.

    Attributes:
        by_source: ``target, asset``, then ``origins, windows``, and ``selected_e, shares_e`` for each inclusion rate e.
        by_time: ``target, bin``, then the same.
    """

    by_source: pd.DataFrame
    by_time: pd.DataFrame


def count(selections: pa.Table, length: int, step: int) -> Counts:
    """Count the windows of some selections, whole origins in any row order.

    Distance in time is measured as in the paper, from a window's first row to the origin, in observations of the source
    before its last one at the origin: all windows of a source are stored, so the k-th from the end begins
    ``length + (k - 1) * step`` trading days before. A source whose newest window lies a window's length or more behind
    that of the others has stopped trading; the days since then are added, counted from the calendar days at the
    pace of all windows at the origin. Bin b holds the distances b + 1 to b + 100 (the paper's "within the first 100
    observations prior to the forecast origin", "101 to 200", ...).

    Args:
        selections: Rows of ``studies.selections.SELECTION_SCHEMA``, at least ``COLUMNS``.
        length: m, rows of a window.
        step: Rows between the starts of two windows of a source.
    """
    if not selections.num_rows:
        return Counts(_empty("asset", "str"), _empty("bin", "int64"))
    targets, target = _coded(selections["target"])
    assets, asset = _coded(selections["asset"])
    start = selections["start"].cast(pa.int32()).to_numpy().astype(np.int64)
    occasion = [selections[name].to_numpy().astype(np.int64) for name in ("origin", "period")]
    order = np.lexsort((start, asset, *occasion, target))
    target, asset, start = target[order], asset[order], start[order]
    chosen = np.stack([selections[f"selected_{rate}"].to_numpy()[order] for rate in INCLUSION_RATES])

    at = _runs(target, *(key[order] for key in occasion))  # the origin's number, row by row
    run = _runs(at, asset)  # the number of the source at the origin
    first = np.flatnonzero(np.diff(run, prepend=-1))
    size = np.diff(np.append(first, len(run)))
    behind = np.repeat(first + size, size) - np.arange(len(run))  # 1 for a source's newest window
    distance = length + (behind - 1) * step + np.repeat(_silent(start, at, first, size, length, step), size)
    bins = (distance - 1) // BIN

    by_source = _sums(run, chosen)
    source = _added(by_source, {"target": targets[target[first]], "asset": assets[asset[first]]})
    cells, cell = np.unique(at * (bins.max() + 1) + bins, return_inverse=True)
    target_of = target[np.flatnonzero(np.diff(at, prepend=-1))]
    where = {
        "target": targets[target_of[cells // (bins.max() + 1)]],
        "bin": BIN * (cells % (bins.max() + 1)),
    }
    return Counts(source, _added(_sums(cell, chosen), where))


def source_tables(counts: Sequence[Counts], sectors: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """Tables 12-14: the selection rate of every source and target, one table for each inclusion rate.

    Args:
        counts: Of all parts.
        sectors: Of assets, sources and targets, as far as known.

    Returns:
        Columns ``sector, asset, target, same_sector, windows, selected, selection_rate``: ``sector`` is the source's,
        empty if unknown; ``windows`` and ``selected`` are sums over all origins; ``selection_rate`` is the paper's mean
        over origins (NaN where ``windows`` is 0) and differs from their ratio where a source grows. Rows by sector,
        asset, target; every source that was at hand at any origin has a row for every target.
    """
    joined = _joined([one.by_source for one in counts], "asset")
    assets, targets = sorted(set(joined["asset"])), sorted(set(joined["target"]))
    assets.sort(key=lambda asset: sectors.get(asset, ""))
    every = pd.MultiIndex.from_product([assets, targets], names=["asset", "target"])
    full = joined.set_index(["asset", "target"]).reindex(every, fill_value=0).reset_index()
    full.insert(0, "sector", full["asset"].map(lambda asset: sectors.get(asset, "")).astype("str"))
    own = full["target"].map(lambda target: sectors.get(target, ""))
    full.insert(3, "same_sector", (full["sector"] == own) & (own != ""))
    keys = ["sector", "asset", "target", "same_sector"]
    return {name: _rates(full, rate, keys) for rate, name in SOURCE_TABLES.items()}


def selection_by_time(counts: Sequence[Counts]) -> pd.DataFrame:
    """The data of figures 4-6: the selection rate by distance in time.

    Returns:
        Columns ``inclusion, target, bin, windows, selected, selection_rate``: ``inclusion`` is the rate 25, 50 or 75,
        ``bin`` the lower edge in trading days (see :func:`count`), ``selection_rate`` the paper's mean over the origins
        at which the bin holds windows. The last bins of a target are filled at its last origins only.
    """
    joined = _joined([one.by_time for one in counts], "bin")
    parts = [_rates(joined, rate, ["target", "bin"]) for rate in INCLUSION_RATES]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "inclusion", np.repeat(INCLUSION_RATES, len(joined)))
    return table


def _silent(start: IntArray, at: IntArray, first: IntArray, size: IntArray, length: int, step: int) -> IntArray:
    """Trading days since each source at each origin stopped trading; 0 where it has not."""
    newest, oldest, origin = start[first + size - 1], start[first], at[first]
    latest = np.full(origin[-1] + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, origin, newest)
    calendar_days = np.bincount(origin, newest - oldest)
    pace = step * np.bincount(origin, size - 1) / np.maximum(calendar_days, 1)
    days = np.rint((latest[origin] - newest) * pace[origin]).astype(np.int64)
    return np.where(days >= length, days, 0)


def _coded(column: pa.ChunkedArray) -> tuple[NDArray[np.object_], IntArray]:
    """The different words of a column, in alphabetical order, and the number of each row's."""
    words = column.combine_chunks().dictionary_encode()
    known = words.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(known)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return known[order], rank[words.indices.to_numpy()]


def _runs(*keys: IntArray) -> IntArray:
    """Numbers from 0 on that rise where any of the sorted keys changes."""
    changes = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.cumsum(changes)


def _sums(cell: IntArray, chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """Windows of each cell (one origin's) and how many are chosen."""
    windows = np.bincount(cell)
    sums: dict[str, NDArray[np.generic]] = {"origins": np.ones(len(windows), dtype=np.int64), "windows": windows}
    for rate, taken in zip(INCLUSION_RATES, chosen, strict=True):
        selected = np.bincount(cell[taken], minlength=len(windows))
        sums |= {f"selected_{rate}": selected, f"shares_{rate}": selected / windows}
    return sums


def _added(sums: dict[str, NDArray[np.generic]], where: dict[str, NDArray[np.generic]]) -> pd.DataFrame:
    return pd.DataFrame(where | sums).groupby(list(where), as_index=False)[_SUMS].sum()


def _joined(parts: Sequence[pd.DataFrame], key: str) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True).groupby(["target", key], as_index=False)[_SUMS].sum()


def _rates(sums: pd.DataFrame, rate: int, keys: list[str]) -> pd.DataFrame:
    table = sums[[*keys, "windows"]].assign(selected=sums[f"selected_{rate}"])
    table["selection_rate"] = sums[f"shares_{rate}"] / sums["origins"].where(sums["origins"] > 0)
    return table


def _empty(key: str, kind: str) -> pd.DataFrame:
    kinds = {"target": "str", key: kind} | {name: "float64" if "shares" in name else "int64" for name in _SUMS}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})

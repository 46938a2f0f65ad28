"""The stored selections of the first-days study: which windows there are, and a bit for each at each inclusion rate.

A window of one row begins on every day of every source, so distances are not kept: the quantiles and the bits say what
was selected, and where an asset's oldest window begins says which days a bit stands for.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from volforecast.predictors import PredictorRows
from volforecast.transfer.dtw import DTW
from volforecast.transfer.selection import INCLUSION_RATES
from volforecast.transfer.short_windows import ShortSelection
from volforecast.transfer.training import block_rows

IntArray = NDArray[np.int64]

# one row for each origin and source that has windows there: `windows` of them, each of `length` rows, the oldest from
# `start` on, the others `length` rows apart (one row where they overlap); `limit` is the greatest distance selected;
# bit k of `selected` (the first one of a byte is its highest) stands for window k, oldest first
SHORT_SELECTION_SCHEMA = pa.schema(
    [
        ("target", pa.string()),
        ("prefix", pa.int32()),
        ("period", pa.int32()),
        ("origin", pa.int32()),
        ("asset", pa.string()),
        ("start", pa.date32()),
        ("windows", pa.int32()),
        ("length", pa.int32()),
        *((f"limit_{rate}", pa.float64()) for rate in INCLUSION_RATES),
        *((f"selected_{rate}", pa.binary()) for rate in INCLUSION_RATES),
    ]
)


def short_selection_table(
    rows: PredictorRows, where: tuple[str, int, int], origins: Sequence[int], selections: Sequence[ShortSelection]
) -> pa.Table:
    """Table of ``SHORT_SELECTION_SCHEMA``; ``where`` is target, prefix and sample period."""
    names = pa.array(rows.assets, pa.string())
    target, prefix, period = where
    blocks = []
    for origin, selection in zip(origins, selections, strict=True):
        given = np.flatnonzero(selection.counts)
        first, counts, n = selection.first[given], selection.counts[given], len(given)
        owner = np.searchsorted(rows.offsets, first, side="right") - 1
        columns = [
            pa.repeat(target, n),
            pa.repeat(pa.scalar(prefix, pa.int32()), n),
            pa.repeat(pa.scalar(period, pa.int32()), n),
            pa.repeat(pa.scalar(origin, pa.int32()), n),
            names.take(pa.array(owner)),
            pa.array(rows.date[first].astype(np.int32)).cast(pa.date32()),
            pa.array(counts.astype(np.int32)),
            pa.repeat(pa.scalar(selection.length, pa.int32()), n),
            *(pa.repeat(pa.scalar(selection.limits[rate]), n) for rate in INCLUSION_RATES),
            *(_packed(selection.selected[rate], counts) for rate in INCLUSION_RATES),
        ]
        blocks.append(pa.Table.from_arrays(columns, schema=SHORT_SELECTION_SCHEMA))
    return pa.concat_tables(blocks)


def selected_at(rows: PredictorRows, table: pa.Table, rate: int, dtw: DTW) -> Callable[[int], IntArray]:
    """What an inclusion rate selects at an origin: all rows that its windows hold, each once, ascending."""
    at = {o: table.filter(pc.equal(table["origin"], o)).combine_chunks() for o in table["origin"].unique().to_pylist()}

    def selected(origin: int) -> IntArray:
        if origin not in at:  # no source is old enough
            return np.empty(0, dtype=np.int64)
        own = at[origin]
        counts, length = own["windows"].to_numpy().astype(np.int64), int(own["length"][0].as_py())
        bits = np.unpackbits(np.frombuffer(b"".join(own[f"selected_{rate}"].to_pylist()), dtype=np.uint8))
        chosen = bits[_places(counts)].astype(np.bool_)
        starts = (np.repeat(_first_rows(rows, own), counts) + dtw.step(length) * _nth(counts))[chosen]
        held = block_rows(starts, length)
        return held if dtw.step(length) == length else np.unique(held)

    return selected


def _first_rows(rows: PredictorRows, own: pa.Table) -> IntArray:
    asset = pc.index_in(own["asset"], pa.array(rows.assets, pa.string())).to_numpy()
    date = own["start"].cast(pa.int32()).to_numpy()
    spans = zip(rows.offsets[asset], rows.offsets[asset + 1], date, strict=True)
    return np.array([begin + np.searchsorted(rows.date[begin:end], day) for begin, end, day in spans], dtype=np.int64)


def _packed(flags: NDArray[np.bool_], counts: IntArray) -> pa.Array:
    """The flags of each asset's windows as bytes."""
    ends = np.cumsum(-(-counts // 8))
    padded = np.zeros(8 * int(ends[-1]) if len(ends) else 0, dtype=np.bool_)
    padded[_places(counts)] = flags
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.packbits(padded))]
    return pa.Array.from_buffers(pa.binary(), len(counts), buffers)


def _places(counts: IntArray) -> IntArray:
    """Where the bits of all windows lie: those of an asset begin with a byte of its own."""
    sizes = -(-counts // 8)
    return 8 * np.repeat(np.cumsum(sizes) - sizes, counts) + _nth(counts)


def _nth(counts: IntArray) -> IntArray:
    """The number of each window among those of its asset, from 0 on."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)

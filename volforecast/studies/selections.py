"""The stored selections: every window of a source at every origin, its distance, and what each rate selects."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from volforecast.predictors import PredictorRows
from volforecast.transfer.selection import INCLUSION_RATES, Selection

IntArray = NDArray[np.int64]

SELECTION_SCHEMA = pa.schema(
    [
        ("target", pa.string()),
        ("period", pa.int32()),
        ("origin", pa.int32()),
        ("asset", pa.string()),
        ("start", pa.date32()),
        ("distance", pa.float64()),
        *((f"selected_{rate}", pa.bool_()) for rate in INCLUSION_RATES),
    ]
)


def selection_table(
    rows: PredictorRows, target: str, period: int, origins: Sequence[int], selections: Sequence[Selection]
) -> pa.Table:
    """One row for each origin and window: its asset, the date of its first row, its distance (per cent squared)."""
    names = pa.array(rows.assets, pa.string())
    blocks = []
    for origin, selection in zip(origins, selections, strict=True):
        n = len(selection.start)
        owner = np.repeat(np.arange(len(rows.assets)), np.diff(np.searchsorted(selection.start, rows.offsets)))
        columns = [
            pa.repeat(target, n),
            pa.repeat(pa.scalar(period, pa.int32()), n),
            pa.repeat(pa.scalar(origin, pa.int32()), n),
            names.take(pa.array(owner)),
            pa.array(rows.date[selection.start].astype(np.int32)).cast(pa.date32()),
            pa.array(selection.distance),
            *(pa.array(selection.selected[rate]) for rate in INCLUSION_RATES),
        ]
        blocks.append(pa.Table.from_arrays(columns, schema=SELECTION_SCHEMA))
    return pa.concat_tables(blocks)


def selected_rows(rows: PredictorRows, table: pa.Table, rate: int, length: int) -> dict[int, IntArray]:
    """For each origin, all rows that a window of ``length`` rows selected by the inclusion rate holds, each once."""
    chosen = table.filter(table[f"selected_{rate}"])
    starts, origin = start_rows(rows, chosen), chosen["origin"].to_numpy()
    origins = np.unique(table["origin"].to_numpy())
    return {int(o): rows_held(starts[origin == o], length) for o in origins}


def start_rows(rows: PredictorRows, table: pa.Table) -> IntArray:
    """The first row of each window of a selection table, among all rows of the panel."""
    starts = np.empty(table.num_rows, dtype=np.int64)
    asset = pc.index_in(table["asset"], pa.array(rows.assets, pa.string())).to_numpy()
    date = table["start"].cast(pa.int32()).to_numpy().astype(np.int64)
    for a in np.unique(asset):
        begin, end = rows.offsets[a], rows.offsets[a + 1]
        own = asset == a
        starts[own] = begin + np.searchsorted(rows.date[begin:end], date[own])
    return starts


def rows_held(starts: IntArray, length: int) -> IntArray:
    """All rows of windows that begin at ``starts``, ascending; windows may overlap."""
    new = np.append(length, np.minimum(np.diff(starts), length))[: len(starts)]  # rows the windows before do not hold
    nth = np.arange(length)
    return np.asarray((starts[:, None] + nth)[nth >= length - new[:, None]])

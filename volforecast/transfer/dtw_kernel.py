"""DTW distances on one CPU thread: all windows of many sources, at all origins of one target.

A register holds the same cell of neighbouring windows (``dtw_vectors``), so nothing is gathered. The cost of a target
day and a source row is the same at every origin: the costs of the last m target days are kept in a ring while the
origins advance, and each origin computes those of its new days only. The ring of one source, or of a part of a long
one, stays in the second-level cache.

Bit by bit equal to ``dtw.dtw_scalar`` in float64, whatever the origins asked for together.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from volforecast.transfer.dtw import FloatArray, IntArray, Layout, Question
from volforecast.transfer.dtw_vectors import HEIGHT, VECTOR, local_costs, path_rows

RING = 640 * 1024  # bytes: most of a second-level cache of 1 MiB


def distances(layout: Layout, question: Question) -> FloatArray:
    """Distances between each origin's query and each window of each source.

    Returns:
        Shape (distances,), in the unit of the rows: origin by origin, source by source, oldest window first.

    Raises:
        ValueError: As :meth:`Question.check`, or a distance is too large for the precision.
    """
    question.check(layout)
    counts = layout.windows(question.known)
    place = (np.cumsum(counts) - counts.ravel()).reshape(counts.shape)
    out = np.empty(int(counts.sum()))
    dtype = layout.values.dtype
    lanes = VECTOR // dtype.itemsize
    m, step = layout.length, layout.step
    # the last row of a window may lie this many places further on than its first one
    shift = (step + m - 2) // step
    widest = max(RING // (m * step * dtype.itemsize) - shift - lanes, lanes) // lanes * lanes
    ring = _aligned(m * step * (min(widest, int(counts.max(initial=0)) + lanes) + shift + 2 * lanes), dtype)
    edge = _aligned(m * lanes, dtype)
    query = np.ascontiguousarray(question.rows, dtype=dtype)
    plan = (question.first, question.known, counts, place, widest, shift)
    _sources(layout.values, layout.begin, layout.pitch, step, query, *plan, ring, edge, out)
    if not np.isfinite(out).all():
        raise ValueError(f"a distance is not a finite {dtype} number; check the rows' size")
    return out


def _aligned(size: int, dtype: Any) -> NDArray[Any]:
    """Memory that begins on a cache line (speed only; results do not depend on it)."""
    raw = np.empty(size * dtype.itemsize + VECTOR, dtype=np.uint8)
    begin = -raw.ctypes.data % VECTOR
    return raw[begin : begin + size * dtype.itemsize].view(dtype)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _sources(
    values: NDArray[Any],
    begin: IntArray,
    pitch: IntArray,
    step: int,
    query: NDArray[Any],
    first: IntArray,
    known: IntArray,
    counts: IntArray,
    place: IntArray,
    widest: int,
    shift: int,
    ring: NDArray[Any],
    edge: NDArray[Any],
    out: FloatArray,
) -> None:
    """Distances of source after source, ``widest`` windows at once; those of (origin, source) go to ``place``."""
    lanes = VECTOR // values.itemsize
    m = len(edge) // lanes
    rows, columns = np.empty(m, dtype=np.int64), np.empty(m, dtype=np.int64)
    held = np.empty(m, dtype=np.int64)  # the day whose costs a slot of the ring holds
    for a in range(len(begin)):
        most = counts[:, a].max()
        if not most:
            continue
        parts = -(-most // widest)
        width = -(-most // (parts * lanes)) * lanes
        # places of a residue class in the ring: an odd number of cache lines, which spreads over the cache's sets
        run = (-(-(width + shift) // lanes) | 1) * lanes
        for begun in range(0, most, width):
            vectors = -(-(min(width, most - begun) + shift) // lanes)
            held[:] = -1
            for o in range(len(first)):
                count = min(width, counts[o, a] - begun)
                if count <= 0:
                    continue
                for i in range(m):
                    day = first[o] + i
                    slot = day % m
                    rows[i] = slot * step * run
                    if held[slot] != day:
                        held[slot] = day
                        for c in range(step):
                            at = begin[a] + c * pitch[a] + begun
                            local_costs(values, at, query, day, vectors, ring, rows[i] + c * run)
                grid = (known[o, a] - m) % step
                for j in range(m):
                    columns[j] = (grid + j) % step * run + (grid + j) // step
                _windows(ring, rows, columns, count, edge, out[place[o, a] + begun :])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _windows(
    costs: NDArray[Any], rows: IntArray, columns: IntArray, count: int, edge: NDArray[Any], out: FloatArray
) -> None:
    """Distances of neighbouring windows from their costs."""
    m = len(rows)
    lanes = len(edge) // m
    bands = -(-m // HEIGHT)  # of nearly equal height: a low one waits for its own sums
    for lane in range(0, count, lanes):
        edge[:] = np.inf
        corner = 0.0
        for band in range(bands):
            path_rows(costs, lane, band * m // bands, (band + 1) * m // bands, rows, columns, edge, corner)
            corner = np.inf
        for k in range(min(lanes, count - lane)):
            out[lane + k] = edge[(m - 1) * lanes + k]

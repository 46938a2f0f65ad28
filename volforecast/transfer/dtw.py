"""Dynamic time warping distances between one query and many subsequences (Teller et al. 2026, section 2.3).

Local cost: Euclidean distance of the predictor vectors. Distance: the sum of local costs along the cheapest path with
steps (1,0), (0,1), (1,1), no window and no root at the end. This is ``tslearn.metrics.dtw_path_from_metric`` with
``metric="euclidean"``; it is not tslearn's default ``dtw``, which is the root of summed squares.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LANES = 64  # blocks advanced together; one row of costs and two of path sums stay in the first-level cache


@njit(cache=True)  # type: ignore[untyped-decorator]
def dtw_scalar(query: FloatArray, block: FloatArray) -> float:
    """Distance between two multivariate sequences, shapes (m, d) and (n, d): the recursion written out."""
    m, n = query.shape[0], block.shape[0]
    path = np.full((m + 1, n + 1), np.inf)
    path[0, 0] = 0.0
    for i in range(m):
        for j in range(n):
            total = 0.0
            for c in range(query.shape[1]):
                difference = query[i, c] - block[j, c]
                total += difference * difference
            best = min(min(path[i, j + 1], path[i + 1, j]), path[i, j])
            path[i + 1, j + 1] = math.sqrt(total) + best
    return float(path[m, n])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _dtw_lanes(query: FloatArray, lanes: FloatArray, count: int, path: FloatArray, out: FloatArray) -> None:
    """Distances of ``count`` blocks, laid out (n, d, LANES) so that the innermost loops run over blocks as vectors.

    Every lane does the operations of :func:`dtw_scalar` in its order, so the results are equal bit by bit.
    """
    m, n, d = query.shape[0], lanes.shape[0], lanes.shape[1]
    path[:, :] = np.inf
    corner = np.zeros(LANES)
    for i in range(m):
        # `diagonal` carries path[i, j] while row i is overwritten by row i + 1 in place
        diagonal = np.full(LANES, np.inf)
        if i == 0:
            diagonal[:] = corner
        left = np.full(LANES, np.inf)
        cost = np.empty(LANES)
        for j in range(n):
            cost[:] = 0.0
            for c in range(d):
                q = query[i, c]
                row = lanes[j, c]
                for lane in range(LANES):
                    difference = q - row[lane]
                    cost[lane] += difference * difference
            above = path[j]
            for lane in range(LANES):
                up = above[lane]
                best = min(min(up, left[lane]), diagonal[lane])
                diagonal[lane] = up
                left[lane] = math.sqrt(cost[lane]) + best
                above[lane] = left[lane]
    for lane in range(count):
        out[lane] = path[n - 1, lane]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _dtw_blocks(query: FloatArray, rows: FloatArray, starts: NDArray[np.int64], length: int, out: FloatArray) -> None:
    d = rows.shape[1]
    lanes = np.zeros((length, d, LANES))
    path = np.empty((length, LANES))
    for first in range(0, len(starts), LANES):
        count = min(LANES, len(starts) - first)
        for j in range(length):
            for c in range(d):
                for lane in range(count):
                    lanes[j, c, lane] = rows[starts[first + lane] + j, c]
        _dtw_lanes(query, lanes, count, path, out[first : first + count])


def dtw_to_blocks(query: FloatArray, rows: FloatArray, starts: NDArray[np.int64], length: int) -> FloatArray:
    """Distances between a query and blocks of consecutive rows.

    Args:
        query: Shape (m, d), per cent squared.
        rows: Rows the blocks are cut from, shape (rows, d).
        starts: First row of each block, shape (blocks,).
        length: Rows of a block.

    Returns:
        One distance a block, shape (blocks,), per cent squared.

    Raises:
        ValueError: A block reaches outside ``rows``, the widths differ, or a value is NaN.
    """
    if query.ndim != 2 or rows.ndim != 2 or query.shape[1] != rows.shape[1]:
        raise ValueError(f"query {query.shape} and rows {rows.shape} must be tables with the same predictors")
    if len(starts) and (starts.min() < 0 or starts.max() + length > len(rows)):
        raise ValueError(f"blocks of {length} rows reach outside the {len(rows)} rows they are cut from")
    if np.isnan(query).any():
        raise ValueError("the query holds NaN: its distances would be undefined")
    out = np.empty(len(starts))
    if len(starts):
        contiguous = np.ascontiguousarray(query, dtype=np.float64)
        _dtw_blocks(contiguous, rows, np.ascontiguousarray(starts, dtype=np.int64), length, out)
    if not np.isfinite(out).all():
        # every path through a block crosses all of its rows, so NaN in one of them never gives a finite distance
        raise ValueError("a block holds NaN: its distance would be undefined")
    return out

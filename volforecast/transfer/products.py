"""Sums of products of labelled rows: all that least squares needs of a training set, without gathering its rows.

A row enters as z = (1, predictors, label), and a table of sums is that of z z' over rows: its corner is their number,
its first column their sums. Rows with a missing predictor are left out. Tables of disjoint sets of rows add up.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PADDED = 8  # columns of a working table come in whole vector registers
TOGETHER = 8  # rows added at once: sums are loaded and stored once for all of them


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_rows(X: FloatArray, y: FloatArray, chosen: IntArray, held: FloatArray, sums: FloatArray) -> None:
    """Add z z' of the chosen rows to ``sums``, shape (1 + predictors + 1, padded); ``held`` is working memory.

    No library of matrices: the order of every addition is written here, so all machines get the same bytes.
    """
    size, count = sums.shape[0], 0
    for k in range(len(chosen)):
        row = chosen[k]
        complete = True
        for predictor in range(size - 2):
            value = X[row, predictor]
            held[count, predictor + 1] = value
            complete &= not np.isnan(value)
        if complete:
            held[count, 0], held[count, size - 1] = 1.0, y[row]
            count += 1
        if count == TOGETHER:
            # views, and factors taken out of the inner loop: the compiler makes vectors of what is left
            a, b, c, d, e, f, g, h = held[0], held[1], held[2], held[3], held[4], held[5], held[6], held[7]
            for i in range(size):
                into = sums[i]
                ai, bi, ci, di, ei, fi, gi, hi = a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i]
                for j in range(held.shape[1]):
                    first = (ai * a[j] + bi * b[j]) + (ci * c[j] + di * d[j])
                    into[j] += first + ((ei * e[j] + fi * f[j]) + (gi * g[j] + hi * h[j]))
            count = 0
    for k in range(count):
        for i in range(size):
            for j in range(held.shape[1]):
                sums[i, j] += held[k, i] * held[k, j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _running_sums(
    X: FloatArray, y: FloatArray, chosen: IntArray, ends: IntArray, work: FloatArray, held: FloatArray, out: FloatArray
) -> None:
    size = out.shape[1]
    begin = 0
    for k in range(len(ends)):
        # each date by itself first: rounding grows with the number of dates, not of rows
        work[:] = 0.0
        _add_rows(X, y, chosen[begin : ends[k]], held, work)
        for i in range(size):
            for j in range(size):
                out[k, i, j] = work[i, j] if k == 0 else out[k - 1, i, j] + work[i, j]
        begin = ends[k]


def sums_of_products(X: FloatArray, y: FloatArray, chosen: IntArray, width: int) -> FloatArray:
    """Sums over chosen rows.

    Args:
        X: Predictors of all rows, shape (rows, predictors); NaN where one is missing.
        y: Labels, shape (rows,).
        chosen: Numbers of the rows meant.
        width: Predictors used, the first ones.

    Returns:
        Shape (1 + width + 1, 1 + width + 1); infinite or NaN where products leave the range of float64.
    """
    work, held = _working(width)
    _add_rows(X, y, chosen, held, work)
    return work[:, : width + 2].copy()


def running_sums(X: FloatArray, y: FloatArray, chosen: IntArray, ends: IntArray, width: int) -> FloatArray:
    """Sums over the first ``ends[k]`` chosen rows, for each k: what comes later changes no bit of what comes before.

    Args:
        X: As for :func:`sums_of_products`.
        y: Likewise.
        chosen: Likewise, in the order in which they become known.
        ends: Rising numbers of chosen rows.
        width: Predictors used, the first ones.

    Returns:
        Shape (len(ends), 1 + width + 1, 1 + width + 1).
    """
    out = np.empty((len(ends), width + 2, width + 2))
    work, held = _working(width)
    _running_sums(X, y, chosen, ends, work, held, out)
    return out


def _working(width: int) -> tuple[FloatArray, FloatArray]:
    padded = -(-(width + 2) // PADDED) * PADDED
    return np.zeros((width + 2, padded)), np.zeros((TOGETHER, padded))

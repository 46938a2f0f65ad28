"""Dynamic time warping distances between a target's latest rows and windows of sources.

Local cost: Euclidean distance of the predictor vectors. Distance: the sum of local costs along the cheapest path with
steps (1,0), (0,1), (1,1), no window and no root at the end. This is ``tslearn.metrics.dtw_path_from_metric`` with
``metric="euclidean"``; it is not tslearn's default ``dtw``, which is the root of summed squares.

The recursion is written out here; ``dtw_kernel`` and ``dtw_torch`` are its fast twins.

Source: Teller et al. (2026), section 2.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PADDING = 64  # rows that a kernel may read (and ignore) beyond the last one


class DTW(Struct, frozen=True, forbid_unknown_fields=True):
    """How similar subsequences are looked for.

    Attributes:
        windows: ``blocks`` cuts each source's labelled pairs from the end into blocks that do not overlap, as the paper
            does. ``overlapping`` compares every run of m labelled pairs, one from each start day on; the quantile rule
            then runs over all of them, and a row enters a training set once if any selected window holds it.
        precision: Of costs and path sums. ``float32`` is about twice as fast and ranks near ties differently.
        device: ``cuda`` measures on the worker's GPU; without one that is an error, never a silent fallback.
    """

    windows: Literal["blocks", "overlapping"] = "blocks"
    precision: Literal["float64", "float32"] = "float64"
    device: Literal["cpu", "cuda"] = "cpu"

    def step(self, length: int) -> int:
        """Rows between the starts of two windows of ``length`` rows."""
        return length if self.windows == "blocks" else 1


@dataclass(frozen=True)
class Layout:
    """Rows of sources, each kept once, so that equal positions of neighbouring windows lie next to each other.

    A window starts every ``step`` rows, counted back from the last known row, so the grid shifts from origin to origin.
    Row r of a source is kept at (r mod step, r div step): for whichever grid, row j of all windows is a run of
    consecutive values, and no row is moved or copied for an origin.

    Attributes:
        values: Predictor by predictor, shape (predictors, places); float64 or float32.
        begin: Where each source's rows begin, shape (sources,).
        pitch: Places of one residue class of each source, shape (sources,).
        rows: Number of rows of each source, shape (sources,).
        step: Rows between the starts of two windows.
        length: m, rows of a window.
    """

    values: NDArray[Any]
    begin: IntArray
    pitch: IntArray
    rows: IntArray
    step: int
    length: int

    def windows(self, known: IntArray) -> IntArray:
        """Number of windows among the first ``known`` rows of a source."""
        return np.where(known < self.length, 0, (known - self.length) // self.step + 1)

    def starts(self, known: IntArray) -> IntArray:
        """First rows of these windows, counted within their source: source by source, oldest window first."""
        counts = self.windows(known)
        oldest = known - self.length - self.step * (counts - 1)
        nth = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(oldest, counts) + self.step * nth


def lay_out(sources: Sequence[FloatArray], length: int, step: int, precision: str = "float64") -> Layout:
    """Lay out the rows of sources, each of shape (rows, predictors), for windows of ``length`` rows."""
    rows = np.array([len(own) for own in sources], dtype=np.int64)
    pitch = -(-rows // step)
    begin = np.concatenate([[0], np.cumsum(pitch * step)]).astype(np.int64)
    width = sources[0].shape[1] if sources else 0
    values = np.zeros((width, begin[-1] + PADDING), dtype=precision)
    for own, first, run in zip(sources, begin, pitch, strict=False):
        padded = np.zeros((width, run * step))
        padded[:, : len(own)] = own.T
        classes = padded.reshape(width, run, step).transpose(0, 2, 1)
        values[:, first : first + run * step] = classes.reshape(width, -1)
    return Layout(values, begin[:-1], pitch, rows, step, length)


@dataclass(frozen=True)
class Question:
    """What is compared with the windows: runs of consecutive rows of one target, which overlap where origins are near.

    Attributes:
        rows: Rows of the target, shape (days, predictors).
        first: The first row of each origin's run of m rows, shape (origins,).
        known: Rows of each source that are known at each origin, shape (origins, sources).
    """

    rows: FloatArray
    first: IntArray
    known: IntArray

    def check(self, layout: Layout) -> None:
        """Stop at what would be read outside of the arrays, or give undefined distances.

        Raises:
            ValueError: A run or a known row lies outside of the rows, the widths differ, or a value is NaN.
        """
        if self.rows.ndim != 2 or self.rows.shape[1] != len(layout.values):
            raise ValueError(f"query rows of shape {self.rows.shape} for sources with {len(layout.values)} predictors")
        if self.known.shape != (len(self.first), len(layout.begin)):
            raise ValueError(f"known has shape {self.known.shape}, not origins x sources")
        if len(self.first) and (self.first.min() < 0 or self.first.max() + layout.length > len(self.rows)):
            raise ValueError(f"runs of {layout.length} rows reach outside the {len(self.rows)} rows of the query")
        if (self.known > layout.rows).any():
            raise ValueError("more rows are called known than a source has")
        runs = (self.rows[first : first + layout.length] for first in self.first)
        if any(np.isnan(run).any() for run in runs):
            raise ValueError("the query holds NaN: its distances would be undefined")


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

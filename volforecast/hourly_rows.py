"""Rows of an hourly table as models see them: lags, rolling means, and the blocks that they learn, choose and test on.

A row is a target: its label is the volatility of (t, t + 1 h]. What a model may know differs by mode.

``clean``: the volatility up to row t - 1 (its hour ends at t), features and returns of row t, sentiment as published
``sentiment_lag`` hours before t. No lag, mean or window reaches over a gap, and every model has the same rows.

``paper``: the authors' clock: everything of row t - 1 and before, rows taken as if they were consecutive hours, and
means of the first rows over what there is.

Blocks (Darracq Paries et al. 2025, section 3): ten intervals by row count; iteration k trains on intervals k to k + 2,
validates on k + 3, estimates again on k to k + 3 and tests on k + 4. The first five rows of validation and test are
left out. In paper mode the HAR family learns from the rows just before the test block, and is tested on all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from volforecast.data.hourly import FloatArray, HourlyTable, IntArray

Mode = Literal["clean", "paper"]

INTERVALS: Final = 10
ITERATIONS: Final = 6
EMBARGO: Final = 5
LOOKBACK: Final = 30  # rows before a target that every model may read


class Blocks(NamedTuple):
    """Rows of one iteration, ascending: learnt from to choose, chosen by, learnt from to forecast, forecast."""

    train: IntArray
    valid: IntArray
    refit: IntArray
    test: IntArray


@dataclass(frozen=True)
class Sample:
    """A table seen in one mode.

    Attributes:
        table: The hours.
        mode: What a model may know, and which rows there are.
        sentiment_lag: Hours after its time stamp at which sentiment is published; 0 in paper mode.
    """

    table: HourlyTable
    mode: Mode
    sentiment_lag: int = 24

    @property
    def y(self) -> FloatArray:
        """Labels of all rows, ``vol / 100``, shape (n,)."""
        return self.table.vol / 100.0

    def blocks(self, iteration: int, *, har: bool = False, dropped: int = 0) -> Blocks:
        """Rows of an iteration.

        Args:
            iteration: 1 to 6.
            har: Whether they are for a model of the HAR family, which has its own in paper mode.
            dropped: Rows by which those are later in the table: the authors leave out the rows that lack a lagged
                feature before they cut the intervals.
        """
        cut = np.array_split(np.arange(len(self.table)), INTERVALS)
        first = iteration - 1
        if self.mode == "paper":
            cut = [part + 1 for part in cut]  # the authors' row is the one before its label's
        usable = self._usable()
        train, valid = np.concatenate(cut[first : first + 3]), cut[first + 3][EMBARGO:]
        refit, test = np.concatenate(cut[first : first + 4]), cut[first + 4][EMBARGO:]
        if self.mode == "paper" and har:
            test = cut[first + 4] + dropped
            longest = 4 * len(cut[0])
            refit = np.arange(max(1, test[0] - longest), test[0])
            usable = np.ones(len(self.table), dtype=bool)
        return Blocks(*(_those(rows, usable) for rows in (train, valid, refit, test)))

    def vol_lags(self, rows: IntArray, count: int) -> FloatArray:
        """Volatility of the hours before t, ``vol / 100``, shape (rows, count); column i ends i hours before t.

        Raises:
            IndexError: A row has fewer hours before it.
        """
        return np.asarray(self.y[self._back(rows, count, 1)])

    def vol_means(self, rows: IntArray, windows: Sequence[int]) -> FloatArray:
        """Means of ``vol / 100`` over the last hours before t, shape (rows, windows).

        In paper mode a mean that would begin before the first row is taken over what there is.

        Raises:
            IndexError: A row has fewer hours before it.
        """
        if self.mode == "clean":
            self._back(rows, max(windows), 1)
        sums = np.concatenate([[0.0], np.cumsum(self.y)])
        ends = np.asarray(rows)
        columns = []
        for window in windows:
            begins = np.maximum(ends - window, 0)
            columns.append((sums[ends] - sums[begins]) / (ends - begins))
        return np.column_stack(columns)

    def feature_lags(self, rows: IntArray, count: int, names: Sequence[str] | None = None) -> FloatArray:
        """Features as last known, shape (rows, count, names); lag 0 is row t (``clean``) or t - 1 (``paper``).

        Args:
            rows: Targets.
            count: Lags.
            names: Those meant; all when None.

        Raises:
            IndexError: A row has fewer hours before it.
            ValueError: A name is none.
        """
        known = self.table.feature_names
        columns = [known.index(name) for name in (known if names is None else names)]
        return np.asarray(self.table.features[self._back(rows, count, self._behind)][:, :, columns])

    def returns_before(self, row: int, count: int) -> FloatArray:
        """Log returns of the last ``count`` rows of the run of ``row`` that are known at its t, oldest first.

        Fewer where the run has fewer; in paper mode the whole table is one run. The return of a run's first row reaches
        over the gap before it and is none of them.
        """
        last = row - self._behind
        first = 1 if self.mode == "paper" else row - int(self.table.position[row]) + 1
        return self.table.returns[max(first, last + 1 - count) : last + 1]

    @property
    def aggregate(self) -> FloatArray:
        """Mean of the sentiment indices as published at each row's time, shape (n,); NaN before there is any."""
        return self._published(self.table.indices.mean(axis=1))

    def sentiment_lags(self, rows: IntArray, count: int) -> FloatArray:
        """The aggregate of each of the last hours, shape (rows, count); lag 0 is what is known at t.

        Raises:
            IndexError: A row has fewer hours before it.
        """
        return np.asarray(self.aggregate[self._back(rows, count, self._behind)])

    def orthogonal(self, rows: IntArray, learnt: IntArray) -> FloatArray:
        """The part of the first index that the aggregate does not explain, as known at t, shape (rows,).

        Args:
            rows: Targets.
            learnt: Rows by which the regression is estimated (clean mode; in paper mode the table gives the part).
        """
        back = np.asarray(rows) - self._behind
        if self.mode == "paper" and len(self.table.orthogonal):
            return np.asarray(self.table.orthogonal[back])
        first, aggregate = self._published(self.table.indices[:, 0]), self.aggregate
        seen = np.asarray(learnt) - self._behind
        A = np.column_stack([np.ones(len(seen)), aggregate[seen]])
        intercept, slope = np.linalg.lstsq(A, first[seen], rcond=None)[0]
        return np.asarray(first[back] - intercept - slope * aggregate[back])

    @property
    def _behind(self) -> int:
        """Rows between a target and the last row whose features are known."""
        return 0 if self.mode == "clean" else 1

    def _usable(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Rows with an hour's label and enough hours before them."""
        if self.mode == "paper":
            return np.arange(len(self.table)) >= LOOKBACK + 1
        usable = (self.table.position >= LOOKBACK) & ~self.table.artefact
        known = np.isfinite(self.table.returns)
        return np.asarray(usable & known if known.any() else usable)

    def _back(self, rows: IntArray, count: int, behind: int) -> IntArray:
        """Numbers of the rows that lie ``behind`` and further before each target, shape (rows, count)."""
        rows = np.asarray(rows)
        reach = behind + count - 1
        room = rows if self.mode == "paper" else self.table.position[rows]
        if len(rows) and room.min() < reach:
            row = rows[np.argmin(room)]
            raise IndexError(f"{self.table.times[row]} has {room.min()} hours before it, and {reach} are read")
        return np.asarray(rows[:, None] - behind - np.arange(count))

    def _published(self, values: FloatArray) -> FloatArray:
        """Values as they were known at each row's time: those of the last row ``sentiment_lag`` hours before."""
        lag = self.sentiment_lag if self.mode == "clean" else 0
        times = self.table.times
        known = np.searchsorted(times, times - np.timedelta64(lag, "h"), side="right") - 1
        return np.where(known >= 0, values[known], np.nan)


def _those(rows: IntArray, usable: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> IntArray:
    inside = rows[rows < len(usable)]
    return inside[usable[inside]]

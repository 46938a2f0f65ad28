"""Training sets at a forecast origin: target only, naive pooling, multi-source transfer learning (section 4)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from volforecast.predictors import NO_LABEL, PREDICTOR_SETS, PredictorRows
from volforecast.transfer.products import running_sums, sums_of_products

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Approach = Literal["TO", "NP", "MTL"]


class TrainingSet:
    """Labelled rows on which one model is estimated at one forecast origin.

    Rows are ordered by date, then asset; nothing in them was unknown at the close of the origin's day. Those of a panel
    (:func:`assemble`) are gathered when somebody looks at them, which least squares does not.

    Args:
        X: Predictors known at the close of day t, shape (rows, predictors); volatilities in per cent squared.
        y: Realized variance of day t+1 in per cent squared, shape (rows,).
        approach: How the rows were chosen: target only, naive pooling, or multi-source transfer learning.
    """

    def __init__(self, X: FloatArray, y: FloatArray, approach: Approach) -> None:
        self.approach = approach
        self._chosen = len(y)
        self._gather: Callable[[], tuple[FloatArray, FloatArray]] = lambda: (X, y)
        self._add_up: Callable[[], FloatArray] = lambda: _products_of(X, y)

    @classmethod
    def of_panel(
        cls,
        approach: Approach,
        chosen: int,
        gather: Callable[[], tuple[FloatArray, FloatArray]],
        add_up: Callable[[], FloatArray],
    ) -> "TrainingSet":
        """A set of so many chosen rows, of which those that lack a predictor are left out.

        Args:
            approach: How the rows were chosen.
            chosen: How many they are.
            gather: Makes ``X`` and ``y``.
            add_up: Makes ``products``.
        """
        train = cls.__new__(cls)
        train.approach = approach
        train._chosen, train._gather, train._add_up = chosen, gather, add_up
        return train

    @property
    def X(self) -> FloatArray:  # noqa: N802
        """Predictors known at the close of day t, shape (rows, predictors); volatilities in per cent squared."""
        return self._table[0]

    @property
    def y(self) -> FloatArray:
        """Realized variance of day t+1 in per cent squared, shape (rows,)."""
        return self._table[1]

    @cached_property
    def products(self) -> FloatArray:
        """Sums of products of (1, predictors, label), see :mod:`volforecast.transfer.products`."""
        return self._add_up()

    @property
    def rows(self) -> int:
        """Number of rows; gathers or adds up if neither has been done."""
        return len(self.y) if "_table" in self.__dict__ else int(self.products[0, 0])

    @property
    def dropped(self) -> int:
        """Number of rows left out because a predictor is missing."""
        return self._chosen - self.rows

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray]:
        return self._gather()


def _products_of(X: FloatArray, y: FloatArray) -> FloatArray:
    """Sums over all rows as they are; NaN if one holds NaN."""
    if np.isnan(X).any():
        return np.full((X.shape[1] + 2, X.shape[1] + 2), np.nan)
    return sums_of_products(np.ascontiguousarray(X), np.ascontiguousarray(y), np.arange(len(y)), X.shape[1])


@dataclass(frozen=True)
class SourcePool:
    """All labelled rows of all sources, ordered by the date of the label; a cut is then a prefix.

    Attributes:
        row: Row among all rows of the panel, shape (pairs,).
        label_date: Date of its label, rising, in days since 1970-01-01.
        by_date: All rows of the panel, sources or not, ordered by date, then asset.
        rank: Where each row of the panel stands in that order.
        complete: By number of predictors, whether each row of the panel has them all; in the order of ``by_date``.
        dates: The dates of labels, rising, each once.
        products: Sums of products over all pairs with labels up to each of these dates, by number of predictors.
    """

    row: IntArray
    label_date: IntArray
    by_date: IntArray
    rank: IntArray
    complete: dict[int, NDArray[np.bool_]]
    dates: IntArray
    products: dict[int, FloatArray]

    def known_at(self, cut: int) -> IntArray:
        """The rows whose label is known at the close of the date ``cut``."""
        return self.row[: int(np.searchsorted(self.label_date, cut, side="right"))]

    def products_at(self, cut: int, width: int) -> FloatArray:
        """Sums of products over those rows, as far as their first ``width`` predictors are complete."""
        known = int(np.searchsorted(self.dates, cut, side="right"))
        return self.products[width][known - 1] if known else np.zeros((width + 2, width + 2))


def make_pool(rows: PredictorRows, sources: tuple[str, ...]) -> SourcePool:
    """Every source's pairs, from the first day with all volatility predictors on."""
    own = [
        np.arange(first + rows.first_day - 1, first + rows.days(asset))
        for asset, first in ((asset, rows.first_row(asset)) for asset in sources)
    ]
    row = np.concatenate(own).astype(np.int64)
    row = row[rows.label_date[row] != NO_LABEL]
    row = row[np.argsort(rows.label_date[row], kind="stable")]
    label_date = rows.label_date[row]
    dates, begins = np.unique(label_date, return_index=True)
    ends = np.append(begins[1:], len(row)).astype(np.int64)
    # rows are numbered asset by asset, so a stable sort by date sorts by date, then asset
    by_date = np.argsort(rows.date, kind="stable").astype(np.int64)
    rank = np.empty_like(by_date)
    rank[by_date] = np.arange(len(rank))
    widths = {rows.width(predictors) for predictors in PREDICTOR_SETS}
    complete = {width: np.asarray(~np.isnan(rows.X[:, :width]).any(axis=1))[by_date] for width in widths}
    products = {width: running_sums(rows.X, rows.y, row, ends, width) for width in widths}
    return SourcePool(row, label_date, by_date, rank, complete, dates, products)


def target_pairs(rows: PredictorRows, target: str, origin: int) -> IntArray:
    """Rows of the target's pairs known at the close of its day ``origin``: from its first full day to origin - 1."""
    first = rows.first_row(target)
    return np.arange(first + rows.first_day - 1, first + origin - 1, dtype=np.int64)


def block_rows(starts: IntArray, length: int) -> IntArray:
    """All rows of the blocks that begin at ``starts``."""
    return (starts[:, None] + np.arange(length)).ravel()


def in_order(pool: SourcePool, chosen: IntArray, width: int) -> IntArray:
    """The chosen rows whose first ``width`` predictors are complete, by date, then asset; none appears twice."""
    marked = np.zeros(len(pool.rank), dtype=np.bool_)
    marked[pool.rank[chosen]] = True
    marked &= pool.complete[width]
    return pool.by_date[marked]  # in order without a sort


def assemble(
    rows: PredictorRows,
    pool: SourcePool,
    own: IntArray,
    sources: IntArray,
    width: int,
    approach: Approach,
    source_products: FloatArray | None = None,
) -> TrainingSet:
    """A training set of rows of the panel.

    Args:
        rows: All rows of the panel.
        pool: The sources' pairs, made of them.
        own: Rows of the target.
        sources: Rows of the sources.
        width: Predictors used, the first ones (:meth:`PredictorRows.width`).
        approach: How the rows were chosen.
        source_products: Sums of products over ``sources``, where they are known.
    """

    def gather() -> tuple[FloatArray, FloatArray]:
        chosen = in_order(pool, np.concatenate([own, sources]), width)
        return rows.X[chosen, :width], rows.y[chosen]

    def add_up() -> FloatArray:
        of_sources = source_products
        if of_sources is None:
            of_sources = sums_of_products(rows.X, rows.y, sources, width)
        return sums_of_products(rows.X, rows.y, own, width) + of_sources

    return TrainingSet.of_panel(approach, len(own) + len(sources), gather, add_up)

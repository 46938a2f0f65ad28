"""Training sets at a forecast origin: target only, naive pooling, multi-source transfer learning (section 4)."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.predictors import NO_LABEL, PredictorRows
from volforecast.transfer.subsequences import FIRST_FULL_DAY

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Approach = Literal["TO", "NP", "MTL"]


class TrainingSet(NamedTuple):
    """Labelled rows on which one model is estimated at one forecast origin.

    Rows are ordered by date, then asset; nothing in them was unknown at the close of the origin's day.

    Attributes:
        X: Predictors known at the close of day t, shape (rows, predictors); volatilities in per cent squared.
        y: Realized variance of day t+1 in per cent squared, shape (rows,).
        approach: How the rows were chosen: target only, naive pooling, or multi-source transfer learning.
    """

    X: FloatArray
    y: FloatArray
    approach: Approach


@dataclass(frozen=True)
class SourcePool:
    """All labelled rows of all sources, ordered by the date of the label; a cut is then a prefix.

    Attributes:
        row: Row among all rows of the panel, shape (pairs,).
        label_date: Date of its label, rising, in days since 1970-01-01.
    """

    row: IntArray
    label_date: IntArray

    def known_at(self, cut: int) -> IntArray:
        """The rows whose label is known at the close of the date ``cut``."""
        return self.row[: int(np.searchsorted(self.label_date, cut, side="right"))]


def make_pool(rows: PredictorRows, sources: tuple[str, ...]) -> SourcePool:
    """Every source's pairs, from the first day with all volatility predictors on."""
    own = [
        np.arange(first + FIRST_FULL_DAY - 1, first + rows.days(asset))
        for asset, first in ((asset, rows.first_row(asset)) for asset in sources)
    ]
    row = np.concatenate(own).astype(np.int64)
    row = row[rows.label_date[row] != NO_LABEL]
    order = np.argsort(rows.label_date[row], kind="stable")
    return SourcePool(row[order], rows.label_date[row][order])


def target_pairs(rows: PredictorRows, target: str, origin: int) -> IntArray:
    """Rows of the target's pairs known at the close of its day ``origin``: t = 22 ... origin - 1."""
    first = rows.first_row(target)
    return np.arange(first + FIRST_FULL_DAY - 1, first + origin - 1, dtype=np.int64)


def block_rows(starts: IntArray, length: int) -> IntArray:
    """All rows of the blocks that begin at ``starts``."""
    return (starts[:, None] + np.arange(length)).ravel()


def assemble(
    rows: PredictorRows, own: IntArray, sources: IntArray, width: int, approach: Approach
) -> tuple[TrainingSet, int]:
    """Gather a training set, ordered by date, then asset.

    Args:
        rows: All rows of the panel.
        own: Rows of the target.
        sources: Rows of the sources.
        width: Predictors used (the first ``width`` of EXT: 3 is STD, 11 is EXT).
        approach: How the rows were chosen.

    Returns:
        The training set, and the number of rows dropped because a predictor is missing.
    """
    chosen = np.concatenate([own, sources])
    # rows are numbered asset by asset, so (date, row) sorts by date, then asset
    chosen = chosen[np.lexsort((chosen, rows.date[chosen]))]
    X = rows.X[chosen, :width]
    complete = np.asarray(~np.isnan(X).any(axis=1))
    dropped = len(X) - int(complete.sum())
    if dropped:
        X, chosen = X[complete], chosen[complete]
    return TrainingSet(X, rows.y[chosen], approach), dropped

"""Which subsequences are similar enough: the quantile rule (new-issues specification, section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volforecast.transfer.subsequences import Distances

INCLUSION_RATES = (25, 50, 75)


@dataclass(frozen=True)
class Selection:
    """All windows at one origin with their distances and what each inclusion rate selects.

    Attributes:
        start: First row of each window among all rows of the panel, ascending (asset by asset, oldest first).
        distance: DTW distance, per cent squared.
        selected: For each inclusion rate e, whether the distance is at most the e-quantile of all of them.
    """

    start: NDArray[np.int64]
    distance: NDArray[np.float64]
    selected: dict[int, NDArray[np.bool_]]


def select(parts: Sequence[Distances], rates: Sequence[int] = INCLUSION_RATES) -> Selection:
    """Join the shards' distances and apply the quantile rule (linear interpolation).

    The outcome does not depend on how the sources were cut into shards.
    """
    start = np.concatenate([part.start for part in parts])
    distance = np.concatenate([part.distance for part in parts])
    if (start[1:] < start[:-1]).any():  # shards that came in alphabetical order need no sorting
        order = np.argsort(start, kind="stable")
        start, distance = start[order], distance[order]
    if not len(distance):
        return Selection(start, distance, {rate: np.empty(0, dtype=np.bool_) for rate in rates})
    limits = np.quantile(distance, [rate / 100 for rate in rates])
    return Selection(start, distance, {rate: distance <= limit for rate, limit in zip(rates, limits, strict=True)})

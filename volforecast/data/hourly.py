"""An hour-by-hour table of one asset: what is known at t, and the volatility of the hour that follows.

Row t holds features that are known at its time stamp t, and as its label the realized volatility of (t, t + 1 h]:
``vol = 100 sqrt(365) sqrt(sum of squared one-minute log returns)``, in per cent.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HOUR = np.timedelta64(1, "h")


@dataclass(frozen=True)
class HourlyTable:
    """One asset; n rows in ascending order of time.

    Attributes:
        times: Time stamps t, UTC, shape (n,), datetime64[s].
        vol: Volatility of (t, t + 1 h] in per cent, shape (n,).
        returns: Log return over (t - 1 h, t], shape (n,); NaN where it is unknown.
        features: Known at t, shape (n, B); of an order book, or of the bars of the last hour. B may be 0.
        feature_names: Of the B columns.
        indices: Sentiment indices as of the day that t lies in, shape (n, S), each between 0 and 1. S may be 0.
        index_names: Of the S columns.
        artefact: Labels that are no hour's volatility (the move over a gap counted as one minute's), shape (n,).
        orthogonal: What the table itself gives as the part of Fear & Greed that the aggregate does not explain, shape
            (n,), or (0,) where it gives none. Its author estimated it on all rows, so it looks ahead.
    """

    times: NDArray[np.datetime64]
    vol: FloatArray
    returns: FloatArray
    features: FloatArray
    feature_names: tuple[str, ...]
    indices: FloatArray
    index_names: tuple[str, ...]
    artefact: NDArray[np.bool_]
    orthogonal: FloatArray

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def run(self) -> IntArray:
        """Number of the unbroken run of hours that a row belongs to, shape (n,).

        A run ends where an hour is missing, and an artefact is a run of its own: nothing may reach over either.
        """
        breaks = np.diff(self.times) != HOUR
        breaks |= self.artefact[1:] | self.artefact[:-1]
        return np.concatenate([[0], np.cumsum(breaks)]).astype(np.int64)

    @cached_property
    def position(self) -> IntArray:
        """Rows of the same run before a row, shape (n,)."""
        first = np.searchsorted(self.run, self.run, side="left")
        return np.arange(len(self)) - first

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of all names and values."""
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(part)
        return digest.hexdigest()

    def _parts(self) -> Iterator[bytes]:
        yield repr((len(self), self.feature_names, self.index_names, len(self.orthogonal))).encode()
        yield np.ascontiguousarray(self.times.astype("datetime64[s]").astype("<i8")).tobytes()
        for values in (self.vol, self.returns, self.features, self.indices, self.orthogonal):
            yield np.ascontiguousarray(values, dtype="<f8").tobytes()
        yield np.ascontiguousarray(self.artefact).tobytes()

"""One asset's logarithm of realized variance as a series: predictors, labels, and the parts it is split into.

``x(t) = log RV(t)``, the natural logarithm of the decimal variance of trading day t, known at its close. Rows are the
asset's own trading days: a day that a calendar has and the asset lacks is passed over, as if it had not been.

The split is chronological, 50 / 25 / 25 per cent of the days (Dhansoia 2025, section 4.1): training, validation, test.
A row belongs to a part if every day of its label does, so a label that reaches over an edge belongs to none.
"""

import hashlib
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.data.panel import Panel
from volforecast.predictors import MONTH, WEEK

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SHARES = (0.5, 0.75)  # of the days, at which training and validation end


class LogSeries(NamedTuple):
    """One asset.

    Attributes:
        asset: Its name.
        dates: Trading days, shape (T,), datetime64[D].
        x: Logarithms of the decimal realized variance, shape (T,).
    """

    asset: str
    dates: NDArray[np.datetime64]
    x: FloatArray

    @property
    def fingerprint(self) -> str:
        """sha256 of the days and values: the same for the same history in any panel."""
        digest = hashlib.sha256(np.ascontiguousarray(self.dates.astype("<i8")).tobytes())
        digest.update(np.ascontiguousarray(self.x, dtype="<f8").tobytes())
        return digest.hexdigest()

    def before(self, day: np.datetime64) -> "LogSeries":
        """The days before a date."""
        known = self.dates < day
        return LogSeries(self.asset, self.dates[known], self.x[known])

    def har(self) -> FloatArray:
        """Means of x over the last 1, 5 and 22 days, shape (T, 3); NaN where there are fewer."""
        return np.column_stack([mean_of_last(self.x, days) for days in (1, WEEK, MONTH)])

    def labels(self, horizon: int) -> FloatArray:
        """Mean of x over the next ``horizon`` days of each row, shape (T,); NaN where they lie in the future."""
        ahead = np.full(len(self.x), np.nan)
        if horizon < len(self.x):
            ahead[:-horizon] = mean_of_last(self.x, horizon)[horizon:]
        return ahead


class Split(NamedTuple):
    """Which rows belong to which part.

    Attributes:
        training, validation, test: Rows, ascending; a row t forecasts days t+1 to t+horizon.
        known: Days of the training part: what standardisation may look at.
    """

    training: IntArray
    validation: IntArray
    test: IntArray
    known: int


def log_series(panel: Panel, asset: str) -> LogSeries:
    """An asset of a panel."""
    rows = panel.daily[panel.daily["asset"] == asset]
    dates = rows["date"].to_numpy().astype("datetime64[D]")
    return LogSeries(asset, dates, np.log(rows["rv"].to_numpy(dtype=np.float64)))


def split(days: int, first: int, horizon: int, shares: tuple[float, float] = SHARES) -> Split:
    """The parts of a series.

    Args:
        days: T.
        first: The first row that has all its predictors.
        horizon: Days of a label.
        shares: Of the days, at which training and validation end; with a second share of 1 there is no test part.
    """
    edges = [0, *(int(days * share) for share in shares), days]
    training, validation, test = (
        np.arange(max(first, begin - 1), end - horizon, dtype=np.int64) for begin, end in pairwise(edges)
    )
    return Split(training, validation, test, known=edges[1])


def mean_of_last(x: FloatArray, days: int) -> FloatArray:
    """Mean over each row's last ``days`` values, shape (T,); NaN where there are fewer."""
    means = np.full(len(x), np.nan)
    if len(x) >= days:
        means[days - 1 :] = np.lib.stride_tricks.sliding_window_view(x, days).mean(axis=1)
    return means

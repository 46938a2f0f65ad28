"""XGB: boosted trees on the last five hours and HAR's means (Darracq Paries et al. 2025, section 3, XGBoost).

Three more models add columns: SXGB the sentiment, XGB-GCT the features that Granger-cause volatility, SXGB-GCT both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.hourly_diagnostics import chosen_features
from volforecast.hourly_rows import Sample
from volforecast.models.hourly.boosting import GRID, boosted
from volforecast.models.hourly.protocol import Forecasts, Report, Value, Values, rmse
from volforecast.models.hourly.regression import HOURS, demand_finite

LAGS: Final = 5  # hours


@dataclass(frozen=True)
class XGB:
    """One of the four.

    Attributes:
        sentiment: Whether it sees the aggregate of the sentiment indices and what that leaves unexplained of the first.
        granger: Whether it sees the features that Granger-cause volatility, as last known.
    """

    sentiment: bool = False
    granger: bool = False

    har = False
    dropped = 0
    reports = 1
    random = False
    grid: ClassVar[Mapping[str, tuple[Value, ...]]] = GRID

    @property
    def needs(self) -> frozenset[str]:
        """Sentiment and features where it sees them."""
        return frozenset(("sentiment",) * self.sentiment + ("features",) * self.granger)

    def forecast(
        self,
        sample: Sample,
        train: IntArray,
        test: IntArray,
        values: Values,
        seeds: Sequence[int],
        report: Report | None = None,
    ) -> Forecasts:
        """See :class:`volforecast.models.hourly.protocol.HourlyModel`."""
        names = self._features(sample, train)
        X, rows = (self._columns(sample, part, train, names) for part in (train, test))
        found = boosted(X, 100.0 * sample.y[train], rows, values, sample.mode, [int(values["rounds"])])
        details = {"columns": str(X.shape[1])}
        if self.granger:
            details["features"] = ", ".join(names)
        return Forecasts(found / 100.0, details=details)

    def grid_losses(self, sample: Sample, train: IntArray, valid: IntArray, points: Sequence[Values]) -> list[float]:
        """The RMSE of each point's forecasts of ``valid``, exactly that of :meth:`forecast`, at a third of the price.

        Points that differ in their rounds alone share one training.

        Raises:
            FitError: As :meth:`forecast`.
        """
        names = self._features(sample, train)
        X, rows = (self._columns(sample, part, train, names) for part in (train, valid))
        y, realized = 100.0 * sample.y[train], sample.y[valid]
        trainings: dict[tuple[Value, ...], list[int]] = {}
        for number, point in enumerate(points):
            key = tuple(point[name] for name in GRID if name != "rounds")
            trainings.setdefault(key, []).append(number)
        losses = [float("nan")] * len(points)
        for numbers in trainings.values():
            rounds = [int(points[number]["rounds"]) for number in numbers]
            found = boosted(X, y, rows, points[numbers[0]], sample.mode, rounds)
            for number, forecast in zip(numbers, found / 100.0, strict=True):
                losses[number] = rmse(forecast, realized)
        return losses

    def _features(self, sample: Sample, train: IntArray) -> tuple[str, ...]:
        return tuple(chosen_features(sample, train)) if self.granger else ()

    def _columns(self, sample: Sample, rows: IntArray, train: IntArray, names: tuple[str, ...]) -> FloatArray:
        """Volatility in per cent, then sentiment, then features, shape (rows, columns)."""
        parts = [100.0 * sample.vol_lags(rows, LAGS), 100.0 * sample.vol_means(rows, HOURS)]
        if self.sentiment:
            parts.append(sample.sentiment_lags(rows, 1))
            if len(sample.table.index_names) > 1:  # of one index the aggregate leaves nothing unexplained
                parts.append(sample.orthogonal(rows, train)[:, None])
        if names:
            parts.append(sample.feature_lags(rows, 1, names)[:, 0, :])
        columns = np.column_stack(parts)
        demand_finite(columns, "of volatility, sentiment and features")
        return columns


MODEL = XGB()

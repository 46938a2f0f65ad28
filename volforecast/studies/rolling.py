"""Rolling one-day-ahead forecasts of one model for one target over one sample period (specification, sections 3-5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from volforecast.errors import FitError
from volforecast.models.insanity import sane
from volforecast.models.protocol import Model
from volforecast.predictors import MONTH, PredictorRows
from volforecast.seeds import seed_of
from volforecast.studies.model_names import NAIVE, NAIVE_MEAN, ModelName
from volforecast.transfer.training import SourcePool, TrainingSet, assemble, target_pairs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FORECAST_COLUMNS = ("target", "period", "origin", "date", "model", "forecast", "realized", "status")
# beside the published columns a part keeps how each estimation went
FORECAST_SCHEMA = pa.schema(
    [
        ("target", pa.string()),
        ("period", pa.int32()),
        ("origin", pa.int32()),
        ("date", pa.date32()),
        ("model", pa.string()),
        ("forecast", pa.float64()),
        ("realized", pa.float64()),
        ("status", pa.string()),
        ("train_rows", pa.int32()),
        ("dropped_rows", pa.int32()),
        ("epochs", pa.int32()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class Schedule:
    """When models are estimated and which days they forecast: origins s, s+5, ..., each forecasting the next 5 days."""

    horizon_days: int = 100
    refit_every: int = 5

    def origins(self, period: int) -> range:
        """The trading days at whose close models are estimated."""
        return range(period, period + self.horizon_days, self.refit_every)

    def forecasts_at(self, origin: int, period: int) -> int:
        """How many days the estimation at an origin forecasts."""
        return min(self.refit_every, period + self.horizon_days - origin)


@dataclass(frozen=True)
class Market:
    """Everything a unit may read: the rows of all assets and the sources' pooled pairs.

    ``measured`` holds, by predictor set, the same market with the predictors of models beside the paper's and the
    fingerprint of the measures they are made of; it is empty unless such models are asked for. ``sectors`` are those
    of assets, as far as known; no unit reads them.
    """

    rows: PredictorRows
    pool: SourcePool
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    fingerprint: str
    measured: "Mapping[str, Market]" = field(default_factory=dict)
    sectors: Mapping[str, str] = field(default_factory=dict)


def naive_forecasts(market: Market, target: str, period: int, schedule: Schedule, name: str = NAIVE) -> pa.Table:
    """The naive forecast of every day of a period: the realized variance of the day before.

    ``NF-22`` is the mean of the last 22 days; of all days where there are fewer.
    """
    blocks, first = [], market.rows.first_row(target)
    for origin in schedule.origins(period):
        days = _forecast_rows(market, target, origin, schedule.forecasts_at(origin, period))
        good, no_reason = np.full(len(days), "ok", dtype=object), np.full(len(days), None, dtype=object)
        naive = market.rows.X[days, 0]
        if name == NAIVE_MEAN:
            naive = np.array([market.rows.X[max(first, day - MONTH + 1) : day + 1, 0].mean() for day in days])
        blocks.append(_block(market, (target, period, origin, name), days, naive, good, no_reason, Fit()))
    return pa.concat_tables(blocks)


@dataclass
class Estimation:
    """One model of one target over the origins of one sample period.

    Attributes:
        market: All rows.
        target: The target asset.
        period: s, the trading days known at the first origin.
        name: Approach, class and predictors.
        model: The model class, configured.
        schedule: Origins and forecast days.
        study_seed: Every draw's seed is derived from it and (target, period, origin, model).
        selected: For MTL, the source rows selected at an origin.
        naive_without_pairs: Where no labelled row is known (which happens in an asset's first days), forecast naively
            with the status ``fallback``; otherwise an estimation on no rows fails.
        instead: What forecasts days that lack a predictor; None means the STD model of the same class.
        insanity_filter: Replace forecasts outside the range of the training labels by their mean.
    """

    market: Market
    target: str
    period: int
    name: ModelName
    model: Model
    schedule: Schedule
    study_seed: int
    selected: Callable[[int], IntArray]
    naive_without_pairs: bool = False
    instead: "Estimation | None" = None
    insanity_filter: bool = False
    tuned: list[Any] = field(default_factory=list)  # what the first origin settled for all of them, once it has
    last_fit: "Fit" = field(default_factory=lambda: Fit())

    def forecasts(self, estimate: "Callable[[Estimation, int, IntArray], FloatArray] | None" = None) -> pa.Table:
        """Forecasts of every day of the period, estimated anew at each origin.

        Args:
            estimate: What estimates at an origin and forecasts the labels of some rows; :meth:`estimate` when None.

        Returns:
            Table of ``FORECAST_SCHEMA``. A day with a missing predictor has the STD model's forecast and the status
            ``fallback``; a day without a forecast has NaN, the status ``failed``, and the reason. A naive forecast for
            want of pairs has the status ``fallback`` and no training rows. With the insanity filter there is one
            column more, ``replaced``.
        """
        # every draw of the fallback equals that of the STD model's own unit, because its name is in the seeds
        fallback = replace(self, name=self.name.with_std(), tuned=[]) if self.name.predictors != "STD" else self
        fallback = self.instead or fallback
        ask = estimate or Estimation.estimate
        return pa.concat_tables(self._at(origin, fallback, ask) for origin in self.schedule.origins(self.period))

    def _at(
        self, origin: int, fallback: "Estimation", estimate: "Callable[[Estimation, int, IntArray], FloatArray]"
    ) -> pa.Table:
        rows = self.market.rows
        days = _forecast_rows(self.market, self.target, origin, self.schedule.forecasts_at(origin, self.period))
        complete = ~np.isnan(rows.X[days, : self.width]).any(axis=1)
        forecast = np.full(len(days), np.nan)
        status = np.where(complete, "ok", "fallback").astype(object)
        reasons = np.full(len(days), None, dtype=object)
        replaced = np.zeros(len(days), dtype=np.bool_)
        for estimation, chosen in ((self, complete), (fallback, ~complete)):
            if chosen.any():
                if self.naive_without_pairs and not estimation.has_pairs(origin):
                    forecast[chosen], status[chosen], estimation.last_fit = rows.X[days[chosen], 0], "fallback", Fit()
                    continue
                try:
                    forecast[chosen] = estimate(estimation, origin, days[chosen])
                    if self.insanity_filter:
                        labels = estimation._training_set(origin).y
                        forecast[chosen], replaced[chosen] = sane(forecast[chosen], labels)
                except FitError as error:
                    status[chosen] = "failed"
                    reasons[chosen] = f"{estimation.name} at origin {origin}: {error}"
        first = rows.first_row(self.target)
        floor = fallback.market.rows.X[first : first + origin, 0].min()  # in whose first column is the day's variance
        forecast = np.where(forecast < 0, floor, forecast)
        fit = self.last_fit if complete.any() else fallback.last_fit
        name = (self.target, self.period, origin, str(self.name))
        table = _block(self.market, name, days, forecast, status, reasons, fit)
        return table.append_column("replaced", pa.array(replaced)) if self.insanity_filter else table

    @property
    def width(self) -> int:
        """Number of predictors."""
        return self.market.rows.width(self.name.predictors)

    def estimate(self, origin: int, days: IntArray) -> FloatArray:
        """Estimate at an origin and forecast the labels of the rows ``days``, in per cent squared.

        Raises:
            FitError: The model cannot be estimated, or a forecast is not a finite number.
        """
        if not self.tuned:
            first = self.tuning_origin()
            self.tuned.append(self.model.tune(self._training_set(first), self.seed(first, "tune")))
        train, tuned = self._training_set(origin), self.tuned[0]
        rows = self.market.rows.X[days, : self.width]
        try:
            forecast = self.model.forecast(train, rows, tuned, self.seed(origin, "fit"))
        finally:
            self.last_fit = Fit(train.rows, train.dropped, tuned if isinstance(tuned, int) else None)
        if not np.isfinite(forecast).all():
            raise FitError("a forecast is not a finite number")
        return forecast

    def tuning_origin(self) -> int:
        """The origin whose training set settles hyperparameters: the period's first, or the first one with pairs."""
        origins = self.schedule.origins(self.period)
        if not self.naive_without_pairs:
            return origins[0]
        return next((origin for origin in origins if self.has_pairs(origin)), origins[0])

    def has_pairs(self, origin: int) -> bool:
        """Whether a row without a missing predictor is known at an origin to estimate on."""
        pool = self.market.pool
        # the target's own rows, which are usually there, are looked at before the sources' are gathered
        asked: tuple[Callable[[int], IntArray], ...] = (self.own_pairs, self.source_pairs)
        return any(pool.complete[self.width][pool.rank[known(origin)]].any() for known in asked)

    def pairs(self, origin: int) -> tuple[IntArray, IntArray]:
        """The rows of the target and of the sources that the training set at an origin is made of."""
        return self.own_pairs(origin), self.source_pairs(origin)

    def own_pairs(self, origin: int) -> IntArray:
        """The rows of the target in the training set at an origin."""
        return target_pairs(self.market.rows, self.target, origin)

    def source_pairs(self, origin: int) -> IntArray:
        """The rows of the sources in the training set at an origin."""
        if self.name.approach == "TO":
            return np.empty(0, dtype=np.int64)
        if self.name.approach == "NP":
            return self.market.pool.known_at(self._cut(origin))
        return self.selected(origin)

    def _training_set(self, origin: int) -> TrainingSet:
        rows, pool, products = self.market.rows, self.market.pool, None
        if self.name.approach == "NP":
            products = pool.products_at(self._cut(origin), self.width)
        return assemble(rows, pool, *self.pairs(origin), self.width, self.name.approach, products)

    def _cut(self, origin: int) -> int:
        """The calendar date of an origin."""
        return int(self.market.rows.date[self.market.rows.first_row(self.target) + origin - 1])

    def seed(self, origin: int, draw: str) -> int:
        """The seed of one of the draws at an origin."""
        return seed_of(self.study_seed, self.target, self.period, origin, str(self.name), draw)


@dataclass(frozen=True)
class Fit:
    """How an estimation went: rows it was estimated on, rows dropped for a missing predictor, epochs if it has any."""

    train_rows: int = 0
    dropped_rows: int = 0
    epochs: int | None = None


def _forecast_rows(market: Market, target: str, origin: int, count: int) -> IntArray:
    """Rows x(o) ... x(o + count - 1), whose labels are the days o+1 ... o+count."""
    first = market.rows.first_row(target)
    return np.arange(first + origin - 1, first + origin - 1 + count, dtype=np.int64)


def _block(
    market: Market,
    name: tuple[str, int, int, str],
    days: IntArray,
    forecast: FloatArray,
    status: NDArray[np.object_],
    reasons: NDArray[np.object_],
    fit: Fit,
) -> pa.Table:
    """Rows of ``FORECAST_SCHEMA`` for the labels of ``days``; ``name`` is target, period, origin and model."""
    n = len(days)
    target, period, origin, model = name
    columns: list[Any] = [
        [target] * n,
        [period] * n,
        [origin] * n,
        pa.array(market.rows.label_date[days].astype(np.int32)).cast(pa.date32()),
        [model] * n,
        forecast,
        market.rows.y[days],
        status.tolist(),
        [fit.train_rows] * n,
        [fit.dropped_rows] * n,
        [fit.epochs] * n,
        reasons.tolist(),
    ]
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, FORECAST_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=FORECAST_SCHEMA)

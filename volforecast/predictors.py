"""Predictors of day t and the label of day t+1, for every asset of a panel (Teller et al. 2026, section 3.2).

A row is known at the close of its day t; its label is the realized variance of the asset's next trading day. Realized
variances are in per cent squared here and in every model: with decimals XGBoost's gamma of 0.1 would forbid all splits.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.data.panel import MARKET_SERIES, Panel
from volforecast.errors import PanelError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STD = ("rv_d", "rv_w", "rv_m")
EXT = (*STD, "mom", "dv", "ea", *MARKET_SERIES)
PREDICTOR_SETS = {"STD": STD, "EXT": EXT}
WEEK, MONTH = 5, 22  # days; an asset has its first monthly mean on its day 22


class ReducedSet(NamedTuple):
    """Predictors of an asset's first days (Teller et al. 2026, section 6.3).

    Attributes:
        names: All of them, volatility predictors first.
        volatilities: How many of them are volatility predictors.
        first_day: The first trading day on which these all exist.
    """

    names: tuple[str, ...]
    volatilities: int
    first_day: int


REDUCED_SETS = {  # by the prefix of the models that use them: the trading days after which all predictors exist
    1: ReducedSet(("rv_d", "ea", "ads", "epu", "vix"), 1, 1),
    WEEK: ReducedSet(tuple(name for name in EXT if name not in ("rv_m", "mom")), 2, WEEK),
    MONTH: ReducedSet(EXT, len(STD), MONTH),
}
PER_CENT_SQUARED = 1e4
NO_LABEL = np.iinfo(np.int64).max  # the label date of an asset's last row: later than every cut


@dataclass(frozen=True)
class PredictorRows:
    """The rows of all assets, stacked; asset after asset (alphabetically), day after day.

    Plain arrays, so that workers read them from shared memory without a copy. A model's predictors are always the first
    columns: its volatility predictors (STD) or all of them (EXT). Other sets are rows of their own (:meth:`only`).

    Attributes:
        assets: Names, sorted; asset ``a`` owns rows ``offsets[a]:offsets[a + 1]``.
        offsets: Shape (assets + 1,).
        X: Predictors, shape (rows, predictors). NaN marks one that does not exist on that day.
        y: Realized variance of the next trading day, per cent squared, shape (rows,); NaN on an asset's last row.
        date: Day t, in days since 1970-01-01.
        label_date: The day of the label, likewise; ``NO_LABEL`` on an asset's last row.
        names: The columns of ``X``.
        volatilities: How many of them, the first ones, are volatility predictors: those that similarity is measured by.
        first_day: The first trading day of an asset on which its volatility predictors all exist.
    """

    assets: tuple[str, ...]
    offsets: IntArray
    X: FloatArray
    y: FloatArray
    date: IntArray
    label_date: IntArray
    names: tuple[str, ...] = EXT
    volatilities: int = len(STD)
    first_day: int = MONTH

    def width(self, predictors: str) -> int:
        """How many of the columns a predictor set has: the first ones for ``STD``, all of them for any other."""
        return self.volatilities if predictors == "STD" else len(self.names)

    def only(self, names: tuple[str, ...], volatilities: int, first_day: int) -> "PredictorRows":
        """The same rows with some predictors only; the first ``volatilities`` of them exist from ``first_day`` on."""
        columns = [self.names.index(name) for name in names]
        X = np.ascontiguousarray(self.X[:, columns])
        return replace(self, X=X, names=names, volatilities=volatilities, first_day=first_day)

    def first_row(self, asset: str) -> int:
        """The row of the asset's trading day 1; its day t is row ``first_row + t - 1``."""
        return int(self.offsets[self._number(asset)])

    def days(self, asset: str) -> int:
        """Number of trading days the asset has."""
        a = self._number(asset)
        return int(self.offsets[a + 1] - self.offsets[a])

    def _number(self, asset: str) -> int:
        a = bisect_left(self.assets, asset)
        if self.assets[a : a + 1] != (asset,):
            raise KeyError(asset)
        return a


def build_rows(panel: Panel) -> PredictorRows:
    """All predictors of a panel; those whose inputs the panel lacks are NaN (see :func:`require_inputs`)."""
    assets = tuple(panel.assets["asset"])
    groups = {str(name): group for name, group in panel.daily.groupby("asset", sort=True)}
    market = _MarketSeries(panel.market)
    blocks = [_asset_rows(groups[asset], market) for asset in assets]
    lengths = [len(groups[asset]) for asset in assets]
    return PredictorRows(
        assets=assets,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        X=np.concatenate([block[0] for block in blocks]),
        y=np.concatenate([block[1] for block in blocks]),
        date=np.concatenate([block[2] for block in blocks]),
        label_date=np.concatenate([block[3] for block in blocks]),
    )


def require_inputs(panel: Panel) -> None:
    """Stop if the panel lacks an input of the EXT predictors.

    Raises:
        PanelError: Names the missing columns, or the first asset for which a column is empty throughout.
    """
    wanted = ("close", "volume", "earnings_next_day")
    missing = [f"{name} (daily.parquet)" for name in wanted if name not in panel.daily]
    missing += [f"{name} (market.parquet)" for name in MARKET_SERIES if name not in panel.market]
    if missing:
        raise PanelError(f"the EXT predictors need {', '.join(missing)}: add them, or run only STD models (--models)")
    empty = [f"{name} (market.parquet)" for name in MARKET_SERIES if panel.market[name].isna().all()]
    if empty:
        raise PanelError(f"the EXT predictors need {', '.join(empty)}: all empty; run only STD models (--models)")
    targets = panel.daily[panel.daily["asset"].isin(panel.with_role("target"))]
    for name in ("close", "volume"):
        counts = targets.groupby("asset")[name].count()
        if (counts == 0).any():
            raise PanelError(
                f"daily.parquet: target {counts.index[counts == 0][0]} has no {name} on any day; the EXT predictors "
                "need it: fill it in, or run only STD models (--models)"
            )


class _MarketSeries:
    """As-of lookups: the last level published on or before a date (new-issues specification, section 2)."""

    def __init__(self, market: pd.DataFrame) -> None:
        self.series: dict[str, tuple[IntArray, FloatArray]] = {}
        for name in MARKET_SERIES:
            known = market.dropna(subset=[name]) if name in market else market.iloc[:0].assign(**{name: np.nan})
            self.series[name] = (_days(known["date"]), known[name].to_numpy(dtype=np.float64))

    def level(self, name: str, dates: IntArray) -> FloatArray:
        published, levels = self.series[name]
        if not len(levels):
            return np.full(len(dates), np.nan)
        position = np.searchsorted(published, dates, side="right") - 1
        return np.where(position >= 0, levels[np.maximum(position, 0)], np.nan)


def _asset_rows(group: pd.DataFrame, market: _MarketSeries) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    n = len(group)
    dates = _days(group["date"])
    rv = PER_CENT_SQUARED * group["rv"].to_numpy(dtype=np.float64)
    X = np.full((n, len(EXT)), np.nan)
    column = {name: X[:, j] for j, name in enumerate(EXT)}
    column["rv_d"][:] = rv
    column["rv_w"][:] = _trailing_mean(rv, WEEK)
    column["rv_m"][:] = _trailing_mean(rv, MONTH)
    if "close" in group:
        log_close = np.log(group["close"].to_numpy(dtype=np.float64))
        column["mom"][WEEK:] = log_close[WEEK:] - log_close[:-WEEK]
        if "volume" in group:
            volume = group["volume"].to_numpy(dtype=np.float64)
            # a day without trades has no log volume: missing, not minus infinity
            log_dollars = log_close + np.log(np.where(volume > 0, volume, np.nan))
            column["dv"][1:] = np.diff(log_dollars)
    if "earnings_next_day" in group:
        column["ea"][:] = group["earnings_next_day"].to_numpy(dtype=np.float64)
    column["us3m"][1:] = np.diff(market.level("us3m", dates))
    column["hsi"][1:] = np.diff(np.log(market.level("hsi", dates))) ** 2
    for name in ("ads", "epu", "vix"):
        column[name][:] = market.level(name, dates)
    y = np.append(rv[1:], np.nan)
    label_date = np.append(dates[1:], NO_LABEL)
    return X, y, dates, label_date


def _trailing_mean(values: FloatArray, window: int) -> FloatArray:
    """Mean of the last ``window`` values; NaN before there are that many.

    Each window is summed by itself: a running sum would let rounding of later days depend on earlier ones.
    """
    result = np.full(len(values), np.nan)
    if len(values) >= window:
        result[window - 1 :] = np.lib.stride_tricks.sliding_window_view(values, window).mean(axis=1)
    return result


def _days(dates: "pd.Series[pd.Timestamp]") -> IntArray:
    return dates.to_numpy().astype("datetime64[D]").astype(np.int64)

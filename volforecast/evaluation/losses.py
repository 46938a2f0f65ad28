"""Forecast losses, and the table of one target's losses by day and model."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.errors import InputError

FloatArray = NDArray[np.float64]
Loss = Callable[[FloatArray, FloatArray], FloatArray]

ROUNDING: Final = 1e-12
"""Two loss series whose differences stay below this share of their greatest loss differ by rounding only."""
GREATEST: Final = 1e140
"""A loss above it counts as missing: squares of such losses overflow."""
FORECAST_COLUMNS: Final = ("target", "period", "origin", "date", "model", "forecast", "realized", "status")


def squared_error(forecast: FloatArray, realized: FloatArray) -> FloatArray:
    """``(forecast - realized)^2``, whose mean is the paper's MSE (section 5.4).

    Args:
        forecast: Variance forecasts in per cent squared, any shape.
        realized: Realized variances in per cent squared, a shape that broadcasts against ``forecast``.

    Returns:
        Losses in per cent to the fourth; NaN where an argument is NaN, inf where the square overflows.
    """
    # A model that explodes is reported as a missing loss further on, so the overflow itself is no news.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray((forecast - realized) ** 2, dtype=np.float64)


def absolute_error(forecast: FloatArray, realized: FloatArray) -> FloatArray:
    """``|forecast - realized|``, whose mean is the paper's MAE (section 5.4).

    Args:
        forecast: Variance forecasts in per cent squared, any shape.
        realized: Realized variances in per cent squared, a shape that broadcasts against ``forecast``.

    Returns:
        Losses in per cent squared; NaN where an argument is NaN.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.abs(forecast - realized), dtype=np.float64)


def qlike(forecast: FloatArray, realized: FloatArray) -> FloatArray:
    """``realized / forecast - log(realized / forecast) - 1`` (Patton 2011; not in the paper).

    Args:
        forecast: Variance forecasts in per cent squared, any shape.
        realized: Realized variances in per cent squared, a shape that broadcasts against ``forecast``.

    Returns:
        Losses without unit, zero for a perfect forecast; NaN where an argument is NaN, and where a forecast or a
        realized variance is not above zero, since the loss is not defined there.
    """
    defined = (forecast > 0.0) & (realized > 0.0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = np.where(defined, realized, np.nan) / np.where(defined, forecast, np.nan)
        return np.asarray(ratio - np.log(ratio) - 1.0, dtype=np.float64)


LOSSES: Final[dict[str, Loss]] = {"MSE": squared_error, "MAE": absolute_error, "QLIKE": qlike}


def loss_named(name: str) -> Loss:
    """The loss function of that name.

    Raises:
        InputError: There is none.
    """
    if name not in LOSSES:
        raise InputError(f"loss {name!r} is not known; choose from {', '.join(LOSSES)}")
    return LOSSES[name]


def usable_series(losses: FloatArray) -> NDArray[np.bool_]:
    """Which columns of a loss matrix (T, K) have a loss every day: none NaN, inf or above 1e140; shape (K,)."""
    return np.asarray((np.isfinite(losses) & (np.abs(losses) <= GREATEST)).all(axis=0))


def checked_forecasts(forecasts: pd.DataFrame) -> pd.DataFrame:
    """A forecasts table in one canonical row order, so that every sum over it is the same however it was gathered.

    Args:
        forecasts: Long table with (at least) the columns ``target, period, date, model, forecast, realized, status``,
            values in per cent squared.

    Returns:
        These columns sorted by target, date and model. The forecast of a row with status ``failed`` is NaN.

    Raises:
        InputError: A column is missing, there are no rows, or a target has two forecasts of one model for one day.
    """
    columns = [column for column in FORECAST_COLUMNS if column != "origin"]
    absent = [column for column in columns if column not in forecasts.columns]
    if absent:
        raise InputError(f"forecasts table lacks the column(s) {', '.join(absent)}")
    if forecasts.empty:
        raise InputError("forecasts table has no rows, so there is nothing to evaluate")
    table = forecasts[columns].copy()
    for name in ("target", "model", "status"):  # dictionary-encoded Parquet columns arrive as categories
        table[name] = table[name].astype(str)
    for value in ("forecast", "realized"):
        table[value] = table[value].astype(np.float64)
    key = ["target", "date", "model"]
    twice = table.duplicated(key)
    if twice.any():
        target, date, model = table.loc[twice, key].iloc[0]
        raise InputError(
            f"target {target} has more than one forecast of {model} for {date}; sample periods may not overlap"
        )
    table.loc[table["status"] == "failed", "forecast"] = np.nan
    return table.sort_values(key, ignore_index=True)


def loss_matrix(forecasts: pd.DataFrame, loss: str) -> pd.DataFrame:
    """Losses of one target by day and model.

    Args:
        forecasts: Rows of ONE target in the long table ``target, period, origin, date, model, forecast, realized,
            status``, values in per cent squared, in any order.
        loss: A name in :data:`LOSSES`.

    Returns:
        One row a date (ascending), one column a model (ascending). NaN where that model has no forecast for that day
        or failed to make one.

    Raises:
        InputError: The table breaks a rule (see :func:`checked_forecasts`), or holds more than one target.
    """
    function = loss_named(loss)
    table = checked_forecasts(forecasts)
    if table["target"].nunique() > 1:
        raise InputError("a loss matrix is made for one target at a time")
    table["loss"] = function(table["forecast"].to_numpy(), table["realized"].to_numpy())
    return table.pivot(index="date", columns="model", values="loss")

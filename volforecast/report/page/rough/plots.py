"""Plots of errors relative to HAR and of how rough a series is."""

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from volforecast.evaluation.rough_order import HAR
from volforecast.report.page.plots import MOST_MARKS
from volforecast.report.page.rough.names import look, looks
from volforecast.report.page.svg import Axis, FloatArray, Key, Plot, linear_axis, log_axis

_COLUMNS = 330  # of a drawn series: about one each user unit


def forest(ratios: pd.DataFrame, single: pd.DataFrame) -> Markup:
    """A mark a model with its interval over targets, and a stroke for each target; the dashed line at 1 is HAR.

    Args:
        ratios: RMSE relative to HAR's, ``ratio, low, high`` by model, in the order to draw them in from the top.
        single: The ratios of single targets, a row each model of ``ratios``, a column each target.
    """
    names = list(map(str, ratios.index))
    every = single.reindex(ratios.index).to_numpy(dtype=float)
    means, low, high = (ratios[column].to_numpy(dtype=float) for column in ("ratio", "low", "high"))
    many = every.shape[1] > MOST_MARKS
    strokes = [np.quantile(row[np.isfinite(row)], [0.1, 0.9]) if many else row for row in every]
    reach = np.concatenate([means, low, high, *strokes])
    x = log_axis(reach, "RMSE relative to HAR (log scale)")
    rows = np.arange(len(names), dtype=float)
    y = Axis(len(names) - 0.4, -0.6, list(rows), "", names=names)
    plot = Plot(16.0 * len(names) + 6.0, x, y, [Key(*one) for one in looks(names)])
    plot.upright(1.0)
    for row, name in enumerate(names):
        colour, shape = look(name)
        at = np.full(2, float(row))
        if many:
            plot.line(strokes[row], at, "c-muted", "thin")
        elif every.shape[1] > 1:
            plot.dots(every[row], np.full(every.shape[1], float(row)), "c-muted", "bars")
        plot.line(np.array([max(low[row], x.low), high[row]]), at, colour, "spread")
        plot.marks(means[row : row + 1], at[:1], colour, shape)
    below = sum(value < 1.0 for value in means)
    best = int(np.nanargmin(means)) if np.isfinite(means).any() else 0
    return plot.render(
        f"RMSE of {len(names)} models relative to HAR, mean over {every.shape[1]} targets: smallest {names[best]} "
        f"{means[best]:.3f}, largest {np.nanmax(means):.3f}; {below} of {len(names)} below 1."
        if np.isfinite(means).any()
        else "RMSE relative to HAR: no model has a number."
    )


def log_series(asset: str, dates: "pd.Series[pd.Timestamp]", values: FloatArray) -> Markup:
    """Log RV of an asset over its whole sample; of a long one the range of every few days is drawn.

    Args:
        asset: Its name.
        dates: Trading days, ascending.
        values: Log RV on them, shape (days,).
    """
    days = day_numbers(dates)
    plot = Plot(95.0, date_axis(days), linear_axis(values, "log RV", including=float(values[0])))
    step = -(-len(values) // _COLUMNS)
    if step == 1:
        plot.line(days, values, "c-ink", "thin")
    else:  # the lowest and the highest of each few days, joined
        starts = np.arange(0, len(values), step)
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        plot.line(np.repeat(days[starts], 2), np.column_stack([low, high]).ravel(), "c-ink", "thin")
    return plot.render(
        f"Log realized variance of {asset} on {len(values):,} days: mean {values.mean():.2f}, from "
        f"{values.min():.2f} to {values.max():.2f}, standard deviation {values.std():.2f}."
    )


def scaling(asset: str, method: str, points: pd.DataFrame, hurst: float, label: tuple[str, str]) -> Markup:
    """The log-log plot of one method with its regression line.

    Args:
        asset: Its name.
        method: R/S, DFA, Variogram or Wavelet.
        points: ``log_scale, log_value, fitted``.
        hurst: What the slope comes to.
        label: Of the two axes.
    """
    own = points.sort_values("log_scale")
    x, y, fitted = (own[column].to_numpy(dtype=float) for column in ("log_scale", "log_value", "fitted"))
    both = np.concatenate([y, fitted])
    across, up = linear_axis(x, label[0], including=float(x[0])), linear_axis(both, label[1], including=float(y[0]))
    plot = Plot(120.0, across, up)
    plot.line(x, fitted, "c-mtl", "strong")
    plot.marks(x, y, "c-ink", "circle")
    slope = float(np.polyfit(x, fitted, 1)[0]) if len(x) > 1 else np.nan
    return plot.render(f"{method} of {asset}: {len(x)} scales, slope {slope:.3f}, Hurst exponent {hurst:.3f}.")


def day_numbers(dates: "pd.Series[pd.Timestamp]") -> FloatArray:
    """Dates as days since 1970."""
    stamps: NDArray[np.datetime64] = pd.to_datetime(dates).to_numpy().astype("datetime64[D]")
    return stamps.astype(np.int64).astype(np.float64)


def date_axis(days: FloatArray, most: int = 6) -> Axis:
    """An axis of dates with ticks at the beginnings of years or months."""
    low, high = float(days.min()), float(days.max())
    margin = 0.02 * (high - low) or 1.0
    first, last = (np.datetime64(int(day), "D").astype("datetime64[M]").astype(int) for day in (low, high))
    for months in (1, 2, 3, 6, 12, 24, 60, 120, 240):
        starts = list(range(-(-first // months) * months, last + 1, months))
        if len(starts) <= most:
            break
    stamps = [np.datetime64(int(month), "M") for month in starts]
    places = [float(stamp.astype("datetime64[D]").astype(int)) for stamp in stamps]
    inside = [(at, stamp) for at, stamp in zip(places, stamps, strict=True) if low - margin <= at <= high + margin]
    names = [pd.Timestamp(stamp).strftime("%Y" if months >= 12 else "%b %Y") for _, stamp in inside]
    return Axis(low - margin, high + margin, [at for at, _ in inside], "", names=names)


def relative_by_target(errors: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """RMSE relative to HAR's from ``table_3``: a row each model, a column each target."""
    own = errors[(errors["metric"] == "RMSE") & (errors["horizon"] == horizon)]
    wide = own.pivot(index="model", columns="target", values="value").astype(float)
    if HAR not in wide.index:
        return wide.iloc[:0]
    base = wide.loc[HAR].to_numpy(dtype=float)
    return wide.div(np.where(base > 0.0, base, np.nan), axis=1)

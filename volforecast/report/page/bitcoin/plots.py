"""Plots of hourly volatility: models against HAR, forecasts and gates by the hour, autocorrelation, searches."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from volforecast.evaluation.hourly_order import HAR, LSTM
from volforecast.report.page.bitcoin.names import look, looks
from volforecast.report.page.svg import Axis, FloatArray, Key, Plot, linear_axis, log_axis

Times = NDArray[np.datetime64]

_COLOURS: Final = {HAR: "c-ink", LSTM: "c-np"}  # and of the one other line
_COMPONENT_COLOURS: Final = ("c-mtl", "c-to", "c-np")
_VOLATILITY: Final = "volatility / 100"


def forest(ratios: pd.DataFrame, single: pd.DataFrame) -> Markup:
    """A mark a model, the spread over its seeds as a bar, a stroke for each interval; the dashed line at 1 is HAR.

    Args:
        ratios: RMSE relative to HAR's over all test hours, ``ratio, spread`` by model, in the order to draw them in
            from the top.
        single: The ratios of single intervals, a row each model of ``ratios``, a column each interval.
    """
    labels = list(map(str, ratios.index))
    every = single.reindex(ratios.index).to_numpy(dtype=float)
    means, spread = (ratios[column].to_numpy(dtype=float) for column in ("ratio", "spread"))
    around = np.nan_to_num(spread)
    reach = np.concatenate([means - around, means + around, every.ravel()])
    x = log_axis(reach, "RMSE relative to HAR (log scale)")
    y = Axis(len(labels) - 0.4, -0.6, [float(row) for row in range(len(labels))], "", names=labels)
    plot = Plot(16.0 * len(labels) + 6.0, x, y, [Key(*one) for one in looks(labels)])
    plot.upright(1.0)
    for row, name in enumerate(labels):
        colour, shape = look(name)
        at = np.full(2, float(row))
        plot.dots(every[row], np.full(every.shape[1], float(row)), "c-muted", "bars")
        if around[row] > 0.0:
            plot.line(np.array([max(means[row] - around[row], x.low), means[row] + around[row]]), at, colour, "spread")
        plot.marks(means[row : row + 1], at[:1], colour, shape)
    best = int(np.nanargmin(means))
    below = int((means < 1.0).sum())
    return plot.render(
        f"RMSE of {len(labels)} models relative to HAR over all test hours: smallest {labels[best]} "
        f"{means[best]:.3f}, largest {np.nanmax(means):.3f}; {below} of {len(labels)} below 1."
    )


def against_actual(
    times: Times, realized: FloatArray, forecasts: Mapping[str, FloatArray], *, height: float = 150.0
) -> Markup:
    """Realized volatility of each hour as dots and models' forecasts of it as lines.

    Args:
        times: Hours, ascending, shape (T,).
        realized: ``vol / 100``, shape (T,).
        forecasts: By model, at most three, mean over seeds, shape (T,); NaN where there is none.
        height: Of the plot.
    """
    hours = hour_numbers(times)
    y = linear_axis(np.concatenate([realized, *forecasts.values()]), _VOLATILITY)
    y = y._replace(low=min(0.0, float(np.nanmin([np.nanmin(path) for path in forecasts.values()]))))
    colours = {model: _COLOURS.get(model, "c-mtl") for model in forecasts}
    legend = [Key("actual", "c-muted", "dots"), *(Key(model, colours[model], "line") for model in forecasts)]
    plot = Plot(height, hour_axis(hours), y, legend)
    plot.dots(hours, realized, "c-muted")
    for model, path in reversed(list(forecasts.items())):
        plot.line(*_gapped(hours, path), colours[model], f"line {colours[model]}-dash")
    errors = [
        f"{model} has a root mean squared error of {float(np.sqrt(np.nanmean((path - realized) ** 2))):.4f} there"
        for model, path in forecasts.items()
        if np.isfinite(path).any()
    ]
    said = f"Volatility of {len(realized)} hours, from {realized.min():.3f} to {realized.max():.3f}"
    return plot.render("; ".join([said, *errors]) + ".")


def gates(times: Times, weights: Mapping[str, tuple[FloatArray, FloatArray]]) -> Markup:
    """Weights of a mixture's components by the hour: mean over seeds, with their spread as a band.

    Args:
        times: Hours, ascending, shape (T,).
        weights: By component mean and standard deviation over seeds, each of shape (T,); the latter may be NaN.
    """
    hours = hour_numbers(times)
    y = Axis(0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0], "weight of the component")
    colours = dict(zip(weights, _COMPONENT_COLOURS, strict=False))
    shown = {name: weights[name] for name in colours}
    plot = Plot(95.0, hour_axis(hours), y, [Key(name, colours[name], "line") for name in shown])
    for name, (mean, spread) in shown.items():
        if np.isfinite(mean).all() and np.isfinite(spread).all():
            plot.band(hours, np.clip(mean - spread, 0.0, 1.0), np.clip(mean + spread, 0.0, 1.0), colours[name])
    for name, (mean, _) in shown.items():
        plot.line(*_gapped(hours, mean), colours[name], f"line {colours[name]}-dash")
    said = [f"{name} {np.nanmean(mean):.2f} on average" for name, (mean, _) in shown.items() if np.isfinite(mean).any()]
    return plot.render(f"Gate weights over {len(hours)} hours: {', '.join(said)}.")


def autocorrelation(what: str, lags: FloatArray, values: FloatArray, bound: FloatArray) -> Markup:
    """Autocorrelations by lag; within the shaded bound they are not significant at 5%."""
    y = linear_axis(np.concatenate([values, bound, -bound]), "autocorrelation")
    x = Axis(0.0, float(lags.max()) + 1.0, list(range(0, int(lags.max()) + 1, 5)), "lag, hours")
    plot = Plot(105.0, x, y)
    plot.band(lags, -bound, bound, "c-muted")
    for lag, value in zip(lags, values, strict=True):
        plot.line(np.array([lag, lag]), np.array([0.0, value]), "c-mtl", "line")
    plot.marks(lags, values, "c-mtl", "circle")
    beyond = int((np.abs(values) > bound).sum())
    first = next((int(lag) for lag, value, edge in zip(lags, values, bound, strict=True) if abs(value) <= edge), None)
    within = "none lies within it" if first is None else f"the first within it is lag {first}"
    return plot.render(f"Autocorrelation of {what}: {beyond} of {len(lags)} lags lie beyond the bound; {within}.")


def trials(model: str, table: pd.DataFrame) -> Markup:
    """Loss of each trial relative to the best of its interval, and the best so far as the median over intervals.

    Args:
        model: Its name.
        table: Columns ``iteration, number, relative``, ascending in both; NaN of failed trials.
    """
    numbers = table["number"].to_numpy(dtype=float) + 1.0
    losses = table["relative"].to_numpy(dtype=float)
    wide = table.pivot(index="number", columns="iteration", values="relative").astype(float).sort_index()
    so_far = wide.cummin().ffill()
    known = so_far.dropna(how="all")
    x = linear_axis(numbers, "trial", including=1.0)
    x = x._replace(ticks=[tick for tick in x.ticks if tick >= 1.0 and tick == int(tick)])
    plot = Plot(120.0, x, log_axis(losses, "RMSE relative to the best (log scale)", most=5))
    plot.dots(numbers, losses, "c-muted")
    line = known.median(axis=1)
    plot.line(line.index.to_numpy(dtype=float) + 1.0, line.to_numpy(dtype=float), "c-mtl", "strong")
    return plot.render(
        f"{len(table)} trials of {model}; the best so far is {line.iloc[0]:.3f} times the best at the first that "
        f"succeeds, median over intervals; the worst trial is {np.nanmax(losses):.3f} times the best."
    )


def hour_numbers(times: Times) -> FloatArray:
    """Time stamps as hours since 1970."""
    return times.astype("datetime64[s]").astype(np.int64).astype(np.float64) / 3600.0


def hour_axis(hours: FloatArray, most: int = 6) -> Axis:
    """An axis of time with ticks at noon or midnight, or at the beginnings of days."""
    low, high = float(hours.min()), float(hours.max())
    margin = 0.02 * (high - low) or 1.0
    for step in (6, 12, 24, 48, 72, 120, 240, 480, 720, 1440, 2880, 8760):
        starts = list(range(int(-(-low // step) * step), int(high) + 1, step))
        if len(starts) <= most:
            break
    stamps = [pd.Timestamp(start * 3600, unit="s") for start in starts]
    words = [stamp.strftime("%b %d") if stamp.hour == 0 else stamp.strftime("%H:%M") for stamp in stamps]
    words = [" ".join(word.split(" 0")) if " 0" in word else word for word in words]
    return Axis(low - margin, high + margin, [float(start) for start in starts], "", names=words)


def _gapped(hours: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hours and values with a missing value in each gap in time, so that no line is drawn across it."""
    after = np.flatnonzero(np.diff(hours) > 1.0) + 1
    return np.insert(hours, after, hours[after] - 0.5), np.insert(values, after, np.nan)

"""Plots of forecasts of one target: against what came, and as a fan of quantiles."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from volforecast.evaluation.rough_order import HAR, TRANSFER_LSTM
from volforecast.report.page.rough.plots import date_axis, day_numbers
from volforecast.report.page.svg import Key, Plot, linear_axis

_POINTS: Final = 200  # of a drawn line: more would not be seen at this width
_COLOURS: Final = {TRANSFER_LSTM: "c-mtl", HAR: "c-ink"}  # and of the one other line


def against_actual(target: str, realized: "pd.Series[float]", forecasts: Mapping[str, "pd.Series[float]"]) -> Markup:
    """Realized log RV as dots and models' forecasts of it as lines.

    Args:
        target: Its name.
        realized: By date, ascending.
        forecasts: By model, at most three, on the same dates, mean over seeds; NaN where there is none.
    """
    days, truth = day_numbers(realized.index.to_series()), np.asarray(realized, dtype=np.float64)
    lines = {model: np.asarray(path, dtype=np.float64) for model, path in forecasts.items()}
    y = linear_axis(np.concatenate([truth, *lines.values()]), "log RV", including=float(truth[0]))
    colours = {model: _COLOURS.get(model, "c-np") for model in lines}
    legend = [Key("actual", "c-muted", "dots"), *(Key(model, colours[model], "line") for model in lines)]
    plot = Plot(165.0, date_axis(days), y, legend)
    plot.dots(days, truth, "c-muted")
    for model, path in reversed(list(lines.items())):
        plot.line(days, path, colours[model], f"line {colours[model]}-dash")
    errors = [
        f"{model} has a root mean squared error of {float(np.sqrt(np.nanmean((path - truth) ** 2))):.3f} on these days"
        for model, path in lines.items()
        if np.isfinite(path).any()
    ]
    said = f"Log realized variance of {target} on {len(truth)} days, from {truth.min():.2f} to {truth.max():.2f}"
    return plot.render("; ".join([said, *errors]) + ".")


def gain_on_har(target: str, gains: Mapping[str, "pd.Series[float]"]) -> Markup:
    """How models' distance from HAR builds up: HAR's squared error minus theirs, added up day by day.

    Args:
        target: Its name.
        gains: Cumulative gain by model, at most two, on common dates, ascending; squared log units.
    """
    colours = {model: _COLOURS.get(model, "c-np") for model in gains}
    dates = next(iter(gains.values())).index.to_series()
    days, values = day_numbers(dates), {model: np.asarray(path, dtype=np.float64) for model, path in gains.items()}
    y = linear_axis(np.concatenate(list(values.values())), "cumulative gain on HAR, squared log units")
    plot = Plot(165.0, date_axis(days), y, [Key(model, colours[model], "line") for model in gains])
    plot.across(0.0)
    step = -(-len(days) // _POINTS)
    shown = np.unique(np.append(np.arange(0, len(days), step), len(days) - 1))
    for model, path in values.items():
        plot.line(days[shown], path[shown], colours[model], f"line {colours[model]}-dash")
    said = [f"{model} ends at {path[-1]:+.2f}" for model, path in values.items()]
    return plot.render(f"Squared errors of HAR minus those of other models on {target}, added up: {'; '.join(said)}.")


def fan(target: str, realized: "pd.Series[float]", quantiles: pd.DataFrame) -> Markup:
    """Quantile forecasts as shaded intervals around their median, and what came as dots.

    Args:
        target: Its name.
        realized: By date, ascending.
        quantiles: On the same dates, a column each level, ascending.
    """
    days, truth = day_numbers(realized.index.to_series()), np.asarray(realized, dtype=np.float64)
    values = np.asarray(quantiles, dtype=np.float64)
    levels = [float(level) for level in quantiles.columns]
    y = linear_axis(np.concatenate([truth, values.ravel()]), "log RV", including=float(truth[0]))
    pairs = [(low, high) for low, high in zip(levels, reversed(levels), strict=True) if low < high]
    wide = pairs[0] if pairs else (np.nan, np.nan)
    words = ", ".join(f"{high - low:.0%}" for low, high in pairs)
    median = Key("median", "c-mtl", "thin")
    legend = [Key("actual", "c-ink", "dots"), median, Key(f"{words} intervals", "c-mtl", "square")]
    plot = Plot(165.0, date_axis(days), y, legend)
    for low, high in pairs:
        plot.band(days, values[:, levels.index(low)], values[:, levels.index(high)], "c-mtl")
    if 0.5 in levels:
        plot.line(days, values[:, levels.index(0.5)], "c-mtl", "line")
    plot.dots(days, truth, "c-ink")
    said = f"Quantile forecasts of log realized variance of {target} on {len(truth)} days."
    if pairs:
        lower, upper = values[:, levels.index(wide[0])], values[:, levels.index(wide[1])]
        inside = float(np.mean((truth >= lower) & (truth <= upper)))
        said += f" {inside:.1%} of them lie within the {wide[1] - wide[0]:.0%} interval."
    return plot.render(said)

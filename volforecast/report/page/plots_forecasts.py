"""Plots of a single target: its realized variance with forecasts of it, and how one model's lead builds up."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup

from volforecast.report.page.plots import lead_frame, look
from volforecast.report.page.svg import FloatArray, Key, Plot, linear_axis, log_axis


def forecast_path(target: str, realized: "pd.Series[float]", forecasts: Mapping[str, "pd.Series[float]"]) -> Markup:
    """Realized variance of one target as dots, and models' forecasts of it as lines, by day since listing.

    Args:
        target: Its name.
        realized: Realized variance in per cent squared by trading day since listing, ascending.
        forecasts: Forecasts of it by model, on the same days; NaN where there is none. The first is drawn on top.
    """
    days, truth = np.asarray(realized.index, dtype=np.float64), np.asarray(realized, dtype=np.float64)
    every = np.arange(realized.index.min(), realized.index.max() + 1)  # a day without a forecast leaves a gap
    lines = {model: np.asarray(path.reindex(every), dtype=np.float64) for model, path in forecasts.items()}
    x = linear_axis(days, "trading day since listing", including=float(days[0]))
    x = x._replace(low=float(days[0]) - 1.0, high=float(days[-1]) + 1.0)
    x = x._replace(ticks=[tick for tick in x.ticks if x.low <= tick <= x.high])
    y = log_axis(np.concatenate([truth, *lines.values()]), "variance, % squared (log scale)", including=None)
    legend = [Key("realized", "c-muted", "dots"), *(Key(model, look(model)[0], "line") for model in lines)]
    plot = Plot(170.0, x, y, legend)
    plot.dots(days, truth, "c-muted")
    for model, path in reversed(list(lines.items())):
        plot.line(every.astype(np.float64), path, look(model)[0], f"line {look(model)[0]}-dash")
    known = np.isin(every, realized.index)
    return plot.render(_said(target, truth, {model: path[known] for model, path in lines.items()}))


def lead_path(target: str, lead: "pd.Series[float]", labels: tuple[str, str], loss: str, verdict: str) -> Markup:
    """How one model's lead over another builds up for one target.

    Args:
        target: Its name.
        lead: Cumulative difference in loss in units of NF's mean loss, by trading day since listing.
        labels: The model that may be ahead, and the benchmark.
        loss: Which error it is.
        verdict: What the Diebold-Mariano test says.
    """
    days, values = np.asarray(lead.index, dtype=np.float64), np.asarray(lead, dtype=np.float64)
    plot = lead_frame(days, values, labels, loss, [], 170.0)
    plot.line(days, values, look(labels[0])[0], "strong")
    return plot.render(
        f"{target}: cumulative lead of {labels[0]} over {labels[1]} by {loss}, in units of NF's mean {loss}; at the "
        f"end {values[-1]:+.3f}. {verdict}"
    )


def _said(target: str, truth: FloatArray, lines: Mapping[str, FloatArray]) -> str:
    """The plot in words: how large the variance is, and how far off the forecasts are typically."""
    text = (
        f"Realized variance of {target} on {len(truth)} days: median {np.median(truth):.3g}, from {truth.min():.3g} to "
        f"{truth.max():.3g} per cent squared."
    )
    for model, path in lines.items():
        have = np.isfinite(path) & (path > 0.0) & (truth > 0.0)
        if have.any():
            factor = float(np.exp(np.median(np.abs(np.log(path[have] / truth[have])))))
            text += f" {model} is off by a factor of {factor:.2f} in the median."
    return text

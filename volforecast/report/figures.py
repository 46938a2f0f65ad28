"""Plots of a run with matplotlib, to look at and to change; the report's page draws its own (``page.plots``)."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.order import ALL, NAIVE
from volforecast.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


def forecast_figure(forecasts: pd.DataFrame, target: str, model: str | None, ax: "Axes | None" = None) -> "Axes":
    """Realized variance of a target as dots, a model's forecasts as a line that is broken between sample periods.

    Args:
        forecasts: As a run publishes them, values in per cent squared.
        target: Its name.
        model: Its name; None takes the one with the smallest mean squared error on this target.
        ax: Where to draw; None makes a figure.

    Raises:
        InputError: There are no such forecasts.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    own = forecasts[forecasts["target"] == target]
    if not len(own):
        known = ", ".join(sorted(forecasts["target"].unique())[:8])
        raise InputError(f"no forecasts of {printable(target)}; the run has {printable(known)}")
    model = _best(own) if model is None else model
    line = own[own["model"] == model].sort_values("date")
    if not len(line):
        known = ", ".join(sorted(own["model"].unique()))
        raise InputError(f"no forecasts of {printable(target)} by {printable(model)}; there are {printable(known)}")
    ax = _axes(ax)
    dates = pd.to_datetime(line["date"])
    ax.plot(dates, line["realized"], ".", color="0.6", markersize=4, label="realized")
    for number, (_, part) in enumerate(line.groupby("period")):
        days = pd.to_datetime(part["date"])
        ax.plot(days, part["forecast"], color="C0", linewidth=1.4, label=model if number == 0 else None)
    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.set_yscale("log")
    _plain(ax.yaxis)
    ax.set_ylabel("daily variance, per cent squared")
    ax.set_title(target)
    ax.legend()
    return ax


def error_figure(relative: pd.DataFrame, loss: str, ax: "Axes | None" = None) -> "Axes":
    """A dot a model: its error relative to the naive forecast, mean over targets, all periods together.

    Args:
        relative: Table 3, long: ``model, period, loss, ratio`` and others.
        loss: Which one.
        ax: Where to draw; None makes a figure.

    Raises:
        InputError: There is no such loss in the table.
    """
    if not {"loss", "period", "ratio"} <= set(relative.columns):
        raise InputError(
            "table 3 of this run has no errors relative to the naive forecast; its report draws what it has"
        )
    rows = relative[(relative["loss"] == loss) & (relative["period"] == ALL) & (relative["model"] != NAIVE)]
    if not len(rows):
        raise InputError(f"no errors by {printable(loss)}; there are {', '.join(sorted(relative['loss'].unique()))}")
    if ax is None:
        ax = _axes(None, height=1.2 + 0.22 * len(rows))
    place = np.arange(len(rows))
    ax.plot(rows["ratio"], place, "o")
    ax.axvline(1.0, color="0.6", linestyle="--")
    ax.set_yticks(place, list(rows["model"]))
    ax.invert_yaxis()
    ax.set_xscale("log")
    _plain(ax.xaxis)
    ax.set_xlabel(f"{loss} relative to the naive forecast (left of 1 is better)")
    return ax


def _best(own: pd.DataFrame) -> str:
    """The model with the smallest mean squared error; one that lacks a forecast is passed over where it can be."""
    errors = ((own["forecast"] - own["realized"]) ** 2).groupby(own["model"])
    whole = errors.mean()[errors.count() == errors.size()]
    means = whole if len(whole) else errors.mean()
    return str(means.idxmin())


def _plain(axis: "Axis") -> None:
    """Numbers written out on a log scale, also between powers of ten where it is short."""
    from matplotlib.ticker import LogFormatter

    axis.set_major_formatter(LogFormatter(labelOnlyBase=False))
    axis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2.0, 0.5)))


def _axes(ax: "Axes | None", height: float = 3.2) -> "Axes":
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # what notebooks and scripts show figures with

    _, made = plt.subplots(figsize=(8, height), layout="constrained")
    return made

"""Figures 1 and 2 of Darracq Paries et al. (2025) of a run with matplotlib, to look at and to change."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.hourly_order import HAR, LSTM, TM_G, mode_order
from volforecast.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AROUND = 36
"""Hours before and after a spike."""


def gating_figure(
    forecasts: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    model: str = TM_G,
    iterations: Sequence[int] = (1, 6),
    mode: str | None = None,
) -> "Figure":
    """Figure 1: a mixture's forecasts against what came above, the weights of its components below, by interval.

    Args:
        forecasts: As a run publishes them.
        tables: A run's tables with ``gates``.
        model: A mixture.
        iterations: Intervals, beside each other.
        mode: ``clean`` or ``paper``; None takes clean mode where the run has it.

    Raises:
        InputError: The run has no gates, or not of this model, mode or interval.
    """
    import matplotlib.pyplot as plt

    mode = mode or _first_mode(forecasts)
    if "gates" not in tables or tables["gates"].empty:
        raise InputError("this run has no gates: none of its models is a mixture")
    gates = _some(_some(tables["gates"], "model", model), "mode", mode)
    own = _some(_some(_usable(forecasts), "model", model), "mode", mode)
    figure, axes = plt.subplots(
        2, len(iterations), figsize=(5.5 * len(iterations), 6), layout="constrained", squeeze=False
    )
    for column, iteration in enumerate(iterations):
        rows, weights = (_some(table, "iteration", iteration) for table in (own, gates))
        top, bottom = axes[0, column], axes[1, column]
        _paths(top, rows, [model])
        top.set_title(f"{model}, interval {iteration}")
        for component, part in weights.groupby("component", observed=True, sort=False):
            part = part.sort_values("timestamp")
            times, mean, spread = pd.to_datetime(part["timestamp"]), part["weight"], part["spread"].fillna(0.0)
            (line,) = bottom.plot(times, mean, linewidth=1.2, label=str(component))
            bottom.fill_between(times, mean - spread, mean + spread, color=line.get_color(), alpha=0.15, linewidth=0)
        bottom.set_ylim(0.0, 1.0)
        bottom.set_ylabel("gate weight")
        _dated(bottom)
        bottom.legend(fontsize="small")
    return figure


def spike_figure(
    forecasts: pd.DataFrame,
    models: Sequence[str] = (LSTM, HAR),
    iteration: int | None = None,
    mode: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Figure 2: the most volatile hour of a run's test hours, or of an interval's, with forecasts around it.

    Args:
        forecasts: As a run publishes them.
        models: Whose forecasts; those that the run lacks are left out.
        iteration: The interval; None takes that of the most volatile hour of all.
        mode: ``clean`` or ``paper``; None takes clean mode where the run has it.
        ax: Where to draw; None makes a figure.

    Raises:
        InputError: There are no such forecasts.
    """
    own = _some(_usable(forecasts), "mode", mode or _first_mode(forecasts))
    shown = [model for model in models if model in set(own["model"])]
    if not shown:
        raise InputError(f"no forecasts by {', '.join(map(printable, models))}")
    own = own[own["model"].isin(shown)]
    if iteration is not None:
        own = _some(own, "iteration", iteration)
    peak = own.iloc[int(own["realized"].to_numpy().argmax())]
    own = own[own["iteration"] == peak["iteration"]]
    distance = (pd.to_datetime(own["timestamp"]) - pd.Timestamp(peak["timestamp"])).abs()
    if ax is None:
        import matplotlib.pyplot as plt  # what notebooks and scripts show figures with

        _, ax = plt.subplots(figsize=(9, 3.4), layout="constrained")
    _paths(ax, own[distance <= pd.Timedelta(hours=AROUND)], shown)
    ax.set_title(f"interval {peak['iteration']}: the spike of {pd.Timestamp(peak['timestamp']):%Y-%m-%d %H:%M}")
    return ax


def _paths(axis: "Axes", rows: pd.DataFrame, models: Sequence[str]) -> None:
    actual = rows.drop_duplicates("timestamp").sort_values("timestamp")
    axis.plot(pd.to_datetime(actual["timestamp"]), actual["realized"], ".", color="0.6", markersize=4, label="actual")
    for model in models:
        mean = rows[rows["model"] == model].groupby("timestamp")["forecast"].mean().sort_index()
        axis.plot(pd.to_datetime(mean.index.to_series()), mean, linewidth=1.2, label=model)
    axis.set_ylabel("volatility / 100")
    _dated(axis)
    axis.legend(fontsize="small")


def _dated(axis: "Axes") -> None:
    """Dates that do not run into each other."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _usable(forecasts: pd.DataFrame) -> pd.DataFrame:
    return forecasts[forecasts["status"] == "ok"]


def _first_mode(forecasts: pd.DataFrame) -> str:
    if forecasts.empty:
        raise InputError("this run has no forecasts")
    return mode_order(forecasts["mode"].astype(str))[0]


def _some(table: pd.DataFrame, column: str, wanted: object) -> pd.DataFrame:
    """The rows of a model, mode or interval; there must be some."""
    own = table[table[column] == wanted]
    if own.empty:
        known = ", ".join(sorted(map(str, table[column].unique()))[:8])
        raise InputError(f"no {column} {printable(str(wanted))}; the run has {printable(known)}")
    return own

"""Figures 1 to 3 of Dhansoia (2025) of a run with matplotlib, to look at and to change; the page draws its own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.rough_order import HAR, LSTM, TRANSFER_LSTM
from volforecast.printable import printable
from volforecast.report.page.rough.names import ahead

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def roughness_figure(tables: Mapping[str, pd.DataFrame], source: str, target: str, method: str = "Wavelet") -> "Figure":
    """Figure 1: log RV of two assets above, and how it scales by one method below, with the regression's line.

    Args:
        tables: A run's tables with ``series``, ``roughness_points`` and ``table_1``.
        source: Name of the left asset.
        target: Name of the right one.
        method: R/S, DFA, Variogram or Wavelet.

    Raises:
        InputError: The run lacks one of the tables, the assets or the method.
    """
    import matplotlib.pyplot as plt

    series, points, hurst = (_table(tables, name) for name in ("series", "roughness_points", "table_1"))
    figure, axes = plt.subplots(2, 2, figsize=(10, 6), layout="constrained")
    for column, asset in enumerate((source, target)):
        path = _some(series, "asset", asset, "series").sort_values("date")
        own = _some(_some(points, "asset", asset, "points"), "method", method, "points").sort_values("log_scale")
        top, bottom = axes[0, column], axes[1, column]
        top.plot(pd.to_datetime(path["date"]), path["log_rv"], color="0.3", linewidth=0.6)
        top.set_title(f"log RV of {asset} ({len(path):,} days)")
        _dated(top)
        bottom.plot(own["log_scale"], own["log_value"], "o", color="C0")
        bottom.plot(own["log_scale"], own["fitted"], color="C3")
        row = hurst[(hurst["asset"] == asset) & (hurst["method"] == method)]
        if len(row):
            slope, exponent, fit = (float(row[name].iloc[0]) for name in ("slope", "hurst", "r_squared"))
            bottom.set_title(f"{method}: slope {slope:.3f}, H = {exponent:.3f}, R$^2$ = {fit:.3f}")
        bottom.set_xlabel("log scale")
        bottom.set_ylabel("log value")
    return figure


def history_figure(
    tables: Mapping[str, pd.DataFrame], target: str, horizon: int = 1, models: Sequence[str] = (TRANSFER_LSTM, LSTM)
) -> "Figure":
    """Figure 2: loss by epoch in pre-training and on the target: mean over seeds, their range as a band.

    Args:
        tables: A run's tables with ``curves``.
        target: Name of the target.
        horizon: Days ahead.
        models: Models trained on the target; those that the run lacks are left out.

    Raises:
        InputError: The run has no learning curves of this target and horizon.
    """
    import matplotlib.pyplot as plt

    curves = _table(tables, "curves")
    curves = curves[curves["horizon"] == horizon]
    before = curves[curves["phase"] == "pre-training"]
    after = curves[
        (curves["phase"] != "pre-training") & (curves["name"] == target) & curves["model"].isin(list(models))
    ]
    if after.empty:
        raise InputError(f"no learning curves of {printable(target)} at horizon {horizon} by {', '.join(models)}")
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for (name, encoder), own in before.groupby(["name", "model"]):
        for column, style in (("train_loss", "--"), ("valid_loss", "-")):
            _band(left, own, column, f"{encoder} on {name}, {_PARTS[column]}", style)
    for model in models:
        own = after[after["model"] == model]
        for column, style in (("train_loss", "--"), ("valid_loss", "-")):
            if len(own):
                _band(right, own, column, f"{model}, {_PARTS[column]}", style)
    left.set_title("pre-training")
    right.set_title(f"on {target}, horizon {horizon}")
    for axis in (left, right):
        axis.set_xlabel("epoch")
        axis.set_ylabel("mean squared error, standardised")
        if axis.has_data():
            axis.legend(fontsize="small")
    return figure


def prediction_figure(
    forecasts: pd.DataFrame,
    target: str,
    horizon: int = 1,
    models: Sequence[str] = (TRANSFER_LSTM, HAR),
    ax: "Axes | None" = None,
) -> "Axes":
    """Figure 3: predictions against actual log RV on the test part; a network's is the mean over its seeds.

    Args:
        forecasts: As a run publishes them, log units.
        target: Name of the target.
        horizon: Days ahead.
        models: Whose predictions; those that the run lacks are left out.
        ax: Where to draw; None makes a figure.

    Raises:
        InputError: There are no such forecasts.
    """
    own = _some(forecasts, "target", target, "forecasts")
    own = own[(own["horizon"] == horizon) & (own["status"] == "ok")]
    shown = [model for model in models if model in set(own["model"])]
    if not shown:
        raise InputError(f"no forecasts of {printable(target)} at horizon {horizon} by {', '.join(models)}")
    if ax is None:
        import matplotlib.pyplot as plt  # what notebooks and scripts show figures with

        _, ax = plt.subplots(figsize=(9, 3.4), layout="constrained")
    actual = own.drop_duplicates("date").sort_values("date")
    ax.plot(pd.to_datetime(actual["date"]), actual["realized"], ".", color="0.6", markersize=4, label="actual")
    for model in shown:
        mean = own[own["model"] == model].groupby("date")["forecast"].mean().sort_index()
        ax.plot(pd.to_datetime(mean.index.to_series()), mean, linewidth=1.2, label=model)
    _dated(ax)
    ax.set_ylabel("log RV")
    ax.set_title(f"{target}, {ahead(horizon)}")
    ax.legend()
    return ax


_PARTS = {"train_loss": "training", "valid_loss": "validation"}


def _dated(axis: "Axes") -> None:
    """Dates that do not run into each other."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _band(axis: "Axes", curves: pd.DataFrame, column: str, label: str, style: str) -> None:
    """Mean over seeds by epoch, as long as half of them train, and their range."""
    wide = curves.pivot(index="epoch", columns="seed", values=column).astype(float).sort_index()
    wide = wide[2 * wide.notna().sum(axis=1) >= wide.shape[1]]
    epochs = np.asarray(wide.index, dtype=np.float64)
    (line,) = axis.plot(epochs, wide.mean(axis=1), style, label=label)
    axis.fill_between(epochs, wide.min(axis=1), wide.max(axis=1), color=line.get_color(), alpha=0.15, linewidth=0)


def _table(tables: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    if name not in tables or tables[name].empty:
        raise InputError(f"this run has no {name}")
    return tables[name]


def _some(table: pd.DataFrame, column: str, wanted: str, what: str) -> pd.DataFrame:
    """The rows of an asset, target or method; there must be some."""
    own = table[table[column] == wanted]
    if own.empty:
        known = ", ".join(sorted(map(str, table[column].unique()))[:8])
        raise InputError(f"no {what} of {printable(wanted)}; the run has {printable(known)}")
    return own

"""The report's plots as inline SVG: the same numbers give the same bytes, and the page's style sheet gives the colours.

Every plot is drawn in placeholder colours, which leave here as CSS variables (``--ink``, ``--to``, ...), so that one
drawing is legible on a light page, on a dark one and on paper. Names of assets never enter a drawing.
"""

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import matplotlib.style
import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

WIDTH: Final = 380.0  # user units; about a phone's width, so that text stays legible there
MOST_MARKS: Final = 40  # targets drawn one by one; beyond it their middle 80% are

_INK, _MUTED, _GRID, _PAPER = "#010101", "#020202", "#030303", "#040404"
_APPROACHES: Final = {"TO": ("#050505", "s"), "NP": ("#060606", "^"), "MTL": ("#070707", "o")}
_VARIABLES: Final = {
    _INK: "ink",
    _MUTED: "muted",
    _GRID: "grid",
    _PAPER: "paper",
    **{colour: approach.lower() for approach, (colour, _) in _APPROACHES.items()},
}
_STYLE: Final = {
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's font
    "text.parse_math": False,
    "font.size": 10.0,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "text.color": _INK,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
}


def approach_of(model: str) -> str:
    """``MTL`` of ``MTL-75 XGB-EXT``."""
    return model.partition(" ")[0].partition("-")[0]


def relative_errors(means: "pd.Series[float]", by_target: pd.DataFrame, title: str) -> Markup:
    """A dot a model, with a tick for each target behind it; a line at 1 is the naive forecast.

    Args:
        means: Mean relative error by model, in the order to draw them in from the top.
        by_target: Relative errors, a row each model of ``means``, a column each target; NaN where there is none.
        title: What the plot shows, for those who cannot see it.
    """
    with _style(title):
        figure, axes = _figure(60.0 + 15.0 * len(means))
        rows = np.arange(len(means), dtype=float)
        single = by_target.reindex(means.index).to_numpy(dtype=float)
        _log_axis(axes, "x", np.append(single, 1.0))
        axes.axvline(1.0, color=_MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        for row, (model, mean) in enumerate(means.items()):
            colour, marker = _look(str(model))
            around = _positive(single[row])
            around = around[np.isfinite(around)]
            if 0 < len(around) <= MOST_MARKS:
                axes.plot(around, np.full(len(around), row), "|", color=colour, markersize=7, alpha=0.55)
            elif len(around):
                axes.plot(np.quantile(around, [0.1, 0.9]), [row, row], color=colour, linewidth=3, alpha=0.4)
            if mean > 0.0 and np.isfinite(mean):
                axes.plot([mean], [row], marker, color=colour, markersize=6.5, markeredgecolor=_PAPER)
        axes.set_yticks(rows, list(map(str, means.index)))
        axes.set_ylim(len(means) - 0.4, -0.6)
        axes.set_xlabel("error relative to NF (log scale; left of 1 is better)")
        return _svg(figure, title)


def by_period(lines: pd.DataFrame, title: str) -> Markup:
    """Relative errors of some models by the number of days known, a line each.

    Args:
        lines: A row each sample period, a column each model.
        title: What the plot shows.
    """
    with _style(title):
        figure, axes = _figure(230.0)
        values = lines.to_numpy(dtype=float)
        _log_axis(axes, "y", np.append(values, 1.0))
        axes.axhline(1.0, color=_MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        for place, model in enumerate(map(str, lines.columns)):
            colour, marker = _look(model)
            axes.plot(
                range(len(lines)),
                _positive(values[:, place]),
                marker=marker,
                color=colour,
                markersize=6.5,
                markeredgecolor=_PAPER,
                label=model,
            )
        axes.set_xticks(range(len(lines)), list(map(str, lines.index)))
        axes.set_xlabel("sample period s: trading days known at its first origin")
        axes.set_ylabel("MSE relative to NF (log scale)")
        figure.legend(loc="outside upper left", ncols=3, columnspacing=1.2)
        return _svg(figure, title)


def advantage(paths: pd.DataFrame, labels: tuple[str, str], title: str) -> Markup:
    """How one model's lead over another builds up by day since listing: the mean over targets, each target thin behind.

    Args:
        paths: Cumulative difference in relative squared error, a row each day, a column each target.
        labels: The model that may be ahead, and the benchmark.
        title: What the plot shows.
    """
    with _style(title):
        figure, axes = _figure(250.0)
        days = paths.index.to_numpy(dtype=float)
        values = paths.to_numpy(dtype=float)
        colour = _look(labels[0])[0]
        thin = values.T if values.shape[1] <= MOST_MARKS else np.quantile(values, [0.1, 0.9], axis=1)
        for path in thin:
            axes.plot(days, path, color=_MUTED, linewidth=0.7, alpha=0.55)
        axes.plot(days, values.mean(axis=1), color=colour, linewidth=2.2)
        axes.axhline(0.0, color=_MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.set_xlabel("trading day since listing")
        axes.set_ylabel("cumulative lead, in MSE of NF")
        for height, edge, label in (
            (0.98, "top", f"\N{UPWARDS ARROW} {labels[0]}"),
            (0.02, "bottom", f"\N{DOWNWARDS ARROW} {labels[1]}"),
        ):
            axes.text(0.015, height, f"{label} ahead", va=edge, transform=axes.transAxes, color=_MUTED)
        return _svg(figure, title)


def forecast_path(days: FloatArray, realized: FloatArray, forecast: FloatArray, model: str, title: str) -> Markup:
    """Realized variance of one target and a model's forecasts of it, by day since listing.

    Args:
        days: Trading days since listing, ascending.
        realized: Realized variance in per cent squared.
        forecast: Forecasts of it; NaN where there is none.
        model: Whose forecasts they are.
        title: What the plot shows.
    """
    with _style(title):
        figure, axes = _figure(210.0)
        _log_axis(axes, "y", np.concatenate([realized, forecast]))
        axes.plot(days, _positive(realized), ".", color=_MUTED, markersize=3.2, label="realized")
        axes.plot(days, _positive(forecast), color=_look(model)[0], linewidth=1.4, label=model)
        axes.set_xlabel("trading day since listing")
        axes.set_ylabel("variance, % squared (log)")
        figure.legend(loc="outside upper left", ncols=2)
        return _svg(figure, title)


def _style(salt: str) -> AbstractContextManager[None]:
    """Matplotlib's defaults with ours on top, whatever the user's own settings are."""
    return matplotlib.style.context({**_STYLE, "svg.hashsalt": salt}, after_reset=True)


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH / 72.0, height / 72.0), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def _look(model: str) -> tuple[str, str]:
    return _APPROACHES.get(approach_of(model), (_INK, "D"))


def _positive(values: FloatArray) -> FloatArray:
    """Values that a log scale can show, others NaN."""
    return np.where(np.isfinite(values) & (values > 0.0), values, np.nan)


def _log_axis(axes: Axes, which: str, values: FloatArray) -> None:
    """A log scale over the values with round ticks written out in full."""
    shown = _positive(values)
    shown = shown[np.isfinite(shown)]
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.5, 2.0)
    margin = max((high / low) ** 0.04, 1.02)
    low, high = low / margin, high * margin
    axis = axes.xaxis if which == "x" else axes.yaxis
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlim(low, high)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}" if 1e-4 < value < 1e6 else f"{value:.0e}"))


def log_ticks(low: float, high: float, most: int = 7) -> Sequence[float]:
    """Round numbers between two positive ones, at most ``most``: the densest of some usual ladders that fits."""
    decades = range(int(np.floor(np.log10(low))), int(np.floor(np.log10(high))) + 1)
    ladders = (
        [1.0, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9],
        [1, 1.5, 2, 3, 4, 6, 8],
        [1, 2, 4, 7],
        [1, 2, 5],
        [1, 3],
        [1],
    )
    for ladder in ladders:
        ticks = [step * 10.0**decade for decade in decades for step in ladder if low <= step * 10.0**decade <= high]
        if len(ticks) <= most:
            return [float(f"{tick:.3g}") for tick in ticks]
    return [float(f"{tick:.3g}") for tick in ticks[:: -(-len(ticks) // most)]]


def _svg(figure: Figure, title: str) -> Markup:
    """The figure as an element for a page: no prologue, no sizes or ids of its own, no colours but the page's."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None, "matplotlib writes a view box"
    body = text[text.index(">") + 1 :]
    used = set(re.findall(r"#(\w+)[\")]", body))
    body = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", body)
    body = re.sub(r"; font-family: [^;\"]*", "", body).replace("font-size: 10px; ", "").replace("xlink:href", "href")
    body = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    body = re.sub(r"(\d+\.\d\d)\d+", r"\1", body)  # a hundredth of a unit is less than a pixel
    body = re.sub(r"\s*\n\s*", "\n", body)
    body = re.sub(r"<g([^>]*)>\n((?:<use [^>]*/>\n)+)</g>", _lifted, body)
    name = escape(title)
    return Markup(f'<svg viewBox="{box[1]}" role="img" aria-label="{name}"><title>{name}</title>{body.rstrip()}\n')


def _lifted(group: re.Match[str]) -> str:
    """A group of markers with the style they share on the group instead of on each."""
    styles = set(re.findall(r' style="([^"]*)"', group[2]))
    if len(styles) != 1 or "style=" in group[1]:
        return group[0]
    markers = re.sub(r' style="[^"]*"', "", group[2])
    return f'<g{group[1]} style="{styles.pop()}">\n{markers}</g>'

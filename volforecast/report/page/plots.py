"""The report's plots of errors: leads, every model, by length of history, by days since listing, building up."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from volforecast.report.page.evidence import Contrast
from volforecast.report.page.names import APPROACHES, approach_of
from volforecast.report.page.svg import Axis, FloatArray, Key, Plot, Shape, linear_axis, log_axis

MOST_MARKS: Final = 40  # targets drawn one by one; beyond it their middle 80% are
_LOOKS: Final[dict[str, tuple[str, Shape]]] = {
    "TO": ("c-to", "square"),
    "NP": ("c-np", "triangle"),
    "MTL": ("c-mtl", "circle"),
}


def look(model: str) -> tuple[str, Shape]:
    """Colour class and shape of a model's approach; shapes and dashes tell approaches apart without colour, too."""
    return _LOOKS.get(approach_of(model), ("c-ink", "diamond"))


def relative_errors(means: "pd.Series[float]", by_target: pd.DataFrame, loss: str) -> Markup:
    """A mark a model, with a stroke for each target behind it; a line at 1 is the naive forecast.

    Args:
        means: Mean relative error by model, in the order to draw them in from the top.
        by_target: Relative errors, a row each model of ``means``, a column each target; NaN where there is none.
        loss: Which error it is.
    """
    single = by_target.reindex(means.index).to_numpy(dtype=float)
    names = list(map(str, means.index))
    rows = np.arange(len(means), dtype=float)
    x = log_axis(single, f"{loss} relative to NF (log scale; left of 1 is better)")
    y = Axis(len(means) - 0.4, -0.6, list(rows), "", names=names)
    present = dict.fromkeys(map(approach_of, names))
    legend = [Key(APPROACHES[name], *look(name)) for name in APPROACHES if name in present]
    plot = Plot(15.0 * len(means) + 6.0, x, y, legend)
    plot.upright(1.0)
    for row, (model, mean) in enumerate(means.items()):
        colour, shape = look(str(model))
        around = single[row][np.isfinite(single[row]) & (single[row] > 0.0)]
        if 0 < len(around) <= MOST_MARKS:
            plot.dots(around, np.full(len(around), float(row)), colour, "bars")
        elif len(around):
            plot.line(np.quantile(around, [0.1, 0.9]), np.full(2, float(row)), colour, "spread")
        plot.marks(np.array([mean], dtype=float), np.array([float(row)]), colour, shape)
    finite = means.dropna()
    said = (
        f"{loss} of {len(finite)} models relative to the naive forecast, mean over targets: smallest "
        f"{finite.idxmin()} {finite.min():.3f}, largest {finite.idxmax()} {finite.max():,.3f}; "
        f"{int((finite < 1.0).sum())} of {len(finite)} below 1."
        if len(finite)
        else f"{loss} relative to the naive forecast: no model has a number."
    )
    return plot.render(said)


def leads(contrasts: Sequence[Contrast], single: Sequence[FloatArray]) -> Markup:
    """Leaders against other models: a mark at the mean ratio, its interval as a bar, a stroke each target.

    Args:
        contrasts: What is compared, in the order to draw it in from the top.
        single: The ratios of single targets behind each.
    """
    names = [f"{one.loss} vs {one.benchmark}" for one in contrasts]
    rows = np.arange(len(names), dtype=float)
    reach = [value for one in contrasts for value in (one.low, one.high, one.ratio)]
    x = log_axis(np.append(np.concatenate(list(single)), reach), "loss relative to the other model (log scale)")
    y = Axis(len(names) - 0.4, -0.6, list(rows), "", names=names)
    plot = Plot(17.0 * len(names) + 6.0, x, y)
    plot.upright(1.0)
    for row, one, ratios in zip(rows, contrasts, single, strict=True):
        colour, shape = look(one.model)
        at = np.full(2, row)
        if len(ratios) <= MOST_MARKS:
            plot.dots(ratios, np.full(len(ratios), row), "c-muted", "bars")
        plot.line(np.array([max(one.low, x.low), one.high]), at, colour, "spread")
        plot.marks(np.array([one.ratio]), at[:1], colour, shape)
    said = [
        f"{one.loss}, {one.model} against {one.benchmark}: {one.ratio:.3f}"
        + ("" if np.isnan(one.low) else f" ({one.low:.3f} to {one.high:.3f})")
        for one in contrasts
    ]
    return plot.render(f"Mean loss ratios with 95% intervals across targets. {'; '.join(said)}.")


def by_period(lines: pd.DataFrame, loss: str) -> Markup:
    """Relative errors of some models by the number of days known, a line each.

    Args:
        lines: A row each sample period, a column each model.
        loss: Which error it is.
    """
    places = np.arange(len(lines), dtype=float)
    x = Axis(-0.25, len(lines) - 0.75, list(places), "sample period s: trading days known at its first origin",
             names=list(map(str, lines.index)))  # fmt: skip
    return _lines(places, lines, x, f"{loss} relative to NF (log scale)", 150.0, f"{loss} relative to NF by period")


def by_day(lines: pd.DataFrame, width: int, loss: str) -> Markup:
    """Errors relative to the naive forecast by days since listing, a line each model.

    Args:
        lines: A row each bin of days (its first day), a column each model.
        width: Days of a bin.
        loss: Which error it is.
    """
    days = np.asarray(lines.index, dtype=np.float64) + (width - 1) / 2.0
    label = "trading day since listing" + (f" (bins of {width})" if width > 1 else "")
    x = linear_axis(np.append(days, days.max() + width / 2.0), label, including=float(days.min() - width / 2.0))
    said = f"{loss} relative to NF by trading days since listing, bins of {width}"
    return _lines(days, lines, x, f"{loss} relative to NF (log scale)", 150.0, said)


def _lines(places: FloatArray, lines: pd.DataFrame, x: Axis, label: str, height: float, said: str) -> Markup:
    values = np.asarray(lines, dtype=np.float64)
    models = list(map(str, lines.columns))
    plot = Plot(height, x, log_axis(values, label), [Key(model, *look(model)) for model in models])
    plot.across(1.0)
    for column, model in enumerate(models):
        colour, shape = look(model)
        plot.line(places, values[:, column], colour, f"line {colour}-dash")
        plot.marks(places, values[:, column], colour, shape)
    spans = [
        f"{model} from {np.nanmin(own):.2f} to {np.nanmax(own):.2f}, last {own[np.isfinite(own)][-1]:.2f}"
        for model, own in zip(models, values.T, strict=True)
        if np.isfinite(own).any()
    ]
    return plot.render(f"{said}. {'; '.join(spans)}.")


def advantage(paths: pd.DataFrame, labels: tuple[str, str], loss: str) -> Markup:
    """How one model's lead over another builds up by day since listing: the mean over targets, each target thin behind.

    Args:
        paths: Cumulative difference in relative loss, a row each day, a column each target.
        labels: The model that may be ahead, and the benchmark.
        loss: Which error it is.
    """
    days, values = np.asarray(paths.index, dtype=np.float64), np.asarray(paths, dtype=np.float64)
    mean = values.mean(axis=1)
    many = values.shape[1] > MOST_MARKS
    behind = np.quantile(values, [0.1, 0.9], axis=1) if many else values.T
    colour = look(labels[0])[0]
    legend = [Key("mean", colour, "line"), Key("middle 80% of targets" if many else "each target", "c-muted", "thin")]
    plot = lead_frame(days, np.append(behind.ravel(), mean), labels, loss, legend, 170.0)
    if many:
        plot.band(days, behind[0], behind[1], "c-muted")
    else:
        for path in behind:
            plot.line(days, path, "c-muted", "thin")
    plot.line(days, mean, colour, "strong")
    ahead = int((values[-1] > 0.0).sum())
    return plot.render(
        f"Cumulative lead of {labels[0]} over {labels[1]} by {loss}, in units of NF's mean {loss}: at the end "
        f"{mean[-1]:+.3f} on average, from {values[-1].min():+.3f} to {values[-1].max():+.3f}; "
        f"{labels[0]} ends ahead for {ahead} of {values.shape[1]} targets."
    )


def lead_frame(
    days: FloatArray, values: FloatArray, labels: tuple[str, str], loss: str, legend: Sequence[Key], height: float
) -> Plot:
    """The empty plot of a lead, with a line at none."""
    x = linear_axis(days, "trading day since listing", including=float(days[0]))
    x = x._replace(low=float(days[0]) - 1.0, high=float(days[-1]) + 1.0)
    x = x._replace(ticks=[tick for tick in x.ticks if x.low <= tick <= x.high])
    plot = Plot(height, x, linear_axis(values, f"cumulative lead of {labels[0]}, in {loss} of NF"), legend)
    plot.across(0.0)
    return plot

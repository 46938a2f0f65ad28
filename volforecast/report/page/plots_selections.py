"""Plots of what transfer learning selects."""

from typing import Final

import numpy as np
import pandas as pd
from markupsafe import Markup

from volforecast.report.page.plots import MOST_MARKS
from volforecast.report.page.svg import Axis, Key, Plot, linear_axis

_TOP: Final = {25: 0.6, 50: 0.9, 75: 1.0}


def by_distance_in_time(table: pd.DataFrame, rate: int) -> Markup:
    """Share of source windows selected by how long ago they began (the paper's figures 4 to 6).

    Args:
        table: Rows of ``selection_by_time`` of this inclusion rate: ``target, bin, windows, selection_rate``.
        rate: Inclusion rate, per cent.
    """
    known = table[table["windows"] > 0]
    single = known.pivot(index="bin", columns="target", values="selection_rate").astype(float).sort_index()
    bins, values = single.index.to_numpy(dtype=float), single.to_numpy(dtype=float)
    common = 2 * np.isfinite(values).sum(axis=1) >= values.shape[1]  # a mean of few targets says nothing of the others
    mean = np.where(common, np.nanmean(values, axis=1), np.nan)
    x = linear_axis(bins, "trading days from the window's start to the forecast", including=0.0)
    top = max(_TOP.get(rate, 1.0), min(1.0, float(np.nanmax(values)) + 0.05))
    y = Axis(0.0, top, [tick / 10 for tick in range(0, 11, 2) if tick / 10 <= top], "share selected")
    many = values.shape[1] > MOST_MARKS
    legend = [Key("mean", "c-mtl", "line"), Key("middle 80% of targets" if many else "each target", "c-muted", "thin")]
    plot = Plot(140.0, x, y, legend)
    plot.across(rate / 100)
    if many:
        low, high = np.nanquantile(values, [0.1, 0.9], axis=1)
        plot.band(bins, low, high, "c-muted")
    else:
        for column in values.T:
            plot.line(bins, column, "c-muted", "thin")
    plot.line(bins, mean, "c-mtl", "strong")
    shown = mean[common]
    fifth = max(1, len(shown) // 5)
    return plot.render(
        f"Share of source windows that MTL-{rate} selects by distance in time, mean over targets: "
        f"{shown[:fifth].mean():.2f} in the nearest fifth of the bins, {shown[-fifth:].mean():.2f} in the farthest, at "
        f"most {shown.max():.2f}, in the bin that begins at {bins[common][int(shown.argmax())]:,.0f} days."
    )

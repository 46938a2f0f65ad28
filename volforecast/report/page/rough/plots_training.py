"""Plots of training: losses by epoch, and the weight that a hybrid gives to HAR."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from volforecast.report.page.svg import Axis, FloatArray, Key, Plot, linear_axis, log_axis


class Path(NamedTuple):
    """A quantity by epoch over the seeds that were still training.

    Attributes:
        epochs: From 1.
        mean: Over seeds; likewise ``low`` and ``high``, the lowest and the highest.
        seeds: How many there are.
    """

    epochs: FloatArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    seeds: int


def path_of(curves: pd.DataFrame, column: str) -> Path | None:
    """A column of learning curves by epoch, as long as at least half of the seeds train; None if there are no values.

    Args:
        curves: Rows of one model, name and horizon: ``seed, epoch`` and the column.
        column: What to follow.
    """
    wide = curves.pivot(index="epoch", columns="seed", values=column).astype(float).sort_index()
    values = wide.to_numpy(dtype=float)
    kept = 2 * np.isfinite(values).sum(axis=1) >= values.shape[1]
    if not kept.any():
        return None
    shown = values[kept]
    epochs = np.asarray(wide.index, dtype=np.float64)[kept]
    low, high = np.nanmin(shown, axis=1), np.nanmax(shown, axis=1)
    return Path(epochs, np.nanmean(shown, axis=1), low, high, values.shape[1])


def losses(what: str, lines: Sequence[tuple[str, str, Path]]) -> Markup:
    """Loss by epoch: mean over seeds as a line, their range as a band.

    Args:
        what: Of which training, for those who cannot see the plot.
        lines: Words, colour class and path of each.
    """
    every = np.concatenate([part for _, _, path in lines for part in (path.low, path.high)])
    y = log_axis(every, "mean squared error, standardised (log scale)", including=None, most=5)
    plot = Plot(130.0, _epochs([path for _, _, path in lines]), y, [Key(words, c, "line") for words, c, _ in lines])
    _draw(plot, lines)
    said = [f"{words} from {path.mean[0]:.3f} to {path.mean[-1]:.3f}, smallest {path.mean.min():.3f}"
            for words, _, path in lines]  # fmt: skip
    return plot.render(f"{what}, mean over seeds by epoch: {'; '.join(said)}.")


def weights(what: str, lines: Sequence[tuple[str, str, Path]]) -> Markup:
    """The weight alpha of HAR's forecast by epoch.

    Args:
        what: Of which training.
        lines: Words, colour class and path of each.
    """
    y = Axis(0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0], "alpha, the weight of HAR")
    plot = Plot(130.0, _epochs([path for _, _, path in lines]), y, [Key(words, c, "line") for words, c, _ in lines])
    _draw(plot, lines)
    said = [f"{words} from {path.mean[0]:.3f} to {path.mean[-1]:.3f}" for words, _, path in lines]
    return plot.render(f"{what}, mean over seeds by epoch: {'; '.join(said)}.")


def _epochs(paths: Sequence[Path]) -> Axis:
    last = float(max(path.epochs[-1] for path in paths))
    axis = linear_axis(np.array([1.0, max(last, 2.0)]), "epoch", including=1.0)
    ticks = [tick for tick in axis.ticks if tick >= 1.0 and tick == int(tick)]
    ticks = ticks if ticks[:1] == [1.0] else [1.0, *ticks]
    return axis._replace(low=1.0 - 0.02 * last, high=max(last, 2.0) * 1.02, ticks=ticks)


def _draw(plot: Plot, lines: Sequence[tuple[str, str, Path]]) -> None:
    for _, colour, path in lines:
        if path.seeds > 1 and len(path.epochs) > 1:
            plot.band(path.epochs, path.low, path.high, colour)
    for _, colour, path in lines:
        plot.line(path.epochs, path.mean, colour, f"line {colour}-dash")

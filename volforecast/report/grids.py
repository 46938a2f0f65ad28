"""Comparison tables as the report sets them: header groups, rows by model, and which cells stand out."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.evaluation.layout import pairwise_matrix, printed, printed_pairwise
from volforecast.evaluation.order import AGGREGATE, ALL
from volforecast.report.findings import APPROACHES, Tables, ranking

_NBSP: Final = "\N{NO-BREAK SPACE}"


class Cell(NamedTuple):
    """A number as text; ``kind`` is how it stands out: ``top`` (best of all), ``best`` (best of its class), or not."""

    text: str
    kind: str = ""
    below: str = ""


class Row(NamedTuple):
    """One row; ``starts`` says whether a rule above it opens a new model class."""

    name: str
    cells: list[Cell]
    starts: bool = False


class Grid(NamedTuple):
    """A table with two header rows, the first of which may be empty.

    Attributes:
        caption: What the numbers are, as text.
        corner: Header of the first column.
        groups: Labels of the first header row with the columns they span.
        heads: Labels of the second.
        rows: The body.
    """

    caption: str
    corner: str
    groups: list[tuple[str, int]]
    heads: list[str]
    rows: list[Row]


def relative(table: pd.DataFrame, losses: Sequence[str], caption: str) -> Grid:
    """Table 3 for some losses. The smallest number of a column stands out, and the smallest of each model class.

    Numbers over fewer targets than there are carry a dagger and do not compete, unless all of the column do.
    """
    ratios, lacking = (printed(table, value, losses) for value in ("ratio", "left_out"))
    values, partial = ratios.to_numpy(dtype=float), lacking.to_numpy(dtype=float) > 0
    competing = np.where(partial & ~partial.all(axis=0), np.nan, values)
    classes = np.array([model_class(str(name)) for name in ratios.index])
    class_best = np.vstack([np.fmin.reduce(competing[classes == name], axis=0) for name in classes])
    kinds = _kinds(competing == np.fmin.reduce(competing, axis=0), competing == class_best)
    texts = np.vectorize(_ratio, otypes=[object])(values, partial)
    return _grid(ratios, texts, kinds, caption)


def inclusions(table: pd.DataFrame, caption: str) -> Grid:
    """Table 4: the largest count of a column stands out."""
    counts, lacking = (printed(table, value) for value in ("included", "left_out"))
    values = counts.to_numpy(dtype=float)
    texts = np.vectorize(_count, otypes=[object])(values, lacking.to_numpy(dtype=float) > 0)
    top = values == np.fmax.reduce(values, axis=0)
    return _grid(counts, texts, _kinds(top, np.zeros_like(top)), caption)


def pairs(table: pd.DataFrame, caption: str) -> Grid:
    """Tables 8 to 11: a row each benchmark, a column each model; starred numbers stand out."""
    texts, stars = printed_pairwise(table), pairwise_matrix(table, "significant").to_numpy(dtype=bool)
    wide = texts.rename_axis(columns=None)
    kinds = _kinds(np.zeros_like(stars), stars)
    shown = np.where(texts.to_numpy() == "-", "\N{EN DASH}", texts.to_numpy())
    rows = _rows(list(map(str, wide.index)), shown, kinds)
    return Grid(caption, "Benchmark", [], list(map(str, wide.columns)), rows)


def approaches(tables: Tables, caption: str) -> Grid:
    """The best model of each approach by each loss, over all days."""
    losses = ["MSE", "MAE", "QLIKE"]
    rows = []
    best = {loss: ranking(tables, loss).head(1) for loss in losses}
    for approach, words in APPROACHES.items():
        cells = []
        for loss in losses:
            ranks = ranking(tables, loss, approach).head(1)
            for model, ratio in ranks.items():
                top = "top" if float(ratio) == float(best[loss].iloc[0]) else ""
                cells.append(Cell(_ratio(float(ratio), False), top, str(model)))
            if ranks.empty:
                cells.append(Cell("n/a"))
        if any(cell.text != "n/a" for cell in cells):
            rows.append(Row(f"{approach} {words}", cells))
    return Grid(caption, "Approach", [], losses, rows)


def model_class(model: str) -> str:
    """``XGB`` of ``MTL-75 XGB-EXT``."""
    return model.partition(" ")[2].partition("-")[0]


def _grid(wide: pd.DataFrame, texts: NDArray[np.object_], kinds: NDArray[np.object_], caption: str) -> Grid:
    columns = [tuple(map(str, column)) for column in wide.columns.to_list()]
    periods = [period for period, _ in columns]
    groups = [(_period(period), periods.count(period)) for period in dict.fromkeys(periods)]
    rows = _rows(list(map(str, wide.index)), texts, kinds)
    if len(groups) == len(columns):  # one loss: the periods are header enough
        return Grid(caption, "Model", [], [label for label, _ in groups], rows)
    return Grid(caption, "Model", groups, [loss for _, loss in columns], rows)


def _rows(names: Sequence[str], texts: NDArray[np.object_], kinds: NDArray[np.object_]) -> list[Row]:
    before = ["", *names]
    return [
        Row(name, [Cell(str(t), str(k)) for t, k in zip(*row, strict=True)], model_class(name) != model_class(last))
        for name, last, *row in zip(names, before, texts, kinds, strict=False)
    ]


def _kinds(top: NDArray[np.bool_], best: NDArray[np.bool_]) -> NDArray[np.object_]:
    return np.where(top, "top", np.where(best, "best", "")).astype(object)


def _period(period: str) -> str:
    return {ALL: f"all{_NBSP}days{_NBSP}(s*)", AGGREGATE: "Agg."}.get(period, f"s{_NBSP}={_NBSP}{period}")


def _ratio(value: float, partial: bool) -> str:
    if np.isnan(value):
        return "n/a"
    return (f"{value:.3f}" if value < 1e5 else f"{value:.1e}") + ("\N{DAGGER}" if partial else "")


def _count(value: float, partial: bool) -> str:
    return "n/a" if np.isnan(value) else f"{value:.0f}" + ("\N{DAGGER}" if partial else "")

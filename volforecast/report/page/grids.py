"""Comparison tables as they are printed, on the page and in LaTeX: header groups, rows, and which cells stand out."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.evaluation.first_days import STRATEGIES
from volforecast.evaluation.intervals import mean_interval
from volforecast.evaluation.layout import pairwise_matrix, printed, printed_pairwise
from volforecast.evaluation.losses import LOSSES
from volforecast.evaluation.order import AGGREGATE, ALL, NAIVE
from volforecast.report.page.evidence import Tables, ranking, target_ratios
from volforecast.report.page.names import APPROACHES, model_class

NBSP: Final = "\N{NO-BREAK SPACE}"
NONE: Final = "n/a"
Bools = NDArray[np.bool_]


class Cell(NamedTuple):
    """A number as text.

    Attributes:
        text: The number.
        kind: How it stands out: ``top`` (best of all), ``best`` (best of its class), ``star`` (a test says so);
            ``same``, ``high``, ``low`` and a tone ``h0`` to ``h8`` for selection rates; several with spaces between.
        below: More lines.
    """

    text: str
    kind: str = ""
    below: str = ""


class Row(NamedTuple):
    """One row.

    Attributes:
        name: Its header.
        cells: Its numbers.
        starts: Whether a rule above it opens a new group.
        section: That group's name, if any.
        below: A second line of its header.
    """

    name: str
    cells: list[Cell]
    starts: bool = False
    section: str = ""
    below: str = ""


class Grid(NamedTuple):
    """A table with two header rows, the first of which may be empty.

    Attributes:
        caption: What the numbers are, as text.
        corner: Header of the first column.
        groups: Labels of the first header row with the columns they span.
        heads: Labels of the second.
        rows: The body.
        layout: ``plain``, ``wide`` (many columns) or ``heat`` (cells are tinted by their value).
    """

    caption: str
    corner: str
    groups: list[tuple[str, int]]
    heads: list[str]
    rows: list[Row]
    layout: str = "plain"


def relative(table: pd.DataFrame, losses: Sequence[str], caption: str, *, classes: bool = True) -> Grid:
    """Tables 3 and 15 to 17 for some losses: the smallest number of a column stands out, and that of each model class.

    Numbers over fewer targets than there are carry a dagger and do not compete, unless all of the column do.

    Args:
        table: Columns ``model, period, loss, ratio, left_out``.
        losses: Losses to show.
        caption: What the numbers are.
        classes: Whether the best of each class stands out, too.
    """
    ratios, lacking = (printed(table, value, losses) for value in ("ratio", "left_out"))
    values, partial = ratios.to_numpy(dtype=float), lacking.to_numpy(dtype=float) > 0
    competing = np.where(partial & ~partial.all(axis=0), np.nan, values)
    groups = np.array([model_class(str(name)) for name in ratios.index])
    best = np.vstack([np.fmin.reduce(competing[groups == name], axis=0) for name in groups])
    kinds = _kinds(competing == np.fmin.reduce(competing, axis=0), (competing == best) & classes)
    texts = np.vectorize(ratio_text, otypes=[object])(values, partial)
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
    kinds = np.where(stars, "star", "").astype(object)
    shown = np.where(texts.to_numpy() == "-", "\N{EN DASH}", texts.to_numpy())
    rows = _rows(list(map(str, texts.index)), shown, kinds)
    return Grid(caption, "Benchmark", [], list(map(str, texts.columns)), rows, "wide")


def strategies(table: pd.DataFrame, caption: str) -> Grid:
    """Table 5: the column strategy's error relative to the row strategy's."""
    losses, names = list(dict.fromkeys(table["loss"])), _in_order([*table["row"], *table["column"]])
    keys = zip(table["loss"], table["row"], table["column"], strict=True)
    cells = dict(zip(keys, table["ratio"].astype(float), strict=True))
    rows = []
    for row in names:
        numbers = [
            cells.get((loss, row, column), 1.0 if row == column else np.nan) for loss in losses for column in names
        ]
        rows.append(Row(row, [Cell(ratio_text(value, False)) for value in numbers]))
    return Grid(caption, "Strategy", [(loss, len(names)) for loss in losses], names * len(losses), rows)


def first_days(table: pd.DataFrame, caption: str) -> Grid:
    """Table 6: a column each loss and class, a row each strategy, approach and predictor set; the best stand out."""
    shown = table.assign(
        group=table["model"].map(model_class),
        line=[f"{row.strategy} {_line(str(row.model))}" for row in table.itertuples()],
    )
    ranks = {strategy: rank for rank, strategy in enumerate(STRATEGIES)}
    shown = shown.sort_values("strategy", key=lambda column: column.map(ranks), kind="stable")
    losses = [loss for loss in LOSSES if loss in set(shown["loss"])]
    classes = [name for name in ("HAR", "FNN", "XGB") if name in set(shown["group"])]
    columns = pd.MultiIndex.from_product([losses, classes])
    lines = list(dict.fromkeys(shown["line"]))
    wide, lacking = (
        shown.pivot(index="line", columns=["loss", "group"], values=value).reindex(index=lines, columns=columns)
        for value in ("ratio", "left_out")
    )
    values, partial = wide.to_numpy(dtype=float), lacking.to_numpy(dtype=float) > 0
    competing = np.where(partial & ~partial.all(axis=0), np.nan, values)
    kinds = _kinds(competing == np.fmin.reduce(competing, axis=0), np.zeros_like(partial))
    texts = np.vectorize(ratio_text, otypes=[object])(values, partial)
    starts = {str(line) for line in shown.drop_duplicates("strategy")["line"]}
    rows = [
        Row(name, [Cell(str(t), str(k)) for t, k in zip(*row, strict=True)], name in starts)
        for name, *row in zip(lines, texts, kinds, strict=True)
    ]
    return Grid(caption, "Strategy and model", [(loss, len(classes)) for loss in losses], classes * len(losses), rows)


def selection_rates(table: pd.DataFrame, rate: int, caption: str) -> Grid:
    """Tables 12 to 14: a row each source, by sector; a column each target; cells tinted by distance from the rate.

    Args:
        table: Columns ``sector, asset, target, same_sector, selection_rate``.
        rate: The inclusion rate, per cent.
        caption: What the numbers are.
    """
    targets, sources = list(dict.fromkeys(table["target"])), table[["sector", "asset"]].drop_duplicates()
    keys = zip(table["asset"].astype(str), table["target"], strict=True)
    values = zip(table["selection_rate"].astype(float), table["same_sector"].astype(bool), strict=True)
    cells = dict(zip(keys, values, strict=True))
    low, high = {25: (0.05, 0.45), 50: (0.30, 0.70), 75: (0.55, 0.95)}.get(rate, (0.0, 1.0))
    rows: list[Row] = []
    before = ""
    for sector, asset in zip(map(str, sources["sector"]), map(str, sources["asset"]), strict=True):
        line = []
        for target in targets:
            share, same = cells.get((asset, target), (np.nan, False))
            kinds = [] if np.isnan(share) else [tone(share, rate / 100)]
            kinds += ["same"] * same + ["high"] * (share > high) + ["low"] * (share < low)
            line.append(Cell("\N{EN DASH}" if np.isnan(share) else f"{share:.3f}", " ".join(kinds)))
        rows.append(Row(asset, line, sector != before, sector if sector != before else ""))
        before = sector
    return Grid(caption, "Source", [], list(map(str, targets)), rows, "heat")


def tone(share: float, rate: float) -> str:
    """``h4`` for a share at the inclusion rate, down to ``h0`` at none and up to ``h8`` at all."""
    side = (share - rate) / (rate if share < rate else 1.0 - rate)
    return f"h{round(4.0 + 4.0 * min(1.0, max(-1.0, side)))}"


def approaches(tables: Tables, caption: str) -> Grid:
    """The best model of each approach by each loss over all days, and the interval of its mean across targets."""
    losses = ["MSE", "MAE", "QLIKE"]
    rows = []
    best = {loss: ranking(tables, loss).head(1) for loss in losses}
    for approach, words in APPROACHES.items():
        cells = []
        for loss in losses:
            ranks = ranking(tables, loss, approach).head(1)
            for model, ratio in ranks.items():
                top = "top" if float(ratio) == float(best[loss].iloc[0]) else ""
                low, high = mean_interval(np.asarray(target_ratios(tables, loss, str(model), NAIVE), dtype=np.float64))
                within = "" if np.isnan(low) else f"\n{low:.2f}\N{EN DASH}{high:.2f}"
                cells.append(Cell(ratio_text(float(ratio), False), top, str(model) + within))
            if ranks.empty:
                cells.append(Cell(NONE))
        if any(cell.text != NONE for cell in cells):
            rows.append(Row(approach, cells, below=words))
    return Grid(caption, "Approach", [], losses, rows)


def ratio_text(value: float, partial: bool) -> str:
    """``0.699``; a dagger for a number over fewer targets than there are; ``1.2e+07`` beyond 100,000."""
    if np.isnan(value):
        return NONE
    return (f"{value:.3f}" if value < 1e5 else f"{value:.1e}") + ("\N{DAGGER}" if partial else "")


def period_text(period: str) -> str:
    """A sample period as a column's header."""
    return {ALL: f"all{NBSP}days{NBSP}(s*)", AGGREGATE: "Agg."}.get(period, f"s{NBSP}={NBSP}{period}")


def _grid(wide: pd.DataFrame, texts: NDArray[np.object_], kinds: NDArray[np.object_], caption: str) -> Grid:
    columns = [tuple(map(str, column)) for column in wide.columns.to_list()]
    periods = [period for period, _ in columns]
    groups = [(period_text(period), periods.count(period)) for period in dict.fromkeys(periods)]
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


def _kinds(top: Bools, best: Bools) -> NDArray[np.object_]:
    return np.where(top, "top", np.where(best, "best", "")).astype(object)


def _line(model: str) -> str:
    """``MTL-25 STD`` of ``MTL-25 HAR-STD``."""
    return f"{model.partition(' ')[0]} {model.rpartition('-')[2]}"


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(str, names)))


def _count(value: float, partial: bool) -> str:
    return NONE if np.isnan(value) else f"{value:.0f}" + ("\N{DAGGER}" if partial else "")

"""Tables of errors by model: over all test hours, by interval, beside the paper's; mean, and below it the spread."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from volforecast.evaluation.hourly_order import ALL, HAR, METRICS, group_of, mode_order, model_order
from volforecast.report.page.bitcoin import names
from volforecast.report.page.grids import NONE, Cell, Grid, Row

SIGNIFICANCE: Final = 0.05
DIGITS: Final = {"RMSE": 4, "MAE": 4, "R2": 3, "QLIKE": 3}

Line = tuple[str, str, list[Cell]]
"""A row before it is set: its name, its section, its cells."""


def ranking(metrics: pd.DataFrame, averages: pd.DataFrame, caption: str) -> Grid:
    """Errors over all test hours: a row each model; the best of a column stands out.

    Args:
        metrics: One mode's rows of ``metrics``.
        averages: Its rows of ``mean_over_seeds``.
        caption: What the numbers are.
    """
    own = metrics[metrics["iteration"] == ALL]
    found = {(str(row.model), str(row.metric)): row for row in lines_of(own)}
    means = averages[(averages["iteration"] == ALL) & (averages["metric"] == "RMSE")]
    mean = dict(zip(means["model"].astype(str), means["value"].astype(float), strict=True))
    best = {metric: _best(own.loc[own["metric"] == metric, "value"], metric == "R2") for metric in METRICS}
    best_mean = _best(pd.Series(mean, dtype=float), False)
    lines: list[Line] = []
    for model in model_order(own["model"]):
        rows = [found.get((model, metric)) for metric in METRICS]
        cells = [_number(row, metric, best[metric]) for row, metric in zip(rows, METRICS, strict=True)]
        average = mean.get(model, np.nan)
        cells.append(Cell(_text(average, 4), "top" if average == best_mean else ""))
        first = next(row for row in rows if row is not None)
        failed = f"{first.failed} failed" if first.failed else ""
        cells += [Cell(f"{first.seeds}", "", failed), Cell(f"{first.hours:,}")]
        lines.append((model, group_of(model), cells))
    heads = [*names.METRICS.values(), "RMSE of their mean", "Seeds", "Hours"]
    return Grid(caption, "Model", [], heads, rows_of(lines))


def by_interval(metrics: pd.DataFrame, metric: str, caption: str) -> Grid:
    """A measure by interval: a row each model, a column each interval; the best of a column stands out.

    Args:
        metrics: One mode's rows of ``metrics``.
        metric: RMSE, MAE, R2 or QLIKE.
        caption: What the numbers are.
    """
    own = metrics[metrics["metric"] == metric]
    blocks = sorted(set(own["iteration"].astype(int)) - {ALL})
    columns = [*blocks, ALL]
    found = {(str(row.model), int(row.iteration)): row for row in lines_of(own)}
    best = {block: _best(own.loc[own["iteration"] == block, "value"], metric == "R2") for block in columns}
    lines: list[Line] = []
    for model in model_order(own["model"]):
        cells = [_number(found.get((model, block)), metric, best[block]) for block in columns]
        lines.append((model, group_of(model), cells))
    return Grid(caption, "Model", [], [names.block_words(block) for block in columns], rows_of(lines))


def beside(table: pd.DataFrame, models: Sequence[str], caption: str) -> Grid:
    """One of the paper's two tables: by interval a row each mode and one for what is printed; the best stand out.

    Args:
        table: ``table_1`` or ``table_2``.
        models: Columns, in the paper's order.
        caption: What the numbers are.
    """
    found = {(int(row.iteration), str(row.model), str(row.mode)): row for row in lines_of(table)}
    modes = mode_order(table["mode"])
    lines: list[Line] = []
    for block in sorted(set(table["iteration"].astype(int))):
        section = names.block_words(block)
        for mode in modes[::-1]:
            rows = [found[block, model, mode] for model in models]
            best = _best(pd.Series([row.rmse for row in rows]), False)
            lines.append((names.mode_words(mode), section, [_ours(row, best) for row in rows]))
        rows = [found[block, model, modes[0]] for model in models]
        best = _best(pd.Series([row.corrected for row in rows]), False)
        lines.append(("In print", section, [_theirs(row, best) for row in rows]))
    return Grid(caption, "RMSE", [], list(models), rows_of(lines))


def tests(table: pd.DataFrame, caption: str, *, against_har: bool) -> Grid:
    """Diebold-Mariano statistics, and below them p-values: a row each model, a column each interval.

    Args:
        table: One mode's rows of ``tests`` for one loss.
        caption: What the numbers are.
        against_har: Those against HAR; else those against the model that lacks what one adds.
    """
    own = table[(table["benchmark"] == HAR) == against_har]
    blocks = sorted(set(own["iteration"].astype(int)) - {ALL})
    columns = [ALL, *blocks]
    found = {(str(row.model), str(row.benchmark), int(row.iteration)): row for row in lines_of(own)}
    pairs = sorted({key[:2] for key in found}, key=lambda pair: model_order(own["model"]).index(pair[0]))
    lines: list[Line] = []
    for model, benchmark in pairs:
        cells = [_test(found.get((model, benchmark, block))) for block in columns]
        lines.append((model if against_har else f"{model} against {benchmark}", group_of(model), cells))
    corner = "Model" if against_har else "Pair"
    return Grid(caption, corner, [], [names.block_words(block) for block in columns], rows_of(lines))


def sets(table: pd.DataFrame, caption: str) -> Grid:
    """p-values of model confidence sets; members stand out: a row each model, a column each interval.

    Args:
        table: One mode's rows of ``confidence_sets`` for one loss.
        caption: What the numbers are.
    """
    blocks = sorted(set(table["iteration"].astype(int)) - {ALL})
    columns = [ALL, *blocks]
    found = {(str(row.model), int(row.iteration)): row for row in lines_of(table)}
    lines: list[Line] = []
    for model in model_order(table["model"]):
        cells = []
        for block in columns:
            row = found.get((model, block))
            if row is None or np.isnan(row.p_value):
                cells.append(Cell(NONE))
            else:
                cells.append(Cell(p_text(float(row.p_value)), "top" if row.included else ""))
        lines.append((model, group_of(model), cells))
    return Grid(caption, "Model", [], [names.block_words(block) for block in columns], rows_of(lines))


def gates(table: pd.DataFrame, caption: str) -> Grid:
    """Mean weight of each component by interval, a row each mixture and component.

    Args:
        table: One mode's rows of ``gates``.
        caption: What the numbers are.
    """
    means = table.groupby(["model", "component", "iteration"], observed=True)["weight"].mean()
    blocks = sorted(set(table["iteration"].astype(int)))
    lines: list[Line] = []
    for model in model_order(table["model"]):
        own = set(table.loc[table["model"] == model, "component"].astype(str))
        for component in [*(name for name in names.COMPONENTS if name in own), *sorted(own - set(names.COMPONENTS))]:
            cells = [Cell(_text(float(means.get((model, component, block), np.nan)), 3)) for block in blocks]
            lines.append((component, model, cells))
    return Grid(caption, "Component", [], [names.block_words(block) for block in blocks], rows_of(lines))


def lines_of(table: pd.DataFrame) -> list[Any]:
    """The rows of a table, columns as attributes."""
    return list(table.itertuples())


def rows_of(lines: Sequence[Line]) -> list[Row]:
    """Rows with a heading where a section begins."""
    rows, before = [], ""
    for name, section, cells in lines:
        new = section != before
        rows.append(Row(name, cells, new, section if new else ""))
        before = section
    return rows


def signed(value: float, digits: int, *, plus: bool = True) -> str:
    """``+1.50``, with a proper minus sign; no sign before zero."""
    text = f"{value:+.{digits}f}" if plus else f"{value:.{digits}f}"
    text = text if text.strip("+-0.") else text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def p_text(value: float) -> str:
    """``0.042``, ``< 0.001``."""
    return NONE if np.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _text(value: float, digits: int) -> str:
    if np.isnan(value):
        return NONE
    return signed(value, digits, plus=False) if abs(value) < 1e5 else f"{value:.1e}"


def _number(row: Any, metric: str, best: float) -> Cell:
    """A mean over seeds, and below it their standard deviation."""
    if row is None or np.isnan(row.value):
        return Cell(NONE)
    digits = DIGITS[metric]
    below = "" if np.isnan(row.spread) else f"\N{PLUS-MINUS SIGN} {_text(float(row.spread), digits)}"
    return Cell(_text(float(row.value), digits), "top" if row.value == best else "", below)


def _ours(row: Any, best: float) -> Cell:
    """A run's figure, its spread, and how far it is from the paper's."""
    if np.isnan(row.rmse):
        return Cell(NONE)
    spread = [] if np.isnan(row.spread) else [f"\N{PLUS-MINUS SIGN} {row.spread:.4f}"]
    below = "\n".join([*spread, f"({signed(float(row.difference), 4)})"])
    return Cell(_text(float(row.rmse), 4), "top" if row.rmse == best else "", below)


def _theirs(row: Any, best: float) -> Cell:
    """The paper's figure; a misprint is corrected, and says so below."""
    wrong = row.paper != row.corrected
    below = f"printed {row.paper:g}" if wrong else ""
    text = f"{row.corrected:.4f}" + "\N{DAGGER}" * wrong
    return Cell(text, "top" if row.corrected == best else "", below)


def _test(row: Any) -> Cell:
    """A statistic, and below it its p-value."""
    if row is None or np.isnan(row.statistic):
        return Cell(NONE)
    firm = row.p_value < SIGNIFICANCE
    kind = ("high" if row.statistic > 0.0 else "low") if firm else ""
    return Cell(signed(float(row.statistic), 2), kind, f"p {p_text(float(row.p_value))}")


def _best(values: "pd.Series[float]", larger: bool) -> float:
    """The best of several values; NaN if there is one only."""
    known = [float(value) for value in values if not np.isnan(value)]
    if len(known) < 2:
        return np.nan
    choose: Callable[[list[float]], float] = max if larger else min
    return choose(known)

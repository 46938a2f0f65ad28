"""Tables over all targets together: means, spreads across targets, and counts of tests."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from volforecast.evaluation.rough_order import HAR, model_order
from volforecast.report.page.grids import NONE, Cell, Grid, Row
from volforecast.report.page.rough import grids
from volforecast.report.page.rough.grids import METRICS, SIGNIFICANCE, lines_of, p_text, percent, signed, spread, within
from volforecast.report.page.rough.names import PAPER_GROUPS, days, section_of


def relative(table: pd.DataFrame, horizon: int, caption: str) -> Grid:
    """``table_across`` for a horizon: RMSE relative to HAR's, its interval, and for how many targets tests agree."""
    own = table[table["horizon"] == horizon]
    ratios = own.loc[own["model"] != HAR, "ratio"].astype(float)
    best = float(ratios.min()) if len(ratios) > 1 else np.nan
    found = {str(row.model): row for row in lines_of(own)}
    rows, before = [], ""
    tested = ("better_than_har", "worse_than_har"), ("better_than_lstm", "worse_than_lstm")
    for model in model_order(found):
        one = found[model]
        ratio = float(one.ratio)
        text = Cell("1" if model == HAR else NONE if np.isnan(ratio) else f"{ratio:.3f}")
        interval = "" if model == HAR else within(float(one.low), float(one.high), 3)
        cells = [text._replace(kind="top") if ratio == best else text, Cell(interval or NONE)]
        for columns in tested:
            cells += [_count(getattr(one, name), kind) for name, kind in zip(columns, ("high", "low"), strict=True)]
        cells.append(Cell(f"{int(one.targets):,}"))
        section = section_of(model)
        rows.append(Row(model, cells, section != before, section if section != before else ""))
        before = section
    heads = ["Mean", "95% interval", "better", "worse", "better", "worse", "all"]
    groups = [("RMSE relative to HAR", 2), ("than HAR", 2), ("than LSTM", 2), ("Targets", 1)]
    return Grid(caption, "Model", groups, heads, rows)


def performance(table: pd.DataFrame, horizons: Sequence[int], caption: str) -> Grid:
    """Table 3 over targets: means of the metrics, the standard deviation across targets below."""
    usable = table[table["value"].notna()]
    grouped = usable.groupby(["horizon", "model", "metric"], sort=False)["value"]
    means = pd.DataFrame({"value": grouped.mean(), "spread": grouped.std(ddof=1), "targets": grouped.size()})
    partial = means[means["targets"] < table["target"].nunique()].index
    left_out = frozenset((str(model), int(horizon)) for horizon, model, _ in partial)
    return grids.performance(means.reset_index(), horizons, caption, left_out)


def improvement(table: pd.DataFrame, horizons: Sequence[int], caption: str) -> Grid:
    """Table 4 over targets: mean improvement, for how many targets there is one, and for how many tests agree."""
    rows = []
    for metric, words in METRICS.items():
        cells: list[Cell] = []
        for horizon in horizons:
            own = table[(table["metric"] == metric) & (table["horizon"] == horizon)]
            gains, p_values = own["improvement"].astype(float), own["p_value"].astype(float)
            if own.empty:
                cells += [Cell(NONE)] * 4
                continue
            firm = p_values < SIGNIFICANCE
            cells += [
                Cell(percent(float(gains.mean())), "", spread(float(gains.std(ddof=1)), 2)),
                Cell(f"{int((gains > 0.0).sum()):,} of {len(own):,}"),
                _count(np.nan if p_values.isna().all() else int((firm & (gains > 0.0)).sum()), "high"),
                _count(np.nan if p_values.isna().all() else int((firm & (gains < 0.0)).sum()), "low"),
            ]
        rows.append(Row(words, cells))
    return _grouped(caption, "Metric", horizons, ["Improvement", "Targets improved", "test better", "test worse"], rows)


def architectures(table: pd.DataFrame, errors: pd.DataFrame, horizons: Sequence[int], caption: str) -> Grid:
    """Table 5 over targets: mean RMSE, mean distance from HAR's and its standard deviation across targets."""
    rows, before = [], ""
    har = errors[(errors["model"] == HAR) & (errors["metric"] == "RMSE")].groupby("horizon")["value"].mean()
    cells = [cell for h in horizons for cell in (Cell(_three(float(har.get(h, np.nan)))), Cell(percent(np.nan)))]
    rows.append(Row("HAR (baseline)", cells, True))
    groups = dict(zip(table["model"].astype(str), table["group"].astype(str), strict=True))
    order = [*PAPER_GROUPS, *sorted(set(groups.values()) - set(PAPER_GROUPS))]
    names = [name for name in model_order(groups) if name != HAR]
    for model in sorted(names, key=lambda name: order.index(groups[name])):
        cells = []
        for horizon in horizons:
            own = table[(table["model"] == model) & (table["horizon"] == horizon)]
            versus = own["versus_har"].astype(float)
            around = spread(float(versus.std(ddof=1)) if len(own) > 1 else np.nan, 2)
            mean = float(versus.mean()) if len(own) else np.nan
            cells += [Cell(_three(float(own["rmse"].mean()) if len(own) else np.nan)), Cell(percent(mean), "", around)]
        rows.append(Row(model, cells, groups[model] != before, groups[model] if groups[model] != before else ""))
        before = groups[model]
    return _grouped(caption, "Model", horizons, ["RMSE", "Versus HAR"], rows)


def tests(table: pd.DataFrame, horizons: Sequence[int], caption: str) -> Grid:
    """Table 6 over targets: the mean statistic and for how many targets a model is better, and worse, than each."""
    benchmarks = list(dict.fromkeys(table["benchmark"].astype(str)))
    rows, before = [], ""
    for model in model_order(table["model"]):
        cells: list[Cell] = []
        for horizon in horizons:
            for benchmark in benchmarks:
                own = table[
                    (table["model"] == model) & (table["horizon"] == horizon) & (table["benchmark"] == benchmark)
                ]
                statistics = own["statistic"].astype(float)
                firm = own["p_value"].astype(float) < SIGNIFICANCE
                if statistics.isna().all():
                    cells += [Cell(NONE)] * 3
                    continue
                cells += [
                    Cell(signed(float(statistics.mean()), 2)),
                    _count(int((firm & (statistics > 0.0)).sum()), "high"),
                    _count(int((firm & (statistics < 0.0)).sum()), "low"),
                ]
        section = section_of(model)
        rows.append(Row(model, cells, section != before, section if section != before else ""))
        before = section
    heads = [word for name in benchmarks for word in (f"against {name}", "better", "worse")]
    return _grouped(caption, "Model", horizons, heads, rows)


def confidence(table: pd.DataFrame, horizon: int, targets: Sequence[str], caption: str) -> Grid:
    """In how many confidence sets a model is, and by target its p-value, bold if it is in that target's set.

    Args:
        table: ``confidence_sets``.
        horizon: Days ahead.
        targets: Those with a column of their own.
        caption: What the numbers are.
    """
    own = table[table["horizon"] == horizon]
    usable = own[own["status"] == "ok"] if "status" in own.columns else own
    sizes, members = (rows["model"].value_counts() for rows in (usable, usable[usable["included"].astype(bool)]))
    cells = {(str(row.model), str(row.target)): row for row in lines_of(usable[usable["target"].isin(targets)])}
    rows, before = [], ""
    for model in model_order(own["model"]):
        line = [Cell(f"{members.get(model, 0):,} of {sizes.get(model, 0):,}")]
        for target in targets:
            row = cells.get((model, target))
            p_value = np.nan if row is None else float(row.p_value)
            included = row is not None and bool(row.included)
            text = "in" if np.isnan(p_value) and included else NONE if np.isnan(p_value) else p_text(p_value)
            line.append(Cell(text, "top" if included else ""))
        section = section_of(model)
        rows.append(Row(model, line, section != before, section if section != before else ""))
        before = section
    layout = "wide" if len(targets) > 6 else "plain"
    groups = [("In the set", 1), ("p-value by target", len(targets))]
    return Grid(caption, "Model", groups, ["targets", *targets], rows, layout)


def _three(value: float) -> str:
    return NONE if np.isnan(value) else f"{value:.3f}"


def _count(value: float, kind: str) -> Cell:
    return Cell("\N{EN DASH}") if pd.isna(value) else Cell(f"{int(value):,}", kind if value > 0 else "")


def _grouped(caption: str, corner: str, horizons: Sequence[int], heads: Sequence[str], rows: list[Row]) -> Grid:
    if len(horizons) == 1:
        return Grid(caption, corner, [], list(heads), rows)
    groups = [(f"{days(horizon)} ahead", len(heads)) for horizon in horizons]
    layout = "wide" if len(heads) * len(horizons) > 8 else "plain"
    return Grid(caption, corner, groups, list(heads) * len(horizons), rows, layout)

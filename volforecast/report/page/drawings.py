"""The numbers behind each plot, and its heading and caption: by loss, by target, by inclusion rate."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from volforecast.evaluation.diebold_mariano import diebold_mariano
from volforecast.evaluation.order import ALL, NAIVE, paper_order
from volforecast.report.page import plots, plots_forecasts, plots_selections
from volforecast.report.page.basis import Basis
from volforecast.report.page.evidence import USUAL, Tables, approaches_run, ranking
from volforecast.report.page.findings import counted
from volforecast.report.page.names import approach_of, papers_own
from volforecast.report.page.printed import SELECTION_TABLES, Printed

MOST_TARGETS: Final = 100  # targets whose forecasts are drawn
SIGNIFICANCE: Final = 0.05
_WIDTHS: Final = (1, 2, 5, 10, 25, 50, 100, 250)  # of bins of days
_BINS: Final = 20


class Drawing(NamedTuple):
    """A plot with its heading and the text below it; a tall one has a column of its own where there are two."""

    heading: str
    svg: Markup
    caption: str
    tall: bool = False


class Choice(NamedTuple):
    """One of several sets of plots, and of tables below them, of which the page shows one at a time."""

    label: str
    drawings: list[Drawing]
    tables: Sequence[Printed] = ()


def by_loss(basis: Basis) -> list[Choice]:
    """For each loss: every model, the sample periods, the days since listing, the lead over the benchmark."""
    choices = []
    for loss in ("MSE", "MAE", "QLIKE"):
        if not ranking(basis.tables, loss).empty:
            choices.append(
                Choice(
                    loss,
                    [
                        _every_model(basis.tables, loss),
                        *_sample_periods(basis, loss),
                        *_days_since_listing(basis, loss),
                        *_together(basis, loss),
                    ],
                )
            )
    return choices


def by_target(basis: Basis, loss: str = "MSE") -> list[Choice]:
    """For each target: realized variance with forecasts of the leader and the benchmark, and the lead between them."""
    pair = rivals(basis.tables, loss)
    ranks = ranking(basis.tables, loss)
    if ranks.empty:
        return []
    wanted = list(pair) if pair is not None else [str(ranks.index[0])]
    leads = _leads(basis, loss, pair) if pair is not None else {}
    choices = []
    rows = basis.forecasts[basis.forecasts["model"].isin(wanted)]
    for target, own in list(rows.groupby("target"))[:MOST_TARGETS]:
        choices.append(Choice(str(target), [_path(str(target), own, wanted)]))
        if pair is not None and str(target) in leads:
            choices[-1].drawings.append(_lead(str(target), *leads[str(target)], pair, loss))
    return choices


def tested(basis: Basis, loss: str, pair: tuple[str, str]) -> dict[str, float]:
    """One-sided p-values of the first model against the second by target; NaN where the two cannot be told apart."""
    return {target: p_value for target, (_, p_value) in _leads(basis, loss, pair).items()}


def not_drawn(basis: Basis) -> list[str]:
    """Targets beyond those that are drawn."""
    return sorted(set(basis.forecasts["target"]))[MOST_TARGETS:]


def rivals(tables: Tables, loss: str) -> tuple[str, str] | None:
    """The best MTL model (else the best other one) and what it is held against: TO HAR-STD (else NF)."""
    every = ranking(tables, loss)
    benchmark = USUAL if USUAL in every.index else NAIVE
    ranks = ranking(tables, loss, "MTL") if "MTL" in approaches_run(tables, loss) else every
    ahead = next((str(model) for model in ranks.index if model != benchmark), None)
    return None if ahead is None else (ahead, benchmark)


def by_rate(tables: Tables, printed: Sequence[Printed]) -> list[Choice]:
    """For each inclusion rate: selection by distance in time, and its tables of selection rates."""
    by_time = tables.get("selection_by_time", pd.DataFrame({"inclusion": [], "windows": []}))
    choices = []
    for name, rate in SELECTION_TABLES.items():
        own = by_time[by_time["inclusion"].astype(int) == rate]
        drawn = [_distance_in_time(own, rate)] if own["windows"].sum() > 0 else []
        found = [entry for entry in printed if entry.group == name]
        if drawn or found:
            choices.append(Choice(f"MTL-{rate}", drawn, found))
    return choices


def _distance_in_time(table: pd.DataFrame, rate: int) -> Drawing:
    figure = {25: 4, 50: 5, 75: 6}[rate]
    caption = (
        "Windows by how many trading days before the forecast they began, in bins of 100; the mean is drawn where half "
        f"of the targets have windows. Dashed: the rate of all windows together, {rate}%."
    )
    heading = f"Figure {figure}: how old the windows are that MTL-{rate} selects"
    return Drawing(heading, plots_selections.by_distance_in_time(table, rate), caption)


def _every_model(tables: Tables, loss: str) -> Drawing:
    table = papers_own(tables["table_3"])
    means = table[(table["period"] == ALL) & (table["loss"] == loss)].set_index("model")["ratio"]
    means = means.reindex(paper_order(means.index))
    losses = tables["mean_losses"]
    over_all = losses[(losses["period"] == ALL) & (losses["loss"] == loss)]
    wide = over_all.pivot(index="model", columns="target", values="mean_loss").astype(float)
    naive = wide.loc[NAIVE].to_numpy(dtype=float)
    by_target = wide.div(np.where(naive > 0.0, naive, np.nan), axis=1)
    targets = by_target.shape[1]
    each = "each stroke is one target" if targets <= plots.MOST_MARKS else "bars span the middle 80% of targets"
    caption = f"Marks are means over {counted(targets, 'target')}; {each}."
    return Drawing(f"{loss} of every model", plots.relative_errors(means, by_target, loss), caption, len(means) > 12)


def _sample_periods(basis: Basis, loss: str) -> list[Drawing]:
    table = basis.tables["table_3"]
    best = _best_of_each(basis.tables, loss)
    own = table[(table["loss"] == loss) & (table["period"] != ALL)]
    lines = own.pivot(index="period", columns="model", values="ratio").reindex(columns=best).astype(float)
    lines = lines.loc[sorted(lines.index, key=lambda period: int(str(period)))]
    if len(lines) < 2 or not best:
        return []
    caption = "The best model of each approach over all days. Each period forecasts the days after the first s."
    return [Drawing(f"{loss} by length of history", plots.by_period(lines, loss), caption)]


def _days_since_listing(basis: Basis, loss: str) -> list[Drawing]:
    """Errors by days since listing, each target weighted by its own naive forecast's mean error."""
    best = _best_of_each(basis.tables, loss)
    wide = basis.losses(loss, [*best, NAIVE]).pivot(index=["target", "day"], columns="model", values="value")
    whole = wide.groupby("target").transform(lambda column: column.notna().all()).all(axis=1)
    wide = wide[whole.to_numpy(dtype=bool)]
    naive = wide[NAIVE].groupby("target").transform("mean") if len(wide) else pd.Series(dtype=float)
    wide = wide[(naive > 0.0).to_numpy(dtype=bool)].div(naive[naive > 0.0], axis=0)
    if wide.empty:
        return []
    days = wide.index.get_level_values("day").to_numpy(dtype=int)
    first, span = int(days.min()), int(days.max() - days.min() + 1)
    width = next((width for width in _WIDTHS if span <= width * _BINS), _WIDTHS[-1])
    bins = first + (days - first) // width * width
    sums = wide.groupby(bins).sum()
    lines = sums[best].div(sums[NAIVE].where(sums[NAIVE] > 0.0), axis=0)
    lines = lines.reindex(np.arange(bins.min(), bins.max() + 1, width))  # bins without days leave a gap
    if len(lines) < 2:
        return []
    caption = (
        f"{counted(wide.index.get_level_values('target').nunique(), 'target')} together, weighted alike; "
        "below the dashed line is better than the naive forecast."
    )
    return [Drawing(f"{loss} by days since listing", plots.by_day(lines, width, loss), caption)]


def _together(basis: Basis, loss: str) -> list[Drawing]:
    pair = rivals(basis.tables, loss)
    leads = _leads(basis, loss, pair) if pair is not None else {}
    together = pd.DataFrame({target: lead for target, (lead, _) in leads.items()}).sort_index().dropna(axis="columns")
    if pair is None or together.empty:
        return []
    p_values = [p_value for target, (_, p_value) in leads.items() if target in together.columns]
    better = sum(p_value < SIGNIFICANCE for p_value in p_values)
    worse = sum(p_value > 1.0 - SIGNIFICANCE for p_value in p_values)
    caption = (
        f"Losses of {pair[1]} minus those of {pair[0]}, added up day by day; a line ends at the difference of the two "
        f"relative {loss}s. {together.shape[1]} of {counted(basis.forecasts['target'].nunique(), 'target')}. "
        f"Diebold\N{EN DASH}Mariano tests (5%) find {pair[0]} better for {better} and worse for {worse}. "
        "A jump is a day on which one of the two was far off."
    )
    return [Drawing(f"Where the lead in {loss} comes from", plots.advantage(together, pair, loss), caption)]


def _leads(basis: Basis, loss: str, pair: tuple[str, str]) -> dict[str, tuple["pd.Series[float]", float]]:
    """By target that has every loss: the cumulative lead, in units of NF's mean loss, and the test's p-value."""
    ahead, benchmark = pair
    found = {}
    losses = basis.losses(loss, [*dict.fromkeys([ahead, benchmark, NAIVE])])
    for target, rows in losses.groupby("target"):
        wide = rows.pivot(index="day", columns="model", values="value").sort_index()
        if not {ahead, benchmark, NAIVE} <= set(wide.columns) or wide.isna().any(axis=None) or len(wide) < 2:
            continue
        naive = float(wide[NAIVE].mean())
        if naive > 0.0:
            test = diebold_mariano(wide[ahead].to_numpy(dtype=float), wide[benchmark].to_numpy(dtype=float))
            found[str(target)] = (wide[benchmark] - wide[ahead]).cumsum() / (naive * len(wide)), test.p_value
    return found


def _path(target: str, rows: pd.DataFrame, models: Sequence[str]) -> Drawing:
    usable = rows.assign(forecast=rows["forecast"].where(rows["status"] != "failed"))
    wide = usable.pivot(index="day", columns="model", values="forecast").sort_index()
    first = usable.drop_duplicates("day").set_index("day").sort_index()
    dates = first["date"].astype(str).str[:10]
    forecasts = {model: wide[model].astype(float) for model in models if model in wide.columns}
    drawn = plots_forecasts.forecast_path(target, first["realized"].astype(float), forecasts)
    caption = (
        f"{counted(len(first), 'day')}, {dates.min()} to {dates.max()}. "
        "Dots: realized; lines: forecasts made the day before."
    )
    return Drawing(f"Forecast and realized variance: {target}", drawn, caption)


def _lead(target: str, lead: "pd.Series[float]", p_value: float, pair: tuple[str, str], loss: str) -> Drawing:
    verdict = verdict_of(p_value, pair)
    drawn = plots_forecasts.lead_path(target, lead, pair, loss, verdict)
    return Drawing(f"Lead by {loss}: {target}", drawn, f"It ends at {lead.iloc[-1]:+.3f} of NF's {loss}. {verdict}")


def verdict_of(p_value: float, pair: tuple[str, str]) -> str:
    """What a one-sided Diebold-Mariano test says of the first model against the second."""
    test = "Diebold\N{EN DASH}Mariano"
    if np.isnan(p_value):
        return f"{test}: the two cannot be told apart."
    said = f"p = {p_value:.3f}" if p_value >= 0.001 else "p < 0.001"
    if p_value < SIGNIFICANCE:
        return f"{test}: {pair[0]} is better at 5% ({said})."
    if p_value > 1.0 - SIGNIFICANCE:
        said = f"p = {1.0 - p_value:.3f}" if p_value <= 0.999 else "p < 0.001"
        return f"{test}: {pair[1]} is better at 5% ({said})."
    return f"{test}: neither is better at 5% (p = {p_value:.3f} for {pair[0]})."


def _best_of_each(tables: Tables, loss: str) -> list[str]:
    """The best model of each approach; the best of all where no approach has one."""
    best = [str(ranking(tables, loss, approach).index[0]) for approach in approaches_run(tables, loss)]
    return best or [str(model) for model in ranking(tables, loss).index[:1] if approach_of(str(model))]

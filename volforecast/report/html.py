"""The report of a new-issues run: one HTML page without scripts, outside references, or a date of its making.

Names of assets and reasons of failures come from the user's data; the template escapes all of them.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cluster.study import Plan
from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.evaluation.losses import loss_matrix, usable_series
from volforecast.evaluation.order import ALL, NAIVE, paper_order
from volforecast.report import grids, plots
from volforecast.report.findings import USUAL, counted, ranking, summary

MOST_PATHS: Final = 20  # targets whose forecasts are drawn
MOST_ROWS: Final = 60  # rows of a table of troubles
MOST_NAMES: Final = 40  # names of a setting written out


class Report(NamedTuple):
    """What the page needs.

    Attributes:
        plan: The run's plan.
        forecasts: ``target, period, origin, date, model, forecast, realized, status``, values in per cent squared.
        tables: The comparison tables by name, and ``estimations``.
        failures: What failed, a sentence each.
    """

    plan: Plan
    forecasts: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    failures: Sequence[str] = ()


class Drawing(NamedTuple):
    """A plot with its heading and the text below it."""

    heading: str
    svg: Markup
    caption: str


def render_report(report: Report) -> bytes:
    """The page, UTF-8; equal bytes for equal input."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("volforecast.report").joinpath("report.html").read_text("utf-8"))
    plan, tables = report.plan, report.tables
    forecasts = _numbered(report.forecasts)
    paths = _forecast_paths(forecasts, tables)
    text = template.render(
        summary=summary(tables, plan.config),
        coverage=_coverage(plan, forecasts),
        glance=_glance(plan, forecasts),
        approaches=grids.approaches(tables, "Smallest error relative to the naive forecast, all forecast days"),
        drawings=[*_error_plots(tables), *_advantage(forecasts, tables), *paths[:1]],
        other_paths=paths[1:],
        grids=_grids(tables, plan.config),
        pairwise=_pairwise(tables),
        statuses=_statuses(forecasts),
        dropped=_dropped(tables["estimations"]),
        reasons=_reasons(tables["estimations"]),
        failures=list(report.failures),
        settings=[(name, _written(value)) for name, value in _flat(plan.config)],
        plan=plan,
        classes={grids.model_class(str(model)) for model in forecasts["model"].unique()},
        most_rows=MOST_ROWS,
    )
    return text.encode()


def _numbered(forecasts: pd.DataFrame) -> pd.DataFrame:
    """The forecasts with ``day``, the target's trading day since its listing, in one order however they came."""
    table = forecasts.sort_values(["target", "model", "period", "origin", "date"], ignore_index=True)
    place = table.groupby(["target", "model", "period", "origin"]).cumcount()
    return table.assign(day=table["origin"].astype(np.int64) + 1 + place)


def _coverage(plan: Plan, forecasts: pd.DataFrame) -> str:
    """What is missing of a run that has not come to its end; empty if nothing is."""
    planned = len({(u.coordinates["target"], u.coordinates["period"]) for u in plan.units if u.kind == "forecast"})
    done = len(forecasts[["target", "period"]].drop_duplicates())
    if planned <= done:
        return ""
    return (
        f"The run is not complete: this page covers {done:,} of {planned:,} sample periods of its targets, "
        "and its numbers will change."
    )


def _glance(plan: Plan, forecasts: pd.DataFrame) -> list[tuple[str, str]]:
    dates = forecasts["date"].astype(str).str[:10]
    per_target = forecasts.groupby("target")["date"].nunique()
    days = f"{per_target.min():,}" + (f"\N{EN DASH}{per_target.max():,}" if per_target.min() < per_target.max() else "")
    made = forecasts[forecasts["model"] != NAIVE]
    return [
        ("Targets", f"{forecasts['target'].nunique():,}"),
        ("Models, beside NF", f"{made['model'].nunique():,}"),
        ("Days a target", days),
        ("Forecasts", f"{len(made):,}"),
        ("Dates", f"{dates.min()} to {dates.max()}"),
        ("Seed", str(plan.config.get("seed", "none"))),
    ]


def _error_plots(tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Relative squared errors: all days by model, then sample periods by the best model of each approach."""
    table = tables["table_3"][tables["table_3"]["loss"] == "MSE"]
    means = table[table["period"] == ALL].set_index("model")["ratio"]
    means = means.reindex(paper_order(means.index))
    losses = tables["mean_losses"]
    over_all = losses[(losses["period"] == ALL) & (losses["loss"] == "MSE")]
    wide = over_all.pivot(index="model", columns="target", values="mean_loss")
    naive = wide.loc[NAIVE].to_numpy(dtype=float)
    ratios = wide.to_numpy(dtype=float) / np.where(naive > 0.0, naive, np.nan)
    by_target = pd.DataFrame(ratios, index=wide.index, columns=wide.columns)
    shown = [
        Drawing(
            "Squared error of every model",
            plots.relative_errors(means, by_target, "MSE of every model relative to NF, all forecast days"),
            f"Dots are means over {counted(by_target.shape[1], 'target')}, as in Table 3; each tick is one target.",
        )
    ]
    best = [str(ranking(tables, "MSE", approach).index[0]) for approach in _approaches_run(tables)]
    lines = table[table["period"] != ALL].pivot(index="period", columns="model", values="ratio").reindex(columns=best)
    lines = lines.loc[sorted(lines.index, key=lambda period: int(str(period)))]
    if len(lines) > 1 and best:
        shown.append(
            Drawing(
                "Squared error by length of history",
                plots.by_period(lines, "MSE relative to NF by sample period, best model of each approach"),
                "The best model of each approach over all days. Each period forecasts the days after the first s.",
            )
        )
    return shown


def _approaches_run(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    return [name for name in ("TO", "NP", "MTL") if not ranking(tables, "MSE", name).empty]


def _advantage(forecasts: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Where the best MTL model (else the best other one) wins or loses against TO HAR-STD (else NF), day by day."""
    run = set(map(str, forecasts["model"].unique()))
    benchmark = USUAL if USUAL in run else NAIVE
    ranks = ranking(tables, "MSE", "MTL") if "MTL" in _approaches_run(tables) else ranking(tables, "MSE")
    ahead = next((str(model) for model in ranks.index if model != benchmark), None)
    if ahead is None:
        return []
    wanted = list(dict.fromkeys([ahead, benchmark, NAIVE]))
    paths: dict[str, pd.Series[float]] = {}
    few = forecasts[forecasts["model"].isin(wanted)]
    for target, rows in few.groupby("target"):
        losses = loss_matrix(rows, "MSE").reindex(columns=wanted)
        naive = float(losses[NAIVE].mean())
        if usable_series(losses.to_numpy(dtype=float)).all() and naive > 0.0:
            lead = (losses[benchmark] - losses[ahead]).cumsum() / (naive * len(losses))
            days = rows[rows["model"] == NAIVE].sort_values("date")["day"]
            paths[str(target)] = pd.Series(lead.to_numpy(), index=days.to_numpy())
    together = pd.DataFrame(paths).sort_index().dropna(axis="columns")
    if together.empty:
        return []
    title = f"Cumulative lead of {ahead} over {benchmark} by trading day since listing"
    caption = (
        f"Squared errors of {benchmark} minus those of {ahead}, added up day by day and scaled so that a line ends at "
        "the difference of the two relative MSEs. Thick: mean over "
        f"{together.shape[1]} of {counted(forecasts['target'].nunique(), 'target')}; thin: each of them. "
        "A jump is a day on which one model was far off."
    )
    return [Drawing("Where the lead comes from", plots.advantage(together, (ahead, benchmark), title), caption)]


def _forecast_paths(forecasts: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> list[Drawing]:
    """Forecast against realized variance for each target, by the model that is best over all days."""
    ranks = ranking(tables, "MSE")
    if ranks.empty:
        return []
    model = str(ranks.index[0])
    shown = []
    own = forecasts[forecasts["model"] == model]
    for target, rows in list(own.groupby("target"))[:MOST_PATHS]:
        days = rows.sort_values("day")
        forecast = days["forecast"].where(days["status"] != "failed")
        when, realized, ours = (column.to_numpy(dtype=float) for column in (days["day"], days["realized"], forecast))
        dates = days["date"].astype(str).str[:10]
        title = f"Realized variance of {target} and forecasts of {model}"
        shown.append(
            Drawing(
                f"Forecast and realized variance: {target}",
                plots.forecast_path(when, realized, ours, model, title),
                f"{counted(len(days), 'day')}, {dates.min()} to {dates.max()}; {model} has the smallest MSE over all.",
            )
        )
    return shown


def _grids(tables: Mapping[str, pd.DataFrame], config: Mapping[str, Any]) -> list[tuple[str, grids.Grid]]:
    table = tables["table_3"]
    shown = [
        (
            "Table 3: errors relative to the naive forecast",
            grids.relative(table, ["MSE", "MAE"], "Mean over targets of a model's error divided by that of NF"),
        ),
    ]
    if "table_4" in tables:
        level = f"{config.get('confidence', 0.95):.0%}"
        caption = f"Number of targets whose {level} model confidence set a model is in; Agg. adds up the periods"
        shown.append(("Table 4: model confidence sets", grids.inclusions(tables["table_4"], caption)))
    caption = "Not in the paper. Mean over targets of a model's QLIKE divided by that of NF"
    shown.append(("QLIKE relative to the naive forecast", grids.relative(table, ["QLIKE"], caption)))
    return shown


def _pairwise(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, grids.Grid]]:
    cuts = [(f"Table {n}", loss, which, tables[f"table_{n}"]) for n, (loss, which) in PAIRWISE_TABLES.items()]
    qlike = tables["pairwise_qlike"]
    extended = qlike["model"].astype(str).str.endswith("-EXT")
    cuts += [
        ("Not in the paper", "QLIKE", "STD", qlike[~extended]),
        ("Not in the paper", "QLIKE", "EXT", qlike[extended]),
    ]
    caption = "Mean over targets of the {} of the model in the column divided by that of the benchmark in the row"
    return [
        (f"{name}: {loss}, {which} models", grids.pairs(table, caption.format(loss)))
        for name, loss, which, table in cuts
        if not table.empty
    ]


def _statuses(forecasts: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """Target, status, models and days of the forecasts that are not ``ok``."""
    troubled = forecasts[forecasts["status"] != "ok"]
    counts = troubled.groupby(["target", "status", "model"]).size()
    return [(t, s, names, n) for (t, s, n), names in _together(counts).items()]


def _dropped(estimations: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Target, models, and training rows dropped for a missing predictor, added up over a model's estimations."""
    single = estimations.groupby(["target", "model", "period", "origin"])["dropped_rows"].max()
    counts = single.groupby(["target", "model"]).sum()
    return [(t, names, n) for (t, n), names in _together(counts[counts > 0]).items()]


def _together(counts: "pd.Series[int]") -> dict[tuple[Any, ...], str]:
    """Models (the last level) with the same place and count in one entry: their names in the paper's order."""
    entries: dict[tuple[Any, ...], list[str]] = {}
    for place, number in zip(counts.index.to_list(), counts.to_list(), strict=True):
        entries.setdefault((*map(str, place[:-1]), int(number)), []).append(str(place[-1]))
    return {key: ", ".join(paper_order(models)) for key, models in entries.items()}


def _reasons(estimations: pd.DataFrame) -> list[str]:
    """Why forecasts failed, each reason once."""
    given = estimations.loc[estimations["reason"].notna(), ["target", "period", "model", "reason"]].drop_duplicates()
    return [f"{row.target}, s = {row.period}, {row.model}: {row.reason}" for row in given.itertuples()]


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Settings with their full names, sorted; a section without settings of its own is left out."""
    flat: list[tuple[str, Any]] = []
    for name, value in sorted(config.items()):
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return flat


def _written(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return str(value)
    names = list(map(str, value))
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more

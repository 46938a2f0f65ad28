"""The report of a run: one HTML page without scripts, outside references, or a date of its making.

It serves every study: a section is there when the tables it needs are. Names of assets and reasons of failures come
from the user's data; the templates escape all of them.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined

from cluster.study import Plan
from volforecast.evaluation.first_days import PROMPT
from volforecast.evaluation.order import NAIVE
from volforecast.report.claims.verdicts import STATEMENTS, Claim, claims
from volforecast.report.page import comparison, drawings, grids, plots
from volforecast.report.page.basis import Basis, basis_of
from volforecast.report.page.evidence import contrasts, target_ratios
from volforecast.report.page.extras import extras, filtered
from volforecast.report.page.findings import interval, summary
from volforecast.report.page.names import approach_of, model_class
from volforecast.report.page.printed import printed_tables
from volforecast.report.page.references import references
from volforecast.report.page.troubles import dropped_rows, reasons, statuses

MOST_ROWS: Final = 60  # rows of a table of troubles
MOST_NAMES: Final = 40  # names of a setting written out

TITLES: Final = {
    "new-issues": "Realized-variance forecasts for new issues and spin-offs",
    "first-days": "Realized-variance forecasts for the first days after a listing",
}


class Report(NamedTuple):
    """What the page needs.

    Attributes:
        plan: The run's plan.
        forecasts: ``target, period, origin, date, model, forecast, realized, status``, values in per cent squared; of a
            first-days run also ``prefix``.
        tables: The comparison tables by name, and ``estimations``.
        failures: What failed, a sentence each.
    """

    plan: Plan
    forecasts: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    failures: Sequence[str] = ()


class Chooser(NamedTuple):
    """Sets of plots of which the page shows one at a time."""

    id: str
    legend: str
    choices: Sequence[drawings.Choice]


def render_report(report: Report) -> bytes:
    """The page, UTF-8; equal bytes for equal input."""
    plan, tables = report.plan, report.tables
    basis = basis_of(report.forecasts, tables)
    printed = printed_tables(tables, plan.config)
    estimations = tables.get("estimations", pd.DataFrame())
    names = set(basis.forecasts["model"])
    found = claims(tables, plan.study) if plan.study in STATEMENTS else []
    used = set(map(model_class, names)) | set(map(approach_of, names))
    text = (
        templates()
        .get_template("report.html")
        .render(
            title=TITLES.get(plan.study, "Realized-variance forecasts"),
            summary=summary(basis.tables, plan.config),
            strategy=PROMPT if basis.first_days else "",
            coverage=_coverage(plan, report.forecasts),
            glance=_glance(plan, report.forecasts),
            approaches=grids.approaches(
                basis.tables, "Smallest error relative to the naive forecast, all forecast days"
            ),
            evidence=_evidence(basis),
            forest=_forest(basis),
            tables=[entry for entry in printed if entry.group == "errors"],
            pairwise=[entry for entry in printed if entry.group == "pairs"],
            claims=found,
            verdicts=verdicts(found),
            besides=comparison.besides(tables),
            losses=Chooser("loss", "Measure of error", drawings.by_loss(basis)),
            targets=Chooser("target", "Target", drawings.by_target(basis)),
            not_drawn=drawings.not_drawn(basis),
            rates=Chooser("rate", "Inclusion rate", drawings.by_rate(basis.tables, printed)),
            statuses=statuses(report.forecasts),
            dropped=dropped_rows(estimations),
            reasons=reasons(estimations),
            failures=list(report.failures),
            extras=extras(basis),
            filtered=filtered(tables),
            settings=[(name, written(value)) for name, value in flat(plan.config)],
            references=references(used, tables),
            plan=plan,
            used=used,
            first_days=basis.first_days,
            most_rows=MOST_ROWS,
        )
    )
    return text.encode()


def templates() -> Environment:
    """The templates, which escape every name and number that they are given."""
    return Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_file)
    )


def _file(name: str) -> str:
    return files("volforecast.report.page").joinpath(name).read_text("utf-8")


def _coverage(plan: Plan, forecasts: pd.DataFrame) -> str:
    """What is missing of a run that has not come to its end; empty if nothing is."""
    wanted = (unit for unit in plan.units if unit.kind == "forecast")
    planned = len({(unit.coordinates["target"], unit.coordinates["period"]) for unit in wanted})
    done = len(forecasts[["target", "period"]].drop_duplicates())
    if planned <= done:
        return ""
    return (
        f"The run is not complete: this page covers {done:,} of {planned:,} sample periods of its targets, "
        "and its numbers will change."
    )


def _glance(plan: Plan, forecasts: pd.DataFrame) -> list[tuple[str, str]]:
    dates = forecasts["date"].drop_duplicates().astype(str).str[:10]
    per_target = forecasts.groupby("target", observed=True)["date"].nunique()
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


def verdicts(found: Sequence[Claim]) -> str:
    """How many of the paper's claims hold."""
    words = {"holds": "hold", "partly": "hold in part", "fails": "fail", "not tested": "cannot be tested here"}
    counts = [(text, sum(claim.verdict == verdict for claim in found)) for verdict, text in words.items()]
    return f"Of the paper's {len(found)} claims, " + ", ".join(f"{n} {text}" for text, n in counts if n) + "."


def _evidence(basis: Basis) -> list[tuple[str, ...]]:
    """The leaders' contrasts as rows of text."""
    return [
        (
            f"{one.loss}: {one.model}",
            one.benchmark,
            grids.ratio_text(one.ratio, False),
            interval(one),
            f"{one.won} of {one.targets}",
            "not tested" if one.better is None else f"{one.better} of {one.targets}",
            "not tested" if one.worse is None else f"{one.worse} of {one.targets}",
            {"open": "not established", "worse": "no lead"}.get(one.certainty, one.certainty),
        )
        for one in contrasts(basis.tables)
    ]


def _forest(basis: Basis) -> drawings.Drawing | None:
    """The leaders' contrasts drawn, unless there are none."""
    found = contrasts(basis.tables)
    if not found:
        return None
    single = [
        np.asarray(target_ratios(basis.tables, one.loss, one.model, one.benchmark), dtype=np.float64) for one in found
    ]
    caption = (
        "Each leader's loss divided by that of another model; left of 1 the leader is better. Marks are means over "
        "targets, bars their 95% intervals, strokes single targets."
    )
    return drawings.Drawing(
        "How large the leads are",
        plots.leads(found, [np.asarray(ratios, dtype=np.float64) for ratios in single]),
        caption,
    )


def flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Settings with their full names, sorted; a section without settings of its own is left out."""
    found: list[tuple[str, Any]] = []
    for name, value in sorted(config.items()):
        found += flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(f"{prefix}{name}", value)]
    return found


def written(value: Any) -> str:
    """A setting's value; of a long list its first names and how many more there are."""
    if not isinstance(value, (list, tuple)):
        return str(value)
    names = list(map(str, value))
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more

"""The report of a study of hourly volatility: one HTML page without scripts or outside references.

A section is there when the tables it needs are. Names of features and reasons of failures come from the user's data;
the templates escape all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from cluster.study import Plan
from volforecast.evaluation.hourly_order import ALL, HAR, LOSSES, METRICS
from volforecast.report.claims.verdicts import Claim
from volforecast.report.page.bitcoin import diagnostics, drawings, names, printed, searches, troubles
from volforecast.report.page.bitcoin.findings import summary
from volforecast.report.page.bitcoin.references import references
from volforecast.report.page.choosers import Double, Panel, double
from volforecast.report.page.drawings import Choice
from volforecast.report.page.evidence import Tables
from volforecast.report.page.html import MOST_ROWS, Chooser, flat, templates, verdicts, written

TITLE: Final = "Mixture models for hourly Bitcoin volatility"
MOST_DETAILS: Final = 400  # rows of what models say of themselves


def render_bitcoin_report(
    plan: Plan, forecasts: pd.DataFrame, tables: Mapping[str, pd.DataFrame], failures: Sequence[str] = ()
) -> bytes:
    """The page, UTF-8; equal bytes for equal input.

    Args:
        plan: The run's plan.
        forecasts: ``mode, iteration, model, seed, timestamp, forecast, realized, status``, ``vol / 100``.
        tables: By name ``metrics``, ``mean_over_seeds``, ``relative``, ``tests``, ``spikes``, ``table_1``, ``table_2``,
            ``confidence_sets``, ``claims``, and the frames ``gates``, ``trials``, ``diagnostics``, ``granger``,
            ``autocorrelation``, ``estimations``, ``gaps``; those that are missing leave their sections out.
        failures: What failed, a sentence each.
    """
    found = {name: table for name, table in tables.items() if len(table)}
    modes = printed.modes_of(found)
    models = {
        str(model) for table in (forecasts, found.get("metrics", forecasts)) if len(table) for model in table["model"]
    }
    hourly = drawings.Hourly(forecasts, modes[0]) if modes else None
    bars = not of_order_book(plan)
    claims = _claims(found)
    text = (
        templates()
        .get_template("bitcoin.html")
        .render(
            title=TITLE,
            summary=summary(found, plan.config, bars=bars),
            coverage=_coverage(plan, found),
            glance=_glance(forecasts, found, plan),
            ranking=_ranking(found, modes),
            intervals=_intervals(found, modes),
            besides=printed.beside(found),
            tests=_tests(found, modes, plan),
            gating=_gating(found, modes, hourly),
            weights=[entry for mode in modes for entry in printed.gates(found, mode, modes)],
            spikes=Chooser("spike", "Interval", [] if hourly is None else drawings.spike(hourly, found, modes[0])),
            figures_mode=names.mode_words(modes[0]) if len(modes) > 1 else "",
            data=_data(found, modes),
            searches=Chooser("search", "Model", searches.by_model(found, modes)),
            gaps=troubles.gaps(found),
            claims=claims,
            verdicts=verdicts(claims),
            failed=troubles.failed(forecasts),
            reasons=troubles.reasons(found),
            failures=list(failures),
            details=troubles.details(found),
            settings=[(name, written(value)) for name, value in flat(plan.config)],
            about=[(name.replace("_", " "), written(value)) for name, value in flat(plan.about.get("data", {}))],
            references=references(models, found),
            plan=plan,
            models=models,
            modes=modes,
            bars=bars,
            most_rows=MOST_ROWS,
            most_details=MOST_DETAILS,
        )
    )
    return text.encode()


def of_order_book(plan: Plan) -> bool:
    """Whether features are of an order book, by their names; also if there are none."""
    features = str(plan.about.get("data", {}).get("features", ""))
    return not features or "ask_depth" in features


def _coverage(plan: Plan, tables: Tables) -> str:
    """What is missing of a run that has not come to its end; empty if nothing is."""
    wanted = [unit for unit in plan.units if unit.kind == "forecasts"]
    if not wanted:
        return ""
    done: set[tuple[str, int, str]] = set()
    if "metrics" in tables:
        rows = tables["metrics"][["mode", "iteration", "model"]].drop_duplicates()
        done = {(str(mode), int(iteration), str(model)) for mode, iteration, model in rows.to_numpy()}
    places = {
        (str(u.coordinates["mode"]), int(u.coordinates["iteration"]), str(u.coordinates["model"])) for u in wanted
    }
    missing = len(places - done)
    if not missing:
        return ""
    return (
        f"The run is not complete: {missing:,} of {len(places):,} forecasts of a model on an interval are missing, and "
        "the numbers of this page will change."
    )


def _glance(forecasts: pd.DataFrame, tables: Tables, plan: Plan) -> list[tuple[str, str]]:
    shown = []
    about = plan.about.get("data", {})
    if "hours" in about:
        shown.append(("Hours of data", f"{int(about['hours']):,}"))
    if "metrics" in tables:
        table = tables["metrics"]
        own = table[(table["metric"] == "RMSE") & (table["iteration"] != ALL)]
        whole = table[(table["metric"] == "RMSE") & (table["iteration"] == ALL)]
        shown += [
            ("Modes", ", ".join(printed.modes_of(tables))),
            ("Models, beside HAR", f"{len(set(own['model']) - {HAR}):,}"),
            ("Intervals", f"{own['iteration'].nunique()}"),
            ("Most seeds of a model", f"{(own['seeds'] + own['failed']).max():,}"),
            ("Test hours", f"{whole['hours'].min():,}"),
            ("Forecasts", f"{(own['seeds'] * own['hours']).sum():,}"),
        ]
    if len(forecasts):
        times = pd.to_datetime(forecasts["timestamp"], utc=True)
        shown += [("Test hours begin", f"{times.min():%Y-%m-%d}"), ("Test hours end", f"{times.max():%Y-%m-%d}")]
    return shown


def _ranking(tables: Tables, modes: Sequence[str]) -> Chooser:
    choices = []
    for mode in modes:
        drawn, entries = drawings.forest(tables, mode, modes), printed.ranking(tables, mode, modes)
        if drawn or entries:
            choices.append(Choice(names.mode_words(mode), drawn, entries))
    return Chooser("rank", "Mode", choices)


def _intervals(tables: Tables, modes: Sequence[str]) -> Double:
    """Every measure by interval."""
    labels = [names.METRICS[metric] for metric in METRICS]
    panels = [
        Panel(
            names.mode_words(mode),
            [
                Choice(label, [], printed.by_interval(tables, mode, metric, modes))
                for label, metric in zip(labels, METRICS, strict=True)
            ],
        )
        for mode in modes
    ]
    return double("interval", "Mode", "Measure", labels, panels)


def _tests(tables: Tables, modes: Sequence[str], plan: Plan) -> Double:
    """Diebold-Mariano tests and confidence sets."""
    labels = ["Squared error", "QLIKE"]
    panels = [
        Panel(
            names.mode_words(mode),
            [
                Choice(label, [], printed.compared(tables, mode, loss, modes, plan.config))
                for label, loss in zip(labels, LOSSES, strict=True)
            ],
        )
        for mode in modes
    ]
    return double("test", "Mode", "Loss", labels, panels)


def _gating(tables: Tables, modes: Sequence[str], hourly: drawings.Hourly | None) -> Double:
    """Figure 1, mixture by mixture and interval by interval."""
    gates = drawings.of_mode(tables, "gates", modes[0]) if modes else pd.DataFrame()
    if gates.empty or hourly is None:
        return double("gate", "Model", "Interval", [], [])
    blocks = sorted(hourly.parts)
    labels = [names.block_words(block) for block in blocks]
    panels = [
        Panel(
            model,
            [
                Choice(label, drawings.gating(hourly, gates, model, block))
                for label, block in zip(labels, blocks, strict=True)
            ],
        )
        for model in drawings.mixtures(gates)
    ]
    return double("gate", "Model", "Interval", labels, panels)


def _data(tables: Tables, modes: Sequence[str]) -> Double:
    """Diagnostics by mode and by the span of hours that they are of."""
    spans = sorted(
        {span for name in ("diagnostics", "granger") if name in tables for span in diagnostics.spans_of(tables[name])}
    )
    every = modes or sorted(
        {str(m) for name in ("diagnostics", "granger") if name in tables for m in tables[name]["mode"]}
    )
    labels = [diagnostics.span_words(span) for span in spans]
    panels = [
        Panel(
            names.mode_words(mode),
            [
                Choice(
                    label,
                    [],
                    [*printed.stationarity(tables, mode, span), *printed.causality(tables, mode, span)],
                )
                for label, span in zip(labels, spans, strict=True)
            ],
            drawings.autocorrelations(tables, mode, every),
        )
        for mode in every
    ]
    return double("span", "Mode", "Span", labels, panels)


def _claims(tables: Tables) -> list[Claim]:
    """The paper's claims with their verdicts, as the run has stored them."""
    if "claims" not in tables:
        return []
    return [
        Claim(*("" if pd.isna(cell) else str(cell) for cell in row))
        for row in tables["claims"][list(Claim._fields)].to_numpy()
    ]

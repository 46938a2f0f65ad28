"""The report of a cross-asset study of rough volatility: one HTML page without scripts or outside references.

A section is there when the tables it needs are. Names of assets and reasons of failures come from the user's data; the
templates escape all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pandas as pd

from cluster.study import Plan
from volforecast.evaluation.rough_order import HAR
from volforecast.report.claims.verdicts import Claim
from volforecast.report.page.choosers import Double, Panel, double
from volforecast.report.page.drawings import Choice, Drawing
from volforecast.report.page.evidence import Tables
from volforecast.report.page.html import MOST_ROWS, Chooser, flat, templates, verdicts, written
from volforecast.report.page.printed import Printed
from volforecast.report.page.rough import drawings, printed, quantiles
from volforecast.report.page.rough.comparison import besides
from volforecast.report.page.rough.findings import summary
from volforecast.report.page.rough.grids import METHODS
from volforecast.report.page.rough.names import ahead, days
from volforecast.report.page.rough.references import references
from volforecast.report.page.rough.troubles import failed, reasons, training_settings

TITLE: Final = "Cross-asset transfer learning for rough volatility"


def render_rough_report(
    plan: Plan, forecasts: pd.DataFrame, tables: Mapping[str, pd.DataFrame], failures: Sequence[str] = ()
) -> bytes:
    """The page, UTF-8; equal bytes for equal input.

    Args:
        plan: The run's plan.
        forecasts: ``target, horizon, model, seed, date, forecast, realized, status`` of the test part, log units.
        tables: The tables by name, and the frames ``curves``, ``series``, ``roughness_points``, ``quantile_forecasts``,
            ``estimations`` and ``claims``; those that are missing leave their sections out.
        failures: What failed, a sentence each.
    """
    found = {name: table for name, table in tables.items() if len(table)}
    horizons = printed.horizons_of(found)
    models = {
        str(model) for table in (forecasts, found.get("table_3", forecasts)) if len(table) for model in table["model"]
    }
    shown = printed.first_targets(found)
    own = _of(found, {*shown, *_sources(found)})
    claims = _claims(found)
    text = (
        templates()
        .get_template("rough.html")
        .render(
            title=TITLE,
            summary=summary(found, horizons, plan.config),
            coverage=_coverage(plan, found),
            glance=_glance(forecasts, found),
            relative=_relative(found, horizons),
            assets=printed.by_asset(found),
            targets=_targets(found, own, shown, horizons),
            networks=printed.architecture(found),
            sets=_sets(found, horizons, plan),
            roughness=_roughness(own, shown),
            pretraining=_pretraining(found, horizons),
            training=_training(own, shown, horizons),
            predictions=_predictions(forecasts, own, shown, horizons),
            quantiles=_quantiles(found, own, shown, horizons),
            not_shown=len(printed.targets_of(found)) - len(shown),
            most_targets=printed.MOST_TARGETS,
            several=len(printed.targets_of(found)) > 1,
            claims=claims,
            verdicts=verdicts(claims),
            besides=besides(found),
            failed=failed(forecasts, found),
            reasons=reasons(found),
            failures=list(failures),
            settings=[(name, written(value)) for name, value in flat(plan.config)],
            training_settings=training_settings(plan.config),
            references=references(models, found),
            plan=plan,
            models=models,
            horizons=horizons,
            most_rows=MOST_ROWS,
        )
    )
    return text.encode()


def _coverage(plan: Plan, tables: Tables) -> str:
    """What is missing of a run that has not come to its end; empty if nothing is."""
    targets = [name for name, role in plan.about.get("roles", {}).items() if role == "target"]
    wanted = len(targets) * len(plan.config.get("horizons", [1]))
    done = len(tables["table_3"][["target", "horizon"]].drop_duplicates()) if "table_3" in tables else 0
    if wanted <= done:
        return ""
    return (
        f"The run is not complete: this page covers {done:,} of {wanted:,} pairs of target and horizon, and its "
        "numbers will change."
    )


def _glance(forecasts: pd.DataFrame, tables: Tables) -> list[tuple[str, str]]:
    shown = []
    sources = _sources(tables)
    if sources:
        names = ", ".join(sources[:3]) + (f" and {len(sources) - 3} more" if len(sources) > 3 else "")
        shown.append(("Sources", names))
    if "table_3" in tables:
        table = tables["table_3"]
        made = table[table["metric"] == "RMSE"]
        least, most = int(made["days"].min()), int(made["days"].max())
        shown += [
            ("Targets", f"{made['target'].nunique():,}"),
            ("Models, beside HAR", f"{len(set(made['model']) - {HAR}):,}"),
            ("Days ahead", ", ".join(map(str, sorted(set(made["horizon"]))))),
            ("Seeds of a network", f"{made['seeds'].max():,}"),
            ("Test days a target", f"{least:,}" + (f"\N{EN DASH}{most:,}" if least < most else "")),
            ("Forecasts", f"{(made['seeds'] * made['days']).sum():,}"),
        ]
    if len(forecasts):
        dates = forecasts["date"].astype(str).str[:10]
        shown += [("Test part begins", dates.min()), ("Test part ends", dates.max())]
    return shown


def _relative(tables: Tables, horizons: Sequence[int]) -> Chooser:
    choices = []
    if "table_across" in tables:
        for horizon in horizons:
            forest, table = drawings.forest(tables, horizon), printed.relative_to_har(tables, horizon)
            if forest or table:
                choices.append(Choice(_horizon(horizon), forest, table))
    return Chooser("across", "Horizon", choices)


def _targets(tables: Tables, own: Tables, shown: Sequence[str], horizons: Sequence[int]) -> Double:
    """Tables 3 to 6: over all targets first, then target by target from their ``own`` rows."""
    labels = [_horizon(horizon) for horizon in horizons]
    panels = []
    every = len(printed.targets_of(tables))
    if every > 1:
        parts = [
            Choice(label, [], [_about(one, "", horizon) for one in printed.over_targets(tables, (horizon,))])
            for label, horizon in zip(labels, horizons, strict=True)
        ]
        panels.append(Panel(f"All {every:,}", parts))
    for target in shown:
        parts = [
            Choice(label, [], [_about(one, target, horizon) for one in printed.of_target(own, target, (horizon,))])
            for label, horizon in zip(labels, horizons, strict=True)
        ]
        panels.append(Panel(target, parts))
    return double("target", "Target", "Horizon", labels, panels)


def _sets(tables: Tables, horizons: Sequence[int], plan: Plan) -> Chooser:
    choices = [Choice(_horizon(h), [], made) for h in horizons if (made := printed.sets(tables, h, plan.config))]
    return Chooser("set", "Horizon", choices)


def _roughness(tables: Tables, shown: Sequence[str]) -> Double:
    """Figure 1: the first source and a target beside each other, their series and by method their log-log plots."""
    points = tables.get("roughness_points", pd.DataFrame({"asset": [], "method": []}))
    present = list(dict.fromkeys(points["method"].astype(str)))
    methods = ["Wavelet", *(name for name in METHODS if name != "Wavelet")]
    methods = [name for name in methods if name in present] + sorted(set(present) - set(methods))
    source = _sources(tables)[:1]
    panels = []
    for target in shown:
        pair = [*source, target]
        series = [drawing for asset in pair for drawing in drawings.log_series(tables, asset)]
        parts = [
            Choice(method, [drawing for asset in pair for drawing in drawings.scaling(tables, asset, method)])
            for method in methods
        ]
        panels.append(Panel(target, parts, series))
    return double("rough", "Target", "Method", methods, panels)


def _pretraining(tables: Tables, horizons: Sequence[int]) -> Chooser:
    choices: list[Choice] = []
    if "curves" in tables:
        for horizon in horizons:
            drawn = drawings.pretraining(tables, horizon)[: printed.MOST_TARGETS]
            choices += [Choice(_horizon(horizon), drawn)] if drawn else []
    return Chooser("pretraining", "Horizon", choices)


def _training(tables: Tables, shown: Sequence[str], horizons: Sequence[int]) -> Double:
    if "curves" not in tables:
        return double("training", "Target", "Horizon", [], [])
    return _by_target("training", shown, horizons, lambda target, h: drawings.fine_tuning(tables, target, h))


def _predictions(forecasts: pd.DataFrame, tables: Tables, shown: Sequence[str], horizons: Sequence[int]) -> Double:
    if forecasts.empty:
        return double("prediction", "Target", "Horizon", [], [])
    few = forecasts[forecasts["target"].isin(shown) & (forecasts["status"] == "ok")]
    keys = ["target", "horizon", "model", "date"]
    errors = (few["forecast"].astype(float) - few["realized"].astype(float)) ** 2
    columns = ["forecast", "realized", "error"]
    means = few.assign(error=errors).groupby(keys, observed=True)[columns].mean().reset_index()
    parts = dict(list(means.groupby(["target", "horizon"], observed=True)))

    def drawn(target: str, horizon: int) -> list[Drawing]:
        own = parts.get((target, horizon))
        return [] if own is None else drawings.predictions(own, tables, target, horizon)

    return _by_target("prediction", shown, horizons, drawn)


def _quantiles(tables: Tables, own: Tables, shown: Sequence[str], horizons: Sequence[int]) -> Double:
    labels = [_horizon(horizon) for horizon in horizons]
    frame = own.get("quantile_forecasts", pd.DataFrame({"target": [], "horizon": []}))
    parts = dict(list(frame.groupby(["target", "horizon"], observed=True)))
    panels = []
    for target in shown:
        choices = []
        for label, horizon in zip(labels, horizons, strict=True):
            rows = parts.get((target, horizon))
            fan = [] if rows is None else drawings.fan(rows, own, target, horizon)
            choices.append(Choice(label, fan, quantiles.coverage(own, horizon, target)))
        panels.append(Panel(target, choices))
    every = len(printed.targets_of(tables))
    if every > 1:
        choices = [Choice(label, [], quantiles.coverage(tables, h)) for label, h in zip(labels, horizons, strict=True)]
        panels.append(Panel(f"All {every:,}", choices))
    return double("quantile", "Target", "Horizon", labels, panels)


def _by_target(
    name: str,
    shown: Sequence[str],
    horizons: Sequence[int],
    drawn: Callable[[str, int], Sequence[Drawing]],
) -> Double:
    """Plots by target and horizon."""
    labels = [_horizon(horizon) for horizon in horizons]
    panels = [
        Panel(
            target,
            [Choice(label, list(drawn(target, h))) for label, h in zip(labels, horizons, strict=True)],
        )
        for target in shown
    ]
    return double(name, "Target", "Horizon", labels, panels)


def _of(tables: Tables, names: set[str]) -> dict[str, pd.DataFrame]:
    """The rows about some assets of every table that is about assets; of curves, those of the training on targets."""
    found = {}
    for key, table in tables.items():
        column = next((name for name in ("target", "asset", "name") if name in table.columns), None)
        found[key] = table if column is None else table[table[column].isin(names)]
    return {key: table for key, table in found.items() if len(table)}


def _about(entry: Printed, target: str, horizon: int) -> Printed:
    """With what the table is about in its heading, for those who print the page."""
    return entry._replace(heading=", ".join(filter(None, (entry.heading, target, ahead(horizon)))))


def _claims(tables: Tables) -> list[Claim]:
    """The paper's claims with their verdicts, as the run has stored them."""
    if "claims" not in tables:
        return []
    return [
        Claim(*("" if pd.isna(cell) else str(cell) for cell in row))
        for row in tables["claims"][list(Claim._fields)].to_numpy()
    ]


def _sources(tables: Tables) -> list[str]:
    """Names of the sources, as far as it is known."""
    if "table_1" not in tables:
        return []
    table = tables["table_1"]
    return sorted(set(table.loc[table["role"] == "source", "asset"].astype(str)))


def _horizon(horizon: int) -> str:
    return f"{days(horizon)} ahead"

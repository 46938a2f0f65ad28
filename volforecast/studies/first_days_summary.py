"""From the committed units of a first-days run to what it leaves behind: forecasts, selections, tables, report."""

from collections.abc import Iterator
from urllib.parse import quote

import pandas as pd
import pyarrow as pa

from cluster.study import Plan, Results, Unit
from volforecast.data.parquet import from_parquet, to_parquet
from volforecast.evaluation.comparison import mean_losses, pairwise
from volforecast.evaluation.first_days import (
    PREFIX_TABLES,
    PROMPT,
    by_prefix,
    served,
    strategy_losses,
    strategy_table,
    transition_table,
)
from volforecast.evaluation.inclusion import inclusion_counts
from volforecast.evaluation.losses import LOSSES
from volforecast.evaluation.order import AGGREGATE
from volforecast.report.claims.verdicts import claims_table
from volforecast.studies.model_names import NAIVE, parse
from volforecast.studies.rolling import FORECAST_COLUMNS
from volforecast.studies.summary import ESTIMATION_COLUMNS, failed_rows

PUBLISHED_COLUMNS = (*FORECAST_COLUMNS, "prefix")


def summarise(plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
    """Paths below the results folder and their contents.

    A target's sample period is published once all of its units are settled; a model whose unit has failed appears with
    the status ``failed``. Tables cover what is published, transition strategies the targets with all three periods.
    """
    selections = [unit for unit in plan.units if unit.kind == "selection"]
    for unit in selections:
        payload = results.payload(unit)
        if payload is not None:
            yield f"selections/{_file_name(unit)}", payload
    published: list[pa.Table] = []
    for units in _groups(plan).values():
        if not all(map(results.settled, units)):
            continue
        parts = list(zip(units, results.payloads(units), strict=True))
        naive = next((payload for unit, payload in parts if unit.coordinates["model"] == NAIVE), None)
        if naive is None:
            continue
        tables = [
            from_parquet(payload) if payload else failed_rows(unit, from_parquet(naive)) for unit, payload in parts
        ]
        published.append(with_prefix(pa.concat_tables(tables)))
        yield f"forecasts/{_file_name(units[0])}", to_parquet(published[-1].select(list(PUBLISHED_COLUMNS)))
    if not published:
        return
    everything = pa.concat_tables(published).to_pandas()
    forecasts = everything[list(PUBLISHED_COLUMNS)]
    sets = results.payloads([unit for unit in plan.units if unit.kind == "confidence"])
    made = make_tables(forecasts, [from_parquet(payload).to_pandas() for payload in sets if payload])
    made["estimations"] = everything[ESTIMATION_COLUMNS].drop_duplicates(ignore_index=True)
    made["claims"] = claims_table(made, plan.study)
    for name, table in made.items():
        yield f"tables/{name}.parquet", to_parquet(pa.Table.from_pandas(table, preserve_index=False))
        yield f"tables/{name}.csv", table.to_csv(index=False, lineterminator="\n").encode()
    # jinja2 is needed here only; workers, which import this file too, do without it
    from volforecast.report.page.html import Report, render_report

    yield "report.html", render_report(Report(plan, forecasts, made))


def with_prefix(table: pa.Table) -> pa.Table:
    """Forecasts with a column of the models' prefixes; NF has none."""
    names = table["model"].to_pylist()
    prefixes = {name: None if name == NAIVE else parse(name).prefix for name in set(names)}
    return table.append_column("prefix", pa.array([prefixes[name] for name in names], pa.int32()))


def make_tables(forecasts: pd.DataFrame, sets: list[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The comparison tables, long, by the number they have in the paper.

    Confidence sets and pairwise comparisons (which the paper lacks here) are over all first days under ``Str. 1-5-22``.
    """
    tables = {"mean_losses": mean_losses(forecasts)}
    losses = strategy_losses(forecasts)
    if len(losses):
        tables |= {"table_5": strategy_table(losses), "table_6": transition_table(losses)}
    tables |= {f"table_{number}": by_prefix(forecasts, prefix) for number, prefix in PREFIX_TABLES.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    if sets:
        tables["confidence_sets"] = pd.concat(sets, ignore_index=True)
        counts = inclusion_counts(tables["confidence_sets"])
        tables["table_4"] = counts[counts["period"] != AGGREGATE].reset_index(drop=True)
        series = served(forecasts, PROMPT)
        tables["pairwise"] = pd.concat([pairwise(series, loss) for loss in LOSSES], ignore_index=True)
    return tables


def _groups(plan: Plan) -> dict[tuple[str, int], list[Unit]]:
    """The forecast units of each target and sample period."""
    groups: dict[tuple[str, int], list[Unit]] = {}
    for unit in plan.units:
        if unit.kind == "forecast":
            where = str(unit.coordinates["target"]), int(unit.coordinates["period"])
            groups.setdefault(where, []).append(unit)
    return groups


def _file_name(unit: Unit) -> str:
    where = unit.coordinates
    prefix = f"-{where['prefix']}" if "prefix" in where else ""
    return f"{quote(str(where['target']), safe='')}{prefix}-{where['period']}.parquet"

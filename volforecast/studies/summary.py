"""From a run's committed units to what it leaves behind: forecasts, selections, tables, report (specification, 7-8)."""

import io
from collections.abc import Iterator
from urllib.parse import quote

import pandas as pd
import pyarrow as pa

from cluster.study import Plan, Results, Unit
from volforecast.data.parquet import from_parquet, to_parquet
from volforecast.evaluation.comparison import mean_losses, pairwise, relative_to_naive
from volforecast.evaluation.inclusion import inclusion_counts
from volforecast.evaluation.layout import PAIRWISE_TABLES, cut_pairwise
from volforecast.studies.model_names import NAIVE
from volforecast.studies.rolling import FORECAST_COLUMNS

ESTIMATION_COLUMNS = ["target", "period", "origin", "model", "train_rows", "dropped_rows", "epochs", "reason"]


def summarise(plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
    """Paths below the results folder and their contents.

    A target's sample period is published once all of its units are settled; a model whose unit has failed appears with
    the status ``failed``. Tables cover what is published.
    """
    published: list[pa.Table] = []
    for group in _groups(plan).values():
        for unit, payload in zip(group["selection"], results.payloads(group["selection"]), strict=True):
            if payload is not None:
                yield f"selections/{_file_name(unit)}", payload
        if not all(map(results.settled, group["forecast"])):
            continue
        parts = list(zip(group["forecast"], results.payloads(group["forecast"]), strict=True))
        naive = next((payload for unit, payload in parts if unit.coordinates["model"] == NAIVE), None)
        if naive is None:
            continue
        published.append(
            pa.concat_tables(
                from_parquet(payload) if payload else _failed(unit, from_parquet(naive)) for unit, payload in parts
            )
        )
        yield f"forecasts/{_file_name(parts[0][0])}", to_parquet(published[-1].select(list(FORECAST_COLUMNS)))
    if not published:
        return
    everything = pa.concat_tables(published).to_pandas()
    forecasts = everything[list(FORECAST_COLUMNS)]
    sets = results.payloads([unit for unit in plan.units if unit.kind == "confidence"])
    tables = make_tables(forecasts, [from_parquet(payload).to_pandas() for payload in sets if payload])
    tables["estimations"] = everything[ESTIMATION_COLUMNS].drop_duplicates(ignore_index=True)
    for name, table in tables.items():
        yield f"tables/{name}.parquet", to_parquet(pa.Table.from_pandas(table, preserve_index=False))
        yield f"tables/{name}.csv", _csv(table)
    # matplotlib and jinja2 are needed here only; workers, which import this file too, do without them
    from volforecast.report.html import Report, render_report

    yield "report.html", render_report(Report(plan, forecasts, tables))


def make_tables(forecasts: pd.DataFrame, sets: list[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The comparison tables, long, by the number they have in the paper."""
    tables = {"mean_losses": mean_losses(forecasts), "table_3": relative_to_naive(forecasts)}
    if sets:
        tables["confidence_sets"] = pd.concat(sets, ignore_index=True)
        tables["table_4"] = inclusion_counts(tables["confidence_sets"])
    pairs = pd.concat([pairwise(forecasts, loss) for loss in ("MSE", "MAE")], ignore_index=True)
    tables |= {f"table_{number}": cut_pairwise(pairs, number) for number in PAIRWISE_TABLES}
    tables["pairwise_qlike"] = pairwise(forecasts, "QLIKE")
    return tables


def _groups(plan: Plan) -> dict[tuple[str, int], dict[str, list[Unit]]]:
    """The selection and forecast units of each target and sample period."""
    groups: dict[tuple[str, int], dict[str, list[Unit]]] = {}
    for unit in plan.units:
        if unit.kind in ("selection", "forecast"):
            where = str(unit.coordinates["target"]), int(unit.coordinates["period"])
            groups.setdefault(where, {"selection": [], "forecast": []})[unit.kind].append(unit)
    return groups


def _failed(unit: Unit, naive: pa.Table) -> pa.Table:
    """The rows of a unit that has no part: the days of the naive forecast, without a forecast."""
    n = naive.num_rows
    changed = {
        "model": pa.repeat(str(unit.coordinates["model"]), n),
        "forecast": pa.nulls(n, pa.float64()),
        "status": pa.repeat("failed", n),
        "reason": pa.repeat("its unit failed; volforecast status names the reason", n),
    }
    table = naive
    for name, column in changed.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _file_name(unit: Unit) -> str:
    return f"{quote(str(unit.coordinates['target']), safe='')}-{unit.coordinates['period']}.parquet"


def _csv(table: pd.DataFrame) -> bytes:
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    return text.getvalue().encode()

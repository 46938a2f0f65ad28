"""From a run's committed units to what it leaves behind: forecasts, selections, tables, report (specification, 7-8)."""

import io
from collections.abc import Iterator
from urllib.parse import quote

import msgspec
import pandas as pd
import pyarrow as pa

from cluster.study import Plan, Results, Unit
from volforecast.data.panel import Panel
from volforecast.data.parquet import from_parquet, to_parquet
from volforecast.evaluation.comparison import mean_losses, pairwise, relative_to_naive
from volforecast.evaluation.inclusion import inclusion_counts
from volforecast.evaluation.layout import PAIRWISE_TABLES, cut_pairwise
from volforecast.evaluation.selection_rates import COLUMNS, Counts, count, selection_by_time, source_tables
from volforecast.report.claims.verdicts import claims_table
from volforecast.studies.extended_tables import insanity_counts, make_extended
from volforecast.studies.model_names import NAIVE, is_extra
from volforecast.studies.rolling import FORECAST_COLUMNS
from volforecast.transfer.dtw import DTW

ESTIMATION_COLUMNS = ["target", "period", "origin", "model", "train_rows", "dropped_rows", "epochs", "reason"]


def summarise(plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
    """Paths below the results folder and their contents.

    A target's sample period is published once all of its units are settled; a model whose unit has failed appears with
    the status ``failed``. Tables cover what is published.
    """
    published: list[pa.Table] = []
    selected: list[Counts] = []
    for group in _groups(plan).values():
        for unit, payload in zip(group["selection"], results.payloads(group["selection"]), strict=True):
            if payload is not None:
                selected.append(_selected(plan, payload))
                yield f"selections/{_file_name(unit)}", payload
        if not all(map(results.settled, group["forecast"])):
            continue
        parts = list(zip(group["forecast"], results.payloads(group["forecast"]), strict=True))
        naive = next((payload for unit, payload in parts if unit.coordinates["model"] == NAIVE), None)
        if naive is None:
            continue
        made = [from_parquet(payload) if payload else failed_rows(unit, from_parquet(naive)) for unit, payload in parts]
        # with the insanity filter, forecasts that it looks at have a column more
        published.append(pa.concat_tables(made, promote_options="default"))
        yield f"forecasts/{_file_name(parts[0][0])}", to_parquet(published[-1].select(list(FORECAST_COLUMNS)))
    if not published:
        return
    everything = pa.concat_tables(published, promote_options="default").to_pandas()
    forecasts = everything[list(FORECAST_COLUMNS)]
    extra = forecasts["model"].map({name: is_extra(name) for name in forecasts["model"].unique()})
    tables = make_tables(forecasts[~extra], _confidence_sets(plan, results, "confidence"))
    if extra.any():
        tables |= make_extended(forecasts, _confidence_sets(plan, results, "confidence-extended"))
    if "replaced" in everything:
        tables["insanity"] = insanity_counts(everything)
    if any(len(counts.by_source) for counts in selected):
        tables |= source_tables(selected, plan.about.get("sectors", {})) | {
            "selection_by_time": selection_by_time(selected)
        }
    tables["estimations"] = everything[ESTIMATION_COLUMNS].drop_duplicates(ignore_index=True)
    tables["claims"] = claims_table(tables, plan.study)
    for name, table in tables.items():
        yield f"tables/{name}.parquet", to_parquet(pa.Table.from_pandas(table, preserve_index=False))
        yield f"tables/{name}.csv", _csv(table)
    # jinja2 is needed here only; workers, which import this file too, do without it
    from volforecast.report.page.html import Report, render_report

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


def sectors_of(panel: Panel) -> dict[str, str]:
    """The sectors of a panel's assets, as far as it says."""
    known = zip(panel.assets["asset"], panel.assets["sector"], strict=True)
    return {str(asset): str(sector) for asset, sector in known if sector}


def _confidence_sets(plan: Plan, results: Results, kind: str) -> list[pd.DataFrame]:
    sets = results.payloads([unit for unit in plan.units if unit.kind == kind])
    return [from_parquet(payload).to_pandas() for payload in sets if payload]


def _selected(plan: Plan, selection: bytes) -> Counts:
    """How often a part's windows are selected."""
    length = int(plan.config["block_length"])
    return count(from_parquet(selection, COLUMNS), length, msgspec.convert(plan.config["dtw"], DTW).step(length))


def _groups(plan: Plan) -> dict[tuple[str, int], dict[str, list[Unit]]]:
    """The selection and forecast units of each target and sample period."""
    groups: dict[tuple[str, int], dict[str, list[Unit]]] = {}
    for unit in plan.units:
        if unit.kind in ("selection", "forecast"):
            where = str(unit.coordinates["target"]), int(unit.coordinates["period"])
            groups.setdefault(where, {"selection": [], "forecast": []})[unit.kind].append(unit)
    return groups


def failed_rows(unit: Unit, naive: pa.Table) -> pa.Table:
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

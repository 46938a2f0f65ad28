"""From a bitcoin-mixture run's committed units to what it leaves behind: forecasts, tables, report."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from cluster.study import Plan, Results, Unit
from volforecast.data.parquet import to_parquet, unpack
from volforecast.evaluation.hourly import tables as evaluated
from volforecast.evaluation.hourly_order import HAR
from volforecast.report import paper_bitcoin
from volforecast.report.claims.bitcoin import bitcoin_claims

Frames = dict[str, pd.DataFrame]


def summarise(plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
    """Paths below the results folder and their contents.

    A mode's iteration is published once all of its forecasts are settled; a model whose unit has failed appears with
    the status ``failed``. Tables cover what is published.
    """
    found: list[Frames] = []
    for mode, iteration, units in _blocks(plan):
        if not all(map(results.settled, units)):
            continue
        frames = _block(units, results)
        if frames is None:
            continue
        yield f"forecasts/{mode}-{iteration}.parquet", _parquet(frames["forecasts"])
        found.append(frames)
    if not found:
        return
    named = [name for name in ("forecasts", "gates", "estimations") if any(name in frames for frames in found)]
    joined = {
        name: pd.concat([frames[name] for frames in found if name in frames], ignore_index=True) for name in named
    }
    forecasts = joined.pop("forecasts")
    tables = evaluated(forecasts) | joined
    for kind in ("tuning", "diagnostics", "confidence"):
        tables |= _collected(plan, results, kind)
    tables["gaps"] = pd.DataFrame(
        [(begin, *told.split("|")) for begin, told in plan.about["gaps"].items()],
        columns=["from", "to", "hours", "treatment"],
    )
    if "ask_depth" in plan.about["data"]["features"] and paper_bitcoin.of_its_hours(forecasts):
        tables |= paper_bitcoin.beside(tables["metrics"])
        tables["claims"] = bitcoin_claims(tables)
    for name, table in sorted(tables.items()):
        yield f"tables/{name}.parquet", _parquet(table)
        yield f"tables/{name}.csv", table.to_csv(index=False, lineterminator="\n").encode()
    # jinja2 is needed here only; workers, which import this file too, do without it
    from volforecast.report.page.bitcoin.html import render_bitcoin_report

    yield "report.html", render_bitcoin_report(plan, forecasts, tables, ())


def _blocks(plan: Plan) -> Iterator[tuple[str, int, list[Unit]]]:
    """Modes and iterations, and the units that forecast them."""
    groups: dict[tuple[str, int], list[Unit]] = {}
    for unit in plan.units:
        if unit.kind == "forecasts":
            where = str(unit.coordinates["mode"]), int(unit.coordinates["iteration"])
            groups.setdefault(where, []).append(unit)
    for (mode, iteration), units in groups.items():
        yield mode, iteration, units


def _block(units: list[Unit], results: Results) -> Frames | None:
    """All models' rows of one test block; None without HAR, which says what is forecast."""
    held = dict(zip((unit.key for unit in units), map(_frames, results.payloads(units)), strict=True))
    har = next(held[unit.key] for unit in units if unit.coordinates["model"] == HAR)
    if not har:
        return None
    parts: dict[str, list[pd.DataFrame]] = {}
    for unit in units:
        for name, frame in (held[unit.key] or _failed(unit, har)).items():
            parts.setdefault(name, []).append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def _failed(unit: Unit, har: Frames) -> Frames:
    """The rows of a model whose unit has no part: HAR's hours, without a forecast."""
    model = str(unit.coordinates["model"])
    reason = "its unit failed; volforecast status names the reason"
    return {
        "forecasts": har["forecasts"].assign(model=model, forecast=np.nan, status="failed"),
        "estimations": har["estimations"].iloc[:1].assign(model=model, detail="failed", text=reason),
    }


def _collected(plan: Plan, results: Results, kind: str) -> Frames:
    """The frames of all units of a kind, one below the other."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for payload in results.payloads([unit for unit in plan.units if unit.kind == kind]):
        for name, frame in _frames(payload).items():
            parts.setdefault(name, []).append(frame)
    return {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}


def _frames(payload: bytes | None) -> Frames:
    return {} if payload is None else {name: table.to_pandas() for name, table in unpack(payload).items()}


def _parquet(table: pd.DataFrame) -> bytes:
    return to_parquet(pa.Table.from_pandas(table, preserve_index=False))

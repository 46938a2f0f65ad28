"""From a rough-transfer run's committed units to what it leaves behind: forecasts, curves, tables, report.

Forecasts are gone through target by target, so that a thousand targets need no more memory than the largest of them;
tables grow by a few rows a target. What the report draws of single targets it draws of the first ``DRAWN`` by name.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from cluster.study import Plan, Results, Unit
from volforecast.data.parquet import to_parquet, unpack
from volforecast.evaluation.quantiles import coverage
from volforecast.evaluation.rough_tests import table_4, table_6, table_across
from volforecast.evaluation.rough_transfer import table_2, table_3, table_5
from volforecast.models.rough import NETWORKS
from volforecast.networks.architecture import components
from volforecast.report.claims.verdicts import claims_table
from volforecast.studies.rough_config import RoughTransferConfig
from volforecast.studies.rough_stacks import Network, read

DRAWN = 12  # targets of which the report shows forecasts and learning curves
Frames = dict[str, pd.DataFrame]


class Published(NamedTuple):
    """What a target's units came to at one horizon: frames by name."""

    target: str
    horizon: int
    frames: Frames


def summarise(plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
    """Paths below the results folder and their contents.

    A target is published at a horizon once all of its units are settled; networks whose unit has failed appear with the
    status ``failed``. Tables cover what is published.
    """
    roles = plan.about.get("roles", {})
    tables = _collected(plan, results, "roughness")
    collected: dict[str, list[pd.DataFrame]] = {}
    drawn: dict[str, list[pd.DataFrame]] = {"forecasts": [], "quantile_forecasts": [], "curves": []}
    targets = sorted(name for name, role in roles.items() if role == "target")
    for one in _published(plan, results):
        path = f"{quote(one.target, safe='')}-{one.horizon}.parquet"
        for folder in ("forecasts", "quantile_forecasts", "curves"):
            if folder in one.frames:
                yield f"{folder}/{path}", to_parquet(pa.Table.from_pandas(one.frames[folder], preserve_index=False))
                if one.target in targets[:DRAWN]:
                    drawn[folder].append(one.frames[folder])
        for name, table in _tables(one.frames).items():
            collected.setdefault(name, []).append(table)
    if not collected:
        return
    tables |= {name: _sorted(pd.concat(parts, ignore_index=True)) for name, parts in sorted(collected.items())}
    tables |= _collected(plan, results, "confidence")
    begun = _collected(plan, results, "pretraining", leave=("weights",))
    drawn["curves"] = [*begun.values(), *drawn["curves"]]
    shown = {name: pd.concat(parts, ignore_index=True) if parts else pd.DataFrame() for name, parts in drawn.items()}
    series = tables.pop("series", pd.DataFrame({"asset": []}))  # of a run that has not come so far
    if len(series):
        tables["table_2"] = table_2(series.assign(role=series["asset"].map(roles)))
    named = {name for name, role in roles.items() if role == "source"} | set(targets[:DRAWN])
    tables["series"] = series[series["asset"].isin(named)]
    tables["table_7"] = _architectures(plan)
    tables["table_across"] = table_across(tables["table_3"], tables["table_6"])
    tables["curves"] = shown["curves"]
    tables["claims"] = claims_table(tables, plan.study)
    for name, table in tables.items():
        yield f"tables/{name}.parquet", to_parquet(pa.Table.from_pandas(table, preserve_index=False))
        yield f"tables/{name}.csv", table.to_csv(index=False, lineterminator="\n").encode()
    # jinja2 is needed here only; workers, which import this file too, do without it
    from volforecast.report.page.rough.html import render_rough_report

    tables["quantile_forecasts"] = shown["quantile_forecasts"]
    yield "report.html", render_rough_report(plan, shown["forecasts"], tables, ())


def _published(plan: Plan, results: Results) -> Iterator[Published]:
    """Targets and horizons whose units are all settled, those of one stack after each other."""
    groups: dict[tuple[str, int], list[Unit]] = {}
    for unit in plan.units:
        if unit.kind in ("benchmarks", "networks"):
            for target in _targets(unit):
                groups.setdefault((target, int(unit.coordinates["horizon"])), []).append(unit)
    order = {unit.key: place for place, unit in enumerate(plan.units)}
    last = {place: max(order[unit.key] for unit in units) for place, units in groups.items()}
    held: dict[str, Frames | None] = {}
    for target, horizon in sorted(groups, key=lambda place: (place[1], last[place], place[0])):
        units = groups[target, horizon]
        if not all(map(results.settled, units)):
            continue
        missing = [unit for unit in units if unit.key not in held]
        wanted = {unit.key for unit in units}
        held = {key: frames for key, frames in held.items() if key in wanted}
        for unit, payload in zip(missing, results.payloads(missing), strict=True):
            held[unit.key] = None if payload is None else _frames(payload)
        found = _of(target, units, held)
        if found is not None:
            yield Published(target, horizon, found)


def _of(target: str, units: list[Unit], held: Mapping[str, Frames | None]) -> Frames | None:
    """One target's rows of its units' parts; None without its benchmarks, which say what is forecast."""
    benchmarks = next(held[unit.key] for unit in units if unit.kind == "benchmarks")
    if benchmarks is None:
        return None
    parts: dict[str, list[pd.DataFrame]] = {}
    for unit in units:
        frames = held[unit.key]
        if frames is None:
            frames = _failed(unit, target, benchmarks)
        for name, frame in frames.items():
            column = "name" if name == "curves" else "target"
            if column in frame:
                parts.setdefault(name, []).append(frame[frame[column] == target])
    return {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}


def _failed(unit: Unit, target: str, benchmarks: Frames) -> Frames:
    """The rows of networks whose unit has no part: the days of the benchmark, without a forecast."""
    model = str(unit.coordinates["model"])
    given = benchmarks["forecasts"]
    days = given[given["model"] == given["model"].iloc[0]]
    mine = [network for network in read(str(unit.coordinates["networks"])) if network.target == target]
    rows = [days.assign(model=model, seed=one.seed, forecast=np.nan, status="failed") for one in mine]
    estimated = benchmarks["estimations"].iloc[:1]
    reason = "its unit failed; volforecast status names the reason"
    told = [estimated.assign(model=model, seed=one.seed, parameters=0, alpha=np.nan, reason=reason) for one in mine]
    return {"forecasts": pd.concat(rows), "estimations": pd.concat(told)}


def _tables(frames: Frames) -> Frames:
    """One target's rows of the tables at one horizon."""
    forecasts = frames["forecasts"]
    errors = table_3(forecasts)
    made = {
        "table_3": errors,
        "table_4": table_4(forecasts),
        "table_5": table_5(errors),
        "table_6": table_6(forecasts),
        "estimations": frames["estimations"],
    }
    if "quantile_forecasts" in frames:
        made["coverage"] = coverage(frames["quantile_forecasts"])
    return made


def _collected(plan: Plan, results: Results, kind: str, leave: tuple[str, ...] = ()) -> Frames:
    """The frames of all units of a kind, one below the other."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for payload in results.payloads([unit for unit in plan.units if unit.kind == kind]):
        for name, frame in _frames(payload).items() if payload is not None else ():
            if name not in leave:
                parts.setdefault(name, []).append(frame)
    return {name: pd.concat(rows, ignore_index=True) for name, rows in parts.items()}


def _frames(payload: bytes) -> Frames:
    found = {name: table.to_pandas() for name, table in unpack(payload).items()}
    if "quantiles" in found:
        found["quantile_forecasts"] = found.pop("quantiles")
    return found


def _targets(unit: Unit) -> list[str]:
    if unit.kind == "benchmarks":
        return [str(unit.coordinates["target"])]
    networks: list[Network] = read(str(unit.coordinates["networks"]))
    return list(dict.fromkeys(network.target for network in networks))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """By target and horizon, in the order of models that each target's rows have."""
    return table.sort_values(["target", "horizon"], kind="stable", ignore_index=True)


def _architectures(plan: Plan) -> pd.DataFrame:
    """Table 7: the networks of the run, part by part, with their true numbers of parameters."""
    config = msgspec.convert(plan.config, RoughTransferConfig)
    rows: list[tuple[Any, ...]] = []
    seen = set()
    for model in config.models:
        if model in NETWORKS and NETWORKS[model].head == "point" and NETWORKS[model].encoder not in seen:
            seen.add(NETWORKS[model].encoder)
            name = {"lstm": "LSTM", "transformer": "Transformer"}[NETWORKS[model].encoder]
            rows += [(name, *part) for part in components(config.architecture(NETWORKS[model]))]
    return pd.DataFrame(rows, columns=["encoder", "component", "configuration", "parameters"])

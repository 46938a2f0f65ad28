"""Finished runs made without Ray, whose files can then be damaged."""

from pathlib import Path
from typing import Any

import pandas as pd

from cluster.driver import collect
from cluster.store import Failure, ResultStore
from cluster.study import Output, Plan
from tests.cluster.toy_study import ToyStudy, plain_loop, toy_data
from volforecast.data.panel import read_panel
from volforecast.data.simulate import SimulatorSettings, simulate_panel, write_simulated
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

TOY = ToyStudy(targets=2)


def toy_run(folder: Path) -> Plan:
    """A toy run of which the first scan and the total are still to do, one of them after two failures."""
    data = toy_data(100)
    plan = TOY.plan(data)
    store = ResultStore(str(folder))
    store.adopt_plan(plan)
    payloads = plain_loop(TOY, data)
    for unit in plan.units[1:-1]:
        store.commit(unit.key, Output(payloads[unit.key], 1, {unit.kind: 1}))
    total = plan.units[-1]
    for reason in ("OutOfMemoryError: 3 GB", "ArithmeticError: no"):
        store.record_failure(Failure(total.key, total.kind, total.name, reason))
    collect(TOY, store, plan)
    return plan


def hostile_panel(folder: Path, names: tuple[str, str]) -> Path:
    """A panel of two sources and two targets that have these names."""
    sizes = SimulatorSettings(sources=2, targets=2, source_days=330, target_days=100, listing_gap_days=30)
    write_simulated(simulate_panel(sizes, 3), folder)
    for table in ("assets", "daily"):
        path = folder / f"{table}.parquet"
        rows = pd.read_parquet(path)
        rows.assign(asset=rows["asset"].replace(dict(zip(("NEW00001", "NEW00002"), names, strict=True)))).to_parquet(
            path
        )
    return folder


def new_issues_run(panel: Path, out: Path) -> Plan:
    """A short run of the new-issues study, its report and tables included."""
    settings = NewIssuesConfig(
        periods=(50,), horizon_days=20, replications=200, models=("TO HAR-STD", "MTL-50 HAR-STD")
    ).checked()
    study = NewIssues(settings)
    data = study.load(read_panel(str(panel)))
    plan = study.plan(data)
    store = ResultStore(str(out))
    store.adopt_plan(plan)
    payloads: dict[str, bytes] = {}
    for unit in plan.units:
        answers: list[Any] = []
        if unit.sharded:
            query = study.query(data, unit)
            answers = [study.scan(shard, query) for shard in study.shards(data, 1)]
        output = study.run(unit, data, {need: payloads[need] for need in unit.needs}, answers)
        payloads[unit.key] = output.payload
        store.commit(unit.key, output)
    collect(study, store, plan)
    return plan

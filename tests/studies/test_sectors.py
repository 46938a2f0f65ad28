"""Sectors: stored once with the plan, read by tables 12-14 without the panel, and part of no unit."""

import dataclasses
from pathlib import Path

import msgspec
import pytest

from cluster.errors import PlanMismatchError
from cluster.store import ResultStore
from cluster.study import Output
from tests.studies.test_dj30 import run_in_this_process
from tests.studies.test_rolling import TARGET, panel
from tests.studies.test_selection_tables import STUDY, Computed, tables
from volforecast.data.panel import Panel
from volforecast.studies.new_issues import NewIssues

SECTORS = {TARGET: "Energy", "SRC00001": "Energy", "SRC00002": "Utilities", "SRC00003": ""}


def with_sectors(sectors: dict[str, str]) -> Panel:
    assets = panel().assets.copy()
    assets["sector"] = assets["asset"].map(sectors).astype("str")
    return dataclasses.replace(panel(), assets=assets)


def test_tables_by_source_have_the_sectors_of_the_run() -> None:
    study = NewIssues(STUDY.config.checked())
    data = study.load(with_sectors(SECTORS))
    plan = study.plan(data)
    assert plan.about == {"sectors": {name: sector for name, sector in SECTORS.items() if sector}}
    found = tables(plan, Computed(run_in_this_process(study, data, plan)))
    for rate, name in ((25, "table_12"), (50, "table_13"), (75, "table_14")):
        rows = found[name].set_index("asset")
        assert rows["sector"].to_dict() == {"SRC00001": "Energy", "SRC00002": "Utilities", "SRC00003": ""}
        assert rows["same_sector"].to_dict() == {"SRC00001": True, "SRC00002": False, "SRC00003": False}
        assert abs(rows["selected"].sum() / rows["windows"].sum() - rate / 100) < 0.03
    assert set(found["selection_by_time"]["inclusion"]) == {25, 50, 75}


def test_units_do_not_know_sectors() -> None:
    study = NewIssues(STUDY.config.checked())
    one, other = (study.plan(study.load(with_sectors(sectors))) for sectors in (SECTORS, dict.fromkeys(SECTORS, "")))
    assert one.units == other.units
    assert other.about == {}
    assert b"about" not in msgspec.json.encode(other)


def test_a_folder_from_before_is_continued_and_reported_without_sectors(tmp_path: Path) -> None:
    study = NewIssues(STUDY.config.checked())
    data = study.load(with_sectors(SECTORS))
    plan = study.plan(data)
    before = msgspec.structs.replace(plan, about={})
    store = ResultStore(str(tmp_path))
    assert store.adopt_plan(before).about == {}
    assert store.adopt_plan(plan).about == {}
    assert store.plan().about == {}
    parts = run_in_this_process(study, data, plan)
    for unit, part in parts:
        store.commit(unit.key, Output(part, 1))
    found = tables(store.plan(), Computed(parts))["table_12"]
    assert set(found["sector"]) == {""}
    assert not found["same_sector"].any()


def test_other_differences_are_still_refused(tmp_path: Path) -> None:
    study = NewIssues(STUDY.config.checked())
    plan = study.plan(study.load(with_sectors(SECTORS)))
    ResultStore(str(tmp_path)).adopt_plan(plan)
    with pytest.raises(PlanMismatchError, match="data"):
        ResultStore(str(tmp_path)).adopt_plan(msgspec.structs.replace(plan, data="other", about={}))

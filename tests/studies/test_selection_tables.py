"""Tables 12-14 and the data of figures 4-6, as a run publishes them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cluster.study import Plan, Unit
from tests.studies.test_dj30 import run_in_this_process
from tests.studies.test_rolling import TARGET, market
from volforecast.data.parquet import from_parquet
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

STUDY = NewIssues(NewIssuesConfig(periods=(50,), models=("MTL-50 HAR-STD",), horizon_days=10, replications=100))


class Computed:
    """Results of a run in this process."""

    def __init__(self, parts: list[tuple[Unit, bytes]]) -> None:
        self.parts = {unit.key: part for unit, part in parts}

    def payload(self, unit: Unit) -> bytes | None:
        return self.parts.get(unit.key)

    def payloads(self, units: Sequence[Unit]) -> list[bytes | None]:
        return [self.payload(unit) for unit in units]

    def settled(self, unit: Unit) -> bool:
        return True


def tables(plan: Plan, results: Computed) -> dict[str, pd.DataFrame]:
    """The tables that are published before the report is made."""
    found: dict[str, pd.DataFrame] = {}
    for path, payload in STUDY.summarise(plan, results):
        if path.startswith("tables/") and path.endswith(".parquet"):
            name = Path(path).stem
            found[name] = from_parquet(payload).to_pandas()
            if name == "estimations":  # the last one
                break
    return found


def test_selection_rates_are_published_with_the_other_tables() -> None:
    study = NewIssues(STUDY.config.checked())
    plan = study.plan(market())
    parts = run_in_this_process(study, market(), plan)
    found = tables(plan, Computed(parts))
    selection = next(from_parquet(part).to_pandas() for unit, part in parts if unit.kind == "selection")
    for rate, name in ((25, "table_12"), (50, "table_13"), (75, "table_14")):
        rows = found[name]
        assert set(rows["target"]) == {TARGET}
        assert rows["asset"].tolist() == sorted(market().sources)
        own = selection.groupby("asset")
        assert rows["windows"].tolist() == own.size().tolist()
        assert rows["selected"].tolist() == own[f"selected_{rate}"].sum().tolist()
    by_time = found["selection_by_time"]
    assert by_time["windows"].sum() == 3 * len(selection)
    assert by_time["selected"].sum() == selection[["selected_25", "selected_50", "selected_75"]].sum().sum()


def test_a_selection_that_is_not_done_is_left_out() -> None:
    study = NewIssues(STUDY.config.checked())
    plan = study.plan(market())
    parts = [(unit, part) for unit, part in run_in_this_process(study, market(), plan) if unit.kind != "selection"]
    found = tables(plan, Computed(parts))
    assert "table_3" in found
    assert "table_12" not in found
    assert "selection_by_time" not in found

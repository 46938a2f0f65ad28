"""The HAR-STD half of the study on thirty Dow stocks, against the figures of an independent implementation."""

from pathlib import Path

import pandas as pd
import pytest

from cluster.study import Plan, Study, Unit
from volforecast.data.panel import read_panel
from volforecast.data.parquet import from_parquet
from volforecast.evaluation.comparison import relative_to_naive
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

PANEL = Path(__file__).parents[3] / "shared" / "data" / "dj30"

# mean over ten targets of the error relative to the naive forecast, 500 days; the panel's README.md prints them
PUBLISHED = {
    "MSE": {"TO": 0.876, "NP": 0.723, "MTL-25": 0.714, "MTL-50": 0.716, "MTL-75": 0.716},
    "MAE": {"TO": 0.943, "NP": 0.903, "MTL-25": 0.861, "MTL-50": 0.864, "MTL-75": 0.871},
}


def run_in_this_process(study: Study, data: object, plan: Plan) -> list[tuple[Unit, bytes]]:
    """Every unit of a plan, one after the other: what the engine must come to, without it."""
    payloads: dict[str, bytes] = {}
    shards = study.shards(data, 3)
    for unit in plan.units:
        answers = [study.scan(shard, study.query(data, unit)) for shard in shards] if unit.sharded else []
        inputs = {need: payloads[need] for need in unit.needs}
        payloads[unit.key] = study.run(unit, data, inputs, answers).payload
    return [(unit, payloads[unit.key]) for unit in plan.units]


@pytest.mark.skipif(not PANEL.exists(), reason="needs the dj30 panel at ../shared/data/dj30")
def test_har_std_agrees_to_the_last_printed_digit() -> None:
    settings = NewIssuesConfig(models=("HAR-STD",), replications=100).checked()
    study = NewIssues(settings)
    data = study.load(read_panel(str(PANEL)))
    done = run_in_this_process(study, data, study.plan(data))
    parts = [from_parquet(payload).to_pandas() for unit, payload in done if unit.kind == "forecast"]
    table = relative_to_naive(pd.concat(parts, ignore_index=True))
    shown = table[table["period"] == "all"].pivot(index="model", columns="loss", values="ratio")
    for loss, figures in PUBLISHED.items():
        for approach, figure in figures.items():
            assert round(shown.loc[f"{approach} HAR-STD", loss], 3) == figure, (approach, loss)

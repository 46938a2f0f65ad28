"""What a study will take: sums over its units, and how they grow."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.folders import short_config, small_panel
from volforecast.cli import main
from volforecast.data.panel import read_panel
from volforecast.models.fnn import FNN
from volforecast.models.har import HAR
from volforecast.models.xgb import XGB
from volforecast.studies.costs import (
    Cost,
    Outlook,
    confidence_cost,
    fixed_costs,
    forecast_cost,
    outlook,
    selection_cost,
)
from volforecast.studies.model_names import parse, pick
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.rolling import Market

CLASSES = {"HAR": HAR(), "FNN": FNN(), "XGB": XGB()}
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_panel(tmp_path_factory.mktemp("costs"))


def cost(model: str, pairs: int = 50_000) -> Cost:
    return forecast_cost(model, CLASSES[parse(model).model_class], pairs, 300, 20, 100)


POOLED = [model for model in pick(()) if not model.startswith("TO")]


# pooled least squares reads sums that are there already
@pytest.mark.parametrize("model", [model for model in POOLED if not model.startswith("NP HAR")])
def test_a_pooled_model_costs_more_with_more_sources(model: str) -> None:
    small, large = cost(model), cost(model, 500_000)
    assert small.path == large.path == parse(model).model_class
    assert small.seconds < large.seconds < 11 * small.seconds
    assert small.memory < large.memory
    assert small.stored == large.stored


def test_more_rows_cost_more_and_ext_more_than_std() -> None:
    for model_class in CLASSES:
        names = [f"{approach} {model_class}" for approach in ("TO", "MTL-25", "MTL-75")]
        for narrow, wide in pairwise(names):
            assert cost(f"{narrow}-EXT").seconds < cost(f"{wide}-EXT").seconds
        for name in names:
            assert cost(f"{name}-STD").seconds <= cost(f"{name}-EXT").seconds
            assert cost(f"{name}-STD").memory < cost(f"{name}-EXT").memory


def test_settings_count() -> None:
    def seconds(settings: FNN | XGB) -> float:
        return forecast_cost(f"NP {type(settings).__name__}-STD", settings, 50_000, 300, 20, 100).seconds

    assert seconds(FNN(max_epochs=10)) < 0.2 * seconds(FNN())
    assert seconds(XGB(trees=400)) == pytest.approx(10 * seconds(XGB()), rel=0.1)
    assert confidence_cost(500, 31, 5000).seconds > confidence_cost(100, 31, 5000).seconds
    assert selection_cost(50_000, 20, 22).seconds < selection_cost(50_000, 100, 22).seconds


def test_the_outlook_adds_up() -> None:
    entries = [(cost("TO HAR-STD"), 20), (cost("NP HAR-EXT"), 20), (cost("NP XGB-STD"), 20)]
    har, xgb = outlook(entries)
    first, second = entries[0][0], entries[1][0]
    assert har == Outlook(
        "HAR",
        2,
        40,
        first.seconds + second.seconds,
        second.seconds,
        second.memory,
        first.stored + second.stored,
    )
    assert (xgb.path, xgb.units, xgb.estimations) == ("XGB", 1, 20)


@pytest.fixture(scope="module")
def study() -> NewIssues:
    return NewIssues(NewIssuesConfig(periods=(50, 70), horizon_days=20).checked())


@pytest.fixture(scope="module")
def data(study: NewIssues, panel: Path) -> Market:
    return study.load(read_panel(str(panel)))


class TestOfAStudy:
    def test_units_carry_what_the_outlook_adds_up(self, study: NewIssues, data: Market) -> None:
        units = study.plan(data).units
        lines = study.outlook(data, units)
        assert sum(line.units for line in lines) == len(units)
        assert sum(line.estimations for line in lines) == len(data.targets) * 2 * 30 * 4
        assert sum(line.seconds for line in lines) == pytest.approx(sum(unit.cost for unit in units), rel=0.01)
        assert max(line.memory for line in lines) == max(unit.memory for unit in units) > 0

    def test_shared_data_are_counted(self, data: Market) -> None:
        rows = data.rows
        arrays = (rows.X, rows.y, rows.date, rows.label_date)
        assert fixed_costs(data, 10).shared >= sum(array.nbytes for array in arrays)
        assert fixed_costs(data, 10).driver < fixed_costs(data, 10_000).driver


def test_the_command_says_what_a_study_would_take(panel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It computes nothing and leaves nothing."""
    config = short_config(panel.parent)
    before = sorted(panel.parent.rglob("*"))
    words = ["--config", str(config), "--periods", "50", "--models", "HAR", "--workers", "1"]
    assert main(["plan", "--panel", str(panel), *words]) == 0
    text = capsys.readouterr().out
    assert sorted(panel.parent.rglob("*")) == before
    found = re.search(r"HAR +│ +(\d+) +│ +(\d+) ", text)
    assert found is not None, text
    assert int(found[2]) == 4 * int(found[1])
    for word in ("core-hours", "on 1 CPUs", "GiB by each worker", "stored, MB", "Speed of this machine"):
        assert word in text


def test_plan_refuses_what_study_refuses(panel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--panel", str(panel), "--periods", "20"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_profile_that_cannot_be_written_is_refused_before_the_run(
    panel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "new-issues", "--panel", str(panel), "--out", str(tmp_path / "out")]
    assert main([*words, "--profile", str(tmp_path / "nowhere" / "profile.csv")]) == 2
    assert "--profile: there is no folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

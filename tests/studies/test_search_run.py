"""``volforecast search`` over a small panel, and the study that runs with what it has found."""

import json
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from cluster.search.space import Asked
from cluster.search.within import search_within
from tests.folders import digests, finish, short_config, small_panel, start
from volforecast.config import load_settings
from volforecast.data.panel import read_panel
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

pytestmark = pytest.mark.cluster

MODELS = ("TO XGB-STD", "MTL-50 FNN-EXT")
TRIALS = 5


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def panel(home: Path) -> Path:
    return small_panel(home)


def words(command: str, home: Path, panel: Path, out: Path, config: Path, *more: str) -> list[str]:
    given = ["--panel", str(panel), "--out", str(out), "--config", str(config), "--models", ",".join(MODELS)]
    return [command, "new-issues", *given, "--periods", "50,70", *more]


@pytest.fixture(scope="module")
def searched(home: Path, panel: Path) -> Path:
    out = home / "one"
    command = words("search", home, panel, out, short_config(home), "--trials", str(TRIALS), "--workers", "1")
    code, said, error = finish(start(command))
    assert code == 0, error
    assert "best.toml" in said
    return out


def test_two_workers_leave_the_same_folder(home: Path, panel: Path, searched: Path) -> None:
    out = home / "two"
    command = words("search", home, panel, out, short_config(home), "--trials", str(TRIALS), "--workers", "2")
    code, _, error = finish(start(command))
    assert code == 0, error
    assert digests(out) == digests(searched)


def test_the_trials_are_those_of_this_process(home: Path, panel: Path, searched: Path) -> None:
    options = {"models": MODELS, "periods": (50, 70)}
    study = NewIssues(load_settings(NewIssuesConfig, str(short_config(home)), options).checked())
    data = study.load(read_panel(str(panel)))
    table = pd.read_parquet(searched / "tables" / "trials.parquet")
    for search in study.searches(data):
        own = table[table["search"] == search.name].sort_values("number")
        found = search_within(
            lambda values, report, search=search: study.trial(search, data, values, report),
            search.space,
            Asked(trials=TRIALS),
            first=search.defaults,
        )
        assert own["loss"].tolist() == [trial.loss for trial in found]
        assert [json.loads(text) for text in own["values"]] == [trial.values for trial in found]


def test_a_study_runs_with_what_was_found(home: Path, panel: Path, searched: Path) -> None:
    text = (searched / "best.toml").read_text()
    table = pd.read_parquet(searched / "tables" / "trials.parquet")
    best = table[table["chosen"]].set_index("search")["values"].map(json.loads)
    tuned = tomllib.loads(text)["tuned"]
    assert tuned["TO XGB-STD"] == best["TO XGB-STD"]
    assert tuned["MTL-50 FNN-EXT"]["batch"] == {"MTL": best["MTL-50 FNN-EXT"]["batch"]}
    config, out = home / "tuned.toml", home / "tuned"
    config.write_text(short_config(home).read_text() + text)
    code, _, error = finish(start(words("study", home, panel, out, config, "--workers", "2")))
    assert code == 0, error
    assert json.loads((out / "plan.json").read_text())["config"]["tuned"] == tuned
    forecasts = pd.read_parquet(out / "forecasts")
    assert set(forecasts["model"]) == {"NF", *MODELS}
    assert (forecasts["status"] == "ok").all()

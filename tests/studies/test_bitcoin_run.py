"""The bitcoin-mixture study through the real command: killed and gone on with, tuned apart, refused in one line."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cluster.toy_study import until
from tests.folders import digests, finish, start
from volforecast.cli import main
from volforecast.results import open_run

pytestmark = pytest.mark.cluster

CONFIG = """
seeds = 2
iterations = [1, 6]
replications = 100
[search]
trials = 3
seeds = 1
"""
MODELS = "Flexible HAR,XGB,TM-G,GARCH"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of hours and settings."""
    folder = tmp_path_factory.mktemp("bitcoin")
    assert (
        main(["simulate-hourly", "--out", str(folder / "hours"), "--hours", "900", "--gaps", "1", "--seed", "5"]) == 0
    )
    (folder / "short.toml").write_text(CONFIG)
    return folder


def words(home: Path, out: str, *more: str) -> list[str]:
    asked = ["study", "bitcoin-mixture", "--data", str(home / "hours"), "--models", MODELS]
    return [*asked, "--config", str(home / "short.toml"), "--out", str(home / out), *more]


@pytest.fixture(scope="module")
def quiet(home: Path) -> Path:
    """The study with one worker, undisturbed."""
    code, stdout, error = finish(start(words(home, "quiet", "--workers", "1")))
    assert code == 0, error
    assert "TM-G" in stdout
    return home / "quiet"


def test_killed_half_way_and_started_again_with_two_workers(home: Path, quiet: Path) -> None:
    out = home / "killed"
    total = len(list((quiet / "commits").iterdir()))
    process = start(words(home, "killed", "--workers", "2"))
    until(lambda: len(list((out / "commits").glob("*.json"))) >= total // 3 or process.poll() is not None, 120)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (out / "tables").exists()
    code, _, error = finish(start(words(home, "killed", "--workers", "2")))
    assert code == 0, error
    assert digests(out) == digests(quiet)


def test_what_it_left_behind_is_read_from_python(quiet: Path) -> None:
    run = open_run(quiet)
    assert run.complete
    assert set(run.forecasts["model"]) == {"HAR", "Flexible HAR", "XGB", "TM-G", "GARCH"}
    assert {"metrics", "tests", "confidence_sets", "trials", "gates"} <= set(run.tables)
    before = digests(quiet)
    run.make_report()
    assert digests(quiet) == before


def test_a_search_of_its_own_serves_the_study(home: Path) -> None:
    asked = ["search", "bitcoin-mixture", "--data", str(home / "hours"), "--models", "XGB", "--trials", "3"]
    asked += ["--config", str(home / "short.toml"), "--out", str(home / "found"), "--workers", "2"]
    code, _, error = finish(start(asked))
    assert code == 0, error
    study = ["study", "bitcoin-mixture", "--data", str(home / "hours"), "--models", "XGB", "--workers", "1"]
    study += ["--config", str(home / "short.toml"), "--tuned", str(home / "found"), "--out", str(home / "tuned")]
    code, _, error = finish(start(study))
    assert code == 0, error
    plan = json.loads((home / "tuned" / "plan.json").read_text())
    assert {unit["kind"] for unit in plan["units"]} == {"diagnostics", "forecasts", "confidence"}
    assert set(plan["config"]["hyperparameters"]) == {"clean/XGB/1", "clean/XGB/6"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--models", "LSTN"], "models: LSTN"),
        (["--mode", "paper", "--config", "nowhere.toml"], "--config: nowhere.toml cannot be read"),
        (["--tuned", "nowhere"], "nowhere"),
    ],
)
def test_wrong_input_is_one_line(home: Path, change: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(home, "wrong", *change)) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1
    assert not (home / "wrong").exists()


def test_a_plan_wants_the_folder_of_its_study(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--study", "bitcoin-mixture", "--panel", str(home / "hours")]) == 2
    assert "--data: bitcoin-mixture reads a folder that this option names" in capsys.readouterr().err

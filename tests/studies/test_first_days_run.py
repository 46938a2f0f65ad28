"""The first-days study through the real command: worker counts, and what a run leaves behind."""

from pathlib import Path

import pandas as pd
import pytest

from tests.folders import digests, finish, small_panel, start
from volforecast.cli import main
from volforecast.predictors import REDUCED_SETS
from volforecast.studies.model_names import pick

pytestmark = pytest.mark.cluster

PREFIXES = tuple(REDUCED_SETS)
CONFIG = """
replications = 100
[fnn]
max_epochs = 4
patience = 2
[xgb]
trees = 5
"""
RUN_MODELS = "NP HAR-STD,MTL-50 HAR-STD,1-MTL-50 XGB-EXT,5-NP FNN-STD,22-TO FNN-EXT"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first-days")


@pytest.fixture(scope="module")
def words(home: Path) -> list[str]:
    (home / "short.toml").write_text(CONFIG)
    words = ["study", "first-days", "--panel", str(small_panel(home)), "--config", str(home / "short.toml")]
    return [*words, "--models", RUN_MODELS]


@pytest.fixture(scope="module")
def one_worker(home: Path, words: list[str]) -> Path:
    """The study with one worker, undisturbed."""
    code, _, error = finish(start([*words, "--out", str(home / "one"), "--workers", "1"]))
    assert code == 0, error
    return home / "one"


def test_two_workers_leave_the_same_folder(home: Path, words: list[str], one_worker: Path) -> None:
    code, _, error = finish(start([*words, "--out", str(home / "two"), "--workers", "2"]))
    assert code == 0, error
    assert digests(home / "two") == digests(one_worker)


def test_what_is_published(one_worker: Path) -> None:
    forecasts = pd.read_parquet(one_worker / "forecasts")
    columns = ["target", "period", "origin", "date", "model", "forecast", "realized", "status", "prefix"]
    assert list(forecasts.columns) == columns
    assert set(forecasts["model"]) == {"NF", *pick(tuple(RUN_MODELS.split(",")), PREFIXES)}
    assert forecasts.loc[forecasts["model"] == "NF", "prefix"].isna().all()
    named = forecasts[forecasts["model"] != "NF"]
    assert (named["prefix"] == named["model"].str.partition("-")[0].astype(int)).all()
    selected = pd.read_parquet(one_worker / "selections")
    assert set(selected.groupby(["prefix", "period"]).groups) == {
        (1, 1),
        (1, 5),
        (1, 22),
        (5, 5),
        (5, 22),
        (22, 22),
    }
    tables = {path.stem for path in (one_worker / "tables").glob("*.parquet")}
    assert {f"table_{number}" for number in (4, 5, 6, 15, 16, 17)} <= tables
    assert {"confidence_sets", "estimations", "mean_losses", "pairwise"} <= tables
    assert {path.stem for path in (one_worker / "tables").glob("*.csv")} == tables
    assert b"<html" in (one_worker / "report.html").read_bytes()


def test_report_and_status_need_no_refitting(one_worker: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(one_worker)
    for path in [*(one_worker / "tables").iterdir(), *(one_worker / "forecasts").iterdir()]:
        path.unlink()
    assert main(["report", str(one_worker)]) == 0
    assert digests(one_worker) == before
    assert main(["status", str(one_worker)]) == 0
    assert "selection: 12 of 12 done" in capsys.readouterr().out


def test_a_gpu_that_is_not_there_is_named(home: Path, words: list[str]) -> None:
    (home / "gpu.toml").write_text('[fnn]\ndevice = "cuda"\n')
    asked = [word.replace("short.toml", "gpu.toml") for word in words]
    code, _, error = finish(start([*asked, "--out", str(home / "gpu"), "--workers", "1"]))
    assert code == 2
    assert error.count("\n") == 1
    assert "GPU" in error

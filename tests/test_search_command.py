"""``volforecast search``: from a panel to best values and settings, and wrong input in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from cluster.search.outcome import read_best
from tests.cluster.toy_study import files
from tests.folders import short_config, small_panel
from volforecast.cli import main

MODEL = "TO XGB-STD"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command without where its results go."""
    home = tmp_path_factory.mktemp("search")
    panel, config = small_panel(home), short_config(home)
    return ["search", "new-issues", "--panel", str(panel), "--config", str(config), "--periods", "50"]


@pytest.mark.cluster
@pytest.mark.timeout(150)
def test_from_a_panel_to_settings(
    words: list[str], private_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = [*words, "--models", MODEL, "--trials", "4", "--no-early-stopping", "--out", str(out)]
    assert main([*command, "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert MODEL in said.out
    assert "4 trials computed, 0 were there" in said.out
    table = pd.read_csv(out / "tables/trials.csv")
    assert list(table["number"]) == [0, 1, 2, 3]
    best = read_best(str(out))[MODEL]
    assert best == json.loads(str(table.sort_values("loss")["values"].iloc[0]))
    settings = (out / "best.toml").read_text()
    assert f'[tuned."{MODEL}"]' in settings
    before = files(out)
    assert main(["status", str(out)]) == 0
    assert "trial: 4 of 4 done" in capsys.readouterr().out
    assert main(command) == 0, "a search that is done is only told again"
    assert "0 trials computed, 4 were there" in capsys.readouterr().out
    assert files(out) == before


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param(["--models", "HAR"], ["HAR", "hyperparameters"], id="nothing to search"),
        pytest.param(["--models", MODEL, "--method", "grid"], ["grid", MODEL], id="an endless grid"),
        pytest.param(["--models", "XGC"], ["XGC"], id="no such model"),
        pytest.param(["--models", MODEL, "--address", "ray://127.0.0.1:1"], ["proxy", "host:port"], id="ray client"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], expected: list[str]
) -> None:
    assert main([*words, *more, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("volforecast: ")
    assert said.err.count("\n") == 1, said.err
    for word in expected:
        assert word in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [["--trials", "0"], ["--batch", "x"], ["--method", "best"]])
def test_options_out_of_range(words: list[str], tmp_path: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*words, *more, "--out", str(tmp_path / "out")])


def test_the_results_of_a_study_are_no_search(tmp_path: Path) -> None:
    from cluster.search.space import SearchError
    from cluster.store import ResultStore
    from cluster.study import Plan

    ResultStore(str(tmp_path)).adopt_plan(Plan("new-issues", {}, "", {}, ()))
    with pytest.raises(SearchError, match="holds the study new-issues, and no search"):
        read_best(str(tmp_path))


def test_studies_that_can_be_searched_come_without_ray_and_optuna(tmp_path: Path) -> None:
    code = "import sys, volforecast.studies, cluster.search.within, cluster.search.driver; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not {"ray", "optuna"} & set(done.stdout.split())

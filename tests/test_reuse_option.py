"""``--reuse``: what another results folder holds is taken from there, with the same outcome."""

import argparse
from pathlib import Path

import pytest

import volforecast as vf
from tests.folders import digests, short_config, small_panel
from volforecast.cli import main
from volforecast.errors import ConfigError
from volforecast.job import study_job
from volforecast.options import STUDY_OPTIONS, names

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("reuse")
    small_panel(home)
    return home


def study(home: Path, out: Path, *more: str) -> int:
    words = ["study", "new-issues", "--panel", str(home / "panel"), "--config", str(short_config(home)), "--quiet"]
    return main([*words, "--periods", "50", "--models", "TO HAR-STD", "--out", str(out), *more])


@pytest.mark.cluster
def test_a_second_run_takes_what_the_first_one_computed(
    home: Path, tmp_path: Path, private_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study(home, tmp_path / "first") == 0
    assert "6 of 6 units are done (0 were before this run)." in capsys.readouterr().out
    assert study(home, tmp_path / "second", "--reuse", str(tmp_path / "first")) == 0
    assert "6 of 6 units are done (0 were before this run, 6 were taken over from --reuse)." in capsys.readouterr().out
    assert digests(tmp_path / "second") == digests(tmp_path / "first")


@pytest.mark.parametrize("which", ["nowhere", "panel"])
def test_what_is_no_results_folder_is_said_in_a_line_before_anything_runs(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    assert study(home, tmp_path / "out", "--reuse", str(home / which)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"volforecast: --reuse: {home / which}: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_one_address_where_a_list_is_meant(home: Path) -> None:
    settings = vf.NewIssuesConfig(models=("TO HAR-STD",), periods=(50,))
    with pytest.raises(ConfigError, match=r"reuse: s3://other is one address; give a list of them"):
        vf.run(vf.NewIssues(settings), vf.read_panel(str(home / "panel")), "out", reuse="s3://other")


def test_a_job_is_told_of_no_folder_that_means_nothing_where_it_runs(home: Path) -> None:
    absolute = dict.fromkeys(("panel", "out"), "s3://somewhere")
    nothing = dict.fromkeys((*STUDY_OPTIONS, "profile"))
    asked = {**nothing, **absolute, "tuned": (), "study": "new-issues", "config": None, "reuse": names("s3://one,two")}
    with pytest.raises(ConfigError, match="--reuse: two would lie"), study_job(argparse.Namespace(**asked), []):
        pass

"""The rough-transfer study through the real command: killed and gone on with, reused, refused in one line."""

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.toy_study import until
from tests.folders import digests, finish, start
from tests.studies.rough_panel import SOURCES, TARGETS, a_panel
from volforecast.cli import main
from volforecast.errors import InputError
from volforecast.results import open_run

pytestmark = pytest.mark.cluster

CONFIG = """
seeds = 2
replications = 100
roughness_replications = 10
[network]
layers = 2
hidden = 8
attention = 4
heads = 2
[pretraining]
rate = 3e-3
batch = 32
epochs = 2
[fine_tuning]
rate = 1e-3
batch = 16
epochs = 2
"""
MODELS = "LSTM,Transfer LSTM,Frozen Transfer LSTM,HAR-LSTM Hybrid,Transfer Quantile LSTM"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a panel that says nothing of roles, and settings."""
    folder = tmp_path_factory.mktemp("rough")
    (folder / "panel").mkdir()
    a_panel().daily[["asset", "date", "rv"]].to_parquet(folder / "panel" / "daily.parquet")
    (folder / "short.toml").write_text(CONFIG)
    return folder


def words(home: Path, out: str, *more: str, targets: str = ",".join(TARGETS)) -> list[str]:
    asked = ["study", "rough-transfer", "--panel", str(home / "panel"), "--gaps", "allow", "--models", MODELS]
    asked += ["--source", ",".join(SOURCES), "--targets", targets, "--config", str(home / "short.toml")]
    return [*asked, "--out", str(home / out), *more]


@pytest.fixture(scope="module")
def quiet(home: Path) -> Path:
    """The study with one worker, undisturbed."""
    code, stdout, error = finish(start(words(home, "quiet", "--workers", "1")))
    assert code == 0, error
    assert "Transfer LSTM" in stdout
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


def test_one_target_more_starts_from_the_same_pre_trained_networks(home: Path, quiet: Path) -> None:
    """What was pre-trained for two targets serves a third; the panel may have grown by it, too."""
    code, stdout, error = finish(start(words(home, "one", "--workers", "1", "--reuse", str(quiet), targets="BETA")))
    assert code == 0, error
    plan = json.loads((home / "one" / "plan.json").read_text())
    begun = [unit["key"] for unit in plan["units"] if unit["kind"] == "pretraining"]
    assert len(begun) == 2
    for key in begun:
        name = f"commits/{key}.json"
        assert (home / "one" / name).read_bytes() == (quiet / name).read_bytes()
    assert "taken over from --reuse" in stdout
    forecasts = pd.read_parquet(home / "one" / "forecasts" / "BETA-1.parquet")
    pd.testing.assert_frame_equal(forecasts, pd.read_parquet(quiet / "forecasts" / "BETA-1.parquet"), check_exact=True)


def test_what_it_left_behind_is_read_from_python(quiet: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    run = open_run(quiet)
    assert run.complete
    assert set(run.forecasts["target"]) == set(TARGETS)
    assert {"table_1", "table_3", "series", "curves"} <= set(run.tables)
    axes = run.plot_forecast("BETA")
    labels = [str(line.get_label()) for line in axes.get_lines()]
    assert any("Transfer LSTM" in label for label in labels)
    assert len(run.plot_history("BETA").axes) >= 2
    assert len(run.plot_roughness("INDEX", "BETA").axes) >= 2
    with pytest.raises(InputError, match="no errors relative to the naive forecast"):
        run.plot_errors()
    with pytest.raises(InputError, match="NOBODY"):
        run.plot_forecast("NOBODY")
    before = digests(quiet)
    run.make_report()
    assert digests(quiet) == before
    with pytest.raises(InputError):  # what explains a selection has nothing to say here
        run.explain("BETA", "2019-12-01")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--source", "NOBODY"], "--source: NOBODY is not in daily.parquet"),
        (["--source", "ALPHA"], "--source: ALPHA is also a target"),
        (["--horizons", "0"], "horizons: [0]"),
        (["--models", "LSTN"], "models: LSTN"),
        (["--horizons", "60"], "in its training part"),
    ],
)
def test_wrong_input_is_one_line(home: Path, change: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(home, "wrong", *change)) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1
    assert not (home / "wrong").exists()


def test_a_gpu_that_is_not_there_is_named(home: Path) -> None:
    (home / "gpu.toml").write_text(f'device = "cuda"\nnum_gpus = 0.25\n{CONFIG}')
    asked = [word.replace("short.toml", "gpu.toml") for word in words(home, "gpu", "--workers", "1")]
    code, _, error = finish(start(asked))
    assert code == 2
    assert error.count("\n") == 1
    assert "0.25 GPUs" in error

"""The whole study on a small panel: worker counts, kills, S3, and what a run leaves behind."""

import os
import signal
import time
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from tests.folders import MODELS, digests, finish, short_config, small_panel, start, study_words
from volforecast.cli import main
from volforecast.studies.model_names import pick

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("new-issues")


@pytest.fixture(scope="module")
def panel(home: Path) -> Path:
    return small_panel(home)


@pytest.fixture(scope="module")
def quiet_run(home: Path, panel: Path) -> Path:
    """The study with one worker, undisturbed."""
    out = home / "quiet"
    code, _, error = finish(start(study_words(panel, out, short_config(home), "--workers", "1")))
    assert code == 0, error
    return out


def test_two_workers_leave_the_same_folder(home: Path, panel: Path, quiet_run: Path) -> None:
    out = home / "two"
    code, _, error = finish(start(study_words(panel, out, short_config(home), "--workers", "2")))
    assert code == 0, error
    assert digests(out) == digests(quiet_run)


def test_a_run_killed_half_way_and_started_again_leaves_the_same_folder(
    home: Path, panel: Path, quiet_run: Path
) -> None:
    out = home / "killed"
    words = study_words(panel, out, short_config(home), "--workers", "2")
    total = len(list((quiet_run / "commits").iterdir()))
    process = start(words)
    deadline = time.monotonic() + 120
    while len(list((out / "commits").glob("*.json"))) < total // 3:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "no third of the units within two minutes"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    before = digests(out / "commits")
    assert total // 3 <= len(before) < total
    assert not (out / "tables").exists()

    code, stdout, error = finish(start(words))
    assert code == 0, error
    assert digests(out) == digests(quiet_run)
    after = digests(out / "commits")
    assert {name: after[name] for name in before} == before
    resumed = int(stdout.partition(" units are done (")[2].split()[0])
    assert resumed >= len(before)


def test_s3_gives_the_same_folder(
    home: Path, panel: Path, quiet_run: Path, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Panel and results on S3, through the real command; every object equals the local file."""
    filesystem, root = fsspec.core.url_to_fs(s3_url)
    filesystem.put(str(panel), f"{root}/panel", recursive=True)
    words = study_words(f"{s3_url}/panel", f"{s3_url}/out", short_config(home), "--workers", "2")
    code, _, error = finish(start(words))
    assert code == 0, error
    copy = home / "from-s3"
    filesystem.invalidate_cache()
    filesystem.get(f"{root}/out", str(copy), recursive=True)
    assert digests(copy) == digests(quiet_run)


def test_layout_of_the_results_folder(quiet_run: Path) -> None:
    assert {path.name for path in quiet_run.iterdir()} == {
        "plan.json",
        "study.json",
        "parts",
        "commits",
        "forecasts",
        "selections",
        "tables",
        "report.html",
    }
    forecasts = pd.read_parquet(quiet_run / "forecasts")
    assert list(forecasts.columns) == [
        "target",
        "period",
        "origin",
        "date",
        "model",
        "forecast",
        "realized",
        "status",
    ]
    models = {"NF", *pick(tuple(MODELS.split(",")))}
    assert set(forecasts["model"]) == models
    assert forecasts.groupby(["target", "period", "model"]).size().eq(20).all()
    assert len(forecasts) == 2 * 2 * len(models) * 20
    assert not forecasts.duplicated(["target", "date", "model"]).any()
    selections = pd.read_parquet(quiet_run / "selections")
    assert list(selections.columns) == [
        "target",
        "period",
        "origin",
        "asset",
        "start",
        "distance",
        "selected_25",
        "selected_50",
        "selected_75",
    ]
    share = selections.groupby(["target", "period", "origin"])[["selected_25", "selected_50", "selected_75"]].mean()
    assert (share - [0.25, 0.5, 0.75]).abs().max().max() < 0.02
    tables = {path.stem for path in (quiet_run / "tables").glob("*.parquet")}
    assert {f"table_{number}" for number in (3, 4, 8, 9, 10, 11)} <= tables
    assert {path.stem for path in (quiet_run / "tables").glob("*.csv")} == tables


def test_report_and_status_need_no_refitting(
    quiet_run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, report and published forecasts come back from parts and commits alone, the same to the byte."""
    before = digests(quiet_run)
    for path in [*(quiet_run / "tables").iterdir(), *(quiet_run / "forecasts").iterdir(), quiet_run / "report.html"]:
        path.unlink()
    assert main(["report", str(quiet_run)]) == 0
    assert "NP HAR-STD" in capsys.readouterr().out
    assert digests(quiet_run) == before
    assert main(["status", str(quiet_run)]) == 0
    assert "forecast: 64 of 64 done" in capsys.readouterr().out


def test_another_configuration_is_refused_and_changes_nothing(
    home: Path, panel: Path, quiet_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digests(quiet_run)
    assert main(study_words(panel, quiet_run, short_config(home), "--seed", "2")) == 2
    assert "seed 1 (yours: 2)" in capsys.readouterr().err
    assert main(study_words(small_panel(home / "other", seed=4), quiet_run, short_config(home))) == 2
    assert "data " in capsys.readouterr().err
    assert digests(quiet_run) == before


def with_daily(panel: Path, folder: Path, daily: pd.DataFrame) -> Path:
    """The panel with another daily table, in a folder of its own."""
    folder.mkdir()
    for name in ("assets", "market"):
        (folder / f"{name}.parquet").write_bytes((panel / f"{name}.parquet").read_bytes())
    daily.to_parquet(folder / "daily.parquet")
    return folder


def test_a_model_that_cannot_be_estimated_is_named_and_the_others_finish(
    home: Path, panel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A target whose volume begins after its first sample period: TO EXT has no training row at its first origins."""
    daily = pd.read_parquet(panel / "daily.parquet")
    target = "NEW00001"
    young = (daily["asset"] == target) & (daily.groupby("asset").cumcount() < 60)
    daily.loc[young, "volume"] = float("nan")
    poor = with_daily(panel, home / "poor", daily)
    out = home / "poor-out"
    words = ["study", "new-issues", "--panel", str(poor), "--out", str(out), "--config", str(short_config(home))]
    code, stdout, error = finish(start([*words, "--periods", "50", "--models", "TO HAR,NP HAR", "--workers", "2"]))
    assert code == 1, error
    assert "forecasts failed" in stdout
    forecasts = pd.read_parquet(out / "forecasts")
    status = forecasts.set_index(["target", "model", "origin"])["status"]
    # x(50) ... x(59) have no volume: fallback; from day 60 on there are predictors but still no pair to learn from
    assert (status[target, "TO HAR-EXT", 50] == "fallback").all()
    assert (status[target, "TO HAR-EXT", 60] == "failed").any()
    assert (status[target, "NP HAR-EXT", 65] == "ok").all()
    assert (status.xs("TO HAR-STD", level="model") == "ok").all()
    estimations = pd.read_parquet(out / "tables" / "estimations.parquet")
    reasons = estimations.loc[estimations["reason"].notna()]
    assert set(reasons["model"]) == {"TO HAR-EXT"}
    assert reasons["reason"].str.contains("TO HAR-EXT at origin 60: ").any()
    assert main(["status", str(out)]) == 1
    assert f"no forecast: {target}/50: TO HAR-EXT at origin 60: " in capsys.readouterr().out


def test_a_target_older_than_its_sources_has_nothing_to_select_at_first(
    home: Path, panel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sources that begin when the target is 55 days old: no complete block, so MTL is estimated on the target alone."""
    daily = pd.read_parquet(panel / "daily.parquet")
    listing = daily.loc[daily["asset"] == "NEW00001", "date"].iloc[54]
    kept = daily[daily["asset"].str.startswith("NEW") | (daily["date"] >= listing)]
    early = with_daily(panel, home / "early", kept)
    out = home / "early-out"
    words = ["study", "new-issues", "--panel", str(early), "--out", str(out), "--config", str(short_config(home))]
    words += ["--targets", "NEW00001", "--periods", "50", "--models", "TO HAR-STD,MTL-25 HAR-STD", "--workers", "2"]
    code, _, error = finish(start(words))
    assert code == 0, error
    forecasts = pd.read_parquet(out / "forecasts").pivot(index="date", columns="model", values="forecast")
    assert forecasts["MTL-25 HAR-STD"].equals(forecasts["TO HAR-STD"])

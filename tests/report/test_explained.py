"""``volforecast explain``: what it prints, its JSON, and what it says to wrong questions."""

import dataclasses
import datetime as dt
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cluster.store import ResultStore
from cluster.study import Output, Plan, Unit
from tests.folders import small_panel
from tests.studies.test_dj30 import run_in_this_process
from volforecast.cli import main
from volforecast.data.panel import read_panel
from volforecast.data.parquet import from_parquet
from volforecast.report.explained import explain_folder, print_explanation, question, to_json
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

MODELS = ("TO HAR-STD", "MTL-50 HAR-EXT", "NP XGB-STD")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explained")


@pytest.fixture(scope="module")
def panel(home: Path) -> Path:
    return small_panel(home)


@pytest.fixture(scope="module")
def run(panel: Path) -> tuple[Plan, list[tuple[Unit, bytes]]]:
    settings = NewIssuesConfig(periods=(50,), models=MODELS, horizon_days=20, replications=100)
    study = NewIssues(settings.checked())
    data = study.load(read_panel(str(panel)))
    plan = study.plan(data)
    return plan, run_in_this_process(study, data, plan)


def folder(path: Path, run: tuple[Plan, list[tuple[Unit, bytes]]], without: str = "") -> Path:
    """A results folder with all units but those whose name holds some words."""
    plan, parts = run
    store = ResultStore(str(path))
    store.adopt_plan(plan)
    for unit, part in parts:
        if not without or without not in unit.name:
            store.commit(unit.key, Output(part, 1))
    return path


@pytest.fixture(scope="module")
def out(home: Path, run: tuple[Plan, list[tuple[Unit, bytes]]]) -> Path:
    return folder(home / "out", run)


@pytest.fixture(scope="module")
def days(panel: Path) -> list[dt.date]:
    daily = pd.read_parquet(panel / "daily.parquet")
    return [pd.Timestamp(day).date() for day in daily.loc[daily["asset"] == "NEW00001", "date"]]


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a wrong question gets: exit code 2 and one line."""
    assert main(["explain", *map(str, words)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("volforecast: ")
    assert printed.err.count("\n") == 1, printed.err
    return printed.err


def test_a_day_is_explained_for_people(
    out: Path, panel: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", str(out), "--target", "NEW00001", "--date", str(days[62])]
    assert main(words) == 0
    plain = capsys.readouterr().out
    assert f"NEW00001 on {days[62]}: its trading day 63, sample period 50" in plain
    assert "at the close of day 60" in plain
    assert all(name in plain for name in ("NF", *MODELS, "NEW00001 (the target)", "SRC00001", "MTL-50 models"))
    assert "The nearest 10 of " in plain
    assert "--panel gives the last days" in plain
    assert "estimated again" not in plain
    assert main([*words, "--panel", str(panel), "--rate", "50", "--top", "3"]) == 0
    full = capsys.readouterr().out
    assert "The nearest 3 of " in full
    assert "--panel gives the last days" not in full
    assert "MTL-50 HAR-EXT, estimated again: " in full
    assert ", the stored forecast" in full
    assert "but" not in full.partition("estimated again")[2].partition("\n")[0]
    assert "TO HAR-STD, estimated again" not in full
    assert full.count("│ sum ") == 2
    # the columns of the last table add up: forecast and weights
    forecast = next(line for line in full.splitlines() if "MTL-50 HAR-EXT" in line).split("│")[2].strip()
    sums = [line for line in full.splitlines() if line.startswith("│ sum ")]
    assert [line.rstrip("│ ").split()[-1] for line in sums] == [forecast, forecast]
    assert "1.0000" in sums[1]


def test_json_is_for_programs(out: Path, panel: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", str(out), "--target", "NEW00001", "--date", str(days[62]), "--json"]
    assert main([*words, "--panel", str(panel), "--model", "HAR"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["target"], found["date"], found["day"], found["origin"]) == ("NEW00001", str(days[62]), 63, 60)
    assert [row["model"] for row in found["forecasts"]] == ["NF", "TO HAR-STD", "MTL-50 HAR-EXT"]
    stored = pd.concat([from_parquet(part).to_pandas() for part in parts_of(out)])
    for row in found["forecasts"]:
        same = stored[(stored["model"] == row["model"]) & (stored["date"] == days[62])]
        assert row["forecast"] == same.loc[same["target"] == "NEW00001", "forecast"].iloc[0]
    assert found["rate"] == 50
    assert len(found["windows"]) == sum(row["windows"] for row in found["sources"])
    assert found["windows"][0]["distance"] == min(row["distance"] for row in found["windows"])
    assert all(row["start"] < row["end"] < str(days[62]) for row in found["windows"])
    assert [one["model"] for one in found["decompositions"]] == ["TO HAR-STD", "MTL-50 HAR-EXT"]
    for one in found["decompositions"]:
        assert one["agrees"] is True
        assert sum(row["contribution"] for row in one["terms"]) == pytest.approx(one["fitted"])
        assert sum(row["contribution"] for row in one["labels"]) == pytest.approx(one["fitted"])
        assert sum(row["weight"] for row in one["labels"]) == pytest.approx(1)
    assert main([*words, "--top", "4"]) == 0
    short = json.loads(capsys.readouterr().out)
    assert len(short["windows"]) == 4
    assert {row["end"] for row in short["windows"]} == {None}
    assert short["decompositions"] == []


def parts_of(out: Path) -> list[bytes]:
    store = ResultStore(str(out), create=False)
    parts = [store.load(unit.key) for unit in store.plan().units if unit.kind == "forecast"]
    return [part for part in parts if part is not None]


def test_a_run_half_way_says_what_is_missing(
    home: Path, run: tuple[Plan, list[tuple[Unit, bytes]]], days: list[dt.date], capsys: pytest.CaptureFixture[str]
) -> None:
    half = folder(home / "half", run, without="NEW00001/50/NP XGB-STD")
    assert main(["explain", str(half), "--target", "NEW00001", "--date", str(days[62])]) == 0
    assert "not computed yet, or failed: NP XGB-STD" in capsys.readouterr().out
    unselected = folder(home / "unselected", run, without="selection")
    question = ["--target", "NEW00001", "--date", days[62]]
    assert "NEW00001/50/selection is not computed yet, or failed" in said(capsys, unselected, *question)
    empty = folder(home / "empty", run, without="/")
    assert "no forecast of NEW00001 is computed yet; sample periods 50" in said(capsys, empty, *question)


def test_wrong_questions_are_one_line(out: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]) -> None:
    target = ["--target", "NEW00001", "--date"]
    assert "its targets are NEW00001, NEW00002" in said(capsys, out, "--target", "KO", "--date", days[62])
    assert f"from {days[50]} to {days[69]}, not on {days[49]}" in said(capsys, out, *target, days[49])
    assert "--date: 1/2/2003 is not a day" in said(capsys, out, *target, "1/2/2003")
    assert "the run has no NP FNN-STD" in said(capsys, out, *target, days[62], "--model", "NP FNN-STD")
    assert "--rate: 30 is not" in said(capsys, out, *target, days[62], "--rate", "30")
    assert "--top: 0 is not" in said(capsys, out, *target, days[62], "--top", "0")
    assert "no such folder" in said(capsys, out / "nowhere", *target, days[62])


def test_only_the_panel_that_the_run_read_is_taken(
    home: Path, out: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [out, "--target", "NEW00001", "--date", days[62], "--panel"]
    other = small_panel(home / "other", seed=4)
    assert f"--panel: {other} is not what the run read (fingerprint " in said(capsys, *words, other)
    assert "nowhere is not what the run read: " in said(capsys, *words, home / "nowhere")


def test_folders_of_others_are_refused(out: Path, days: list[dt.date], home: Path) -> None:
    for name, old, new in (("study", '"new-issues"', '"birds"'), ("setting", '"refit_every"', '"refit_never"')):
        copy = home / name
        shutil.copytree(out, copy)
        plan = (copy / "plan.json").read_text()
        assert old in plan
        (copy / "plan.json").write_text(plan.replace(old, new))
        assert main(["explain", str(copy), "--target", "NEW00001", "--date", str(days[62])]) == 2


def test_the_same_panel_with_other_column_names_is_the_same(
    home: Path, out: Path, panel: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = home / "renamed"
    shutil.copytree(panel, renamed)
    daily = pd.read_parquet(panel / "daily.parquet").rename(columns={"rv": "variance"})
    daily.to_parquet(renamed / "daily.parquet")
    words = ["explain", str(out), "--target", "NEW00001", "--date", str(days[62]), "--panel", str(renamed)]
    assert main(words) == 2
    assert main([*words, "--columns", "rv=variance"]) == 0
    assert "estimated again" in capsys.readouterr().out


def test_what_stands_in_place_of_a_forecast_is_told(
    out: Path, panel: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]
) -> None:
    found = explain_folder(str(out), question("NEW00001", str(days[62]), ("TO HAR-STD",)), str(panel))
    (one,) = found.decompositions
    for instead, words in (
        ("floor", "the smallest of the target's so far"),
        ("insanity filter", "mean of the training"),
    ):
        changed = dataclasses.replace(one, fitted=-0.5, instead=instead)
        print_explanation(dataclasses.replace(found, decompositions=(changed,)))
        printed = capsys.readouterr().out
        assert "least squares says -0.5, and in its place stands " in printed
        assert words in printed
    changed = dataclasses.replace(one, agrees=False, stored=7.25, served="TO HAR-XYZ")
    print_explanation(dataclasses.replace(found, decompositions=(changed,)))
    printed = capsys.readouterr().out
    assert "but 7.25 is stored: other versions made the run" in printed
    assert "a predictor of the day is missing, so TO HAR-XYZ answers" in printed


def test_failed_forecasts_have_their_reasons(
    out: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]
) -> None:
    found = explain_folder(str(out), question("NEW00001", str(days[62])))
    forecasts = found.forecasts.copy()
    forecasts["reason"] = forecasts["reason"].astype(object)
    forecasts.loc[1, ["forecast", "error"]] = float("nan")
    forecasts.loc[1, "status"] = "failed"
    forecasts.loc[1, "reason"] = "TO HAR-STD at origin 60: no luck"
    broken = dataclasses.replace(found, forecasts=forecasts)
    print_explanation(broken)
    printed = capsys.readouterr().out
    assert "no forecast: TO HAR-STD at origin 60: no luck" in printed
    assert "nan" not in printed.lower()
    assert json.loads(to_json(broken))["forecasts"][1]["forecast"] is None


def test_names_cannot_command_the_terminal(out: Path, days: list[dt.date], capsys: pytest.CaptureFixture[str]) -> None:
    found = explain_folder(str(out), question("NEW00001", str(days[62])))
    evil = "\x1b[31m[bold]X[/bold]"
    sources, windows = found.sources, found.windows
    assert sources is not None
    assert windows is not None
    hostile = dataclasses.replace(
        found, target=evil, sources=sources.assign(asset=evil), windows=windows.assign(asset=evil), missing=(evil,)
    )
    print_explanation(hostile)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\\x1b[31m[bold]X[/bold]" in printed
    assert "\x1b" not in to_json(hostile)

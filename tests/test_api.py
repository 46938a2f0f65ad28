"""The same reach from Python as from the command line, by the same way through the code."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pandas as pd
import pytest

import volforecast as vf
from cluster.errors import StoreError
from tests.folders import digests, finish, short_config, small_panel, start, study_words
from volforecast.cli import main
from volforecast.config import load_settings
from volforecast.studies.model_names import pick

FIVE_LINES = """
import volforecast as vf

panel = vf.read_panel("PANEL")
study = vf.NewIssues(vf.NewIssuesConfig(models=("HAR",), periods=(50,), horizon_days=20, replications=200))
run = vf.run(study, panel, "RESULTS", workers=2, quiet=True)
print(run.tables["table_3"].query("loss == 'MSE'"))
run.plot_forecast("NEW00001").figure.savefig("forecast.png")
"""
QUIET = vf.NewIssuesConfig(models=("HAR-STD",), periods=(50,), horizon_days=20, replications=200)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def panel(home: Path) -> Path:
    return small_panel(home)


@pytest.fixture(scope="module")
def run(home: Path, panel: Path, private_ray: None) -> vf.Run:
    """Two targets, one period, the HAR models with STD predictors."""
    return vf.run(vf.NewIssues(QUIET), vf.read_panel(str(panel)), home / "out", quiet=True)


@pytest.fixture
def no_screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import matplotlib.pyplot as plt

    monkeypatch.setattr("matplotlib.rcParams", plt.rcParams.copy())
    plt.switch_backend("agg")
    yield
    plt.close("all")


def python(code: str, where: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=where, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.cluster
def test_five_lines_from_a_panel_to_a_plot(home: Path, panel: Path) -> None:
    code = FIVE_LINES.replace("PANEL", str(panel)).replace("RESULTS", str(home / "five"))
    printed = python(f"import matplotlib; matplotlib.use('agg'){code}", home)
    assert "MTL-75 HAR-EXT" in printed
    assert (home / "forecast.png").read_bytes().startswith(b"\x89PNG")


def test_the_package_alone_imports_nothing_of_weight(tmp_path: Path) -> None:
    """Nothing but the standard library comes with it, and what is needed to read, plan and open comes without Ray."""
    code = "import sys; before = set(sys.modules); import volforecast as vf; print(*(set(sys.modules) - before))"
    roots = {name.partition(".")[0] for name in python(code, tmp_path).split()}
    assert roots - sys.stdlib_module_names == {"volforecast"}
    code = "import sys; import volforecast as vf; vf.read_panel, vf.NewIssues, vf.run, vf.open_run; print(*sys.modules)"
    assert not {"ray", "torch", "matplotlib"} & set(python(code, tmp_path).split())


def test_every_name_is_there_and_no_other() -> None:
    for name in vf.__all__:
        assert getattr(vf, name) is not None
        assert name in dir(vf)
    with pytest.raises(AttributeError, match="no attribute 'forecast_everything'"):
        vf.forecast_everything  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.cluster
def test_python_and_the_command_line_leave_the_same_folder(home: Path, panel: Path) -> None:
    """Settings narrow a run to one target as ``--targets`` does; and what one began the other goes on with."""
    config = short_config(home)
    more = ("--targets", "NEW00002", "--workers", "2")
    code, _, error = finish(start(study_words(panel, home / "cli", config, *more)))
    assert code == 0, error
    text = f"""
import sys
import volforecast as vf
from volforecast.config import load_settings
from tests.folders import MODELS, PERIODS
options = dict(targets=("NEW00002",), periods=tuple(map(int, PERIODS.split(","))), models=tuple(MODELS.split(",")))
study = vf.NewIssues(load_settings(vf.NewIssuesConfig, {str(config)!r}, options))
panel = vf.read_panel({str(panel)!r})
run = vf.run(study, panel, {str(home / "python")!r}, workers=2, quiet=True)
again = vf.run(study, panel, {str(home / "cli")!r}, workers=2, quiet=True)
print(run.summary.computed, again.summary.computed, run.complete, "ray" in sys.modules)
"""
    computed, of_it_again, complete, ray = python(text, Path.cwd()).split()
    assert digests(home / "python") == digests(home / "cli")
    assert int(computed) > 0
    assert (of_it_again, complete, ray) == ("0", "True", "True")


def test_tables_in_memory_are_the_panel_that_they_are_in_a_folder(panel: Path) -> None:
    daily, assets, market = (pd.read_parquet(panel / f"{name}.parquet") for name in ("daily", "assets", "market"))
    stored = vf.read_panel(str(panel))
    made = vf.make_panel(daily, assets, market)
    assert made.fingerprint == stored.fingerprint
    # roles from the targets, columns under other names, rows in another order, dates as text
    other = daily.rename(columns={"asset": "unique_id", "date": "ds", "rv": "y"})[::-1]
    other["ds"] = other["ds"].dt.strftime("%Y-%m-%d")
    names = vf.Columns(asset="unique_id", date="ds", rv="y")
    bare = vf.make_panel(other[["unique_id", "ds", "y"]], columns=names, targets=("NEW00001", "NEW00002"))
    assert bare.with_role("target") == stored.with_role("target")
    assert bare.daily["rv"].equals(stored.daily["rv"])
    with pytest.raises(vf.PanelError, match=r"rv is -1"):
        vf.make_panel(daily.assign(rv=-1.0), assets)
    with pytest.raises(vf.PanelError, match=r"daily\.parquet: this table cannot be stored"):
        vf.make_panel(daily.assign(rv=pd.Series([{1: 2}, *range(1, len(daily))], dtype=object)), assets)


@pytest.mark.cluster
def test_a_run_says_what_it_left_behind(run: vf.Run, home: Path) -> None:
    again = vf.open_run(home / "out")
    assert run.summary is not None
    assert again.summary is None
    for one in (run, again):
        assert one.complete
        assert one.plan.study == "new-issues"
        assert one.failures.empty
        assert one.status()["forecast"] == (12, 12, 0)
    assert set(run.tables) >= {"table_3", "table_4", "table_8", "confidence_sets", "estimations"}
    assert len(run.tables) == len(list((home / "out/tables").glob("*.parquet")))
    table = pd.read_csv(home / "out/tables/table_3.csv", keep_default_na=False)
    shown = run.tables["table_3"]
    assert shown["model"].tolist() == table["model"].tolist()
    assert shown["ratio"].to_numpy() == pytest.approx(table["ratio"].astype(float).to_numpy())
    forecasts = run.forecasts
    assert forecasts.groupby(["target", "model"]).size().eq(20).all()
    assert set(forecasts["model"]) == {"NF", *pick(("HAR-STD",))}
    chosen = run.selections("NEW00001")
    assert set(chosen["target"]) == {"NEW00001"}
    assert chosen["selected_75"].sum() > chosen["selected_25"].sum() > 0
    assert Path(run.report_path).read_bytes().startswith(b"<!DOCTYPE html>")
    assert run.url in repr(run)
    assert "<td>forecast</td>" in run._repr_html_()


@pytest.mark.cluster
def test_what_is_not_there_is_said_with_what_is(run: vf.Run, home: Path) -> None:
    with pytest.raises(vf.InputError, match=r"no table table_99; there are .*table_3"):
        run.tables["table_99"]
    assert run.tables.get("table_99") is None
    assert "table_99" not in run.tables
    with pytest.raises(vf.InputError, match=r"no selections of NEW; check"):
        run.selections("NEW")
    with pytest.raises(vf.InputError, match=r"no forecasts of NEW; the run has NEW00001, NEW00002"):
        run.plot_forecast("NEW")
    with pytest.raises(vf.InputError, match=r"by TO XGB-STD; there are MTL-25 HAR-STD"):
        run.plot_forecast("NEW00001", "TO XGB-STD")
    with pytest.raises(vf.InputError, match=r"no errors by RMSE; there are MAE, MSE, QLIKE"):
        run.plot_errors("RMSE")
    with pytest.raises(StoreError, match="no such folder"):
        vf.open_run(home / "nowhere")
    assert not (home / "nowhere").exists()
    (home / "empty").mkdir(exist_ok=True)
    with pytest.raises(StoreError, match=r"no plan\.json"):
        vf.open_run(home / "empty")


@pytest.mark.cluster
def test_a_day_of_a_target_is_explained(run: vf.Run, panel: Path) -> None:
    day = run.forecasts["date"].max()
    found = run.explain("NEW00001", day, ("MTL-75",), panel=str(panel))
    assert found.date == day.date()
    assert found.forecasts["model"].tolist() == ["NF", "MTL-75 HAR-STD"]
    assert found.decompositions
    assert run.explain("NEW00001", str(day.date())).realized == found.realized
    with pytest.raises(vf.ConfigError, match="1 April is not a day"):
        run.explain("NEW00001", "1 April")


@pytest.mark.cluster
@pytest.mark.usefixtures("no_screen")
def test_plots_show_the_numbers_of_the_run(run: vf.Run) -> None:
    forecasts = run.forecasts
    own = forecasts[(forecasts["target"] == "NEW00002") & (forecasts["model"] == "NP HAR-STD")]
    ax = run.plot_forecast("NEW00002", "NP HAR-STD")
    realized, forecast = ax.get_lines()
    assert realized.get_ydata() == pytest.approx(own["realized"].to_numpy())
    assert forecast.get_ydata() == pytest.approx(own["forecast"].to_numpy())
    assert forecast.get_label() == "NP HAR-STD"
    assert run.plot_forecast("NEW00002", ax=ax) is ax
    squared = ((forecasts["forecast"] - forecasts["realized"]) ** 2)[forecasts["target"] == "NEW00002"]
    best = squared.groupby(forecasts["model"]).mean().idxmin()
    assert ax.get_lines()[-1].get_label() == best
    errors = run.plot_errors("MAE")
    table = run.tables["table_3"].query("loss == 'MAE' and period == 'all'")
    assert errors.get_lines()[0].get_xdata() == pytest.approx(table["ratio"].to_numpy())
    assert [label.get_text() for label in errors.get_yticklabels()] == table["model"].tolist()


@pytest.mark.cluster
def test_an_unfinished_run_is_opened_and_published_as_far_as_it_is(run: vf.Run, home: Path, panel: Path) -> None:
    """A run of which one target's commits are there, and no tables: what a killed driver leaves."""
    out = home / "unfinished"
    lost = [unit for unit in run.plan.units if unit.coordinates["target"] == "NEW00002"]
    for path in (home / "out").rglob("*"):
        part = path.relative_to(home / "out")
        if path.is_file() and (part.parts[0] in ("plan.json", "parts", "commits")):
            if part.parts[0] == "commits" and part.stem in {unit.key for unit in lost}:
                continue
            (out / part).parent.mkdir(parents=True, exist_ok=True)
            (out / part).write_bytes(path.read_bytes())
    half = vf.open_run(out)
    assert not half.complete
    assert half.status()["forecast"] == (12, 6, 0)
    for ask in (lambda: half.forecasts, lambda: half.report_path, lambda: half.tables["table_3"]):
        with pytest.raises(vf.InputError, match=r"make_report\(\)"):
            ask()
    half.make_report()
    assert set(half.forecasts["target"]) == {"NEW00001"}
    assert len(half.tables["table_3"])
    ended = vf.run(vf.NewIssues(QUIET), vf.read_panel(str(panel)), out, quiet=True)
    assert ended.summary is not None
    assert ended.summary.computed == len(lost)
    assert {k: v for k, v in digests(out).items() if k != "study.json"} == {
        k: v for k, v in digests(home / "out").items() if k != "study.json"
    }


def test_wrong_settings_are_refused_before_anything_is_written(home: Path, panel: Path) -> None:
    data = vf.read_panel(str(panel))
    for settings, words in (
        ({"models": ("LSTM",)}, "'LSTM' fits no model"),
        ({"periods": (30,)}, "30 is too short"),
        ({"targets": ("NOPE",)}, "NOPE is not in daily.parquet"),
        ({"targets": ("SRC00001",)}, "SRC00001 has the role source"),
        (dict[str, object](), "NEW00001 has 100 trading days"),
    ):
        study = vf.NewIssues(msgspec.convert(settings, vf.NewIssuesConfig))
        with pytest.raises(vf.InputError, match=words):
            vf.run(study, data, home / "refused")
        with pytest.raises(vf.InputError, match=words):
            vf.plan(study, data)
    for call in (
        lambda: vf.plan(vf.NewIssues(QUIET), data, workers=0),
        lambda: vf.run(vf.NewIssues(QUIET), data, home / "refused", workers=0),
    ):
        with pytest.raises(vf.ConfigError, match="workers: 0"):
            call()
    assert not (home / "refused").exists()


def test_what_python_lets_pass_is_refused_in_words(home: Path, panel: Path) -> None:
    """Types are hints to Python: text in place of a tuple, settings in place of a study, a path in place of a panel."""
    data = vf.read_panel(str(panel))
    text = msgspec.structs.replace(QUIET, models="HAR-STD")
    for study, given, words in (
        (vf.NewIssues(text), data, r"Expected `array`, got `str` - at `\$.models`"),
        (QUIET, data, r"is no study; give NewIssues\(NewIssuesConfig\(...\)\)"),
        (vf.NewIssues(QUIET), str(panel), "is no panel; give what read_panel"),
    ):
        with pytest.raises(vf.ConfigError, match=words):
            vf.run(study, given, home / "refused")  # type: ignore[arg-type]
    assert not (home / "refused").exists()
    listed = msgspec.structs.replace(QUIET, models=["HAR-STD"], periods=[50], replications=100)
    assert vf.plan(vf.NewIssues(listed), data, workers=1).units == 2 * 8
    for wrong in ({"targets": "NEW00001"}, {"gaps": "skip"}):
        with pytest.raises(vf.PanelError, match="targets and sources are tuples of names, gaps is error or allow"):
            vf.make_panel(data.daily, data.assets, **wrong)  # type: ignore[arg-type]


def test_what_a_study_would_take_is_what_the_command_prints(
    home: Path, panel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("volforecast.api._machine_speed", lambda workers: {"selection": 2000.0, "FNN": 3.0, "XGB": 4.0})
    settings = load_settings(vf.NewIssuesConfig, str(short_config(home)), {"periods": (50, 70)})
    found = vf.plan(vf.NewIssues(settings), vf.read_panel(str(panel)), workers=3)
    words = ["plan", "--panel", str(panel), "--config", str(home / "short.toml"), "--periods", "50,70"]
    assert main([*words, "--workers", "3"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"2 targets, {found.sources} sources" in printed
    assert f"{found.core_hours:,.2f} core-hours" in printed
    assert f"about {3600 * found.hours:.0f} seconds on 3 CPUs" in printed
    assert f"{found.memory_gib:.1f} GiB in all" in printed
    assert f"{found.stored_mb:,.1f}" in printed
    assert found.table["units"].sum() == found.units
    assert f" {found.units:,} " in printed
    assert f" {found.estimations:,} " in printed


def test_the_speed_of_this_machine_is_measured_from_a_script_without_a_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from volforecast.api import _machine_speed\nprint(sorted(_machine_speed(1)))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=240)
    assert done.stdout == "['FNN', 'XGB', 'selection']\n", done.stderr


def test_a_simulated_panel_is_the_one_of_the_command(tmp_path: Path) -> None:
    settings = vf.SimulatorSettings(sources=2, targets=1, source_days=80, target_days=60)
    vf.simulate(tmp_path / "python", settings, seed=5)
    words = ["--sources", "2", "--targets", "1", "--source-days", "80", "--target-days", "60", "--seed", "5"]
    assert main(["simulate", "--out", str(tmp_path / "cli"), *words]) == 0
    assert digests(tmp_path / "python") == digests(tmp_path / "cli")

"""Wrong input as a new user would give it: one line that says what, where and the remedy; exit code 2; nothing left."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import fields

from tests.folders import short_config, small_panel
from volforecast.cli import main
from volforecast.options import STUDY_OPTIONS
from volforecast.studies import STUDIES

Damage = Callable[[dict[str, pd.DataFrame]], None]


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_panel(tmp_path_factory.mktemp("cli"))


def damaged(panel: Path, folder: Path, damage: Damage) -> Path:
    """A copy of the panel with something wrong in it."""
    tables = {name: pd.read_parquet(panel / f"{name}.parquet") for name in ("assets", "daily", "market")}
    damage(tables)
    folder.mkdir()
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    return folder


def _set(table: str, column: str, value: object, row: int = 400) -> Damage:
    def damage(tables: dict[str, pd.DataFrame]) -> None:
        tables[table][column] = tables[table][column].astype(object if isinstance(value, str) else float)
        tables[table].loc[row, column] = value

    return damage


def _drop_row(tables: dict[str, pd.DataFrame]) -> None:
    tables["daily"] = tables["daily"].drop(index=400)


def _repeat_row(tables: dict[str, pd.DataFrame]) -> None:
    tables["daily"] = pd.concat([tables["daily"], tables["daily"].loc[[400]]])


def _no_date(tables: dict[str, pd.DataFrame]) -> None:
    tables["daily"].loc[400, "date"] = pd.NaT


def _short_target(tables: dict[str, pd.DataFrame]) -> None:
    daily = tables["daily"]
    tables["daily"] = daily[~((daily["asset"] == "NEW00001") & (daily.groupby("asset").cumcount() >= 69))]


def _no_column(table: str, column: str) -> Damage:
    def damage(tables: dict[str, pd.DataFrame]) -> None:
        tables[table] = tables[table].drop(columns=column)

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(_repeat_row, ["more than one row", "column date", "keep one"], id="duplicate"),
        pytest.param(_drop_row, ["no row for", "column date", "--gaps allow"], id="missing date"),
        pytest.param(_no_date, ["without a date", "column date", "fill it in"], id="empty date"),
        pytest.param(_set("daily", "rv", np.nan), ["rv is nan", "drop the day"], id="NaN rv"),
        pytest.param(_set("daily", "rv", -1e-4), ["rv is -0.0001", "positive"], id="negative rv"),
        pytest.param(_set("daily", "rv", 0.0), ["rv is 0", "drop days without trading"], id="zero rv"),
        pytest.param(_set("assets", "role", "tagret", 0), ["'tagret'", "column role", "source or target"], id="role"),
        pytest.param(_short_target, ["NEW00001", "69 trading days", "needs 70", "--targets"], id="short target"),
        pytest.param(_no_column("daily", "volume"), ["volume (daily.parquet)", "STD models"], id="no volume"),
        pytest.param(_no_column("market", "vix"), ["vix (market.parquet)", "STD models"], id="no vix"),
        pytest.param(_no_column("daily", "rv"), ["no column 'rv'", "--columns"], id="no rv"),
        pytest.param(_no_column("assets", "role"), ["no column role", "--targets"], id="no role"),
    ],
)
def test_a_damaged_panel_is_one_line_and_exit_code_2(
    panel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Damage, words: list[str]
) -> None:
    bad = damaged(panel, tmp_path / "bad", damage)
    out = tmp_path / "out"
    config = short_config(tmp_path)
    code = main(
        ["study", "new-issues", "--panel", str(bad), "--out", str(out), "--config", str(config), "--periods", "50"]
    )
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert printed.err.startswith("volforecast: ")
    assert printed.err.count("\n") == 1, printed.err
    for word in words:
        assert word in printed.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--targets", "NOPE"], ["--targets: NOPE is not in daily.parquet"]),
        (["--targets", "SRC00001"], ["SRC00001 has the role source", "NEW00001"]),
        (["--targets", "NEW00001,NEW00001"], ["names one twice"]),
        (["--models", "LSTM"], ["'LSTM' fits no model", "MTL-75 XGB-EXT"]),
        (["--periods", "30"], ["30 is too short"]),
        (["--periods", "50,60"], ["overlap"]),
        (["--config", "nowhere.toml"], ["nowhere.toml cannot be read"]),
        (["--panel", "nowhere"], ["nowhere: no daily.parquet"]),
        (["--out", "ftp://x/y"], ["ftp://x/y", "s3://"]),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(
    panel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: list[str]
) -> None:
    out = tmp_path / "out"
    config = short_config(tmp_path)
    base = ["study", "new-issues", "--panel", str(panel), "--out", str(out), "--config", str(config), "--periods", "50"]
    code = main([*base, *options])
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1, error
    for word in words:
        assert word in error
    assert not out.exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--periods", "fifty"],
        ["--workers", "0"],
        ["--columns", "when=ds"],
        ["--gaps", "fill"],
        ["--nonsense"],
    ],
)
def test_words_that_are_no_options_are_exit_code_2(tmp_path: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["study", "new-issues", "--panel", "P", "--out", str(tmp_path / "out"), *options])
    assert stop.value.code == 2


@pytest.mark.parametrize("command", ["study", "submit"])
def test_every_study_has_a_command_with_the_options_that_are_settings_of_it(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, study in STUDIES.items():
        with pytest.raises(SystemExit) as stop:
            main([command, name, "--help"])
        assert stop.value.code == 0
        printed = capsys.readouterr().out
        settings = {field.name for field in fields(study.settings_type)}
        for option in STUDY_OPTIONS:
            assert (f"--{option} " in printed) == (option in settings), (name, option)
        assert import_module(f"jobs.{name.replace('-', '_')}")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    listed = capsys.readouterr().out
    assert all(name in listed for name in STUDIES)


def test_an_option_that_is_no_setting_of_the_study_is_one_line(panel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--study", "first-days", "--panel", str(panel), "--periods", "50"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1, error
    assert "periods" in error


@pytest.mark.parametrize(
    "text", ["sede = 3", "seed = 'one'", "[xgb]\ntrees = 1.5", "[xgb]\nleaves = 3", "seed = ", "periods = 50"]
)
def test_a_wrong_configuration_file_is_one_line(
    panel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    code = main(["study", "new-issues", "--panel", str(panel), "--out", str(tmp_path / "out"), "--config", str(path)])
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1, error
    assert "wrong.toml" in error
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_in_it_is_left_alone(
    panel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("all my work")
    code = main(
        [
            "study",
            "new-issues",
            "--panel",
            str(panel),
            "--out",
            str(out),
            "--config",
            str(short_config(tmp_path)),
            "--periods",
            "50",
        ]
    )
    assert code == 2
    assert "not empty" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["chapter.tex"]


@pytest.mark.parametrize("command", ["report", "status"])
def test_reading_commands_make_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, str(tmp_path / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([command, str(tmp_path / "empty")]) == 2
    assert "no plan.json" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


def test_bars_become_a_panel_and_simulated_settings_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "simulated"
    words = ["simulate", "--out", str(folder), "--sources", "2", "--targets", "1", "--source-days", "80"]
    assert main([*words, "--target-days", "60", "--bars-days", "3"]) == 0
    assert main(["panel", "--bars", str(folder / "bars"), "--out", str(tmp_path / "panel")]) == 0
    built, simulated = (pd.read_parquet(path / "daily.parquet") for path in (tmp_path / "panel", folder))
    assert "9 days" in capsys.readouterr().out
    joined = built.merge(simulated, on=["asset", "date"], suffixes=("", "_simulated"))
    assert len(joined) == 9
    np.testing.assert_allclose(joined["rv"], joined["rv_simulated"], rtol=1e-12)
    assert main(["simulate", "--out", str(tmp_path / "none"), "--sources", "0"]) == 2
    assert "sources is 0" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()

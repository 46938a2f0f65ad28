"""Settings from a file and from options: strict, and every error is one line."""

from pathlib import Path
from typing import Any

import pytest

from volforecast.config import load_settings
from volforecast.data.simulate_settings import SimulatorSettings
from volforecast.errors import ConfigError
from volforecast.studies.new_issues_config import NewIssuesConfig


def load(folder: Path, text: str, **options: Any) -> NewIssuesConfig:
    file = folder / "study.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(NewIssuesConfig, str(file), options)


def test_without_file_and_options_the_defaults_hold() -> None:
    assert load_settings(NewIssuesConfig, None, {}) == NewIssuesConfig()
    assert load_settings(NewIssuesConfig, None, {"seed": None, "targets": None}) == NewIssuesConfig()


def test_file_and_nested_tables(tmp_path: Path) -> None:
    settings = load(
        tmp_path, 'seed = 7\nperiods = [50, 150]\nmodels = ["HAR"]\n[xgb]\ntrees = 10\n[fnn]\nmax_epochs = 9'
    )
    assert (settings.seed, settings.periods, settings.models) == (7, (50, 150), ("HAR",))
    assert settings.xgb.trees == 10
    assert settings.xgb.depth == 5
    assert settings.fnn.max_epochs == 9


def test_options_win_over_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "seed = 7\nperiods = [50]", seed=8, periods=None, targets=("V",))
    assert (settings.seed, settings.periods, settings.targets) == (8, (50,), ("V",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = 7", ("seeds", "the settings are", "seed, horizon_days")),
        ("[xgb]\ntree = 7", ("tree", "xgb")),
        ("[lstm]\nunits = 7", ("lstm", "the settings are")),
        ('seed = "7"', ("seed", "int", "str")),
        ("seed = 7.5", ("seed", "int", "float")),
        ("periods = 50", ("periods", "array", "int")),
        ('periods = ["fifty"]', ("periods", "int", "str")),
        ("xgb = 3", ("xgb", "object", "int")),
        ('[xgb]\ntree_method = "magic"', ("tree_method", "magic")),
        ("[xgb]\nsubsample = 2.0", ("XGB", "subsample = 2.0")),
        ("[fnn]\nmax_epochs = 0", ("FNN", "max_epochs")),
        ("seed = \nperiods = [50]", ("not TOML", "line 1", "correct the line")),
        ("seed = 1\nseed = 2\n", ("not TOML", "line 2")),
        ("[xgb\ntrees = 1", ("not TOML", "line 1")),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    if "NN:" not in message and "XGB:" not in message:
        assert message.startswith("--config: ")
        assert "study.toml" in message


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes('targets = ["Zürich"]'.encode("latin-1"))
    for path in (tmp_path / "absent.toml", tmp_path, tmp_path / "latin.toml"):
        with pytest.raises(ConfigError, match=r"^--config: .* cannot be read .*; check the path$") as error:
            load_settings(NewIssuesConfig, str(path), {})
        assert "\n" not in str(error.value)


def test_an_option_of_the_wrong_type() -> None:
    with pytest.raises(ConfigError, match=r"^--config: options: .*seed.*$"):
        load_settings(NewIssuesConfig, None, {"seed": "seven"})


def test_other_kinds_of_settings_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("sources = 3")
    assert load_settings(SimulatorSettings, str(tmp_path / "s.toml"), {"targets": 2}).sources == 3
    with pytest.raises(ConfigError, match="sources"):
        load_settings(SimulatorSettings, str(tmp_path / "s.toml"), {"sources": 0})

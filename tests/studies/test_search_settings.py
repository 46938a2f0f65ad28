"""What a search finds goes into a configuration file, and a study that reads it computes with these values."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.studies.in_process import computed
from tests.studies.test_search_young import panel
from volforecast.config import load_settings
from volforecast.data.parquet import from_parquet
from volforecast.errors import ConfigError
from volforecast.models import FNN, XGB
from volforecast.studies.first_days_config import FirstDaysConfig
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.rough_config import NetworkSettings, RoughTransferConfig, TrainingSettings
from volforecast.studies.search_rough import as_settings as as_settings_of_networks
from volforecast.studies.search_settings import RoughSearchSettings, SearchSettings, spread
from volforecast.studies.search_young import as_settings

FOUND: dict[str, dict[str, Any]] = {
    "NP XGB-STD": {"depth": 2, "learning_rate": 0.03125, "trees": 15, "gamma": 1e-05},
    "MTL-75 FNN-EXT": {"batch": 128, "max_epochs": 20, "learning_rate": 0.01},
}


def read(text: str, folder: Path, kind: Any = NewIssuesConfig, **options: Any) -> Any:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(kind, str(path), options).checked()


def test_a_study_computes_with_the_values_found_and_no_other_model_does(tmp_path: Path) -> None:
    options = {"models": ("NP XGB-STD", "NP XGB-EXT", "TO XGB-STD"), "horizon_days": 10, "periods": (50,)}
    plain = NewIssues(NewIssuesConfig(**options).checked())  # type: ignore[arg-type]
    tuned = NewIssues(read(as_settings(FOUND), tmp_path, **options))
    by_hand = NewIssues(NewIssuesConfig(**options, xgb=XGB(**FOUND["NP XGB-STD"])).checked())  # type: ignore[arg-type]
    data = plain.load(panel())
    keys = [{unit.name: unit.key for unit in study.plan(data).units} for study in (plain, tuned, by_hand)]
    for name, key in keys[1].items():
        ours = "NP XGB-STD" in name
        if "confidence" not in name:
            assert (key == keys[0][name]) != ours, name
            assert (key == keys[2][name]) == (ours or "XGB" not in name), name
    plans = [study.plan(data) for study in (tuned, by_hand)]
    parts = [computed(study, data, plan) for study, plan in zip((tuned, by_hand), plans, strict=True)]
    for unit in plans[0].units:
        if unit.name.endswith("NP XGB-STD"):
            assert from_parquet(parts[0][unit.key]).equals(from_parquet(parts[1][unit.key]))


def test_settings_of_a_network_keep_the_other_mini_batches(tmp_path: Path) -> None:
    config = read(as_settings(FOUND), tmp_path)
    network = config.model("MTL-75 FNN-EXT")
    assert network == FNN(learning_rate=0.01, max_epochs=20, batch={"TO": 4, "MTL": 128, "NP": 1024})
    assert config.model("MTL-75 FNN-STD") == FNN()
    assert config.model("NP XGB-STD") == XGB(**FOUND["NP XGB-STD"])


def test_values_found_win_over_those_of_the_class_and_leave_its_others(tmp_path: Path) -> None:
    text = '[xgb]\ntree_method = "exact"\ndepth = 7\n' + as_settings({"NP XGB-STD": {"depth": 2}})
    config = read(text, tmp_path)
    assert config.model("NP XGB-STD") == XGB(tree_method="exact", depth=2)
    assert config.model("NP XGB-EXT") == XGB(tree_method="exact", depth=7)


def test_the_first_days_have_models_of_their_own(tmp_path: Path) -> None:
    text = as_settings({"5-NP FNN-EXT": {"batch": 64, "patience": 25}})
    config = read(text, tmp_path, FirstDaysConfig)
    assert config.model("5-NP FNN-EXT").batch == {"TO": 1, "MTL": 512, "NP": 64}
    assert config.model("22-NP FNN-EXT").batch == {"TO": 1, "MTL": 512, "NP": 1024}
    assert config.model("NF") is None


def test_numbers_are_written_exactly() -> None:
    values = {"learning_rate": 0.1 + 0.2, "gamma": 1e-07, "trees": 123, "subsample": 1.0}
    assert tomllib.loads(as_settings({"NP XGB-STD": values}))["tuned"]["NP XGB-STD"] == values


def test_the_point_of_the_networks_of_log_volatility_goes_into_three_tables(tmp_path: Path) -> None:
    best = {"network.hidden": 16, "network.dropout": 0.25, "pretraining.rate": 2e-05, "fine_tuning.batch": 8}
    searched = RoughTransferConfig(network=NetworkSettings(inputs=("daily", "weekly"))).checked()
    config = read(as_settings_of_networks(searched, {"networks": best}), tmp_path, RoughTransferConfig)
    assert (
        config
        == RoughTransferConfig(
            network=NetworkSettings(inputs=("daily", "weekly"), hidden=16, dropout=0.25),
            pretraining=TrainingSettings(rate=2e-05, batch=32, epochs=50),
            fine_tuning=TrainingSettings(rate=1e-4, batch=8, epochs=30),
        ).checked()
    )


@pytest.mark.parametrize(
    ("tuned", "said"),
    [
        ({"NP XGB": {"depth": 3}}, "tuned: no model is called 'NP XGB'"),
        ({"NP HAR-STD": {"depth": 3}}, "depth is no hyperparameter of it; it has none: only FNN, XGB models have any"),
        ({"NF-22": {"depth": 3}}, "depth is no hyperparameter of it"),
        ({"NP XGB-STD": {"tree_method": "exact"}}, "tree_method is no hyperparameter of it; it has trees, depth"),
        ({"NP FNN-STD": {"device": "cuda"}}, "device is no hyperparameter of it"),
        ({"NP XGB-STD": {"depth": 0}}, "depth = 0 must be at least 1"),
        ({"NP XGB-STD": {"depth": "x"}}, "Expected `int`, got `str`"),
        ({"NP FNN-STD": {"batch": 64}}, "Expected `object`, got `int`"),
    ],
)
def test_settings_of_models_that_mean_nothing_are_refused(tuned: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        NewIssuesConfig(tuned=tuned).checked()
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (NewIssuesConfig(search=SearchSettings(share=1.0)), "search.share: 1.0"),
        (FirstDaysConfig(search=SearchSettings(rows=0)), "search.rows: 0"),
        (NewIssuesConfig(search=SearchSettings(targets=0)), "search.targets: 0"),
        (RoughTransferConfig(search=RoughSearchSettings(seeds=0)), "search.seeds: 0"),
    ],
)
def test_settings_of_a_search_are_checked(config: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config.checked()


@pytest.mark.parametrize("kind", [NewIssuesConfig, FirstDaysConfig, RoughTransferConfig])
def test_a_plan_knows_nothing_of_searches(kind: Any) -> None:
    search = RoughSearchSettings(seeds=1) if kind is RoughTransferConfig else SearchSettings(seeds=1)
    plain, other = kind().checked(), kind(search=search).checked()
    assert plain.written() == other.written()
    assert not {"search", "tuned"} & set(plain.written())


def test_targets_are_spread_from_the_first_to_the_last() -> None:
    assert spread("abcdefg", 3) == ("a", "d", "g")
    assert spread("abc", 10) == ("a", "b", "c")
    assert spread("abc", 1) == ("a",)
    assert spread("ab", 2) == ("a", "b")

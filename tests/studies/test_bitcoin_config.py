"""Settings of the bitcoin-mixture study."""

import msgspec
import pytest

from volforecast.config import load_settings
from volforecast.errors import ConfigError
from volforecast.evaluation import hourly_order
from volforecast.models.hourly import HYBRIDS, MODELS, NAMES
from volforecast.studies.bitcoin_config import BitcoinMixtureConfig, SearchSettings
from volforecast.studies.bitcoin_fits import asked_of


def test_models_come_in_the_order_of_the_tables_with_har_and_the_parts_of_hybrids() -> None:
    picked = BitcoinMixtureConfig(models=("SXGB x GARCH", "TM-G")).checked().models
    assert set(picked) == {"HAR", "TM-G", "GARCH", "SXGB", "SXGB x GARCH"}
    assert [name for name in NAMES if name in picked] == list(picked)
    assert BitcoinMixtureConfig().checked().models == ()


def test_every_name_is_a_model_or_the_average_of_two_that_stand_before_it() -> None:
    assert set(NAMES) == set(MODELS) | set(HYBRIDS)
    assert len(set(NAMES)) == len(NAMES) == 16
    for name, parts in HYBRIDS.items():
        assert all(NAMES.index(part) < NAMES.index(name) for part in parts.members)


def test_tables_and_models_agree_on_names() -> None:
    assert set(NAMES) == {name for group in hourly_order.GROUPS.values() for name in group}


def test_a_grid_that_has_no_more_points_than_trials_is_gone_through_whole() -> None:
    few = asked_of("GARCH", SearchSettings(trials=1000), 1)
    assert (few.method, few.trials) == ("grid", len(MODELS["GARCH"].grid["window"]))
    some = asked_of("XGB", SearchSettings(trials=7), 1)
    assert (some.method, some.trials) == ("tpe", 7)
    assert asked_of("XGB", SearchSettings(method="grid", trials=7), 1).trials == 4 * 3 * 4 * 4 * 5


def test_the_papers_grids_are_whole() -> None:
    assert asked_of("LSTM", SearchSettings(method="grid"), 1).trials == 4 * 4 * 2 * 2 * 4


def test_seeds_are_of_what_is_random() -> None:
    config = BitcoinMixtureConfig(seeds=4, lstm_seeds=2)
    assert list(config.seeds_of("HAR")) == [0]
    assert list(config.seeds_of("TM-G")) == [1, 2, 3, 4]
    assert list(config.seeds_of("LSTM")) == [1, 2]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (BitcoinMixtureConfig(models=("LSTN",)), "models: LSTN is none; choose from"),
        (BitcoinMixtureConfig(iterations=()), "iterations: "),
        (BitcoinMixtureConfig(iterations=(0,)), "iterations: "),
        (BitcoinMixtureConfig(seeds=0), "seeds: 0"),
        (BitcoinMixtureConfig(lstm_seeds=0), "lstm_seeds: 0"),
        (BitcoinMixtureConfig(sentiment_lag=-1), "sentiment_lag: -1"),
        (BitcoinMixtureConfig(confidence=1.0), "confidence: 1.0"),
        (BitcoinMixtureConfig(replications=10), "replications: 10"),
        (BitcoinMixtureConfig(search=SearchSettings(trials=0)), "search: trials"),
        (BitcoinMixtureConfig(lstm_search=SearchSettings(seeds=0)), "lstm_search: trials"),
        (BitcoinMixtureConfig(hyperparameters={"XGB": {}}), "hyperparameters: XGB is no mode/model/iteration"),
        (BitcoinMixtureConfig(hyperparameters={"clean/GARCH/9": {"window": 100}}), "clean/GARCH/9 is no"),
        (BitcoinMixtureConfig(hyperparameters={"clean/GARCH/1": {"windows": 100}}), "GARCH takes window"),
    ],
)
def test_what_is_wrong_is_named(config: BitcoinMixtureConfig, named: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.checked()
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_survive_the_plan() -> None:
    given = {"clean/GARCH/1": {"window": 200}}
    config = BitcoinMixtureConfig(mode="both", models=("GARCH",), hyperparameters=given).checked()
    assert load_settings(BitcoinMixtureConfig, None, msgspec.to_builtins(config)) == config
    assert config.modes == ("clean", "paper")

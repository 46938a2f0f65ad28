"""Settings of the rough-transfer study: the paper's by default, and one line about what is wrong."""

import msgspec
import pytest

from volforecast.errors import ConfigError
from volforecast.models.rough import NAMES, NETWORKS, PAPERS
from volforecast.networks.architecture import components, groups
from volforecast.studies.rough_config import NetworkSettings, RoughTransferConfig, TrainingSettings


def test_the_defaults_are_table_8() -> None:
    config = RoughTransferConfig().checked()
    assert config.models == PAPERS
    first, second = config.pretraining, config.fine_tuning
    assert (first.rate, first.batch, first.epochs, first.patience) == (1e-3, 32, 50, 10)
    assert (second.rate, second.batch, second.epochs, second.patience) == (1e-4, 16, 30, 10)
    assert (config.network.dropout, config.network.sequence, config.seeds) == (0.1, 22, 5)
    assert not config.mixed_precision


def test_the_default_network_has_the_counts_of_the_specification() -> None:
    counts = {
        part.component: part.parameters for part in components(RoughTransferConfig().architecture(NETWORKS["LSTM"]))
    }
    assert counts["LSTM encoder"] == 83_712
    assert counts["Attention"] == 4_224
    assert counts["Predictor"] == 2_113


def test_models_come_in_the_order_of_the_tables_with_har() -> None:
    assert RoughTransferConfig(models=("Transfer LSTM", "LSTM")).checked().models == ("HAR", "LSTM", "Transfer LSTM")
    assert RoughTransferConfig(models=("all",)).checked().models == NAMES


def test_schedules_are_those_of_the_recipes() -> None:
    config = RoughTransferConfig().checked()
    for name, recipe in NETWORKS.items():
        schedule = config.schedule(recipe, groups(config.architecture(recipe)))
        column = (
            config.fine_tuning
            if name.startswith(("Transfer", "Frozen", "Diff", "Grad", "Aggr"))
            else config.pretraining
        )
        if name in ("Transformer", "Quantile LSTM"):
            column = config.pretraining
        assert (schedule.epochs, schedule.batch) == (column.epochs, column.batch), name


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (RoughTransferConfig(models=("LSTN",)), "models: LSTN"),
        (RoughTransferConfig(models=("HAR", "Moving Average")), "no networks"),
        (RoughTransferConfig(targets=("BTC", "BTC")), "targets: BTC, BTC"),
        (RoughTransferConfig(horizons=(0,)), "horizons: [0]"),
        (RoughTransferConfig(horizons=()), "horizons: []"),
        (RoughTransferConfig(seeds=0), "seeds: 0"),
        (RoughTransferConfig(stack=0), "stack: 0"),
        (RoughTransferConfig(num_gpus=0.0), "num_gpus: 0.0"),
        (RoughTransferConfig(num_gpus=1.5), "num_gpus: 1.5"),
        (RoughTransferConfig(confidence=1.0), "confidence: 1.0"),
        (RoughTransferConfig(network=NetworkSettings(inputs=("weakly",))), "network.inputs: weakly"),
        (RoughTransferConfig(network=NetworkSettings(heads=5)), "attention = 32"),
        (RoughTransferConfig(network=NetworkSettings(levels=(0.1, 0.5, 0.8))), "network.levels"),
        (RoughTransferConfig(network=NetworkSettings(levels=())), "network.levels"),
        (RoughTransferConfig(network=NetworkSettings(dropout=1.0)), "dropout = 1.0"),
        (RoughTransferConfig(fine_tuning=TrainingSettings(rate=0.0, batch=1, epochs=1)), "fine_tuning.rate"),
        (RoughTransferConfig(pretraining=TrainingSettings(rate=1.0, batch=0, epochs=1)), "pretraining.batch"),
    ],
)
def test_what_is_wrong_is_named(config: RoughTransferConfig, named: str) -> None:
    with pytest.raises(ConfigError, match=r"^[^\n]*$") as caught:
        config.checked()
    assert named in str(caught.value)


def test_settings_survive_the_plan() -> None:
    config = RoughTransferConfig(sources=("SPX",), models=("all",), horizons=(5, 1)).checked()
    assert msgspec.convert(msgspec.to_builtins(config), RoughTransferConfig) == config

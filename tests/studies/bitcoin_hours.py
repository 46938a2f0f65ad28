"""A small simulated table of hours and a study of it with few seeds and trials."""

from dataclasses import replace
from functools import cache

from volforecast.data.hourly import HourlyTable
from volforecast.data.simulate_hourly import HourlySettings, simulate_hourly
from volforecast.models.hourly import HYBRIDS, MODELS
from volforecast.studies.bitcoin_config import BitcoinMixtureConfig, SearchSettings
from volforecast.studies.bitcoin_mixture import BitcoinMixture

SMALL = BitcoinMixtureConfig(
    seeds=2,
    lstm_seeds=1,
    iterations=(1, 6),
    search=SearchSettings(trials=2, seeds=1),
    lstm_search=SearchSettings(trials=1, seeds=1),
    replications=100,
)


@cache
def some_hours(seed: int = 5) -> HourlyTable:
    """900 hours with order book, sentiment and a gap."""
    return simulate_hourly(HourlySettings(hours=900, gaps=1), seed)


@cache
def few_features() -> HourlyTable:
    """The same with three of the features: a Lasso goes through eleven lags of each."""
    table = some_hours()
    kept = [table.feature_names.index(name) for name in ("spread", "ask_depth", "bid_volume")]
    names = tuple(table.feature_names[column] for column in kept)
    return replace(table, features=table.features[:, kept], feature_names=names)


def a_study(**changes: object) -> BitcoinMixture:
    """The study with settings changed."""
    given = {field: getattr(SMALL, field) for field in SMALL.__struct_fields__} | changes
    return BitcoinMixture(BitcoinMixtureConfig(**given).checked())  # type: ignore[arg-type]


def first_points(
    *models: str, mode: str = "clean", iterations: tuple[int, ...] = (1, 6)
) -> dict[str, dict[str, object]]:
    """For each model the first point of its grid, so that nothing is searched."""
    return {
        f"{mode}/{model}/{iteration}": {name: values[0] for name, values in MODELS[model].grid.items()}
        for model in models
        if model not in HYBRIDS and MODELS[model].grid
        for iteration in iterations
    }

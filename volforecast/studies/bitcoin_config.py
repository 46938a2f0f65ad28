"""Settings of the bitcoin-mixture study, each a key of its configuration file."""

from typing import Literal, get_args

import msgspec
from msgspec import Struct

from volforecast.errors import ConfigError
from volforecast.evaluation.hourly_order import HAR
from volforecast.hourly_rows import ITERATIONS, Mode
from volforecast.models.hourly import HYBRIDS, MODELS, NAMES
from volforecast.models.hourly.protocol import Value
from volforecast.printable import printable

HEAVY = ("LSTM",)  # models whose trainings take tens of seconds each


class SearchSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a model's hyperparameters are chosen on the validation rows of each iteration.

    Attributes:
        method: ``tpe`` (Optuna), ``random``, or ``grid``: every point of the grid, however many trials are allowed.
        trials: Points tried; a grid that has no more is gone through whole.
        seeds: Networks trained at each point; their mean loss counts.
    """

    method: Literal["tpe", "random", "grid"] = "tpe"
    trials: int = 40
    seeds: int = 3


class BitcoinMixtureConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the study; every one is a key of the configuration file.

    Attributes:
        mode: ``clean`` (one clock, the same rows for every model, nothing reaches over a gap), ``paper`` (the authors'
            protocol), or ``both`` side by side.
        models: Those that the table allows when empty.
        iterations: Of the ten intervals' six.
        seed: Every random draw is derived from it.
        seeds: Mixtures and trees of each iteration, which differ by their seed only.
        lstm_seeds: Likewise of LSTM.
        sentiment_lag: Hours between a sentiment index's time stamp and its publication, in clean mode.
        search: Of all models but LSTM.
        lstm_search: Of LSTM.
        hyperparameters: Values by ``mode/model/iteration``, such as a search has found; what is given here is not
            searched for.
        confidence, replications: Of the model confidence sets.
    """

    mode: Literal["clean", "paper", "both"] = "clean"
    models: tuple[str, ...] = ()
    iterations: tuple[int, ...] = tuple(range(1, ITERATIONS + 1))
    seed: int = 1
    seeds: int = 20
    lstm_seeds: int = 5
    sentiment_lag: int = 24
    search: SearchSettings = SearchSettings()
    lstm_search: SearchSettings = SearchSettings(trials=12, seeds=1)
    hyperparameters: dict[str, dict[str, Value]] = {}
    confidence: float = 0.95
    replications: int = 5000

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes that are run."""
        return get_args(Mode) if self.mode == "both" else (self.mode,)

    def search_of(self, model: str) -> SearchSettings:
        """How a model's hyperparameters are searched for."""
        return self.lstm_search if model in HEAVY else self.search

    def seeds_of(self, model: str) -> range:
        """Numbers of a model's seeds: from 1, or 0 alone where nothing is random."""
        if not MODELS[model].random:
            return range(1)
        return range(1, (self.lstm_seeds if model in HEAVY else self.seeds) + 1)

    def checked(self) -> "BitcoinMixtureConfig":
        """The same settings with model names in the order of the tables, HAR and both parts of a hybrid among them.

        Raises:
            ConfigError: A setting is out of range.
        """
        if not self.iterations or not set(self.iterations) <= set(range(1, ITERATIONS + 1)):
            raise ConfigError(f"iterations: {list(self.iterations)} are not some of 1 to {ITERATIONS}")
        for name, lowest in (("seeds", 1), ("lstm_seeds", 1), ("sentiment_lag", 0), ("replications", 100)):
            value = getattr(self, name)
            if value < lowest:
                raise ConfigError(f"{name}: {value} is too few; give {lowest} or more")
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence: {self.confidence} does not lie between 0 and 1")
        for name in ("search", "lstm_search"):
            given: SearchSettings = getattr(self, name)
            if given.trials < 1 or given.seeds < 1:
                raise ConfigError(f"{name}: trials and seeds must be 1 or more, not {given.trials} and {given.seeds}")
        _check_hyperparameters(self.hyperparameters)
        return msgspec.structs.replace(
            self, models=_picked(self.models), iterations=tuple(sorted(set(self.iterations)))
        )


def _picked(models: tuple[str, ...]) -> tuple[str, ...]:
    """Names in the order of the tables; empty stays empty (what the table allows).

    Raises:
        ConfigError: There is no such model.
    """
    unknown = sorted(set(models) - set(NAMES))
    if unknown:
        raise ConfigError(f"models: {printable(unknown[0], 100)} is none; choose from {', '.join(NAMES)}")
    if not models:
        return ()
    parts = {part for name in models if name in HYBRIDS for part in HYBRIDS[name].members}
    return tuple(name for name in NAMES if name in {*models, *parts, HAR})


def _check_hyperparameters(given: dict[str, dict[str, Value]]) -> None:
    for name, values in given.items():
        mode, _, rest = name.partition("/")
        model, _, iteration = rest.rpartition("/")
        if mode not in get_args(Mode) or model not in MODELS or iteration not in map(str, range(1, ITERATIONS + 1)):
            raise ConfigError(
                f"hyperparameters: {printable(name, 100)} is no mode/model/iteration; write such as clean/XGB/1"
            )
        grid = MODELS[model].grid
        if set(values) != set(grid):
            raise ConfigError(
                f"hyperparameters: {name} has {', '.join(sorted(values)) or 'none'}; {model} takes {', '.join(grid)}"
            )

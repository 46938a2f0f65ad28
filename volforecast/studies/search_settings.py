"""Settings of the searches for hyperparameters, and what becomes of the values that they find.

Values found for a model go into the table ``[tuned."MTL-75 XGB-EXT"]`` of a study's configuration file, which wins over
the table of the model's class.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from cluster.search.space import Value
from volforecast.errors import ConfigError
from volforecast.printable import printable
from volforecast.studies.search_spaces import WITH_HYPERPARAMETERS, searched_fields

Settings = TypeVar("Settings", bound=Struct)
Tuned = dict[str, dict[str, Any]]


class SearchSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a point is judged for models of young assets; no setting changes a forecast.

    Attributes:
        share: Of a training set's rows, the last ones, that a point is judged by.
        targets: Most targets that a loss is the mean over, evenly from all of them in alphabetical order.
        rows: Most rows of a training set that are looked at, the last ones.
        seeds: Fits of each target that differ by their seed only.
    """

    share: float = 0.2
    targets: int = 10
    rows: int = 50_000
    seeds: int = 2

    def checked(self) -> "SearchSettings":
        """The same settings.

        Raises:
            ConfigError: One is out of range.
        """
        if not 0.0 < self.share < 1.0:
            raise ConfigError(f"search.share: {self.share} does not lie between 0 and 1")
        check_counts(self, ("targets", "rows", "seeds"))
        return self


class RoughSearchSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a point is judged for networks of log volatility; no setting changes a forecast.

    Attributes:
        targets: Most targets that a loss is the mean over, evenly from all of them in alphabetical order.
        seeds: Networks of each model and target that differ by their seed only.
    """

    targets: int = 3
    seeds: int = 2

    def checked(self) -> "RoughSearchSettings":
        """The same settings.

        Raises:
            ConfigError: One is out of range.
        """
        check_counts(self, ("targets", "seeds"))
        return self


def check_counts(settings: Struct, names: Sequence[str]) -> None:
    """Stop at a count below 1.

    Raises:
        ConfigError: It names the setting.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise ConfigError(f"search.{name}: {getattr(settings, name)} is too few; give 1 or more")


def spread(names: Sequence[str], most: int) -> tuple[str, ...]:
    """At most so many of the names, evenly from the first to the last."""
    count = min(most, len(names))
    if count == 1:
        return (names[0],)
    return tuple(names[round(k * (len(names) - 1) / (count - 1))] for k in range(count))


def changed(settings: Settings, changes: Mapping[str, Any], called: str) -> Settings:
    """Settings with some replaced; of a table such as the mini-batches, only the entries that are named.

    Args:
        settings: Those of a model class.
        changes: New values by name.
        called: What an error calls them.

    Raises:
        ConfigError: There is no such setting, or a value is of the wrong type or out of range.
    """
    given: dict[str, Any] = msgspec.to_builtins(settings)
    for name, value in changes.items():
        table = given.get(name)
        given[name] = table | value if isinstance(table, dict) and isinstance(value, dict) else value
    try:
        return msgspec.convert(given, type(settings))
    except (msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{called}: {printable(error, 300)}") from error


def check_tuned(tuned: Tuned, models: Mapping[str, Struct | None]) -> None:
    """Stop at settings of single models that mean nothing.

    Args:
        tuned: They, by model.
        models: The settings of the class of each model that there is; None of the naive forecasts.

    Raises:
        ConfigError: There is no such model, it has no hyperparameters, or a value is out of range.
    """
    for model, values in tuned.items():
        if model not in models:
            raise ConfigError(f"tuned: no model is called {printable(model, 60)!r}; names read 'MTL-75 XGB-EXT'")
        settings = models[model]
        known = searched_fields(settings)
        unknown = sorted(set(values) - set(known))
        if unknown:
            offered = ", ".join(known) or f"none: only {', '.join(WITH_HYPERPARAMETERS)} models have any"
            raise ConfigError(
                f'tuned."{model}": {printable(unknown[0], 60)} is no hyperparameter of it; it has {offered}'
            )
        if settings is not None:
            changed(settings, values, f'tuned."{model}"')


def without_search(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as a plan holds them: without those of searches, and without hyperparameters of no model."""
    return {name: value for name, value in settings.items() if name != "search" and (name != "tuned" or value)}


def toml_table(name: str, values: Mapping[str, Value | Mapping[str, Value]]) -> str:
    """One table of a TOML file; ``name`` as it is written there."""
    return "\n".join([f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]) + "\n"


def _toml(value: Value | Mapping[str, Value]) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)  # of text, numbers and truth values TOML's notation is that of JSON

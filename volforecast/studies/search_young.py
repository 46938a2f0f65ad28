"""Searches for hyperparameters of models of young assets: networks, boosted trees (Teller et al. 2026, section 7).

One search a model; a point's loss is the geometric mean over targets of the mean squared error relative to the naive
forecast's, on the last rows of each target's training set (:mod:`volforecast.studies.search_validation`), at the first
origin that the study has for the model. Labels of the days that the study tests on are not among them. The mean is
geometric because a young target has few such rows: where the naive forecast happens to be good on them, its ratio would
outweigh those of all others.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from cluster.keys import unit_key
from cluster.search.space import Value, space_text
from cluster.search.study import Search
from volforecast.errors import ConfigError
from volforecast.models.fnn import FNN
from volforecast.models.protocol import Model
from volforecast.studies.costs import forecast_cost
from volforecast.studies.model_names import NAIVE_MEAN, parse
from volforecast.studies.rolling import Estimation
from volforecast.studies.search_settings import SearchSettings, changed, spread, toml_table
from volforecast.studies.search_spaces import WITH_HYPERPARAMETERS, as_changes, point_of, space_of
from volforecast.studies.search_validation import cut, relative_error
from volforecast.studies.search_windows import on_cpu
from volforecast.studies.units import GPUS, versions
from volforecast.transfer.dtw import DTW


@dataclass(frozen=True)
class Young:
    """What the searches of a study of young assets read of it.

    Attributes:
        study: Its name.
        fingerprint: Of the panel.
        models: Those asked for.
        default: Whether they are what the study computes when nothing is asked for.
        targets: All of them.
        settings: How points are judged.
        shared: Settings that change losses, by name: the study's seed and what else is no hyperparameter.
        dtw: How similar windows are looked for.
        model: The configured class of a model.
        origin: The first origin at which a model is estimated; it names the sample period, too.
        estimation: The study's estimations of a model for a target, from what is selected for it.
        selections: What is selected for targets at a model's first origin.
    """

    study: str
    fingerprint: str
    models: tuple[str, ...]
    default: bool
    targets: tuple[str, ...]
    settings: SearchSettings
    shared: dict[str, Any]
    dtw: DTW
    model: Callable[[str], Model | None]
    origin: Callable[[str], int]
    estimation: Callable[[str, str, pa.Table | None], Estimation]
    selections: Callable[[str, Sequence[str]], list[pa.Table]]


def searches(young: Young) -> list[Search]:
    """One search for each model that has hyperparameters.

    Raises:
        ConfigError: A model that is asked for has none, or no row to learn from at its first origin.
    """
    without = [name for name in young.models if _without(young, name)]
    if without and not (young.default and len(without) < len(young.models)):
        raise ConfigError(f"--models: {without[0]}: {_without(young, without[0])}; leave it out")
    return [_search(young, name) for name in young.models if name not in without]


def trial(young: Young, search: Search, values: Mapping[str, Value]) -> float:
    """The loss of a point.

    Nothing is reported on the way: a mean over the first targets says little of the others.

    Raises:
        FitError: The model cannot be estimated for a target.
    """
    name, targets = str(search.coordinates["model"]), str(search.coordinates["targets"]).split(",")
    settings: Any = young.model(name)
    model = changed(settings, as_changes(values, parse(name).approach), name)
    selections: Sequence[pa.Table | None] = [None] * len(targets)
    if parse(name).approach == "MTL":
        selections = young.selections(name, targets)
    total, origin = 0.0, int(search.coordinates["origin"])
    for target, selection in zip(targets, selections, strict=True):
        estimation = young.estimation(name, target, selection)
        parts = cut(estimation, origin, young.settings)
        total += math.log(max(relative_error(estimation, model, parts, young.settings), sys.float_info.min))
    return math.exp(total / len(targets))


def as_settings(best: Mapping[str, Mapping[str, Value]]) -> str:
    """The text of a configuration file from the best point of each model, by its name."""
    tables = [toml_table(f'tuned."{name}"', as_changes(best[name], parse(name).approach)) for name in sorted(best)]
    return "\n".join(tables)


def _without(young: Young, name: str) -> str:
    """Why a model has no search; empty if it has one."""
    parsed = parse(name)
    if parsed.model_class not in WITH_HYPERPARAMETERS:
        called = name if parsed.model_class == NAIVE_MEAN else f"{parsed.model_class} models"
        return f"{called} have no hyperparameters; those of {' and '.join(WITH_HYPERPARAMETERS)} are searched"
    if parsed.prefix is not None and parsed.approach == "TO":
        return "at its first origin a TO model of the first days has no row to learn from; search NP and MTL models"
    return ""


def _search(young: Young, name: str) -> Search:
    parsed = parse(name)
    settings: Any = young.model(name)
    space, origin = space_of(settings, parsed.approach), young.origin(name)
    targets = spread(young.targets, young.settings.targets)
    on_gpu = isinstance(settings, FNN) and settings.device == "cuda"
    where: dict[str, str | int] = {"model": name, "origin": origin, "targets": ",".join(targets)}
    fixed = {key: value for key, value in msgspec.to_builtins(settings).items() if key not in space}
    judged = msgspec.to_builtins(young.settings) | young.shared | {"class": fixed}
    if parsed.approach == "MTL":
        judged |= {"dtw": msgspec.to_builtins(on_cpu(young.dtw))}
    key = unit_key(
        {
            "study": young.study,
            "data": young.fingerprint,
            "versions": versions(on_gpu=on_gpu),
            "kind": "search",
            "where": where,
            "settings": judged,
            "space": space_text(space),
        }
    )
    return Search(
        key,
        name,
        where,
        space,
        cost=round(_seconds(young, name, targets), 3),
        gpus=GPUS if on_gpu else 0.0,
        defaults=point_of(settings, parsed.approach),
    )


def _seconds(young: Young, name: str, targets: Sequence[str]) -> float:
    """Core-seconds of a trial near the paper's settings."""
    seconds = 0.1 if parse(name).approach == "MTL" else 0.0
    for target in targets:
        estimation, origin = young.estimation(name, target, None), young.origin(name)
        rows = estimation.market.rows
        day = int(rows.date[rows.first_row(target) + origin - 1])
        pairs = min(len(estimation.market.pool.known_at(day)), young.settings.rows)
        own = max(1, origin - rows.first_day)
        seconds += forecast_cost(name, young.model(name), pairs, own, young.settings.seeds, 0).seconds
    return seconds

"""A search for the hyperparameters of the networks of log volatility: one point for all models that are asked for.

They share one network and two columns of training settings (Dhansoia 2025, table 8), and what transfer models start
from is trained once for all of them, so a search has one best point, however many models it looks at. A point's loss is
the validation loss of each network's best epoch relative to HAR's on the same rows, mean over models, targets and
seeds. Validation rows are those by which the study stops its training; the test part is not read.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from cluster.errors import EngineError
from cluster.keys import unit_key
from cluster.search.space import Range, Value, checked_point, space_text
from cluster.search.study import Report, Search
from volforecast.errors import ConfigError
from volforecast.log_rows import split
from volforecast.models.rough import NETWORKS
from volforecast.studies.rough_config import RoughTransferConfig
from volforecast.studies.rough_fits import Fits
from volforecast.studies.rough_tasks import FEWEST, first_row, source_split, together
from volforecast.studies.search_rough_loss import loss, seconds
from volforecast.studies.search_settings import spread, toml_table
from volforecast.studies.units import versions

if TYPE_CHECKING:
    from volforecast.studies.rough_transfer import Histories, RoughTransfer

Space = dict[str, tuple[Value, ...] | Range]

NAME = "networks"  # of the one search
WIDTHS, SEQUENCES = (16, 32, 64, 128), (5, 10, 22, 44)
TRAINING: Space = {
    "network.layers": (1, 2, 3),
    "network.dropout": Range(0.0, 0.5),
    "pretraining.rate": Range(1e-4, 1e-2, log=True),
    "pretraining.batch": (16, 32, 64, 128),
}
FINE_TUNING: Space = {
    "fine_tuning.rate": Range(1e-5, 1e-2, log=True),
    "fine_tuning.batch": (8, 16, 32, 64),
}


def search(study: "RoughTransfer", data: "Histories") -> Search:
    """The search over all networks that are asked for, at the shortest horizon.

    Raises:
        ConfigError: No sequence or no width fits the assets and the settings.
    """
    config, horizon = study.config, min(study.config.horizons)
    targets, models = spread(data.targets, config.search.targets), networks_of(config)
    space = space_of(config, _sequences(study, data, horizon))
    begins = _begins(study, models, horizon)
    sources = data.sources if begins else ()
    where: dict[str, str | int] = {"models": ",".join(models), "horizon": horizon, "targets": ",".join(targets)}
    key = unit_key(
        {
            "study": study.name,
            "data": [str(data.tested_from), *(data.series[name].fingerprint for name in (*targets, *sources))],
            "versions": versions("torch"),
            "kind": "search",
            "where": where | {"sources": ",".join(sources)},
            "settings": fixed_settings(config, space),
            "space": space_text(space),
        }
    )
    asked = [study.fits(model, horizon) for model in models]
    lengths = [len(data.series[target].x) // 2 for target in targets]
    source_rows = sum(len(study.source_rows(data, source)) for source in sources)
    return Search(
        key,
        NAME,
        where,
        space,
        cost=round(seconds(asked, lengths, begins, source_rows), 3),
        gpus=config.num_gpus if config.device == "cuda" else 0.0,
        steps=sum(fits.schedule.epochs for fits in asked),
        defaults=point_of(config, space),
    )


def trial(
    study: "RoughTransfer", search: Search, data: "Histories", values: Mapping[str, Value], report: Report
) -> float:
    """The loss of a point (:func:`volforecast.studies.search_rough_loss.loss`).

    Raises:
        FitError: A training came to nothing.
    """
    own = msgspec.structs.replace(study, config=with_point(study.config, values))
    horizon, models = int(search.coordinates["horizon"]), str(search.coordinates["models"]).split(",")
    targets, begins = str(search.coordinates["targets"]).split(","), _begins(own, models, horizon)
    merged = together([own.task(data, source, horizon) for source in data.sources]) if begins else None
    tasks = [own.task(data, target, horizon) for target in targets]
    return loss([own.fits(model, horizon) for model in models], tasks, begins, merged, report)


def _begins(study: "RoughTransfer", models: Sequence[str], horizon: int) -> dict[str, Fits]:
    """By pre-trained model, the one whose networks it starts from."""
    return {model: found for model in models if (found := study.begins_from(model, horizon)) is not None}


def _sequences(study: "RoughTransfer", data: "Histories", horizon: int) -> tuple[int, ...]:
    """Days of a sequence that leave every asset enough rows to learn from and to judge by."""

    def fewest(days: int) -> int:
        first = first_row(days, study.config.network.inputs)
        parts = [split(len(data.series[target].x), first, horizon) for target in data.targets]
        parts += [source_split(data.series[source], first, horizon, data.tested_from) for source in data.sources]
        return min(min(len(part.training), len(part.validation)) for part in parts)

    return tuple(days for days in SEQUENCES if fewest(days) >= FEWEST)


def networks_of(config: RoughTransferConfig) -> tuple[str, ...]:
    """The models that have hyperparameters."""
    return tuple(model for model in config.models if model in NETWORKS)


def space_of(config: RoughTransferConfig, sequences: Sequence[int]) -> Space:
    """What is searched for the models of a configuration.

    Args:
        config: The study's.
        sequences: Those that leave all assets enough rows.

    Raises:
        ConfigError: No sequence or no width is left.
    """
    models = networks_of(config)
    blocks = any(NETWORKS[model].encoder == "transformer" for model in models)
    widths = tuple(width for width in WIDTHS if not (blocks and width % config.network.heads))
    for name, left in (("sequence", sequences), ("hidden", widths)):
        if not left:
            offered = SEQUENCES if name == "sequence" else WIDTHS
            raise ConfigError(
                f"network.{name}: none of {', '.join(map(str, offered))} will do; the assets have too few days for "
                f"these sequences, or network.heads = {config.network.heads} divides none of these widths"
            )
    space = TRAINING | {"network.hidden": widths, "network.sequence": tuple(sequences)}
    return space | (FINE_TUNING if any(NETWORKS[model].pretrained for model in models) else {})


def point_of(config: RoughTransferConfig, space: Space) -> dict[str, Value]:
    """Where settings stand in a space; empty if they lie outside of it."""
    given: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    try:
        return checked_point(space, {name: given[table][key] for name, table, key in _parts(space)})
    except EngineError:
        return {}


def with_point(config: RoughTransferConfig, values: Mapping[str, Value]) -> RoughTransferConfig:
    """The settings with a point in the place of theirs."""
    given: dict[str, Any] = msgspec.to_builtins(config)
    for name, table, key in _parts(values):
        given[table][key] = values[name]
    return msgspec.convert(given, RoughTransferConfig)


def fixed_settings(config: RoughTransferConfig, space: Space) -> dict[str, Any]:
    """What changes a loss besides the point."""
    given: dict[str, Any] = msgspec.to_builtins(config)
    for _, table, key in _parts(space):
        del given[table][key]
    names = ("seed", "network", "pretraining", "fine_tuning", "device", "mixed_precision", "search")
    return {name: given[name] for name in names}


def as_settings(config: RoughTransferConfig, best: Mapping[str, Mapping[str, Value]]) -> str:
    """The text of a configuration file: the tables that a search looks at, with its best point in them.

    Args:
        config: The study's.
        best: The best point of the search, by its name.
    """
    given: dict[str, Any] = msgspec.to_builtins(with_point(config, best[NAME]))
    return "\n".join(toml_table(table, given[table]) for table in ("network", "pretraining", "fine_tuning"))


def _parts(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Each name, the table of settings that it is in, and its key there."""
    for name in sorted(names):
        table, _, key = name.partition(".")
        yield name, table, key

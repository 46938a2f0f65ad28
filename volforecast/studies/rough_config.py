"""Settings of the rough-transfer study, each a key of its configuration file (Dhansoia 2025, tables 7 and 8)."""

import math
from typing import Any, Literal

import msgspec
from msgspec import Struct

from volforecast.errors import ConfigError
from volforecast.models.rough import NAMES, NETWORKS, PAPERS
from volforecast.models.rough.recipe import Recipe
from volforecast.networks.architecture import Architecture
from volforecast.networks.jobs import Schedule
from volforecast.printable import printable
from volforecast.studies.search_settings import RoughSearchSettings, without_search

HAR = "HAR"
INPUTS = ("daily", "weekly", "monthly", "change")
INTERVALS = (0.05, 0.25, 0.5, 0.75, 0.95)


class NetworkSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The network of section 3.3. Table 7's counts contradict each other; the text's widths are the defaults.

    Attributes:
        inputs: What a day of the sequence shows: ``daily`` (log RV), its mean ``weekly``, ``monthly``, its ``change``.
        sequence: Days of a sequence.
        layers, hidden: Of the encoder.
        attention, heads: Width of the attention over the encoded days, and its heads.
        dropout: Share of values left out while training, between layers and in the head.
        regimes: K of the regime ensemble.
        levels: Of the quantiles, symmetric around 0.5.
    """

    inputs: tuple[str, ...] = ("daily",)
    sequence: int = 22
    layers: int = 3
    hidden: int = 64
    attention: int = 32
    heads: int = 4
    dropout: float = 0.1
    regimes: int = 3
    levels: tuple[float, ...] = INTERVALS


class TrainingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One column of table 8.

    Attributes:
        rate: Adam's learning rate.
        batch: Rows of a mini-batch.
        epochs: Most epochs.
        patience: Epochs without a smaller validation loss after which training ends.
        plateau_factor, plateau_patience: The rate is multiplied by the factor after more such epochs than that
            (ReduceLROnPlateau; the paper gives no figures).
    """

    rate: float
    batch: int
    epochs: int
    patience: int = 10
    plateau_factor: float = 0.5
    plateau_patience: int = 5


class RoughTransferConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the study; every one is a key of the configuration file.

    Attributes:
        sources: Assets to learn from, whatever role the panel gives them; those of its role ``source`` when empty.
        targets: Targets to forecast; all of the panel's when empty.
        models: The paper's when empty; ``all`` are these and those beyond it.
        horizons: Days ahead; the label is the mean of log RV over them.
        seed: Every random draw is derived from it.
        seeds: Networks of each model and target, which differ by their seed only.
        network: Of all network models.
        pretraining: Trains on the sources, and models that start from scratch on the target.
        fine_tuning: Trains pre-trained networks on the target.
        stack: Networks that one unit trains side by side: a machine with many small fits is kept busy by stacks, and no
            result depends on them. 1 gives a unit for each target, model and seed.
        device: ``cpu`` or ``cuda``.
        num_gpus: Share of a GPU that a unit asks for, with ``device = "cuda"``.
        mixed_precision: Compute in bfloat16 where it does not hurt much.
        confidence, replications: Of the model confidence sets.
        roughness_replications: Bootstrap replications behind the standard errors of Hurst exponents; 0 leaves them out.
        search: How ``volforecast search`` judges hyperparameters; a study does not read it.
    """

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    horizons: tuple[int, ...] = (1,)
    seed: int = 1
    seeds: int = 5
    network: NetworkSettings = NetworkSettings()
    pretraining: TrainingSettings = TrainingSettings(rate=1e-3, batch=32, epochs=50)
    fine_tuning: TrainingSettings = TrainingSettings(rate=1e-4, batch=16, epochs=30)
    stack: int = 5
    device: Literal["cpu", "cuda"] = "cpu"
    num_gpus: float = 0.5
    mixed_precision: bool = False
    confidence: float = 0.95
    replications: int = 5000
    roughness_replications: int = 200
    search: RoughSearchSettings = RoughSearchSettings()

    def checked(self) -> "RoughTransferConfig":
        """The same settings with model names written out, HAR among them: everything is compared with it.

        Raises:
            ConfigError: A setting is out of range.
        """
        for name in ("sources", "targets", "horizons"):
            given = getattr(self, name)
            if len(set(given)) != len(given):
                raise ConfigError(
                    f"{name}: {printable(', '.join(map(str, given)), 200)} names one twice; give each once"
                )
        if not self.horizons or min(self.horizons) < 1:
            raise ConfigError(f"horizons: {list(self.horizons)} are no numbers of days; give 1 or more, such as 1,5,22")
        _check_counts(self)
        self.search.checked()
        _check_network(self.network)
        for name in ("pretraining", "fine_tuning"):
            _check_training(name, getattr(self, name))
        models = _picked(self.models)
        for model in set(models) & set(NETWORKS):
            self.architecture(NETWORKS[model])  # checks itself
        return msgspec.structs.replace(self, models=models, horizons=tuple(sorted(self.horizons)))

    def architecture(self, recipe: Recipe) -> Architecture:
        """Of a model's network."""
        own = self.network
        return Architecture(
            encoder=recipe.encoder,
            inputs=len(own.inputs),
            layers=own.layers,
            hidden=own.hidden,
            attention=own.attention,
            heads=own.heads,
            dropout=own.dropout,
            head=recipe.head,
            regimes=own.regimes,
            levels=own.levels if recipe.head == "quantiles" else (),
        )

    def written(self) -> dict[str, Any]:
        """The settings as a plan holds them: those of searches are none of a study."""
        return without_search(msgspec.to_builtins(self))

    def schedule(self, recipe: Recipe, groups: tuple[str, ...]) -> Schedule:
        """How a model's network is trained."""
        training: TrainingSettings = getattr(self, recipe.phase)
        return Schedule(
            epochs=training.epochs,
            batch=training.batch,
            patience=training.patience,
            rates=tuple((epoch, dict(rates)) for epoch, rates in recipe.rates(groups, training.rate)),
            plateau_factor=training.plateau_factor,
            plateau_patience=training.plateau_patience,
            length=self.network.sequence,
        )


def _picked(models: tuple[str, ...]) -> tuple[str, ...]:
    """Names in the order of the tables.

    Raises:
        ConfigError: There is no such model.
    """
    wanted = set(NAMES if "all" in models else models or PAPERS) - {"all"}
    unknown = sorted(wanted - set(NAMES))
    if unknown:
        raise ConfigError(f"models: {printable(unknown[0], 100)} is none; choose from {', '.join(NAMES)}, or all")
    if not wanted & set(NETWORKS):
        raise ConfigError(f"models: {', '.join(sorted(wanted))} are no networks; add one of {', '.join(NETWORKS)}")
    return tuple(name for name in NAMES if name in wanted | {HAR})


def _check_counts(config: RoughTransferConfig) -> None:
    for name, lowest in (("seeds", 1), ("stack", 1), ("replications", 100), ("roughness_replications", 0)):
        value = getattr(config, name)
        if value < lowest:
            raise ConfigError(f"{name}: {value} is too few; give {lowest} or more")
    if not 0 < config.confidence < 1:
        raise ConfigError(f"confidence: {config.confidence} does not lie between 0 and 1")
    if not (0 < config.num_gpus <= 1 or (config.num_gpus >= 1 and config.num_gpus == int(config.num_gpus))):
        raise ConfigError(f"num_gpus: {config.num_gpus} is no share of a GPU; give one up to 1, such as 0.25")


def _check_network(own: NetworkSettings) -> None:
    unknown = [name for name in own.inputs if name not in INPUTS]
    if unknown or not own.inputs or len(set(own.inputs)) < len(own.inputs):
        raise ConfigError(f"network.inputs: {', '.join(own.inputs)} are not some of {', '.join(INPUTS)}, each once")
    if own.sequence < 1:
        raise ConfigError(f"network.sequence: {own.sequence} is no number of days; give 1 or more")
    levels = own.levels
    mirrored = bool(levels) and all(
        math.isclose(low, 1 - high) for low, high in zip(levels, reversed(levels), strict=True)
    )
    if sorted(set(levels)) != list(levels) or not mirrored or min(levels) <= 0 or 0.5 not in levels:
        raise ConfigError(f"network.levels: {list(levels)} must ascend, lie between 0 and 1, and mirror around 0.5")


def _check_training(name: str, training: TrainingSettings) -> None:
    if not (training.rate > 0 and math.isfinite(training.rate)):
        raise ConfigError(f"{name}.rate: {training.rate} is no learning rate; give a positive number such as 0.001")
    for field in ("batch", "epochs", "patience", "plateau_patience"):
        if getattr(training, field) < 1:
            raise ConfigError(f"{name}.{field}: {getattr(training, field)} is too few; give 1 or more")
    if not 0 < training.plateau_factor <= 1:
        raise ConfigError(f"{name}.plateau_factor: {training.plateau_factor} does not lie between 0 and 1")

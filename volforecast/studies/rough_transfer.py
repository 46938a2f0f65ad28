"""Transfer learning for rough volatility: pre-train once on the sources, fine-tune for every target (Dhansoia 2025).

The paper learns from the S&P 500 and forecasts Bitcoin; here any assets learn from any others. Forecasts are of the
logarithm of realized variance, in its units. The decisions where the paper contradicts itself stand in
``docs/methods/rough-transfer.md``.

Units of work: the roughness of one asset; one pre-training for each kind of network, horizon and handful of seeds (a
part named by its content, which every target starts from); a stack of networks of one model, fine-tuned or trained from
scratch side by side; the benchmarks of one target; its confidence set. A network's numbers do not depend on its stack.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
from msgspec import Struct

from cluster.keys import unit_key
from cluster.search.space import Value
from cluster.search.study import Report, Search
from cluster.study import NOTHING_KEPT, Checkpoint, Output, Plan, Results, Unit
from volforecast.data.panel import Panel
from volforecast.data.parquet import pack
from volforecast.log_rows import LogSeries, log_series, split
from volforecast.models.rough import BENCHMARKS, NETWORKS
from volforecast.models.rough.recipe import Recipe
from volforecast.networks.architecture import components, groups
from volforecast.studies import rough_costs as costs
from volforecast.studies import search_rough
from volforecast.studies.costs import Cost, Outlook, outlook
from volforecast.studies.rough_config import RoughTransferConfig
from volforecast.studies.rough_fits import Fits, benchmarks, confidence, pretrained, roughness
from volforecast.studies.rough_stacks import Network, called, read, stacks, written
from volforecast.studies.rough_summary import summarise
from volforecast.studies.rough_tasks import FEWEST, Task, check_parts, first_row, make_task, source_split, together
from volforecast.studies.units import versions

LIBRARIES = {  # that change the numbers of a kind of unit, beside those of every study
    "roughness": ("PyWavelets", "scipy"),
    "pretraining": ("torch",),
    "networks": ("torch",),
    "benchmarks": ("statsmodels",),
}


@dataclass(frozen=True)
class Histories:
    """Everything a unit may read.

    Attributes:
        series: Log realized variance by asset.
        sources, targets: Their names, sorted.
        fingerprint: Of the panel.
        tested_from: The first day that any target is tested on; sources end before it.
    """

    series: dict[str, LogSeries]
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    fingerprint: str
    tested_from: np.datetime64


class RoughTransfer(Struct, frozen=True):
    """The study as the engine runs it; ``config`` is checked."""

    config: RoughTransferConfig
    name: ClassVar[str] = "rough-transfer"
    settings_type: ClassVar[type[RoughTransferConfig]] = RoughTransferConfig

    def load(self, panel: Panel) -> Histories:
        """What the units read of a panel.

        Raises:
            PanelError: An asset is too short, or does not vary.
        """
        sources = tuple(sorted(self.config.sources or panel.with_role("source")))
        targets = tuple(sorted(self.config.targets or panel.with_role("target")))
        series = {asset: log_series(panel, asset) for asset in (*sources, *targets)}
        longest = max(self.config.horizons)
        tested = []
        for target in targets:
            parts = split(len(series[target].x), self._first, longest)
            check_parts(series[target], parts, self._fewest, tested=True)
            tested.append(series[target].dates[parts.test[0] + 1])
        data = Histories(series, sources, targets, panel.fingerprint, min(tested))
        for source in sources:
            parts = source_split(series[source], self._first, longest, data.tested_from)
            check_parts(series[source], parts, self._fewest, tested=False)
        for asset in (*sources, *targets):
            self.task(data, asset, longest)
        return data

    def plan(self, data: Histories) -> Plan:
        """All units: roughness, pre-trainings, stacks of networks, benchmarks, confidence sets."""
        config = msgspec.structs.replace(self.config, sources=data.sources, targets=data.targets).written()
        units = [self._unit(data, "roughness", {"asset": asset}) for asset in (*data.sources, *data.targets)]
        for horizon in self.config.horizons:
            began = self._pretrainings(data, horizon)
            units += {unit.key: unit for unit in began.values()}.values()
            judged: dict[str, list[str]] = {target: [] for target in data.targets}
            for target in data.targets:
                units.append(self._unit(data, "benchmarks", {"target": target, "horizon": horizon}))
                judged[target].append(units[-1].key)
            for model in self.config.models:
                for stack in self._stacks(data, model):
                    where: dict[str, str | int] = {"model": model, "horizon": horizon, "networks": written(stack)}
                    units.append(self._unit(data, "networks", where, self._begun_from(began, model, stack)))
                    for target in dict.fromkeys(network.target for network in stack):
                        judged[target].append(units[-1].key)
            for target in data.targets:
                where = {"target": target, "horizon": horizon}
                units.append(self._unit(data, "confidence", where, tuple(judged[target])))
        about = {"roles": dict.fromkeys(data.sources, "source") | dict.fromkeys(data.targets, "target")}
        return Plan(
            self.name,
            config,
            data.fingerprint,
            versions(*sorted(set().union(*LIBRARIES.values()))),
            tuple(units),
            about,
        )

    def outlook(self, data: Histories, units: Iterable[Unit]) -> list[Outlook]:
        """What the units will cost, by the code that takes the time."""
        return outlook((self._cost(data, unit.kind, unit.coordinates), _estimations(unit)) for unit in units)

    def shards(self, data: Histories, count: int) -> Sequence[Any]:
        """Nothing is asked of source stores."""
        return ()

    def query(self, data: Histories, unit: Unit) -> Any:
        """Nothing is asked of source stores."""
        raise NotImplementedError(f"{unit.name} scans no source stores")

    def scan(self, shard: Any, query: Any) -> Any:
        """Nothing is asked of source stores."""
        raise NotImplementedError("this study has no source stores")

    def run(
        self,
        unit: Unit,
        data: Histories,
        inputs: Mapping[str, bytes],
        answers: Sequence[Any],
        checkpoint: Checkpoint = NOTHING_KEPT,
    ) -> Output:
        """Compute one unit."""
        where = unit.coordinates
        needed = [inputs[need] for need in unit.needs]
        counts = {"estimations": _estimations(unit)}
        if unit.kind == "roughness":
            asset = str(where["asset"])
            role = "source" if asset in data.sources else "target"
            tables = roughness(data.series[asset], role, self.config.seed, self.config.roughness_replications)
        elif unit.kind == "pretraining":
            horizon, model = int(where["horizon"]), str(where["model"])
            merged = together([self.task(data, source, horizon) for source in data.sources])
            asked = self.fits(model, horizon)
            seeds = [int(seed) for seed in str(where["seeds"]).split(",")]
            tables = pretrained(asked, merged, "+".join(data.sources), seeds, checkpoint)
        elif unit.kind == "networks":
            horizon, model = int(where["horizon"]), str(where["model"])
            stack = read(str(where["networks"]))
            tasks = {one.target: self.task(data, one.target, horizon) for one in stack}
            jobs = [(tasks[one.target], one.seed) for one in stack]
            tables = self.fits(model, horizon).tables(jobs, needed, checkpoint)
            counts["failed"] = sum(reason != "" for reason in tables["estimations"]["reason"].to_pylist())
        elif unit.kind == "benchmarks":
            horizon = int(where["horizon"])
            models = [model for model in self.config.models if model in BENCHMARKS]
            tables = benchmarks(self.task(data, str(where["target"]), horizon), horizon, models, self.config.network)
        else:
            tables = confidence(str(where["target"]), int(where["horizon"]), needed, self.config)
        rows = sum(table.num_rows for table in tables.values())
        return Output(pack(tables), rows, counts)

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        """Published forecasts, learning curves, tables, report."""
        return summarise(plan, results)

    def searches(self, data: Histories) -> list[Search]:
        """One search for the hyperparameters of all networks that are asked for."""
        return [search_rough.search(self, data)]

    def trial(self, search: Search, data: Histories, values: Mapping[str, Value], report: Report) -> float:
        """The loss of a point (:mod:`volforecast.studies.search_rough`)."""
        return search_rough.trial(self, search, data, values, report)

    def settings(self, best: Mapping[str, Mapping[str, Value]]) -> str:
        """A configuration file with the best point of the search, by its name."""
        return search_rough.as_settings(self.config, best)

    @property
    def _first(self) -> int:
        return first_row(self.config.network.sequence, self.config.network.inputs)

    @property
    def _fewest(self) -> int:
        """Rows that a part must have; the calibration of far quantiles wants more."""
        network = self.config.network
        far = any(model in NETWORKS and NETWORKS[model].head == "quantiles" for model in self.config.models)
        outside = 2 * network.levels[0]
        return (
            max(FEWEST, math.ceil((1 - outside) / outside)) if far or "Quantile HAR" in self.config.models else FEWEST
        )

    def task(self, data: Histories, asset: str, horizon: int) -> Task:
        """What networks learn of an asset."""
        series = data.series[asset]
        if asset in data.sources:
            parts = source_split(series, self._first, horizon, data.tested_from)
        else:
            parts = split(len(series.x), self._first, horizon)
        return make_task(series, parts, horizon, self.config.network.inputs)

    def fits(self, model: str, horizon: int) -> Fits:
        """A network model at a horizon."""
        recipe = NETWORKS[model]
        architecture = self.config.architecture(recipe)
        schedule = self.config.schedule(recipe, groups(architecture))
        return Fits(model, horizon, recipe, architecture, schedule, self.config)

    def begins_from(self, model: str, horizon: int) -> Fits | None:
        """The model whose networks, trained on the sources, a model starts from."""
        recipe = NETWORKS[model]
        return self.fits(begins_as(recipe), horizon) if recipe.pretrained else None

    def _pretrainings(self, data: Histories, horizon: int) -> dict[tuple[str, int], Unit]:
        """By kind of network and seed: the units that train on the sources, each for several seeds."""
        found: dict[tuple[str, int], Unit] = {}
        for model in self.config.models:
            if model not in NETWORKS or not NETWORKS[model].pretrained:
                continue
            begins = begins_as(NETWORKS[model])
            for first in range(1, self.config.seeds + 1, self.config.stack):
                if (begins, first) in found:
                    continue
                seeds = range(first, min(first + self.config.stack, self.config.seeds + 1))
                where: dict[str, str | int] = {"model": begins, "horizon": horizon, "seeds": ",".join(map(str, seeds))}
                unit = self._unit(data, "pretraining", where)
                found |= {(begins, seed): unit for seed in seeds}
        return found

    def _stacks(self, data: Histories, model: str) -> list[tuple[Network, ...]]:
        """The networks of a model, as many a unit as the setting says; those of equal length side by side."""
        if model not in NETWORKS:
            return []
        by_length = sorted(data.targets, key=lambda target: (len(data.series[target].x), target))
        return stacks(by_length, self.config.seeds, self.config.stack)

    def _begun_from(
        self, began: Mapping[tuple[str, int], Unit], model: str, stack: Sequence[Network]
    ) -> tuple[str, ...]:
        if not NETWORKS[model].pretrained:
            return ()
        begins = begins_as(NETWORKS[model])
        return tuple(dict.fromkeys(began[begins, network.seed].key for network in stack))

    def _unit(self, data: Histories, kind: str, where: dict[str, str | int], needs: tuple[str, ...] = ()) -> Unit:
        """One unit, whose key hashes everything that changes its numbers, and of the data only what it reads."""
        trains = kind in ("pretraining", "networks")
        on_gpu = trains and self.config.device == "cuda"
        key = unit_key(
            {
                "study": self.name,
                "data": self._read(data, kind, where),
                "versions": versions(*LIBRARIES.get(kind, ())),
                "kind": kind,
                "where": where,
                "settings": self._settings(kind, where),
                "needs": list(needs),
            }
        )
        cost = self._cost(data, kind, where)
        gpus = self.config.num_gpus if on_gpu else 0.0
        return Unit(
            key, kind, _called(kind, where), where, needs, round(cost.seconds, 3), gpus=gpus, memory=cost.memory
        )

    def _read(self, data: Histories, kind: str, where: Mapping[str, str | int]) -> list[str]:
        if kind == "pretraining":
            first, horizon = self._first, int(where["horizon"])
            found = []
            for source in data.sources:
                series = data.series[source]
                parts = source_split(series, first, horizon, data.tested_from)
                last = int(parts.validation[-1]) + horizon  # the last day of a label
                read_days = LogSeries(source, series.dates[: last + 1], series.x[: last + 1])
                found.append(f"{source}:{parts.known}:{read_days.fingerprint}")
            return found
        if kind == "networks":
            names = list(dict.fromkeys(network.target for network in read(str(where["networks"]))))
        else:
            names = [str(where["asset"] if kind == "roughness" else where["target"])]
        return [data.series[name].fingerprint for name in names]

    def _settings(self, kind: str, where: Mapping[str, str | int]) -> dict[str, Any]:
        """Those that change a unit's numbers."""
        config = self.config
        if kind == "roughness":
            return {"seed": config.seed, "replications": config.roughness_replications}
        if kind == "benchmarks":
            models = [model for model in config.models if model in BENCHMARKS]
            return {"models": models, "network": msgspec.to_builtins(config.network)}
        if kind == "confidence":
            return {"seed": config.seed, "confidence": config.confidence, "replications": config.replications}
        recipe = NETWORKS[str(where["model"])]
        return {
            "seed": config.seed,
            "architecture": msgspec.to_builtins(config.architecture(recipe)),
            "schedule": msgspec.to_builtins(config.schedule(recipe, groups(config.architecture(recipe)))),
            "network": msgspec.to_builtins(config.network),
            "device": config.device,
            "mixed_precision": config.mixed_precision,
        }

    def _cost(self, data: Histories, kind: str, where: Mapping[str, str | int]) -> Cost:
        config = self.config
        if kind == "roughness":
            return costs.roughness_cost(len(data.series[str(where["asset"])].x), config.roughness_replications)
        if kind == "benchmarks":
            return costs.benchmarks_cost(len(data.series[str(where["target"])].x))
        if kind == "confidence":
            days = len(data.series[str(where["target"])].x) // 4
            return costs.confidence_cost(days, len(config.models), config.replications)
        recipe = NETWORKS[str(where["model"])]
        if kind == "pretraining":
            rows = sum(len(self.source_rows(data, source)) for source in data.sources)
            lengths = [rows] * len(str(where["seeds"]).split(","))
        else:
            lengths = [len(data.series[one.target].x) // 2 for one in read(str(where["networks"]))]
        training = getattr(config, recipe.phase)
        parameters = sum(part.parameters for part in components(config.architecture(recipe)))
        return costs.training_cost(recipe, lengths, training.epochs, parameters, on_gpu=config.device == "cuda")

    def source_rows(self, data: Histories, source: str) -> np.ndarray[Any, Any]:
        """The rows of a source that networks are pre-trained on."""
        return source_split(data.series[source], self._first, max(self.config.horizons), data.tested_from).training


def begins_as(recipe: Recipe) -> str:
    """The model that trains on the sources what a pre-trained model starts from."""
    if recipe.encoder == "transformer":
        return "Transformer"
    return "Quantile LSTM" if recipe.head == "quantiles" else "LSTM"


def _called(kind: str, where: Mapping[str, str | int]) -> str:
    if kind == "roughness":
        return f"{where['asset']}/roughness"
    if kind == "pretraining":
        return f"sources/{where['horizon']}/{where['model']}, seeds {where['seeds']}"
    if kind == "networks":
        return f"{called(read(str(where['networks'])))}/{where['horizon']}/{where['model']}"
    return f"{where['target']}/{where['horizon']}/{kind}"


def _estimations(unit: Unit) -> int:
    if unit.kind == "networks":
        return len(read(str(unit.coordinates["networks"])))
    return len(str(unit.coordinates["seeds"]).split(",")) if unit.kind == "pretraining" else 0

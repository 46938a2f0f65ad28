"""Mixture models for hourly Bitcoin volatility, and what they are compared with (Darracq Paries et al. 2025).

Each model is chosen, estimated and tested on six iterations of rolling blocks of hours
(:mod:`volforecast.hourly_rows`), in ``clean`` mode, in the authors' (``paper``), or both. Forecasts are of
``vol / 100``. The decisions where the paper is silent stand in ``docs/methods/bitcoin-mixture.md``.

Units of work: the search for one model's hyperparameters on one iteration (one Optuna study within a unit; its trials
are the part), the forecasts of its test block, the average of two models, diagnostics of one span of hours, the
confidence sets of one mode.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from cluster.keys import unit_key
from cluster.search.space import Range, Value
from cluster.search.study import Report, Search
from cluster.study import NOTHING_KEPT, Checkpoint, Output, Plan, Results, Unit
from volforecast.data.hourly import HourlyTable
from volforecast.data.hourly_files import gaps
from volforecast.data.parquet import pack, unpack
from volforecast.errors import ConfigError, PanelError
from volforecast.evaluation.hourly import confidence
from volforecast.hourly_diagnostics import diagnostics
from volforecast.hourly_rows import Mode, Sample
from volforecast.models.hourly import HYBRIDS, LIBRARIES, MODELS, NAMES
from volforecast.studies import bitcoin_costs as costs
from volforecast.studies.bitcoin_config import BitcoinMixtureConfig
from volforecast.studies.bitcoin_fits import (
    asked_of,
    forecast_tables,
    hybrid_tables,
    seeds_of,
    tuned,
    validation_loss,
)
from volforecast.studies.bitcoin_summary import summarise
from volforecast.studies.costs import Cost, Outlook, outlook
from volforecast.studies.search_settings import toml_table
from volforecast.studies.units import versions

WHOLE = 0  # the coordinate of the whole table
FEWEST = 50  # rows of a block, below which an iteration says nothing


@dataclass(frozen=True)
class Hours:
    """Everything a unit may read.

    Attributes:
        table: The hours.
        targets, sources: For the engine's questions how many there are: one asset, which learns from itself.
    """

    table: HourlyTable
    targets: tuple[str, ...] = ("the asset",)
    sources: tuple[str, ...] = ()

    @property
    def size(self) -> str:
        """How large it is, for people."""
        return f"{len(self.table):,} hours, {len(self.table.feature_names)} features"


class BitcoinMixture(Struct, frozen=True):
    """The study as the engine runs it; ``config`` is checked."""

    config: BitcoinMixtureConfig
    name: ClassVar[str] = "bitcoin-mixture"
    settings_type: ClassVar[type[BitcoinMixtureConfig]] = BitcoinMixtureConfig
    reads: ClassVar[type[HourlyTable]] = HourlyTable

    def load(self, table: HourlyTable) -> Hours:
        """What the units read of a table.

        Raises:
            ConfigError: A model needs what the table lacks.
            PanelError: A block of an iteration has too few rows that models can use.
        """
        for model in self.config.models:
            lacking = sorted(needs(model) - offered(table))
            if lacking:
                raise ConfigError(f"models: {model} reads {' and '.join(lacking)}, which the data lack; leave it out")
        for mode in self.config.modes:
            for iteration in self.config.iterations:
                blocks = self._sample(table, mode).blocks(iteration)
                for part, rows in zip(blocks._fields, blocks, strict=True):
                    if len(rows) < FEWEST:
                        raise PanelError(
                            f"iteration {iteration}, {mode} mode: {len(rows)} hours to {part} with are too few (gaps "
                            f"and the 30 hours after them are left out); {FEWEST} are needed: give a longer table"
                        )
        return Hours(table)

    def plan(self, data: Hours) -> Plan:
        """All units: diagnostics, searches, forecasts, averages, confidence sets."""
        models = self._models(data)
        units = []
        for mode in self.config.modes:
            for iteration in (WHOLE, *self.config.iterations):
                units.append(self._unit(data, "diagnostics", {"mode": mode, "iteration": iteration}))
            judged = []
            for iteration in self.config.iterations:
                forecasts: dict[str, Unit] = {}
                for model in models:
                    where: dict[str, str | int] = {"mode": mode, "model": model, "iteration": iteration}
                    needed: tuple[str, ...] = ()
                    if model in HYBRIDS:
                        needed = tuple(forecasts[part].key for part in HYBRIDS[model].members)
                    elif MODELS[model].grid and _called("", where) not in self.config.hyperparameters:
                        units.append(self._unit(data, "tuning", where))
                        needed = (units[-1].key,)
                    forecasts[model] = self._unit(data, "forecasts", where, needed)
                    units.append(forecasts[model])
                judged += [unit.key for unit in forecasts.values()]
            units.append(self._unit(data, "confidence", {"mode": mode}, tuple(judged)))
        config = msgspec.to_builtins(msgspec.structs.replace(self.config, models=models))
        about = {"data": _described(data.table), "gaps": _gaps(data.table)}
        libraries = set().union(*LIBRARIES.values(), {"optuna", "statsmodels", "scikit-learn"})
        return Plan(self.name, config, data.table.fingerprint, versions(*sorted(libraries)), tuple(units), about)

    def outlook(self, data: Hours, units: Iterable[Unit]) -> list[Outlook]:
        """What the units will cost, by the code that takes the time."""
        return outlook((self._cost(data, unit.kind, unit.coordinates), self._estimations(unit)) for unit in units)

    def shards(self, data: Hours, count: int) -> Sequence[Any]:
        """Nothing is asked of source stores."""
        return ()

    def query(self, data: Hours, unit: Unit) -> Any:
        """Nothing is asked of source stores."""
        raise NotImplementedError(f"{unit.name} scans no source stores")

    def scan(self, shard: Any, query: Any) -> Any:
        """Nothing is asked of source stores."""
        raise NotImplementedError("this study has no source stores")

    def run(
        self,
        unit: Unit,
        data: Hours,
        inputs: Mapping[str, bytes],
        answers: Sequence[Any],
        checkpoint: Checkpoint = NOTHING_KEPT,
    ) -> Output:
        """Compute one unit."""
        where = unit.coordinates
        mode = _mode(where)
        sample = self._sample(data.table, mode)
        parts = [{name: part.to_pandas() for name, part in unpack(inputs[need]).items()} for need in unit.needs]
        if unit.kind == "confidence":
            found = confidence(parts, self.config.confidence, self.config.replications, self.config.seed)
            tables = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in found.items()}
        elif unit.kind == "diagnostics":
            iteration = int(where["iteration"])
            rows = None if iteration == WHOLE else sample.blocks(iteration).refit
            found = diagnostics(sample, iteration, rows)
            tables = {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in found.items()}
        elif unit.kind == "tuning":
            tables = tuned(sample, str(where["model"]), int(where["iteration"]), self.config, checkpoint)
        elif str(where["model"]) in HYBRIDS:
            tables = hybrid_tables(mode, str(where["model"]), int(where["iteration"]), parts)
        else:
            trials = parts[0]["trials"] if parts else None
            tables = forecast_tables(sample, str(where["model"]), int(where["iteration"]), trials, self.config)
        counts = {"estimations": self._estimations(unit)}
        if unit.kind == "forecasts":
            lost = tables["forecasts"].filter(pc.field("status") == "failed")
            counts["failed"] = len(lost["seed"].unique())
        rows_stored = sum(table.num_rows for table in tables.values())
        return Output(pack(tables), rows_stored, counts)

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        """Published forecasts, gates, trials, tables, report."""
        return summarise(plan, results)

    def searches(self, data: Hours) -> list[Search]:
        """One for each mode, iteration and model that has hyperparameters.

        Raises:
            ConfigError: No model has any.
        """
        models = self._models(data)
        wanted = [name for name in models if name in MODELS and MODELS[name].grid]
        if not wanted:
            raise ConfigError(f"models: {', '.join(models)} have no hyperparameters; name one that has, such as XGB")
        found = []
        for model in wanted:
            for mode in self.config.modes:
                for iteration in self.config.iterations:
                    where: dict[str, str | int] = {"mode": mode, "model": model, "iteration": iteration}
                    unit = self._unit(data, "tuning", where)
                    cost = unit.cost / self._trials(model)
                    steps = MODELS[model].reports
                    grid: dict[str, tuple[Value, ...] | Range] = dict(MODELS[model].grid)
                    found.append(Search(unit.key, _called("", where), where, grid, cost, 0.0, steps))
        return found

    def trial(self, search: Search, data: Hours, values: Mapping[str, Any], report: Report) -> float:
        """RMSE on the validation rows of one point of a model's grid."""
        where = search.coordinates
        mode, model, iteration = _mode(where), str(where["model"]), int(where["iteration"])
        numbers = self.config.seeds_of(model)[: self.config.search_of(model).seeds]
        seeds = seeds_of(self.config, mode, model, iteration, numbers)
        return validation_loss(self._sample(data.table, mode), model, iteration, values, seeds, report)

    def settings(self, best: Mapping[str, Mapping[str, Any]]) -> str:
        """What a search has found as a configuration file; ``--tuned`` reads the same from the search's folder."""
        return "\n".join(toml_table(f'hyperparameters."{name}"', values) for name, values in best.items())

    def _sample(self, table: HourlyTable, mode: Mode) -> Sample:
        return Sample(table, mode, self.config.sentiment_lag)

    def _models(self, data: Hours) -> tuple[str, ...]:
        """Those asked for, or all that the table allows."""
        return self.config.models or tuple(name for name in NAMES if needs(name) <= offered(data.table))

    def _unit(self, data: Hours, kind: str, where: dict[str, str | int], needed: tuple[str, ...] = ()) -> Unit:
        """One unit, whose key hashes everything that changes its numbers."""
        model = str(where.get("model", ""))
        key = unit_key(
            {
                "study": self.name,
                "data": data.table.fingerprint,
                "versions": versions(*_libraries(kind, model)),
                "kind": kind,
                "where": where,
                "settings": self._settings(kind, where),
                "needs": list(needed),
            }
        )
        cost = self._cost(data, kind, where)
        return Unit(key, kind, _called(kind, where), where, needed, round(cost.seconds, 3), memory=cost.memory)

    def _settings(self, kind: str, where: Mapping[str, str | int]) -> dict[str, Any]:
        """Those that change a unit's numbers."""
        config = self.config
        if kind == "confidence":
            return {"seed": config.seed, "confidence": config.confidence, "replications": config.replications}
        lag = {"sentiment_lag": config.sentiment_lag} if where["mode"] == "clean" else {}
        if kind == "diagnostics":
            return lag
        model = str(where["model"])
        if model in HYBRIDS:
            return {}
        if kind == "tuning":
            asked = asked_of(model, config.search_of(model), 0)
            seeds = min(config.search_of(model).seeds, len(config.seeds_of(model)))
            grid = {name: list(values) for name, values in MODELS[model].grid.items()}
            return lag | {"seed": config.seed, "asked": msgspec.to_builtins(asked), "seeds": seeds, "grid": grid}
        given = config.hyperparameters.get(_called("", where), {})
        return lag | {"seed": config.seed, "seeds": len(config.seeds_of(model)), "given": dict(given)}

    def _cost(self, data: Hours, kind: str, where: Mapping[str, str | int]) -> Cost:
        config, hours = self.config, len(data.table)
        if kind == "confidence":
            models = len(self._models(data))
            return costs.confidence_cost(hours, models, config.replications, len(config.iterations))
        if kind == "diagnostics":
            return costs.diagnostics_cost(hours, len(data.table.feature_names))
        model = str(where["model"])
        if kind == "tuning":
            seeds = min(config.search_of(model).seeds, len(config.seeds_of(model)))
            return costs.model_cost(model, hours, self._trials(model) * seeds, tuning=True)
        fits = 0 if model in HYBRIDS else len(config.seeds_of(model))
        return costs.model_cost(model, hours, fits)

    def _trials(self, model: str) -> int:
        return asked_of(model, self.config.search_of(model), 0).trials

    def _estimations(self, unit: Unit) -> int:
        model = str(unit.coordinates.get("model", ""))
        if model not in MODELS:
            return 0
        if unit.kind == "tuning":
            return self._trials(model) * min(self.config.search_of(model).seeds, len(self.config.seeds_of(model)))
        return len(self.config.seeds_of(model))


def needs(model: str) -> frozenset[str]:
    """What a table must have for a model."""
    if model in HYBRIDS:
        return frozenset().union(*(MODELS[part].needs for part in HYBRIDS[model].members))
    return MODELS[model].needs


def offered(table: HourlyTable) -> frozenset[str]:
    """What a table has."""
    returns = bool(np.isfinite(table.returns).any())
    has = {"features": bool(table.feature_names), "sentiment": bool(table.index_names), "returns": returns}
    return frozenset(name for name, there in has.items() if there)


def _libraries(kind: str, model: str) -> tuple[str, ...]:
    """Those that change the numbers of a unit, beside those of every study."""
    used = set(LIBRARIES.get(model, ()))
    if kind == "tuning":
        used.add("optuna")
    if kind == "diagnostics":
        used.add("statsmodels")
    return tuple(sorted(used))


def _mode(where: Mapping[str, str | int]) -> Mode:
    mode: Mode = next(mode for mode in get_args(Mode) if mode == where["mode"])
    return mode


def _called(kind: str, where: Mapping[str, str | int]) -> str:
    """``mode/model/iteration``, and the kind of unit unless that is the usual one."""
    if kind == "confidence":
        return f"{where['mode']}/confidence"
    if kind == "diagnostics":
        return f"{where['mode']}/diagnostics/{where['iteration'] or 'whole'}"
    return f"{where['mode']}/{where['model']}/{where['iteration']}" + ("/tuning" if kind == "tuning" else "")


def _described(table: HourlyTable) -> dict[str, str]:
    """What readers of the results want to know of a table."""
    return {
        "hours": str(len(table)),
        "first": str(table.times[0]),
        "last": str(table.times[-1]),
        "features": ", ".join(table.feature_names),
        "sentiment": ", ".join(table.index_names),
    }


def _gaps(table: HourlyTable) -> dict[str, str]:
    """Gaps by the hour that they begin at: where they end, hours, treatment."""
    return {str(row[0]): "|".join(map(str, row[1:])) for row in gaps(table).itertuples(index=False)}

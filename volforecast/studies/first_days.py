"""The first fifty trading days of new issues and spin-offs (Teller, Pigorsch & Pigorsch 2026, section 6.3).

Models come in three predictor sets, by the trading days after which all of their volatility predictors exist: ``1-``
models forecast from the first day on, ``5-`` models from the fifth, ``22-`` models from the twenty-second. Each is
estimated anew at the close of every day. Where the paper leaves things open:

* Without a labelled row to estimate on, the forecast is the naive one with the status ``fallback``: TO models at their
  first origin (day 1, 5, 22), any model whose sources are younger than the target or whose rows all lack a predictor.
* Networks settle their epochs at a period's first origin that has a row, and keep them for the period. One row leaves
  nothing to hold out: the largest number of epochs (500). Two to nineteen leave one, the last.
* Confidence sets and pairwise comparisons are over all 49 days of a target under the strategy ``1-5-22``; four days, as
  the first period has, tell nothing about 31 series.

Units of work: the selection of source subsequences for a target, prefix and sample period (a scan over the source
stores), the forecasts of one model for a target and period, and a target's confidence sets over all first days. On a
GPU, one unit more for each network model trains those of all targets and periods.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from cluster.search.space import Value
from cluster.search.study import Report, Search
from cluster.study import NOTHING_KEPT, Checkpoint, Output, Plan, Results, Unit
from volforecast.data.panel import Panel
from volforecast.data.parquet import from_parquet, to_parquet
from volforecast.errors import PanelError
from volforecast.evaluation.first_days import PROMPT, STRATEGIES, served
from volforecast.evaluation.inclusion import confidence_set
from volforecast.evaluation.order import ALL
from volforecast.models.fnn import FNN
from volforecast.predictors import REDUCED_SETS, build_rows, require_inputs
from volforecast.studies import search_young
from volforecast.studies.costs import (
    Cost,
    Outlook,
    confidence_cost,
    forecast_cost,
    networks_cost,
    outlook,
    short_selection_cost,
)
from volforecast.studies.first_days_config import LAST_DAY, SCHEDULES, FirstDaysConfig
from volforecast.studies.first_days_selections import selected_at, short_selection_table
from volforecast.studies.first_days_summary import summarise, with_prefix
from volforecast.studies.model_names import NAIVE, parse, pick
from volforecast.studies.networks import together
from volforecast.studies.rolling import Estimation, IntArray, Market, naive_forecasts
from volforecast.studies.search_windows import short_windows_at
from volforecast.studies.search_young import Young
from volforecast.studies.units import ALL_PERIODS, GPUS, make_unit, versions
from volforecast.transfer.short_windows import (
    PlainShard,
    ShortQueries,
    Windows,
    make_plain_shards,
    measure_short,
    select_short,
    short_queries,
)
from volforecast.transfer.training import make_pool


@dataclass(frozen=True)
class Markets:
    """Everything a unit may read: the market as the models of each prefix see it."""

    by_prefix: dict[int, Market]
    targets: tuple[str, ...]
    sources: tuple[str, ...]
    fingerprint: str


class FirstDays(Struct, frozen=True):
    """The study as the engine runs it; ``config`` is checked."""

    config: FirstDaysConfig
    name: ClassVar[str] = "first-days"
    settings_type: ClassVar[type[FirstDaysConfig]] = FirstDaysConfig

    def load(self, panel: Panel) -> Markets:
        """What the units read of a panel.

        Raises:
            PanelError: A target is shorter than the first days, or an input of the EXT predictors is missing.
        """
        targets = self.config.targets or panel.with_role("target")
        rows = build_rows(panel)
        for target in targets:
            if rows.days(target) < LAST_DAY:
                raise PanelError(
                    f"daily.parquet: target {target} has {rows.days(target)} trading days and the first-days study "
                    f"forecasts up to day {LAST_DAY}; leave out the target (--targets)"
                )
        if any(parse(model).predictors == "EXT" for model in self.config.models):
            require_inputs(panel)
        targets, sources = tuple(sorted(targets)), panel.with_role("source")
        markets = {}
        for prefix, predictors in REDUCED_SETS.items():
            own = rows.only(*predictors)
            markets[prefix] = Market(own, make_pool(own, sources), targets, sources, panel.fingerprint)
        return Markets(markets, targets, sources, panel.fingerprint)

    def plan(self, data: Markets) -> Plan:
        """All units: selections, forecasts of each model, confidence sets."""
        config = msgspec.structs.replace(self.config, targets=data.targets).written()
        units: list[Unit] = []
        selections: dict[tuple[str, int, int], str] = {}
        for target in data.targets:
            for prefix in sorted({parse(name).prefix or 0 for name in self.config.models if "MTL" in name}):
                for period in _periods(prefix):
                    where: dict[str, str | int] = {"target": target, "prefix": prefix, "period": period}
                    units.append(self._unit(data, "selection", where, ()))
                    selections[target, prefix, period] = units[-1].key
        networks: dict[str, str] = {}
        for model in self.config.models if self.config.fnn.device == "cuda" else ():
            name = parse(model)
            if name.model_class == "FNN":
                prefix = name.prefix or 0
                places = [(target, prefix, s) for target in data.targets for s in _periods(prefix)]
                needs = tuple(selections[place] for place in places) if name.approach == "MTL" else ()
                where = {"target": "all", "period": ALL_PERIODS, "model": model, "targets": ",".join(data.targets)}
                units.append(self._unit(data, "networks", where, needs))
                networks[model] = units[-1].key
        for target in data.targets:
            served_by_prompt = []
            for period in self._run_periods():
                for model in (NAIVE, *self._models_of(period)):
                    need = networks.get(model)
                    prefix = 0 if model == NAIVE else parse(model).prefix or 0
                    if need is None and "MTL" in model:
                        need = selections[target, prefix, period]
                    where = {"target": target, "period": period, "model": model}
                    units.append(self._unit(data, "forecast", where, (need,) if need else ()))
                    if model == NAIVE or STRATEGIES[PROMPT][period] == prefix:
                        served_by_prompt.append(units[-1].key)
            if self._strategy_models():
                where = {"target": target, "period": ALL_PERIODS}
                units.append(self._unit(data, "confidence", where, tuple(served_by_prompt)))
        on_gpu = any(unit.gpus for unit in units)
        return Plan(self.name, config, data.fingerprint, versions(on_gpu=on_gpu), tuple(units))

    def outlook(self, data: Markets, units: Iterable[Unit]) -> list[Outlook]:
        """What the units will cost, by the code that takes the time."""
        return outlook((self._cost(data, unit.kind, unit.coordinates), _estimations(unit)) for unit in units)

    def shards(self, data: Markets, count: int) -> Sequence[PlainShard]:
        """The sources' volatility predictors, for the source stores."""
        return make_plain_shards(data.by_prefix[max(REDUCED_SETS)].rows, data.sources, count)

    def query(self, data: Markets, unit: Unit) -> ShortQueries:
        """The target's latest rows at each origin of the unit's period."""
        target, prefix, period = _where(unit)
        origins = SCHEDULES[period].origins(period)
        return short_queries(data.by_prefix[prefix].rows, target, origins, self.config.block_length)

    def scan(self, shard: PlainShard, query: ShortQueries) -> list[Windows]:
        """Distances of one shard's windows, for each origin."""
        return measure_short(shard, query, self.config.dtw)

    def run(
        self,
        unit: Unit,
        data: Markets,
        inputs: Mapping[str, bytes],
        answers: Sequence[Any],
        checkpoint: Checkpoint = NOTHING_KEPT,
    ) -> Output:
        """Compute one unit."""
        target, prefix, period = _where(unit)
        needed = [from_parquet(inputs[need]) for need in unit.needs]
        if unit.kind == "selection":
            table = self._selection(data, target, prefix, period, answers)
        elif unit.kind == "confidence":
            table = self._confidence_set(target, needed)
        elif unit.kind == "networks":
            table = self._networks(data, str(unit.coordinates["model"]), needed)
        else:
            table = self._forecasts(data, target, period, str(unit.coordinates["model"]), needed)
            return Output(to_parquet(table), table.num_rows, _counts(table))
        return Output(to_parquet(table), table.num_rows)

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        """Published forecasts and selections, tables, report."""
        return summarise(plan, results)

    def searches(self, data: Markets) -> list[Search]:
        """A search for the hyperparameters of each model that has any."""
        return search_young.searches(self._young(data))

    def trial(self, search: Search, data: Markets, values: Mapping[str, Value], report: Report) -> float:
        """The loss of a point (:mod:`volforecast.studies.search_young`)."""
        return search_young.trial(self._young(data), search, values)

    def settings(self, best: Mapping[str, Mapping[str, Value]]) -> str:
        """A configuration file with the best point of each search, by its name."""
        return search_young.as_settings(best)

    def _young(self, data: Markets) -> Young:
        config = self.config

        def origin(model: str) -> int:
            return parse(model).prefix or 0

        def selections(model: str, targets: Sequence[str]) -> list[pa.Table]:
            prefix = origin(model)
            rows = data.by_prefix[prefix].rows
            return short_windows_at(rows, data.sources, targets, prefix, config.block_length, config.dtw)

        return Young(
            study=self.name,
            fingerprint=data.fingerprint,
            models=config.models,
            default=config.models == pick((), tuple(REDUCED_SETS)),
            targets=data.targets,
            settings=config.search,
            shared={"seed": config.seed, "block_length": config.block_length},
            dtw=config.dtw,
            model=config.model,
            origin=origin,
            estimation=lambda model, target, selected: self._estimation(data, target, origin(model), model, selected),
            selections=selections,
        )

    def _selection(
        self, data: Markets, target: str, prefix: int, period: int, answers: Sequence[Sequence[Windows]]
    ) -> pa.Table:
        origins = SCHEDULES[period].origins(period)
        selections = [select_short([answer[i] for answer in answers]) for i in range(len(origins))]
        return short_selection_table(data.by_prefix[prefix].rows, (target, prefix, period), origins, selections)

    def _forecasts(self, data: Markets, target: str, period: int, model: str, needed: Sequence[pa.Table]) -> pa.Table:
        """Of one model; ``needed`` holds the selection, or the forecasts of all networks of the model, or nothing."""
        if model == NAIVE:
            return naive_forecasts(data.by_prefix[1], target, period, SCHEDULES[period])
        if parse(model).model_class == "FNN" and self.config.fnn.device == "cuda":
            here = pc.and_(pc.equal(needed[0]["target"], target), pc.equal(needed[0]["period"], period))
            return needed[0].filter(here).combine_chunks()
        return self._estimation(data, target, period, model, needed[0] if needed else None).forecasts()

    def _networks(self, data: Markets, model: str, selections: Sequence[pa.Table]) -> pa.Table:
        """Forecasts of one network model for all targets and sample periods."""
        places = [(target, period) for target in data.targets for period in _periods(parse(model).prefix or 0)]
        chosen = selections or [None] * len(places)
        estimations = [
            self._estimation(data, *place, model, table) for place, table in zip(places, chosen, strict=True)
        ]
        fnn = self.config.model(model)
        assert isinstance(fnn, FNN)
        return together(estimations, fnn)

    def _estimation(
        self, data: Markets, target: str, period: int, model: str, selection: pa.Table | None
    ) -> Estimation:
        name, settings = parse(model), self.config.model(model)
        market = data.by_prefix[name.prefix or 0]
        selected: Callable[[int], IntArray] = _nothing
        if selection is not None and name.rate is not None:
            selected = selected_at(market.rows, selection, name.rate, self.config.dtw)
        assert settings is not None
        return Estimation(
            market,
            target,
            period,
            name,
            settings,
            SCHEDULES[period],
            self.config.seed,
            selected,
            naive_without_pairs=True,
        )

    def _confidence_set(self, target: str, forecasts: Sequence[pa.Table]) -> pa.Table:
        """Over all first days: four of them, as the first sample period has, say nothing about 31 series."""
        series = served(with_prefix(pa.concat_tables(forecasts)).to_pandas(), PROMPT)
        found = confidence_set(
            series, seed=self.config.seed, level=self.config.confidence, replications=self.config.replications
        )
        found.insert(0, "target", target)
        found.insert(1, "period", ALL)
        return pa.Table.from_pandas(found, preserve_index=False)

    def _run_periods(self) -> list[int]:
        """The sample periods in which a model forecasts."""
        return [period for period in SCHEDULES if self._models_of(period)]

    def _models_of(self, period: int) -> list[str]:
        """The models that forecast in a sample period."""
        return [model for model in self.config.models if (parse(model).prefix or 0) <= period]

    def _strategy_models(self) -> set[str]:
        """The models, without their prefix, that ``Str. 1-5-22`` can pass through all sample periods."""
        by_prefix = [
            {str(parse(model).without_prefix()) for model in self.config.models if parse(model).prefix == prefix}
            for prefix in STRATEGIES[PROMPT].values()
        ]
        return set.intersection(*by_prefix)

    def _cost(self, data: Markets, kind: str, where: Mapping[str, str | int]) -> Cost:
        target, period = str(where["target"]), int(where["period"])
        if kind == "networks":
            places: list[dict[str, str | int]] = [
                {"target": one, "period": s}
                for one in data.targets
                for s in _periods(parse(str(where["model"])).prefix or 0)
            ]
            return networks_cost([self._cost(data, "forecast", dict(where) | place) for place in places])
        if kind == "confidence":
            return confidence_cost(LAST_DAY - 1, len(self._strategy_models()) + 1, self.config.replications)
        model = str(where.get("model", NAIVE))
        prefix = int(where["prefix"]) if kind == "selection" else 1 if model == NAIVE else parse(model).prefix or 0
        market, origins = data.by_prefix[prefix], SCHEDULES[period].origins(period)
        # pairs known in the middle of the period
        middle = period + len(origins) // 2
        pairs = len(market.pool.known_at(int(market.rows.date[market.rows.first_row(target) + middle - 1])))
        if kind == "selection":
            first = market.rows.first_day
            lengths = [min(origin - first + 1, self.config.block_length) for origin in origins]
            return short_selection_cost(pairs, lengths, self.config.dtw, market.rows.volatilities, len(data.sources))
        own = max(1, middle - market.rows.first_day)
        return forecast_cost(model, self.config.model(model), pairs, own, len(origins), len(origins))

    def _unit(self, data: Markets, kind: str, where: dict[str, str | int], needs: tuple[str, ...]) -> Unit:
        settings: dict[str, Any] = {"seed": self.config.seed, "block_length": self.config.block_length}
        if kind == "selection":
            settings |= {"dtw": msgspec.to_builtins(self.config.dtw)}
        if kind == "confidence":
            settings |= {"confidence": self.config.confidence, "replications": self.config.replications}
        if kind in ("networks", "forecast") and where["model"] != NAIVE:
            settings |= {"class": msgspec.to_builtins(self.config.model(str(where["model"])))}
        on_gpu = kind == "networks" or (kind == "selection" and self.config.dtw.device == "cuda")
        label = f"{where['prefix']}-{kind}" if kind == "selection" else ""
        cost = self._cost(data, kind, where)
        return make_unit(
            self.name, data.fingerprint, kind, where, needs, settings, cost, gpus=GPUS if on_gpu else 0.0, label=label
        )


def _periods(prefix: int) -> list[int]:
    """The sample periods in which models of a prefix forecast."""
    return [period for period in SCHEDULES if period >= prefix]


def _where(unit: Unit) -> tuple[str, int, int]:
    return str(unit.coordinates["target"]), int(unit.coordinates.get("prefix", 0)), int(unit.coordinates["period"])


def _nothing(origin: int) -> IntArray:
    """What models select that select nothing."""
    return np.empty(0, dtype=np.int64)


def _estimations(unit: Unit) -> int:
    if unit.kind != "forecast" or unit.coordinates["model"] == NAIVE:
        return 0
    period = int(unit.coordinates["period"])
    return len(SCHEDULES[period].origins(period))


def _counts(table: pa.Table) -> dict[str, int]:
    """What the log of a run tells of a unit's forecasts; those for want of pairs are no other fallbacks."""
    without_pairs = pc.and_(pc.equal(table["status"], "fallback"), pc.equal(table["train_rows"], 0))
    counts = {status: pc.sum(pc.equal(table["status"], status)).as_py() for status in ("ok", "fallback", "failed")}
    counts["without pairs"] = pc.sum(without_pairs).as_py()
    counts["fallback"] -= counts["without pairs"]
    counts["estimations"] = table.num_rows - counts["without pairs"]
    counts["training rows dropped"] = pc.sum(table["dropped_rows"]).as_py()
    return counts

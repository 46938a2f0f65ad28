"""The study of Teller, Pigorsch & Pigorsch (2026): new issues and spin-offs from day 50 on (their section 6.1).

Units of work: the selection of source subsequences for a target and period (a scan over the source stores), the
forecasts of one model for a target and period, and the confidence sets of a target and period. On a GPU, one unit more
for each network model trains those of all targets and periods.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

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
from volforecast.evaluation.inclusion import confidence_set
from volforecast.evaluation.order import ALL
from volforecast.measured_rows import EXTRA_SETS, NEEDS, measured_rows, require_measures
from volforecast.models.fnn import FNN
from volforecast.predictors import build_rows, require_inputs
from volforecast.studies import search_young
from volforecast.studies.costs import (
    Cost,
    Outlook,
    confidence_cost,
    forecast_cost,
    networks_cost,
    outlook,
    selection_cost,
)
from volforecast.studies.model_names import NAIVE, NAIVE_MEAN, is_extra, parse, pick
from volforecast.studies.networks import together
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.rolling import Estimation, IntArray, Market, naive_forecasts
from volforecast.studies.search_windows import windows_at
from volforecast.studies.search_young import Young
from volforecast.studies.selections import selected_rows, selection_table
from volforecast.studies.summary import sectors_of, summarise
from volforecast.studies.units import ALL_PERIODS, GPUS, make_unit, versions
from volforecast.transfer.selection import select
from volforecast.transfer.subsequences import (
    Distances,
    Queries,
    SourceShard,
    make_shards,
    measure,
    queries_at,
)
from volforecast.transfer.training import make_pool


class NewIssues(Struct, frozen=True):
    """The study as the engine runs it; ``config`` is checked."""

    config: NewIssuesConfig
    name: ClassVar[str] = "new-issues"
    settings_type: ClassVar[type[NewIssuesConfig]] = NewIssuesConfig

    def load(self, panel: Panel) -> Market:
        """What the units read of a panel.

        Raises:
            PanelError: A target is shorter than a sample period, or an input of the EXT predictors or a measure that a
                model needs is missing.
        """
        targets = self.config.targets or panel.with_role("target")
        rows = build_rows(panel)
        longest = max(self.config.periods)
        for target in targets:
            needed = longest + self.config.horizon_days
            if rows.days(target) < needed:
                raise PanelError(
                    f"daily.parquet: target {target} has {rows.days(target)} trading days and sample period {longest} "
                    f"needs {needed} (s + {self.config.horizon_days} forecast days); leave out the target (--targets) "
                    "or the period (--periods)"
                )
        if any(parse(model).predictors == "EXT" for model in self.config.models):
            require_inputs(panel)
        sources, names = panel.with_role("source"), tuple(sorted(targets))
        measured = {}
        for predictors in sorted({parse(model).predictors for model in self.config.models} & set(EXTRA_SETS)):
            require_measures(panel, predictors, names)
            own = measured_rows(panel, rows, predictors)
            print_of = ",".join(panel.measures[name] for name in NEEDS[predictors])
            measured[predictors] = Market(own, make_pool(own, sources), names, sources, print_of)
        return Market(rows, make_pool(rows, sources), names, sources, panel.fingerprint, measured, sectors_of(panel))

    def plan(self, data: Market) -> Plan:
        """All units: selections, forecasts of each model, confidence sets."""
        config = msgspec.structs.replace(self.config, targets=data.targets).written()
        units: list[Unit] = []
        selections: dict[tuple[str, int], str] = {}
        if any(parse(model).approach == "MTL" for model in self.config.models):
            for target in data.targets:
                for period in self.config.periods:
                    units.append(self._unit(data, "selection", {"target": target, "period": period}, ()))
                    selections[target, period] = units[-1].key
        networks: dict[str, str] = {}
        if self.config.fnn.device == "cuda":
            for model in self.config.models:
                if parse(model).model_class == "FNN":
                    needs = tuple(selections.values()) if model.startswith("MTL") else ()
                    everywhere: dict[str, str | int] = {"target": "all", "period": ALL_PERIODS, "model": model}
                    units.append(self._unit(data, "networks", everywhere | {"targets": ",".join(data.targets)}, needs))
                    networks[model] = units[-1].key
        for target in data.targets:
            forecasts: list[str] = []
            beside: list[str] = []
            for period in self.config.periods:
                where: dict[str, str | int] = {"target": target, "period": period}
                here: dict[bool, list[str]] = {False: [], True: []}
                for model in (NAIVE, *self.config.models):
                    need = networks.get(model) or (selections[target, period] if model.startswith("MTL") else None)
                    units.append(self._unit(data, "forecast", where | {"model": model}, (need,) if need else ()))
                    here[is_extra(model)].append(units[-1].key)
                units += self._confidence_units(data, where, here[False], here[True])
                forecasts += here[False]
                beside += here[True]
            if len(self.config.periods) > 1:
                where = {"target": target, "period": ALL_PERIODS}
                units += self._confidence_units(data, where, forecasts, beside)
        return Plan(
            self.name,
            config,
            data.fingerprint,
            versions(on_gpu=any(unit.gpus for unit in units)),
            tuple(units),
            {"sectors": dict(data.sectors)} if data.sectors else {},
        )

    def _confidence_units(
        self, data: Market, where: dict[str, str | int], paper: Sequence[str], beside: Sequence[str]
    ) -> Iterator[Unit]:
        """The set of the paper's models, whatever else is run; and a second one of all, where there are others."""
        yield self._unit(data, "confidence", where, tuple(paper))
        if beside:
            yield self._unit(data, "confidence-extended", where, (*paper, *beside))

    def outlook(self, data: Market, units: Iterable[Unit]) -> list[Outlook]:
        """What the units will cost, by the code that takes the time."""
        return outlook((self._cost(data, unit.kind, unit.coordinates), self._estimations(unit)) for unit in units)

    def shards(self, data: Market, count: int) -> Sequence[SourceShard]:
        """The sources' volatility predictors, for the source stores."""
        return make_shards(data.rows, data.sources, count, self.config.block_length, self.config.dtw)

    def query(self, data: Market, unit: Unit) -> Queries:
        """The target's latest rows at each origin of the unit's period."""
        target, period = _where(unit)
        return queries_at(data.rows, target, self.config.schedule.origins(period), self.config.block_length)

    def scan(self, shard: SourceShard, query: Queries) -> list[Distances]:
        """Distances of one shard's windows, for each origin."""
        return measure(shard, query, self.config.dtw.device)

    def run(
        self,
        unit: Unit,
        data: Market,
        inputs: Mapping[str, bytes],
        answers: Sequence[Any],
        checkpoint: Checkpoint = NOTHING_KEPT,
    ) -> Output:
        """Compute one unit."""
        target, period = _where(unit)
        needed = [from_parquet(inputs[need]) for need in unit.needs]
        if unit.kind == "selection":
            table = self._selection(data, target, period, answers)
        elif unit.kind in ("confidence", "confidence-extended"):
            table = self._confidence_set(target, period, needed)
        elif unit.kind == "networks":
            table = self._networks(data, str(unit.coordinates["model"]), needed)
        else:
            table = self._forecasts(data, target, period, str(unit.coordinates["model"]), needed)
            return Output(to_parquet(table), table.num_rows, _counts(table))
        return Output(to_parquet(table), table.num_rows)

    def summarise(self, plan: Plan, results: Results) -> Iterator[tuple[str, bytes]]:
        """Published forecasts and selections, tables, report."""
        return summarise(plan, results)

    def searches(self, data: Market) -> list[Search]:
        """A search for the hyperparameters of each model that has any."""
        return search_young.searches(self._young(data))

    def trial(self, search: Search, data: Market, values: Mapping[str, Value], report: Report) -> float:
        """The loss of a point (:mod:`volforecast.studies.search_young`)."""
        return search_young.trial(self._young(data), search, values)

    def settings(self, best: Mapping[str, Mapping[str, Value]]) -> str:
        """A configuration file with the best point of each search, by its name."""
        return search_young.as_settings(best)

    def _young(self, data: Market) -> Young:
        config, period = self.config, min(self.config.periods)
        return Young(
            study=self.name,
            fingerprint=data.fingerprint,
            models=config.models,
            default=config.models == pick(()),
            targets=data.targets,
            settings=config.search,
            shared={
                "seed": config.seed,
                "block_length": config.block_length,
                "insanity_filter": config.insanity_filter,
            },
            dtw=config.dtw,
            model=config.model,
            origin=lambda model: period,
            estimation=lambda model, target, selection: self.estimation(data, target, period, model, selection),
            selections=lambda model, targets: windows_at(
                data.rows, data.sources, targets, period, config.block_length, config.dtw
            ),
        )

    def _selection(self, data: Market, target: str, period: int, answers: Sequence[Sequence[Distances]]) -> pa.Table:
        origins = self.config.schedule.origins(period)
        selections = [select([answer[i] for answer in answers]) for i in range(len(origins))]
        return selection_table(data.rows, target, period, origins, selections)

    def _forecasts(self, data: Market, target: str, period: int, model: str, needed: Sequence[pa.Table]) -> pa.Table:
        """Of one model; ``needed`` holds the selection, or the forecasts of all networks of the model, or nothing."""
        if model in (NAIVE, NAIVE_MEAN):
            return naive_forecasts(data, target, period, self.config.schedule, model)
        if parse(model).model_class == "FNN" and self.config.fnn.device == "cuda":
            here = pc.and_(pc.equal(needed[0]["target"], target), pc.equal(needed[0]["period"], period))
            return needed[0].filter(here).combine_chunks()
        return self.estimation(data, target, period, model, needed[0] if needed else None).forecasts()

    def _networks(self, data: Market, model: str, selections: Sequence[pa.Table]) -> pa.Table:
        """Forecasts of one network model for all targets and sample periods."""
        places = [(target, period) for target in data.targets for period in self.config.periods]
        chosen = selections or [None] * len(places)
        estimations = [self.estimation(data, *place, model, table) for place, table in zip(places, chosen, strict=True)]
        fnn = self.config.model(model)
        assert isinstance(fnn, FNN)
        return together(estimations, fnn)

    def estimation(self, data: Market, target: str, period: int, model: str, selection: pa.Table | None) -> Estimation:
        """The estimations of a model as its unit makes them; ``selection`` is the part of the selection it needs."""
        name, settings = parse(model), self.config.model(model)
        nothing = np.empty(0, dtype=np.int64)
        selected: dict[int, IntArray] = {}
        if selection is not None and name.rate is not None:
            selected = selected_rows(data.rows, selection, name.rate, self.config.block_length)

        def at(origin: int) -> IntArray:
            # sources that list after the target have no complete block at its first origins: nothing is selected there
            return selected.get(origin, nothing)

        assert settings is not None
        schedule, seed, filtered = self.config.schedule, self.config.seed, self.config.insanity_filter
        if name.predictors not in data.measured:
            return Estimation(data, target, period, name, settings, schedule, seed, at, insanity_filter=filtered)
        std = Estimation(
            data, target, period, name.with_std(), self.config.har, schedule, seed, at, insanity_filter=filtered
        )
        own = data.measured[name.predictors]
        return Estimation(
            own, target, period, name, settings, schedule, seed, at, instead=std, insanity_filter=filtered
        )

    def _confidence_set(self, target: str, period: int, forecasts: Sequence[pa.Table]) -> pa.Table:
        label = ALL if period == ALL_PERIODS else str(period)
        found = confidence_set(
            pa.concat_tables(forecasts, promote_options="default").to_pandas(),  # with the filter, NF has a column less
            seed=self.config.seed,
            level=self.config.confidence,
            replications=self.config.replications,
        )
        found.insert(0, "target", target)
        found.insert(1, "period", label)
        return pa.Table.from_pandas(found, preserve_index=False)

    def _cost(self, data: Market, kind: str, where: Mapping[str, str | int]) -> Cost:
        target, period = str(where["target"]), int(where["period"])
        days, schedule = self.config.horizon_days, self.config.schedule
        if kind == "networks":
            places: list[dict[str, str | int]] = [
                {"target": one, "period": s} for one in data.targets for s in self.config.periods
            ]
            return networks_cost([self._cost(data, "forecast", dict(where) | place) for place in places])
        if kind in ("confidence", "confidence-extended"):
            days *= len(self.config.periods) if period == ALL_PERIODS else 1
            series = [NAIVE, *(model for model in self.config.models if kind != "confidence" or not is_extra(model))]
            return confidence_cost(days, len(series), self.config.replications)
        # pairs known in the middle of the period
        own, first = period + days // 2, data.rows.first_row(target)
        pairs = len(data.pool.known_at(int(data.rows.date[first + own - 1])))
        origins = len(schedule.origins(period))
        if kind == "selection":
            return selection_cost(pairs, origins, self.config.block_length)
        model = str(where["model"])
        return forecast_cost(model, self.config.model(model), pairs, own, origins, days)

    def _estimations(self, unit: Unit) -> int:
        if unit.kind != "forecast" or unit.coordinates["model"] in (NAIVE, NAIVE_MEAN):
            return 0
        return len(self.config.schedule.origins(int(unit.coordinates["period"])))

    def _unit(
        self,
        data: Market,
        kind: Literal["selection", "networks", "forecast", "confidence", "confidence-extended"],
        where: dict[str, str | int],
        needs: tuple[str, ...],
    ) -> Unit:
        settings: dict[str, Any] = {
            name: getattr(self.config, name) for name in ("horizon_days", "refit_every", "block_length", "seed")
        }
        if kind == "selection":
            settings |= {"dtw": msgspec.to_builtins(self.config.dtw)}
        if kind in ("confidence", "confidence-extended"):
            settings |= {"confidence": self.config.confidence, "replications": self.config.replications}
        if kind in ("networks", "forecast") and where["model"] not in (NAIVE, NAIVE_MEAN):
            model = str(where["model"])
            settings |= {"class": msgspec.to_builtins(self.config.model(model))}
            if self.config.insanity_filter:
                settings |= {"insanity_filter": True}
            if parse(model).predictors in data.measured:
                settings |= {"measures": data.measured[parse(model).predictors].fingerprint}
        on_gpu = kind == "networks" or (kind == "selection" and self.config.dtw.device == "cuda")
        cost = self._cost(data, kind, where)
        return make_unit(self.name, data.fingerprint, kind, where, needs, settings, cost, gpus=GPUS if on_gpu else 0.0)


def _where(unit: Unit) -> tuple[str, int]:
    return str(unit.coordinates["target"]), int(unit.coordinates["period"])


def _counts(table: pa.Table) -> dict[str, int]:
    """What the log of a run tells of a unit's forecasts."""
    counts = {status: pc.sum(pc.equal(table["status"], status)).as_py() for status in ("ok", "fallback", "failed")}
    first_of_origin = table.group_by("origin").aggregate([("dropped_rows", "max")])
    counts["estimations"] = first_of_origin.num_rows
    counts["training rows dropped"] = pc.sum(first_of_origin["dropped_rows_max"]).as_py()
    if "replaced" in table.schema.names:
        counts["replaced by the insanity filter"] = pc.sum(table["replaced"]).as_py()
    return counts

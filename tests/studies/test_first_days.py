"""The first-days study: what is forecast when and from what, against plain loops; how it is planned."""

import dataclasses
import functools

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests import naive
from tests.studies.first_days_panel import (
    ORIGINS,
    TARGET,
    forecasts_of,
    market,
    panel,
    run_here,
    study_of,
    world,
)
from volforecast.data.panel import Panel
from volforecast.data.parquet import from_parquet
from volforecast.errors import ConfigError, PanelError
from volforecast.models.fnn import FNN
from volforecast.models.har import HAR
from volforecast.predictors import REDUCED_SETS
from volforecast.studies.costs import forecast_cost, short_selection_cost
from volforecast.studies.first_days import FirstDays
from volforecast.studies.first_days_config import SCHEDULES, FirstDaysConfig, FirstDaysFNN
from volforecast.studies.first_days_selections import SHORT_SELECTION_SCHEMA, selected_at
from volforecast.studies.model_names import parse, pick
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.rolling import Estimation
from volforecast.transfer.dtw import DTW
from volforecast.transfer.short_windows import short_queries

PREFIXES = tuple(REDUCED_SETS)
XGB_MODELS = ("1-TO XGB-STD", "1-MTL-25 XGB-EXT", "5-MTL-50 XGB-STD", "5-NP XGB-EXT", "22-MTL-75 XGB-STD")


@functools.lru_cache(maxsize=1)
def har_and_xgb() -> pd.DataFrame:
    study = study_of("HAR", *XGB_MODELS)
    return forecasts_of(run_here(study, market(), study.plan(market())))


@functools.lru_cache(maxsize=1)
def selections() -> dict[str, bytes]:
    study = study_of("MTL HAR-STD")
    plan = study.plan(market())
    kept = tuple(unit for unit in plan.units if unit.kind == "selection")
    return run_here(study, market(), msgspec.structs.replace(plan, units=kept))


class TestWhatIsForecast:
    def test_origins_are_daily_and_forecast_the_next_day(self) -> None:
        assert {period: schedule.origins(period) for period, schedule in SCHEDULES.items()} == ORIGINS
        dates = world().dates[TARGET]
        for (model, period), rows in har_and_xgb().groupby(["model", "period"]):
            assert rows["origin"].tolist() == list(ORIGINS[period]), model
            assert [str(date) for date in rows["date"]] == [str(dates[o].date()) for o in rows["origin"]]

    def test_a_model_forecasts_from_the_period_of_its_prefix_on(self) -> None:
        found = har_and_xgb().groupby("model")["period"].unique().map(sorted).to_dict()
        assert found.pop("NF") == [1, 5, 22]
        for model, periods in found.items():
            assert periods == [period for period in (1, 5, 22) if period >= (parse(model).prefix or 0)]
        assert set(found) == set(pick(("HAR", *XGB_MODELS), PREFIXES))

    def test_there_are_ninety_models_and_words_narrow_them_down(self) -> None:
        assert len(pick((), PREFIXES)) == 90
        assert len(pick(("5",), PREFIXES)) == 30
        assert pick(("22-MTL-75 XGB-EXT",), PREFIXES) == ("22-MTL-75 XGB-EXT",)
        assert pick(("5-MTL HAR",), PREFIXES) == pick(("5 MTL HAR",), PREFIXES)
        assert len(pick(("5-MTL HAR",), PREFIXES)) == 6
        with pytest.raises(ConfigError, match="7-TO"):
            pick(("7-TO HAR-STD",), PREFIXES)
        assert len(pick(())) == 30
        assert not any(model[0].isdigit() for model in pick(()))

    def test_the_naive_forecast_is_the_variance_of_the_day_before(self) -> None:
        table = har_and_xgb()
        own = table[table["model"] == "NF"].sort_values("origin")
        assert own["origin"].tolist() == list(range(1, 50))
        rv = [world().row((TARGET, t), naive.STD)[0] for t in range(1, 51)]
        np.testing.assert_allclose(own["forecast"], rv[:49], rtol=1e-12)
        np.testing.assert_allclose(own["realized"], rv[1:], rtol=1e-12)


class TestAgainstPlainLoops:
    @pytest.mark.parametrize("prefix", PREFIXES)
    @pytest.mark.parametrize("approach", ["TO", "NP", "MTL-25", "MTL-50", "MTL-75"])
    def test_har(self, prefix: int, approach: str) -> None:
        for predictors in ("STD", "EXT"):
            self._compare(f"{prefix}-{approach} HAR-{predictors}", every=1)

    @pytest.mark.parametrize("model", XGB_MODELS)
    def test_xgb(self, model: str) -> None:
        self._compare(model, every=4)

    def _compare(self, model: str, every: int) -> None:
        table = har_and_xgb()
        own = table[table["model"] == model]
        assert len(own) == sum(len(origins) for s, origins in ORIGINS.items() if s >= (parse(model).prefix or 0))
        for row in own.iloc[::every].itertuples():
            slow = naive.first_days_forecast(world(), TARGET, row.period, row.origin, model)
            assert (row.status, row.train_rows, row.dropped_rows) == (slow.status, slow.train_rows, slow.dropped_rows)
            assert row.realized == pytest.approx(slow.realized, rel=1e-12)
            assert row.forecast == pytest.approx(slow.forecast, rel=1e-8), (model, row.origin)

    def test_dj30(self) -> None:
        """Real listings: the youngest target with four of its sources, cut to a year before its fiftieth day."""
        small = few_of_dj30()
        study = study_of("1-MTL-25 HAR-STD", "5-MTL-50 HAR-STD", "22-MTL-75 HAR-STD", "5-MTL-75 XGB-STD")
        data = study.load(small)
        table = forecasts_of(run_here(study, data, study.plan(data)))
        slow_world = naive.World(small)
        checked = table[(table["model"] != "NF") & table["origin"].isin([1, 2, 5, 6, 12, 22, 23, 30, 43, 49])]
        assert len(checked) == 10 + 8 + 8 + 5
        for row in checked.itertuples():
            slow = naive.first_days_forecast(slow_world, row.target, row.period, row.origin, row.model)
            assert row.forecast == pytest.approx(slow.forecast, rel=1e-8), (row.model, row.origin)
            assert row.train_rows == slow.train_rows


def few_of_dj30() -> Panel:
    """The last listing of the Dow 30 panel with four of its sources, in the 300 days before its day 60."""
    whole = naive.dj30()
    target = max(whole.with_role("target"), key=lambda asset: whole.daily[whole.daily["asset"] == asset]["date"].min())
    chosen = [target, *whole.with_role("source")[:4]]
    days = whole.daily[whole.daily["asset"] == target]["date"].sort_values().iloc[:60]
    near = whole.daily["date"].between(days.iloc[0] - pd.Timedelta(days=300), days.iloc[-1])
    daily = whole.daily[whole.daily["asset"].isin(chosen) & near].reset_index(drop=True)
    assets = whole.assets[whole.assets["asset"].isin(chosen)].reset_index(drop=True)
    return dataclasses.replace(whole, daily=daily, assets=assets)


class TestSelections:
    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_queries_are_as_long_as_the_history_up_to_a_month(self, prefix: int) -> None:
        rows = market().by_prefix[prefix].rows
        for period in (s for s in ORIGINS if s >= prefix):
            queries = short_queries(rows, TARGET, ORIGINS[period], 22)
            lengths = [group.length for group in queries.groups for _ in group.origins]
            assert lengths == [min(o - prefix + 1, 22) for o in ORIGINS[period]]
            assert [o for group in queries.groups for o in group.origins] == list(ORIGINS[period])

    @pytest.mark.parametrize(
        ("prefix", "origin"), [(1, 1), (1, 3), (1, 30), (5, 5), (5, 9), (22, 22), (22, 24), (22, 49)]
    )
    def test_stored_selections_are_those_of_plain_loops(self, prefix: int, origin: int) -> None:
        period = max(s for s in ORIGINS if s <= origin)
        table = from_parquet(selections()[f"{TARGET}/{period}/{prefix}-selection"])
        assert table.schema == SHORT_SELECTION_SCHEMA
        own = table.to_pandas()
        own = own[own["origin"] == origin].set_index("asset")
        length, found = world().first_days_windows(TARGET, origin, prefix)
        assert own["windows"].to_dict() == pd.Series([block.asset for block in found]).value_counts().to_dict()
        assert set(own["length"]) == {length}
        rows = market().by_prefix[prefix].rows
        for rate in (25, 50, 75):
            limit = naive.quantile([block.distance for block in found], rate)
            np.testing.assert_allclose(own[f"limit_{rate}"], limit, rtol=1e-12)
            chosen = [block for block in found if block.distance <= limit]
            expected = sorted(rows.first_row(b.asset) + b.start - 1 + i for b in chosen for i in range(length))
            assert selected_at(rows, table, rate, DTW())(origin).tolist() == expected
        for asset, row in own.iterrows():
            first = min(block.start for block in found if block.asset == asset)
            assert str(row["start"]) == str(world().dates[asset][first - 1].date())

    def test_overlapping_windows_enter_each_row_once(self) -> None:
        overlapping = DTW(windows="overlapping")
        study = study_of("1-MTL-50 HAR-STD", "22-MTL-50 HAR-STD", dtw=overlapping)
        data, plan = market(), study.plan(market())
        table = forecasts_of(run_here(study, data, plan)).set_index(["model", "origin"])
        for prefix, origin in ((1, 8), (1, 40), (22, 27)):
            length, found = world().first_days_windows(TARGET, origin, prefix, naive.runs)
            limit = naive.quantile([block.distance for block in found], 50)
            held = {(b.asset, b.start + i) for b in found if b.distance <= limit for i in range(length)}
            assert table.loc[(f"{prefix}-MTL-50 HAR-STD", origin), "train_rows"] == len(held) + origin - prefix

    def test_shards_change_nothing(self) -> None:
        study = study_of("MTL HAR-STD")
        plan = study.plan(market())
        kept = msgspec.structs.replace(plan, units=tuple(unit for unit in plan.units if unit.kind == "selection"))
        for shards in (1, 3):
            assert run_here(study, market(), kept, shards) == selections()

    def test_a_bit_a_window_is_stored(self) -> None:
        table = from_parquet(selections()[f"{TARGET}/1/1-selection"])
        for row in table.to_pylist():
            assert len(row["selected_25"]) == -(-row["windows"] // 8)
        assert table.num_rows == 4 * 3


class TestFallbacks:
    def test_a_target_without_a_pair_is_forecast_naively(self) -> None:
        table = har_and_xgb()
        first = table[table["model"].str.contains("-TO ") & table["origin"].isin([1, 5, 22])]
        naively = table[table["model"] == "NF"].set_index("origin")["forecast"]
        for row in first.itertuples():
            alone = row.origin == parse(row.model).prefix
            assert (row.status == "fallback") == alone
            assert (row.train_rows == 0) == alone
            assert (row.forecast == naively[row.origin]) == alone
            assert pd.isna(row.reason)

    def test_pooled_models_have_source_pairs_from_the_first_day_on(self) -> None:
        table = har_and_xgb()
        pooled = table[table["model"].str.contains("-NP |-MTL")]
        assert (pooled["train_rows"] > 0).all()

    def test_a_missing_predictor_makes_the_std_model_answer(self) -> None:
        """Without volume on day 7 there is no dv on days 7 and 8; ``1-`` models do without."""
        table = har_and_xgb().set_index(["model", "origin"])
        for origin in (7, 8, 30, 31):
            for approach in ("NP", "MTL-50"):
                ext, std = (table.loc[(f"5-{approach} HAR-{kind}", origin)] for kind in ("EXT", "STD"))
                assert ext["status"] == "fallback"
                assert ext["forecast"] == std["forecast"]
                assert table.loc[(f"1-{approach} HAR-EXT", origin), "status"] == "ok"
        assert table.loc[("5-NP HAR-EXT", 9), "status"] == "ok"

    def test_sources_younger_than_the_target_leave_a_pooled_model_naive(self) -> None:
        """Their first day is its third: at its first two closes no source pair is known."""
        daily = panel().daily
        listing = daily.loc[daily["asset"] == TARGET, "date"].iloc[2]
        kept = daily[(daily["asset"] == TARGET) | (daily["date"] >= listing)].reset_index(drop=True)
        study = study_of("1-NP HAR-STD", "1-MTL-50 HAR-STD", "5-MTL-50 HAR-STD")
        data = study.load(dataclasses.replace(panel(), daily=kept))
        table = forecasts_of(run_here(study, data, study.plan(data))).set_index(["model", "origin"])
        for model in ("1-NP HAR-STD", "1-MTL-50 HAR-STD"):
            assert table.loc[(model, 1), ["status", "train_rows"]].tolist() == ["fallback", 0]
            assert table.loc[(model, 1), "forecast"] == table.loc[("NF", 1), "forecast"]
            assert table.loc[(model, 2), ["status", "train_rows"]].tolist() == ["ok", 1]  # its own pair
        # three source pairs at the close of day 4, one each: no window of four rows
        assert table.loc[("1-MTL-50 HAR-STD", 4), "train_rows"] == 3
        assert table.loc[("1-NP HAR-STD", 4), "train_rows"] == 6
        assert table.loc[("5-MTL-50 HAR-STD", 5), ["status", "train_rows"]].tolist() == ["fallback", 0]

    def test_negative_forecasts_are_replaced_by_the_smallest_variance_so_far(self) -> None:
        table = har_and_xgb()
        assert (table["forecast"] > 0).all()
        rv = [world().row((TARGET, t), naive.STD)[0] for t in range(1, 50)]
        floored = [row for row in table.itertuples() if row.model != "NF" and row.forecast == min(rv[: row.origin])]
        assert any(row.train_rows > 1 for row in floored)


class TestNetworks:
    @functools.cached_property
    def table(self) -> pd.DataFrame:
        fnn = FirstDaysFNN(max_epochs=7, patience=2)
        study = study_of("TO FNN", "1-NP FNN-STD", fnn=fnn)
        return forecasts_of(run_here(study, market(), study.plan(market())))

    def test_epochs_are_set_once_a_period_and_by_one_pair_at_most(self) -> None:
        table = self.table[self.table["train_rows"] > 0]
        for (model, period), rows in table.groupby(["model", "period"]):
            if model == "NF" or model.endswith("EXT"):
                continue
            assert rows["epochs"].nunique() == 1, (model, period)
            # at the first origin with a pair there is one pair and nothing to hold out: the largest number of epochs
            if "TO" in model and parse(model).prefix == period:
                assert set(rows["epochs"]) == {7}
                assert rows["train_rows"].min() == 1

    def test_a_target_without_a_pair_is_not_trained_on(self) -> None:
        rows = self.table[self.table["model"].str.contains("-TO FNN")].set_index(["model", "origin"])
        for prefix in PREFIXES:
            for kind in ("STD", "EXT"):
                assert rows.loc[(f"{prefix}-TO FNN-{kind}", prefix), ["status", "train_rows"]].tolist() == [
                    "fallback",
                    0,
                ]

    def test_one_row_a_batch_where_only_the_target_is_learnt_from(self) -> None:
        assert FirstDaysConfig().fnn.batch == {"TO": 1, "MTL": 512, "NP": 1024}
        assert NewIssuesConfig().fnn.batch == FNN().batch == {"TO": 4, "MTL": 512, "NP": 1024}
        short = msgspec.convert({"fnn": {"max_epochs": 3}}, FirstDaysConfig)
        assert short.fnn.batch["TO"] == 1

    def test_on_a_gpu_networks_are_units_of_their_own(self) -> None:
        study = study_of("FNN-STD", fnn=FirstDaysFNN(device="cuda"))
        units = study.plan(market()).units
        networks = {str(unit.coordinates["model"]): unit for unit in units if unit.kind == "networks"}
        assert set(networks) == set(study.config.models)
        kinds = {unit.key: unit for unit in units}
        of_5 = [kinds[need] for need in networks["5-MTL-50 FNN-STD"].needs]
        assert [(unit.coordinates["prefix"], unit.coordinates["period"]) for unit in of_5] == [(5, 5), (5, 22)]
        for unit in units:
            if unit.kind == "forecast" and unit.coordinates["model"] != "NF":
                assert unit.needs == (networks[str(unit.coordinates["model"])].key,)

    def test_networks_trained_together_are_those_of_single_units(self) -> None:
        """On a CPU by the same kernel, so every byte is the same; naive fallbacks included."""
        from volforecast.studies.networks import together

        fnn = FirstDaysFNN(max_epochs=5, patience=2)
        study = study_of("TO FNN", fnn=fnn)
        for model in ("1-TO FNN-EXT", "5-TO FNN-STD"):
            periods = [period for period in ORIGINS if period >= (parse(model).prefix or 0)]

            def estimations(model: str = model, periods: list[int] = periods) -> list[Estimation]:
                return [study._estimation(market(), TARGET, period, model, None) for period in periods]

            alone = pa.concat_tables(one.forecasts() for one in estimations())
            assert together(estimations(), fnn).equals(alone)
            assert "fallback" in alone["status"].to_pylist()


class TestPlan:
    def test_a_setting_changes_the_units_that_it_concerns(self) -> None:
        def keys(**settings: object) -> dict[str, str]:
            return {unit.name: unit.key for unit in study_of("MTL-50", "TO HAR-STD", **settings).plan(market()).units}

        before = keys()
        fewer = keys(fnn=FirstDaysFNN(max_epochs=3))
        assert {name for name in before if before[name] != fewer[name]} == {
            name for name in before if "FNN" in name or "confidence" in name
        }
        wider = keys(dtw=DTW(windows="overlapping"))
        assert {name for name in before if before[name] != wider[name]} == {
            name for name in before if "MTL" in name or "selection" in name or "confidence" in name
        }

    def test_confidence_sets_are_over_the_series_that_a_strategy_makes(self) -> None:
        study = study_of("HAR", "1-NP XGB-STD")
        payloads = run_here(study, market(), study.plan(market()))
        table = from_parquet(payloads[f"{TARGET}/all/confidence"]).to_pandas()
        assert set(table["model"]) == {"NF", *pick(("HAR",))}
        assert set(table["period"]) == {"all"}
        only_5 = study_of("5 HAR").plan(market())
        assert not any(unit.kind == "confidence" for unit in only_5.units)
        assert {unit.coordinates["period"] for unit in only_5.units} == {5, 22}

    def test_units_add_up_to_the_outlook(self) -> None:
        study = study_of()
        units = study.plan(market()).units
        lines = study.outlook(market(), units)
        assert sum(line.units for line in lines) == len(units)
        assert sum(line.estimations for line in lines) == 30 * (49 + 45 + 28)
        assert sum(line.seconds for line in lines) == pytest.approx(sum(unit.cost for unit in units), rel=0.01)

    def test_costs_grow_with_what_is_compared(self) -> None:
        def seconds(pairs: int, lengths: range, dtw: DTW) -> float:
            return short_selection_cost(pairs, lengths, dtw, 3, 20).seconds

        overlapping = DTW(windows="overlapping")
        assert seconds(100_000, range(1, 5), DTW()) < seconds(200_000, range(1, 5), DTW())
        assert seconds(100_000, range(1, 5), DTW()) < seconds(100_000, range(1, 23), DTW())
        assert seconds(100_000, range(1, 5), DTW()) < seconds(100_000, range(1, 5), overlapping)
        # more predictors, more memory
        memory = [
            forecast_cost(f"{prefix}-NP HAR-{kind}", HAR(), 10_000, 5, 28, 28).memory
            for kind in ("STD", "EXT")
            for prefix in PREFIXES
        ]
        assert memory == sorted(memory)
        assert len(set(memory)) == 6

    def test_a_short_target_is_refused(self) -> None:
        daily = panel().daily
        own = daily.index[daily["asset"] == TARGET]
        with pytest.raises(PanelError, match="NEW00001 has 49 trading days"):
            study_of("HAR-STD").load(dataclasses.replace(panel(), daily=daily.drop(own[49:]).reset_index(drop=True)))

    def test_settings_are_checked(self) -> None:
        with pytest.raises(ConfigError, match="names one twice"):
            FirstDaysConfig(targets=("A", "A")).checked()
        with pytest.raises(ConfigError, match="replications"):
            FirstDaysConfig(replications=3).checked()


def test_the_study_is_known() -> None:
    from volforecast.studies import STUDIES

    assert STUDIES["first-days"] is FirstDays

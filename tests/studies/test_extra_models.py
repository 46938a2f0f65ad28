"""Models beside the paper's within a study: what they forecast, and that nothing of the paper's models changes."""

import dataclasses
import functools
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cluster.study import Plan, Unit
from tests import naive
from tests.studies.in_process import computed, tables_of
from volforecast.data.measures import MEASURES
from volforecast.data.panel import Panel, read_panel
from volforecast.data.parquet import from_parquet
from volforecast.errors import ConfigError, PanelError
from volforecast.evaluation.order import paper_order
from volforecast.measured_rows import EXTRA_SETS, NEEDS
from volforecast.models import EXTRA
from volforecast.models.fnn import FNN
from volforecast.models.xgb import XGB
from volforecast.studies.model_names import ModelName, extra_models, is_extra, parse, pick
from volforecast.studies.networks import together
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.studies.rolling import Schedule, naive_forecasts

TARGET = "NEW00001"
PAPER = ("HAR", "TO XGB-STD", "MTL-50 XGB-EXT")


def config(*models: str, **settings: object) -> NewIssuesConfig:
    small: dict[str, object] = {"periods": (50, 70), "horizon_days": 20, "replications": 100, "xgb": XGB(trees=3)}
    return NewIssuesConfig(models=models, **(small | settings)).checked()  # type: ignore[arg-type]


@functools.lru_cache(maxsize=1)
def panel() -> Panel:
    with tempfile.TemporaryDirectory() as folder:
        naive.simulated(Path(folder), seed=6, sources=3, targets=2, source_days=260, target_days=100)
        return read_panel(folder, measures=MEASURES)


class Run(NamedTuple):
    plan: Plan
    payloads: dict[str, bytes]
    published: dict[str, bytes]

    def unit(self, name: str) -> Unit:
        return next(unit for unit in self.plan.units if unit.name == name)

    def forecasts(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = from_parquet(self.payloads[self.unit(name).key]).to_pandas()
        return frame

    def table(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = from_parquet(self.published[f"tables/{name}.parquet"]).to_pandas()
        return frame


def run(settings: NewIssuesConfig, on: Panel) -> Run:
    study = NewIssues(settings)
    data = study.load(on)
    plan = study.plan(data)
    payloads = computed(study, data, plan)
    return Run(plan, payloads, tables_of(study, plan, payloads))


@functools.lru_cache(maxsize=4)
def quiet(*models: str, insanity_filter: bool = False) -> Run:
    return run(config(*models, insanity_filter=insanity_filter), panel())


# --------------------------------------------------------------------------------------------------------------- names


def test_names_of_models_beside_the_papers() -> None:
    names = list(map(str, extra_models()))
    approaches = ["TO", "NP", "MTL-25", "MTL-50", "MTL-75"]
    expected = [f"{a} {c}" for c in ("HAR-J", "HARQ", "LOG-HAR", "SHAR") for a in approaches]
    assert names == [*expected, "NF-22"]
    assert [parse(name) for name in names] == extra_models()
    assert parse("MTL-75 HARQ") == ModelName("MTL", 75, "HARQ", "HARQ")
    assert parse("NP LOG-HAR").predictors == "STD"
    assert str(parse("MTL-75 SHAR").with_std()) == "MTL-75 HAR-STD"
    assert all(map(is_extra, names))
    assert not any(map(is_extra, ("NF", *pick(()))))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["HAR", "HARQ"], ["HAR", "HARQ"]),
        (["MTL-75", "MTL-75 HARQ"], ["MTL-75", "MTL-75 HARQ"]),
        (["STD", "EXT", "extra"], ["STD", "EXT", "extra"]),
        (["HARQ"], ["HAR-STD", "HARQ"]),  # what it is compared with comes along
        (["TO SHAR", "NF-22"], ["TO HAR-STD", "TO SHAR", "NF-22"]),
        (["NP extra"], ["NP HAR-STD", "NP HAR-J", "NP HARQ", "NP LOG-HAR", "NP SHAR"]),
    ],
)
def test_they_run_when_they_are_asked_for(words: list[str], expected: list[str]) -> None:
    found = pick(words)
    assert found == pick(expected)
    papers = [name for name in found if not is_extra(name)]
    assert list(found[: len(papers)]) == papers
    assert [name for name in pick(()) if name in papers] == papers
    for name in ("TO", "MTL", "MTL-75", "STD", "HAR", "NP XGB"):
        assert not any(map(is_extra, pick([name])))


@pytest.mark.parametrize("text", ["HARQ-STD", "MTL-75 HARQ-EXT", "NF-5", "TO NF-22", "harq", "HARQ STD"])
def test_words_that_fit_none_of_them(text: str) -> None:
    with pytest.raises(ConfigError, match="HAR-J, HARQ, LOG-HAR, SHAR, NF-22, extra"):
        pick(["HAR", text])


# ---------------------------------------------------------------------------------------- the paper's models, unchanged


def test_what_the_papers_models_leave_is_the_same_to_the_byte() -> None:
    """Parts, tables and confidence sets; only the published forecasts have more rows."""
    without, beside = quiet(*PAPER), quiet(*PAPER, "extra")
    for unit in without.plan.units:
        assert beside.payloads[unit.key] == without.payloads[unit.key], unit.name
        assert unit in beside.plan.units
    tables = {name for name in without.published if name.startswith("tables/") and "estimations" not in name}
    assert len(tables) > 20
    for name in tables:
        assert beside.published[name] == without.published[name], name
    more = {name.split("/")[1].split(".")[0] for name in set(beside.published) - set(without.published)}
    kinds = ("mean_losses", "table_3", "confidence_sets", "table_4", "pairwise")
    assert more == {f"{kind}_extended" for kind in kinds}


def test_a_plan_says_nothing_of_what_is_not_asked_for() -> None:
    """Folders of runs from before these models existed go on."""
    plan = quiet(*PAPER).plan
    keys = "targets periods models seed horizon_days refit_every block_length confidence replications dtw har fnn xgb"
    assert set(plan.config) == set(keys.split())
    asked = quiet(*PAPER, "extra").plan.config
    assert set(asked) == set(keys.split()) | {"har_j", "harq", "log_har", "shar"}
    assert msgspec.convert(plan.config, NewIssuesConfig).insanity_filter is False


def test_the_panel_of_a_run_without_them_needs_no_measures() -> None:
    bare = dataclasses.replace(panel(), daily=panel().daily.drop(columns=list(MEASURES)), measures={})
    study = NewIssues(config(*PAPER))
    data = study.load(bare)
    assert data.measured == {}
    assert study.plan(data) == quiet(*PAPER).plan
    NewIssues(config("HAR", "LOG-HAR", "NF-22")).load(bare)
    for model_class in EXTRA_SETS:
        with pytest.raises(PanelError, match=f"{model_class} needs {NEEDS[model_class][0]} .*daily.parquet"):
            NewIssues(config("HAR", model_class)).load(bare)


def test_another_measure_makes_other_units_of_its_own_models_only() -> None:
    changed = dataclasses.replace(panel(), measures=dict(panel().measures) | {"rq": "another"})
    study = NewIssues(config("HAR", "HARQ", "SHAR"))
    plans = [study.plan(study.load(one)) for one in (panel(), changed)]
    different = {
        one.name
        for one, two in zip(*(plan.units for plan in plans), strict=True)
        if one.key != two.key and one.kind == "forecast"
    }
    assert different
    assert all("HARQ" in name for name in different)
    assert len(different) == 2 * 2 * 5


# ------------------------------------------------------------------------------------------------- what they forecast


COLUMNS = {"HAR-J": EXTRA_SETS["HAR-J"], "HARQ": EXTRA_SETS["HARQ"], "SHAR": EXTRA_SETS["SHAR"]}


def slow_value(world: naive.World, day: dict[str, float], t: int, name: str) -> float:
    if name in naive.STD:
        return world.row((TARGET, t), [name])[0]
    rv = 1e4 * day["rv"]
    made = {"rv_d_rq": rv * (1e8 * day["rq"]) ** 0.5, "jump": max(rv - 1e4 * day["bpv"], 0.0)}
    return made[name] if name in made else 1e4 * day[name]


@pytest.mark.parametrize("model_class", COLUMNS)
def test_target_only_forecasts_agree_with_plain_loops(model_class: str) -> None:
    world = naive.World(panel(), [TARGET])
    own = panel().daily[panel().daily["asset"] == TARGET].to_dict("records")
    rows = [[slow_value(world, own[t - 1], t, name) for name in COLUMNS[model_class]] for t in range(1, len(own) + 1)]
    table = quiet(*PAPER, "extra").forecasts(f"{TARGET}/50/TO {model_class}")
    rv = [1e4 * day["rv"] for day in own]
    for k in range(20):
        origin = 50 + 5 * (k // 5)
        X, y = np.array(rows[21 : origin - 1]), np.array(rv[22:origin])  # pairs (t, t + 1) for t = 22 ... origin - 1
        value = naive.har(X, y, rows[50 + k - 1])
        expected = min(rv[:origin]) if value < 0 else value
        assert table["forecast"][k] == pytest.approx(expected, rel=1e-7)
        assert table["train_rows"][k] == origin - 22
    assert set(table["status"]) == {"ok"}


@pytest.mark.parametrize("approach", ["NP", "MTL-25", "MTL-75"])
def test_they_learn_from_the_rows_that_har_learns_from(approach: str) -> None:
    found = quiet(*PAPER, "extra")
    har = found.forecasts(f"{TARGET}/70/{approach} HAR-STD")
    for model_class in EXTRA:
        table = found.forecasts(f"{TARGET}/70/{approach} {model_class}")
        assert table["train_rows"].tolist() == har["train_rows"].tolist()
        assert table["realized"].tolist() == har["realized"].tolist()
        assert not np.isclose(table["forecast"], har["forecast"], rtol=1e-9).all()


def test_days_without_a_measure_fall_back_to_har_std_of_the_same_approach() -> None:
    daily = panel().daily.copy()
    own = daily.index[daily["asset"] == TARGET]
    blank = [51, 52, 60]  # days of the target
    daily.loc[own[[day - 1 for day in blank]], list(MEASURES)] = np.nan
    found = run(config("HAR-STD", *EXTRA_SETS), dataclasses.replace(panel(), daily=daily))
    for name in (f"{approach} {c}" for c in EXTRA_SETS for approach in ("TO", "NP", "MTL-50")):
        table = found.forecasts(f"{TARGET}/50/{name}")
        har = found.forecasts(f"{TARGET}/50/{parse(name).with_std()}")
        expected = ["fallback" if 50 + k in blank else "ok" for k in range(20)]
        assert table["status"].tolist() == expected
        fallback = table["status"] == "fallback"
        assert table["forecast"][fallback].tolist() == har["forecast"][fallback].tolist()
        assert not np.isclose(table["forecast"][~fallback], har["forecast"][~fallback], rtol=1e-9).any()
        assert table["dropped_rows"].tolist() == [0] * 5 + [2] * 5 + [2] * 5 + [3] * 5
        quiet_rows = quiet(*PAPER, "extra").forecasts(f"{TARGET}/50/{name}")["train_rows"]
        assert (table["train_rows"] + table["dropped_rows"]).tolist() == quiet_rows.tolist()


def test_the_naive_mean_is_that_of_the_last_22_days_or_of_all_there_are() -> None:
    table = quiet(*PAPER, "extra").forecasts(f"{TARGET}/50/NF-22")
    own = panel().daily[panel().daily["asset"] == TARGET]["rv"].to_numpy() * 1e4
    expected = [own[day - 22 : day].mean() for day in range(50, 70)]
    np.testing.assert_allclose(table["forecast"], expected, rtol=1e-12)
    assert set(table["model"]) == {"NF-22"}
    data = NewIssues(config("HAR-STD")).load(panel())
    first = naive_forecasts(data, TARGET, 3, Schedule(22, 5), "NF-22").to_pandas()["forecast"]
    np.testing.assert_allclose(first, [own[max(day - 22, 0) : day].mean() for day in range(3, 25)], rtol=1e-12)


# -------------------------------------------------------------------------------------------------------------- tables


def test_tables_of_all_models() -> None:
    found = quiet(*PAPER, "extra")
    everything = {"NF", *pick((*PAPER, "extra"))}
    sets, count = found.table("confidence_sets_extended"), found.table("table_4_extended")
    assert set(sets["model"]) == set(count["model"]) == everything
    assert set(found.table("confidence_sets")["model"]) == {name for name in everything if not is_extra(name)}
    relative = found.table("table_3_extended")
    assert set(relative["model"]) == everything - {"NF"}
    papers = relative[~relative["model"].map(is_extra)].reset_index(drop=True)
    pd.testing.assert_frame_equal(papers, found.table("table_3"))
    names = list(dict.fromkeys(relative["model"]))
    beside = list(map(is_extra, names))
    assert beside == sorted(beside)  # the paper's come first
    pairs = found.table("pairwise_extended")
    assert set(pairs["loss"]) == {"MSE", "MAE", "QLIKE"}
    assert all(map(is_extra, pairs["model"]))
    har = {"NF", *(f"{a} HAR-STD" for a in ("TO", "NP", "MTL-25", "MTL-50", "MTL-75"))}
    assert set(pairs["benchmark"]) == har
    assert len(pairs) == 3 * 6 * 21
    one = found.table("mean_losses_extended").query("period == 'all' and loss == 'MAE'")
    wide = one.pivot(index="target", columns="model", values="mean_loss")
    expected = (wide["NP SHAR"] / wide["NP HAR-STD"]).mean()
    row = pairs.query("loss == 'MAE' and model == 'NP SHAR' and benchmark == 'NP HAR-STD'").iloc[0]
    assert row["ratio"] == pytest.approx(expected, rel=1e-12)


# ----------------------------------------------------------------------------------------------------- insanity filter


def test_the_insanity_filter_replaces_what_is_out_of_range_and_counts_it() -> None:
    plain, filtered = quiet("HAR"), quiet("HAR", insanity_filter=True)
    assert filtered.plan.config == plain.plan.config | {"insanity_filter": True}
    market = NewIssues(config("HAR")).load(panel())
    own = {name: plain.forecasts(f"{TARGET}/50/TO {name}") for name in ("HAR-STD", "HAR-EXT")}
    replaced = 0
    for name, table in own.items():
        found = filtered.forecasts(f"{TARGET}/50/TO {name}")
        first = market.rows.first_row(TARGET)
        for k, row in found.iterrows():
            labels = market.rows.y[first + 21 : first + row["origin"] - 1]
            raw = table["forecast"][k]
            assert labels.min() <= row["forecast"] <= labels.max()
            if row["replaced"]:
                assert row["forecast"] == pytest.approx(labels.mean(), rel=1e-12)
                replaced += 1
            else:
                assert row["forecast"] == raw
        assert set(found["status"]) == {"ok"}
    assert replaced > 0  # the test above can fail
    table = filtered.table("insanity")
    counted = table.query(f"target == '{TARGET}' and period == '50' and model.str.startswith('TO')")
    assert counted["replaced"].sum() == replaced
    assert set(counted["days"]) == {20}
    assert (table["rate"] == table["replaced"] / table["days"]).all()
    assert "NF" not in set(table["model"])
    whole = table[table["period"] == "all"].set_index(["target", "model"])["replaced"]
    parts = table[table["period"] != "all"].groupby(["target", "model"])["replaced"].sum()
    assert whole.sort_index().equals(parts.sort_index().rename("replaced"))


def test_the_filter_makes_other_units_of_what_it_looks_at_only() -> None:
    plain, filtered = quiet("HAR"), quiet("HAR", insanity_filter=True)
    same = {unit.name for unit in plain.plan.units} & {
        one.name for one, two in zip(plain.plan.units, filtered.plan.units, strict=True) if one.key == two.key
    }
    assert same == {unit.name for unit in plain.plan.units if unit.kind == "selection" or unit.name.endswith("/NF")}
    assert "insanity" not in {name.split("/")[1].split(".")[0] for name in plain.published if "/" in name}
    for unit in plain.plan.units:
        if unit.kind == "forecast":
            assert "replaced" not in from_parquet(plain.payloads[unit.key]).schema.names


def test_models_beside_the_papers_follow_them_class_by_class() -> None:
    names = ["NF", *pick(("HAR-STD", "extra"))]
    mixed = [names[(7 * i) % len(names)] for i in range(len(names))]
    assert sorted(mixed) == sorted(names)
    assert paper_order(mixed) == names


@pytest.mark.parametrize("model", ["TO FNN-STD", "NP FNN-EXT"])
def test_networks_trained_together_are_filtered_as_each_unit_is(model: str) -> None:
    """What a GPU does, on a CPU, where every byte is the same."""
    few = FNN(max_epochs=3, patience=2)
    study = NewIssues(config(model, insanity_filter=True, fnn=few))
    market = study.load(panel())
    places = [(target, period) for target in market.targets for period in (50, 70)]
    alone = pa.concat_tables(study.estimation(market, *place, model, None).forecasts() for place in places)
    estimations = [study.estimation(market, *place, model, None) for place in places]
    assert together(estimations, few).equals(alone)
    assert "replaced" in alone.schema.names

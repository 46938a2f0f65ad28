"""The bitcoin-mixture study's units, computed in this process: what comes out, on what it depends, what it refuses."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from cluster.study import Plan
from tests.studies.bitcoin_hours import SMALL, a_study, few_features, first_points, some_hours
from tests.studies.in_process import computed, tables_of
from volforecast.data.hourly import HourlyTable
from volforecast.data.parquet import unpack
from volforecast.errors import ConfigError, FitError, PanelError
from volforecast.hourly_rows import Sample
from volforecast.models.hourly import HYBRIDS, MODELS, NAMES
from volforecast.models.hourly.protocol import rmse
from volforecast.models.hourly.xgb import XGB
from volforecast.studies import bitcoin_fits
from volforecast.studies.bitcoin_config import SearchSettings
from volforecast.studies.bitcoin_mixture import BitcoinMixture
from volforecast.studies.units import versions

QUICK = ("HAR", "Flexible HAR", "XGB", "TM-G")


@cache
def whole() -> tuple[BitcoinMixture, Plan, dict[str, bytes]]:
    """All models in both modes on one iteration, with every unit's payload."""
    given = first_points("LSTM", mode="clean") | first_points("LSTM", mode="paper")
    study = a_study(mode="both", iterations=(6,), hyperparameters=given)
    data = study.load(few_features())
    plan = study.plan(data)
    return study, plan, computed(study, data, plan)


@cache
def published() -> dict[str, bytes]:
    study, plan, payloads = whole()
    return tables_of(study, plan, payloads)


def frame(files: Mapping[str, bytes], path: str) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(files[path]))


def forecasts_of(study: BitcoinMixture, table: HourlyTable) -> pd.DataFrame:
    """All forecasts, without diagnostics, tables and report."""
    data = study.load(table)
    plan = study.plan(data)
    payloads: dict[str, bytes] = {}
    for unit in plan.units:
        if unit.kind in ("tuning", "forecasts"):
            inputs = {need: payloads[need] for need in unit.needs}
            with threadpool_limits(limits=1):
                payloads[unit.key] = study.run(unit, data, inputs, ()).payload
    kept = [payloads[unit.key] for unit in plan.units if unit.kind == "forecasts"]
    return pd.concat([unpack(part, "forecasts")["forecasts"].to_pandas() for part in kept], ignore_index=True)


def test_every_model_forecasts_every_hour_of_the_test_block() -> None:
    _, plan, payloads = whole()
    assert set(plan.config["models"]) == set(NAMES)
    for unit in plan.units:
        if unit.kind != "forecasts":
            continue
        mode, model = str(unit.coordinates["mode"]), str(unit.coordinates["model"])
        found = unpack(payloads[unit.key], "forecasts")["forecasts"].to_pandas()
        sample = Sample(some_hours(), mode)  # type: ignore[arg-type]
        rows = (bitcoin_fits.rows_of(sample, model, 6) if model in MODELS else sample.blocks(6)).test
        random = model in MODELS and MODELS[model].random
        seeds = {"LSTM": [1], "LSTM x GARCH": [1]}.get(model, [1, 2] if random or model in HYBRIDS else [0])
        if model == "SXGB x GARCH" and not MODELS["SXGB"].random:
            seeds = [0]
        assert sorted(found["seed"].unique()) == seeds, model
        for _, one in found.groupby("seed"):
            np.testing.assert_array_equal(one["timestamp"].to_numpy(), some_hours().times[rows])
            np.testing.assert_array_equal(one["realized"], some_hours().vol[rows] / 100)
        assert (found["status"] == "ok").all(), model
        assert found["forecast"].between(0, 10 * some_hours().vol.max() / 100).all(), model


def test_the_authors_rows_of_harx_begin_where_all_lags_are_there() -> None:
    """In paper mode ten rows later than HAR's, no further than the table; in clean mode all models have the same."""
    table = some_hours()
    har, harx = (bitcoin_fits.rows_of(Sample(table, "paper"), name, 1) for name in ("HAR", "HARX(10)"))
    np.testing.assert_array_equal(harx.test, har.test + 10)
    np.testing.assert_array_equal(harx.refit, har.refit + 10)
    last = bitcoin_fits.rows_of(Sample(table, "paper"), "HARX(10)", 6).test
    assert last[-1] == len(table) - 1
    har, harx = (bitcoin_fits.rows_of(Sample(table, "clean"), name, 6) for name in ("HAR", "HARX(10)"))
    np.testing.assert_array_equal(harx.test, har.test)


def test_a_hybrid_is_the_mean_of_its_two() -> None:
    _, plan, payloads = whole()
    named = {unit.name: unpack(payloads[unit.key]) for unit in plan.units if unit.kind == "forecasts"}
    for name, parts in HYBRIDS.items():
        means = [
            named[f"clean/{one}/6"]["forecasts"].to_pandas().pivot(index="timestamp", columns="seed", values="forecast")
            for one in parts.members
        ]
        expected = (means[0].iloc[:, 0] + means[1].iloc[:, 0]) / 2
        both = (
            named[f"clean/{name}/6"]["forecasts"]
            .to_pandas()
            .pivot(index="timestamp", columns="seed", values="forecast")
        )
        np.testing.assert_allclose(both.iloc[:, 0], expected, rtol=1e-12)


def test_what_a_search_has_tried_is_kept_and_its_best_is_taken() -> None:
    study, plan, payloads = whole()
    units = {unit.name: unit for unit in plan.units}
    trials = unpack(payloads[units["clean/XGB/6/tuning"].key])["trials"].to_pandas()
    assert len(trials) == SMALL.search.trials
    best = trials.loc[trials["chosen"]]
    assert best["loss"].item() == trials["loss"].min()
    told = unpack(payloads[units["clean/XGB/6"].key])["estimations"].to_pandas()
    values = bitcoin_fits.chosen_values(trials)
    for name, value in values.items():
        assert told.loc[told["detail"] == name, "text"].tolist() == [str(value)]
    sample = Sample(some_hours(), "clean")
    blocks = sample.blocks(6)
    seeds = bitcoin_fits.seeds_of(study.config, "clean", "XGB", 6, study.config.seeds_of("XGB"))
    found = MODELS["XGB"].forecast(sample, blocks.train, blocks.valid, values, seeds[:1])
    assert best["loss"].item() == rmse(found.forecast[0], sample.y[blocks.valid])


def test_it_publishes_tables_and_a_page() -> None:
    files = published()
    metrics = frame(files, "tables/metrics.parquet")
    assert set(metrics["model"]) == set(NAMES)
    assert set(metrics["mode"]) == {"clean", "paper"}
    forecasts = frame(files, "forecasts/clean-6.parquet")
    own = forecasts[(forecasts["model"] == "HAR")]
    rows = metrics[(metrics["mode"] == "clean") & (metrics["model"] == "HAR") & (metrics["iteration"] == 6)]
    shown = rows.loc[rows["metric"] == "RMSE", "value"].item()
    assert shown == pytest.approx(rmse(own["forecast"].to_numpy(), own["realized"].to_numpy()), rel=1e-12)
    for name in (
        "table_1",
        "table_2",
        "tests",
        "confidence_sets",
        "diagnostics",
        "granger",
        "trials",
        "claims",
        "gates",
    ):
        assert len(frame(files, f"tables/{name}.parquet")), name
    page = files["report.html"].decode()
    assert "GCT TM-G" in page


def test_a_whole_grid_of_trees_has_the_losses_of_its_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that differ in their rounds share one training, which changes nothing."""
    grid = {"depth": (3, 5), "rounds": (50, 100), "lambda": (1.0,), "gamma": (0.0, 0.5), "alpha": (0, 5)}
    monkeypatch.setattr(XGB, "grid", grid)
    study = a_study(models=("XGB",), iterations=(1,), search=SearchSettings(method="grid", trials=1, seeds=1))
    data = study.load(some_hours())
    tuning = next(unit for unit in study.plan(data).units if unit.kind == "tuning")
    whole = unpack(study.run(tuning, data, {}, ()).payload)["trials"]
    monkeypatch.delattr(XGB, "grid_losses")
    one_by_one = unpack(study.run(tuning, data, {}, ()).payload)["trials"]
    assert whole.num_rows == 16
    assert whole.equals(one_by_one)


def test_a_run_of_some_models_in_one_mode_is_published_too() -> None:
    study = a_study(models=("HAR", "GARCH"), hyperparameters=first_points("GARCH"))
    data = study.load(some_hours())
    plan = study.plan(data)
    files = tables_of(study, plan, computed(study, data, plan))
    assert set(frame(files, "tables/metrics.parquet")["model"]) == {"HAR", "GARCH"}
    assert "report.html" in files


@settings(max_examples=3, deadline=None)
@given(later=st.integers(0, 60), seed=st.integers(0, 2**31))
def test_what_happens_later_changes_no_forecast(later: int, seed: int) -> None:
    study = a_study(models=QUICK, iterations=(6,), hyperparameters=first_points("XGB", "TM-G"), seeds=1)
    table = some_hours()
    before = forecasts_of(study, table)
    rows = Sample(table, "clean").blocks(6).test
    first = rows[min(later, len(rows) - 1)]
    draw = np.random.default_rng(seed)
    changed = replace(
        table,
        vol=np.concatenate([table.vol[:first], table.vol[first:] * draw.uniform(0.2, 5.0, len(table) - first)]),
        features=np.vstack([table.features[: first + 1], draw.standard_normal(table.features[first + 1 :].shape)]),
        returns=np.concatenate([table.returns[: first + 1], draw.standard_normal(len(table) - first - 1)]),
    )
    after = forecasts_of(study, changed)
    known = before["timestamp"].to_numpy() <= table.times[first]
    assert known.any()
    pd.testing.assert_frame_equal(before.loc[known, :"forecast"], after.loc[known, :"forecast"], check_exact=True)


def test_the_order_of_models_and_their_company_change_no_forecast() -> None:
    given = first_points("XGB", "TM-G", iterations=(6,))
    alone = forecasts_of(a_study(models=("TM-G",), iterations=(6,), hyperparameters=given), some_hours())
    among = forecasts_of(a_study(models=QUICK, iterations=(6,), hyperparameters=given), some_hours())
    same = among[among["model"] == "TM-G"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone[alone["model"] == "TM-G"].reset_index(drop=True), same, check_exact=True)


def test_a_table_without_features_or_sentiment_leaves_models_out_and_says_so_when_they_are_named() -> None:
    table = some_hours()
    bare = replace(
        table,
        features=table.features[:, :0],
        feature_names=(),
        indices=table.indices[:, :0],
        index_names=(),
        orthogonal=np.empty(0),
    )
    models = a_study().plan(a_study().load(bare)).config["models"]
    assert {"HAR", "Flexible HAR", "XGB", "GARCH", "LSTM"} <= set(models)
    assert not {"TM-SG", "SXGB", "SXGB x GARCH", "HARX(10)"} & set(models)
    with pytest.raises(ConfigError, match=r"models: SXGB reads sentiment"):
        a_study(models=("SXGB",)).load(bare)


def test_a_table_that_is_too_short_is_refused() -> None:
    table = some_hours()
    short = HourlyTable(
        table.times[:300],
        table.vol[:300],
        table.returns[:300],
        table.features[:300],
        table.feature_names,
        table.indices[:300],
        table.index_names,
        table.artefact[:300],
        table.orthogonal[:300],
    )
    with pytest.raises(PanelError, match=r"iteration 1, clean mode: \d+ hours to \w+ with are too few"):
        a_study().load(short)


def test_a_model_that_cannot_be_estimated_is_named_and_the_others_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object) -> object:
        raise FitError("GARCH did not converge on any window")

    monkeypatch.setattr(bitcoin_fits, "validation_loss", refuse)
    study = a_study(models=("GARCH",), iterations=(6,))
    data = study.load(some_hours())
    plan = study.plan(data)
    payloads = computed(study, data, plan)
    files = tables_of(study, plan, payloads)
    trials = frame(files, "tables/trials.parquet")
    assert (trials["status"] == "failed").all()
    assert not trials["chosen"].any()
    rows = frame(files, "forecasts/clean-6.parquet")
    lost = rows[rows["model"] == "GARCH"]
    assert (lost["status"] == "failed").all()
    assert lost["forecast"].isna().all()
    told = frame(files, "tables/estimations.parquet").query("model == 'GARCH' and detail == 'failed'")
    assert "did not converge on any window" in told["text"].item()
    sets = frame(files, "tables/confidence_sets.parquet")
    assert set(sets.loc[sets["model"] == "GARCH", "status"]) == {"missing"}
    assert sets.loc[sets["model"] == "HAR", "included"].all()
    unit = next(unit for unit in plan.units if unit.name == "clean/GARCH/6")
    inputs = {need: payloads[need] for need in unit.needs}
    assert study.run(unit, data, inputs, ()).counts["failed"] == 1


def test_a_units_key_knows_what_changes_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    data = a_study().load(some_hours())

    def keys(**changes: object) -> dict[str, str]:
        return {unit.name: unit.key for unit in a_study(**changes).plan(data).units}

    before = keys()
    assert len(set(before.values())) == len(before)
    lag = keys(sentiment_lag=3)
    assert all(lag[name] != before[name] for name in before if "confidence" not in name)
    more = keys(seeds=3)
    assert more["clean/TM-G/1"] != before["clean/TM-G/1"]
    assert more["clean/TM-G/1/tuning"] == before["clean/TM-G/1/tuning"]
    assert more["clean/LSTM/1"] == before["clean/LSTM/1"]
    other = dict(versions("arch"), arch="0")
    monkeypatch.setattr("volforecast.studies.bitcoin_mixture.versions", lambda *names: other)
    assert keys()["clean/GARCH/1"] != before["clean/GARCH/1"]


def test_its_searches_are_the_tuning_units() -> None:
    study = a_study(models=("XGB", "GARCH"))
    data = study.load(some_hours())
    tuning = {unit.name.removesuffix("/tuning"): unit for unit in study.plan(data).units if unit.kind == "tuning"}
    searches = study.searches(data)
    assert {search.name for search in searches} == set(tuning)
    garch = next(search for search in searches if search.name == "clean/GARCH/6")
    trials = unpack(study.run(tuning["clean/GARCH/6"], data, {}, ()).payload)["trials"].to_pandas()
    tried = trials.iloc[0]
    assert study.trial(garch, data, json.loads(tried["values"]), lambda step, loss: None) == tried["loss"]
    with pytest.raises(ConfigError, match="no hyperparameters"):
        a_study(models=("HAR",)).searches(data)

"""The rough-transfer study's units, computed in this process: what comes out, on what it depends, what it refuses."""

import io
from collections.abc import Mapping
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.study import Plan
from tests.studies.in_process import Done, computed, tables_of
from tests.studies.rough_panel import LAST, SMALL, TARGETS, a_panel, a_study
from volforecast.data.frames import make_panel
from volforecast.data.panel import Panel
from volforecast.data.parquet import unpack
from volforecast.errors import FitError, PanelError
from volforecast.log_rows import log_series
from volforecast.models.rough import NAMES, NETWORKS
from volforecast.networks import training
from volforecast.studies import rough_transfer
from volforecast.studies.rough_stacks import read
from volforecast.studies.rough_transfer import RoughTransfer
from volforecast.studies.units import versions

POINTS = ("LSTM", "Transfer LSTM", "Frozen Transfer LSTM", "HAR")


@cache
def whole() -> tuple[RoughTransfer, Plan, dict[str, bytes]]:
    """All models, with every unit's payload."""
    study = a_study()
    data = study.load(a_panel())
    plan = study.plan(data)
    return study, plan, computed(study, data, plan)


@cache
def published() -> dict[str, bytes]:
    study, plan, payloads = whole()
    return tables_of(study, plan, payloads)


def frame(files: Mapping[str, bytes], path: str) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(files[path]))


def forecasts_of(study: RoughTransfer, panel: Panel) -> pd.DataFrame:
    """All published forecasts, and no report."""
    data = study.load(panel)
    plan = study.plan(data)
    payloads = computed(study, data, plan)
    judged = [unit for unit in plan.units if unit.kind in ("benchmarks", "networks")]
    rows = [unpack(payloads[unit.key], "forecasts")["forecasts"].to_pandas() for unit in judged]
    found = pd.concat(rows, ignore_index=True)
    return found.sort_values(["target", "horizon", "model", "seed", "date"], ignore_index=True)


def test_every_model_forecasts_every_day_of_the_test_part() -> None:
    for target, days in TARGETS.items():
        table = frame(published(), f"forecasts/{target}-1.parquet")
        tested = days - int(days * 0.75)
        for model in NAMES:
            own = table[table["model"] == model]
            seeds = {1, 2} if model in NETWORKS else {0}
            assert set(own["seed"]) == seeds
            assert len(own) == tested * len(seeds)
            assert (own["status"] == "ok").all()
            assert np.isfinite(own["forecast"]).all()
        assert table["date"].max() == pd.Timestamp(LAST)


def test_realized_values_are_those_of_the_panel() -> None:
    table = frame(published(), "forecasts/BETA-1.parquet")
    series = log_series(a_panel(), "BETA")
    own = table[table["model"] == "HAR"]
    np.testing.assert_allclose(own["realized"], series.x[-len(own) :], rtol=1e-12)
    np.testing.assert_array_equal(own["date"].to_numpy().astype("datetime64[D]"), series.dates[-len(own) :])


def test_it_publishes_the_papers_tables_and_a_page() -> None:
    names = {path.removeprefix("tables/").removesuffix(".csv") for path in published() if path.endswith(".csv")}
    numbered = {f"table_{number}" for number in range(1, 8)}
    more = {
        "table_across",
        "confidence_sets",
        "coverage",
        "curves",
        "estimations",
        "claims",
        "roughness_points",
        "zeta",
    }
    assert numbered | more <= names
    assert published()["report.html"].startswith(b"<!DOCTYPE html>") or b"<html" in published()["report.html"][:300]
    quantiles = frame(published(), "quantile_forecasts/ALPHA-1.parquet")
    assert set(quantiles["model"]) == {"Quantile HAR", "Quantile LSTM", "Transfer Quantile LSTM"}
    assert set(frame(published(), "curves/ALPHA-1.parquet")["name"]) == {"ALPHA"}


def test_learning_curves_are_kept_of_sources_and_targets() -> None:
    curves = frame(published(), "tables/curves.parquet")
    assert set(curves["phase"]) == {"pre-training", "fine-tuning"}
    begun = curves[curves["phase"] == "pre-training"]
    assert set(begun["name"]) == {"INDEX+METAL"}
    assert set(begun["model"]) == {"LSTM", "Transformer", "Quantile LSTM"}
    hybrid = curves[curves["model"].isin(["HAR-LSTM Hybrid", "Dynamic Attention", "Transfer Hybrid"])]
    assert hybrid["alpha"].between(0, 1).all()
    assert curves.groupby(["phase", "name", "model", "seed"])["best"].sum().eq(1).all()


def test_a_frozen_encoder_stays_and_a_head_moves() -> None:
    """By what they forecast: the pre-trained network before any fine-tuning is neither of them."""
    table = frame(published(), "forecasts/ALPHA-1.parquet")
    by_model = {model: rows["forecast"].to_numpy() for model, rows in table[table["seed"] == 1].groupby("model")}
    models = [model for model in NETWORKS if NETWORKS[model].pretrained and NETWORKS[model].head == "point"]
    for place, one in enumerate(models):
        for other in models[place + 1 :]:
            assert not np.array_equal(by_model[one], by_model[other]), (one, other)


@pytest.mark.parametrize("stack", [1, 3, 100])
def test_what_a_unit_trains_side_by_side_changes_nothing(stack: int) -> None:
    changed = a_study(models=POINTS, stack=stack)
    as_before = a_study(models=POINTS)
    pd.testing.assert_frame_equal(
        forecasts_of(changed, a_panel()), forecasts_of(as_before, a_panel()), check_exact=True
    )


def test_one_network_a_unit_is_a_unit_for_each_target_model_and_seed() -> None:
    study = a_study(models=("LSTM", "Transfer LSTM"), stack=1)
    units = [unit for unit in study.plan(study.load(a_panel())).units if unit.kind == "networks"]
    assert len(units) == len(TARGETS) * 2 * SMALL.seeds
    assert units[0].name == "BETA 1/1/LSTM"


def moved(panel: Panel, asset: str, since: np.datetime64) -> Panel:
    """The panel with another history of an asset from a day on."""
    daily = panel.daily.copy()
    later = (daily["asset"] == asset) & (daily["date"] >= pd.Timestamp(since))
    assert later.any()
    daily.loc[later, "rv"] *= np.linspace(0.3, 3.0, int(later.sum()))
    return make_panel(daily, panel.assets, gaps="allow")


@settings(max_examples=4, deadline=None)
@given(st.integers(1, 44))
def test_what_happens_later_changes_no_forecast(day: int) -> None:
    study = a_study(models=("LSTM", "Transfer LSTM", "Residual Boosting", "Moving Average"), seeds=1, targets=("BETA",))
    since = LAST - 44 + day
    before, after = (forecasts_of(study, panel) for panel in (a_panel(), moved(a_panel(), "BETA", since)))
    known = before["date"] <= pd.Timestamp(since)  # the forecast of a day is made the day before
    assert known.any()
    np.testing.assert_array_equal(before.loc[known, "forecast"], after.loc[known, "forecast"])
    if not known.all():  # and the test can fail: what comes after it does change
        assert not np.array_equal(before["forecast"], after["forecast"])


def test_a_source_is_not_known_beyond_the_day_before_the_first_that_is_tested() -> None:
    """Coin to coin: the source goes on while the target is tested."""
    study = a_study(models=("Transfer LSTM",), seeds=1, sources=("ALPHA",), targets=("BETA",))
    panel = a_panel()
    first = LAST - 44
    later = forecasts_of(study, moved(panel, "ALPHA", first))
    pd.testing.assert_frame_equal(forecasts_of(study, panel), later, check_exact=True)
    earlier = forecasts_of(study, moved(panel, "ALPHA", first - 80))
    assert not np.array_equal(later["forecast"], earlier["forecast"])


def test_a_pre_training_is_the_same_unit_whatever_is_fine_tuned() -> None:
    keys = []
    for targets in (("ALPHA", "BETA", "GAMMA"), ("GAMMA",)):
        study = a_study(targets=targets)
        plan = study.plan(study.load(a_panel()))
        keys.append([unit.key for unit in plan.units if unit.kind == "pretraining"])
    assert keys[0] == keys[1]
    assert len(keys[0]) == 3  # LSTM, Transformer, quantiles


def test_another_target_changes_no_forecast() -> None:
    alone = forecasts_of(a_study(models=("Transfer LSTM",), targets=("GAMMA",)), a_panel())
    among = forecasts_of(a_study(models=("Transfer LSTM",)), a_panel())
    among = among[among["target"] == "GAMMA"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among, check_exact=True)


def test_longer_horizons_forecast_means_of_days_ahead() -> None:
    study = a_study(models=("LSTM",), horizons=(1, 5), targets=("ALPHA",), seeds=1)
    table = forecasts_of(study, a_panel())
    x = log_series(a_panel(), "ALPHA").x
    five = table[(table["horizon"] == 5) & (table["model"] == "HAR")]
    np.testing.assert_allclose(five["realized"].iloc[-1], x[-5:].mean(), rtol=1e-12)
    assert len(five) == 50 - 4


def test_a_fit_that_fails_is_named_and_its_siblings_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    study = a_study(models=("LSTM",), targets=("ALPHA",))
    data = study.load(a_panel())
    plan = study.plan(data)
    train = training.train

    def half(*words: object, **more: object) -> object:
        first, *others = train(*words, **more)  # type: ignore[arg-type]
        return [first._replace(error="the loss is not finite"), *others]

    monkeypatch.setattr(training, "train", half)
    payloads = computed(study, data, plan)
    files = tables_of(study, plan, payloads)
    table = frame(files, "forecasts/ALPHA-1.parquet")
    one, two = (table[(table["model"] == "LSTM") & (table["seed"] == seed)] for seed in (1, 2))
    assert (one["status"] == "failed").all()
    assert one["forecast"].isna().all()
    assert (two["status"] == "ok").all()
    told = frame(files, "tables/estimations.parquet")
    assert told[told["model"] == "LSTM"]["reason"].tolist() == ["the loss is not finite", ""]


def test_a_unit_that_failed_leaves_rows_that_say_so() -> None:
    study, plan, payloads = whole()
    lost = next(unit for unit in plan.units if unit.kind == "networks" and unit.coordinates["model"] == "LSTM")
    target = str(read(str(lost.coordinates["networks"]))[0].target)

    class OneFailed(Done):
        def payload(self, unit):  # type: ignore[no-untyped-def]
            return None if unit.key == lost.key else super().payload(unit)

        def payloads(self, units):  # type: ignore[no-untyped-def]
            return [self.payload(unit) for unit in units]

        def settled(self, unit):  # type: ignore[no-untyped-def]
            return True

    files = dict(study.summarise(plan, OneFailed(payloads)))
    table = frame(files, f"forecasts/{target}-1.parquet")
    failed = table[table["status"] == "failed"]
    assert set(failed["model"]) == {"LSTM"}
    assert set(failed["seed"]) == {1, 2}
    assert set(table["model"]) == set(NAMES)


def test_a_pre_training_that_fails_stops_what_starts_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    study = a_study(models=("Transfer LSTM",))
    data = study.load(a_panel())
    train = training.train
    monkeypatch.setattr(
        training, "train", lambda *w, **m: [one._replace(error="the loss is not finite") for one in train(*w, **m)]
    )
    unit = next(unit for unit in study.plan(data).units if unit.kind == "pretraining")
    with pytest.raises(FitError, match=r"LSTM on INDEX\+METAL, seed 1: the loss is not finite"):
        study.run(unit, data, {}, ())


def test_assets_that_are_too_short_or_do_not_vary_are_refused_by_name() -> None:
    panel = a_panel()
    roles = panel.assets[["asset", "role"]]
    short = panel.daily[(panel.daily["asset"] != "BETA") | (panel.daily["date"] > pd.Timestamp(LAST - 80))]
    with pytest.raises(PanelError, match="BETA has 80 trading days"):
        a_study().load(make_panel(short, roles, gaps="allow"))
    flat = panel.daily.copy()
    flat.loc[flat["asset"] == "METAL", "rv"] = 1e-4
    with pytest.raises(PanelError, match="METAL"):
        a_study().load(make_panel(flat, roles, gaps="allow"))


def test_names_with_all_kinds_of_letters_come_through() -> None:
    panel = a_panel()
    daily = panel.daily[panel.daily["asset"].isin(["INDEX", "ALPHA"])].copy()
    daily["asset"] = daily["asset"].replace({"ALPHA": 'A/B "<ü>:1'})
    assets = pd.DataFrame({"asset": ["INDEX", 'A/B "<ü>:1'], "role": ["source", "target"]})
    study = a_study(models=("LSTM",), seeds=1)
    data = study.load(make_panel(daily, assets, gaps="allow"))
    plan = study.plan(data)
    files = tables_of(study, plan, computed(study, data, plan))
    assert frame(files, "tables/table_3.parquet")["target"].unique().tolist() == ['A/B "<ü>:1']
    assert b"<\xc3\xbc>" not in files["report.html"]


def test_a_units_key_knows_the_libraries_that_it_computes_with(monkeypatch: pytest.MonkeyPatch) -> None:
    study = a_study(models=("LSTM", "Quantile HAR"), targets=("BETA",))
    data = study.load(a_panel())
    before = study.plan(data)
    assert {"torch", "PyWavelets", "scipy", "statsmodels"} <= set(before.versions)
    for library, kind in (("torch", "networks"), ("PyWavelets", "roughness"), ("statsmodels", "benchmarks")):
        newer = {library: "999"}
        monkeypatch.setattr(
            rough_transfer,
            "versions",
            lambda *more, newer=newer: versions(*more) | {name: newer[name] for name in more if name in newer},
        )
        both = zip(before.units, study.plan(data).units, strict=True)
        # a confidence set needs units of two kinds, so it moves with either
        assert {one.kind for one, two in both if one.key != two.key} - {"confidence"} == {kind}

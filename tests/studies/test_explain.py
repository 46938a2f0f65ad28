"""What served a forecast day, against plain loops; HAR forecasts taken apart must add up to what is stored."""

import dataclasses
import datetime as dt
import math
from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.study import Plan, Unit
from tests import naive
from tests.examples import examples
from tests.studies.test_dj30 import run_in_this_process
from tests.studies.test_rolling import BLANK_DAYS, TARGET, estimation, market, world
from volforecast.errors import ConfigError
from volforecast.models.har import HAR
from volforecast.models.protocol import TrainingSet
from volforecast.studies.decomposition import Decomposition, decompose, label_weights
from volforecast.studies.explain import Explanation, Question, explain
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig
from volforecast.transfer.dtw import DTW

SETTINGS = NewIssuesConfig(periods=(50, 90), models=("HAR", "TO XGB-STD"), horizon_days=20, replications=100)
ONE = msgspec.structs.replace(SETTINGS, periods=(50,))
OVERLAPPING = msgspec.structs.replace(ONE, models=("MTL HAR-STD",), dtw=DTW(windows="overlapping"))
FILTERED = msgspec.structs.replace(ONE, models=("HAR-STD",), insanity_filter=True)
TARGET_ONLY = msgspec.structs.replace(ONE, models=("TO HAR-STD",))
Finished = tuple[NewIssues, Plan, dict[str, bytes]]
_finished: dict[bytes, Finished] = {}


def finished(settings: NewIssuesConfig = SETTINGS) -> Finished:
    """A study on the simulated market, its plan, and the part of every unit."""
    key = msgspec.json.encode(settings)
    if key not in _finished:
        study = NewIssues(settings.checked())
        plan = study.plan(market())
        parts = {unit.key: part for unit, part in run_in_this_process(study, market(), plan)}
        # as a results folder holds the settings, with the targets written out
        _finished[key] = NewIssues(msgspec.convert(plan.config, NewIssuesConfig)), plan, parts
    return _finished[key]


def ask(
    day: int,
    *models: str,
    rate: int | None = None,
    with_panel: bool = False,
    settings: NewIssuesConfig = SETTINGS,
    without: Callable[[Unit], bool] = lambda unit: False,
) -> Explanation:
    """Explain a trading day of the target; ``without`` says which units are not done."""
    study, plan, parts = finished(settings)
    question = Question(TARGET, world().dates[TARGET][day - 1].date(), models, rate)
    there = market() if with_panel else None
    return explain(study, plan, lambda unit: None if without(unit) else parts[unit.key], question, there)


@pytest.mark.parametrize("day", [51, 55, 56, 70, 91, 96, 110])
def test_a_day_is_served_by_the_origin_before_it(day: int) -> None:
    found = ask(day)
    period = 50 if day <= 70 else 90
    assert (found.period, found.day) == (period, day)
    assert found.origin == period + 5 * ((day - period - 1) // 5)
    np.testing.assert_allclose(found.realized, world().row((TARGET, day), naive.STD)[0], rtol=1e-12)
    assert found.forecasts["model"].iloc[0] == "NF"
    assert len(found.forecasts) == 12
    np.testing.assert_allclose(found.forecasts["forecast"].iloc[0], world().row((TARGET, day - 1), naive.STD)[0])
    np.testing.assert_allclose(found.forecasts["error"], found.forecasts["forecast"] - found.realized)
    assert found.missing == ()
    assert found.decompositions == ()


def test_all_source_subsequences_of_the_origin_are_named_nearest_first() -> None:
    found = ask(63, with_panel=True).windows
    assert found is not None
    blocks = world().distances(TARGET, 60)
    limits = {rate: naive.quantile([block.distance for block in blocks], rate) for rate in (25, 50, 75)}
    slow = sorted((block.distance, block.asset, block.start) for block in blocks)
    assert len(found) == len(slow)
    for row, (distance, asset, start) in zip(found.to_dict("records"), slow, strict=True):
        days = world().dates[asset]
        assert (row["asset"], row["start"], row["end"]) == (asset, days[start - 1], days[start + 20])
        assert math.isclose(row["distance"], distance, rel_tol=1e-12)
        assert [row[f"selected_{rate}"] for rate in limits] == [distance <= limit for limit in limits.values()]
    alone = ask(63).windows
    assert alone is not None
    assert alone["end"].isna().all()
    pd.testing.assert_frame_equal(alone.drop(columns="end"), found.drop(columns="end"))


@pytest.mark.parametrize("windows", ["blocks", "overlapping"])
@pytest.mark.parametrize("rate", [25, 50, 75])
def test_sources_add_up_to_the_training_rows(rate: int, windows: str) -> None:
    found = ask(63, rate=rate, settings=OVERLAPPING if windows == "overlapping" else SETTINGS)
    assert found.sources is not None
    assert found.windows is not None
    kind = naive.blocks if windows == "blocks" else naive.runs
    grid = world().distances(TARGET, 60, windows=kind)
    limit = naive.quantile([block.distance for block in grid], rate)
    rows = {(b.asset, b.start + i) for b in grid if b.distance <= limit for i in range(22)}
    expected = {TARGET: (0, 0, len(naive.own_pairs(TARGET, 60)))}
    for asset in world().sources:
        own = [block for block in grid if block.asset == asset]
        taken = sum(block.distance <= limit for block in own)
        expected[asset] = (len(own), taken, sum(pair[0] == asset for pair in rows))
    columns = zip(*(found.sources[name] for name in ("windows", "taken", "rows")), strict=True)
    assert dict(zip(found.sources["asset"], columns, strict=True)) == expected
    assert found.sources["own"].tolist() == [True, *[False] * len(world().sources)]
    assert math.isclose(found.sources["weight"].sum(), 1.0)
    model = found.forecasts.set_index("model").loc[f"MTL-{rate} HAR-STD"]
    assert found.sources["rows"].sum() == model["train_rows"]


# ------------------------------------------------------------------------------------------------ forecasts taken apart


def check_sums(one: Decomposition, forecast: float) -> None:
    assert one.agrees
    assert one.again == one.stored == forecast
    assert (one.instead == "floor") == (one.fitted < 0)
    assert (one.again == one.fitted) == (one.instead == "")
    scale = max(1.0, np.abs(one.terms["contribution"]).max())
    assert math.isclose(one.terms["contribution"].sum(), one.fitted, rel_tol=1e-9, abs_tol=1e-9 * scale)
    assert math.isclose(one.labels["contribution"].sum(), one.fitted, rel_tol=1e-7, abs_tol=1e-7 * scale)
    assert math.isclose(one.labels["weight"].sum(), 1.0, rel_tol=1e-9)
    np.testing.assert_array_equal(one.terms["contribution"], one.terms["coefficient"] * one.terms["value"])


@pytest.mark.parametrize("day", [51, 63, 70, 95, 110])
def test_every_har_forecast_adds_up_to_the_stored_one(day: int) -> None:
    found = ask(day, "HAR", with_panel=True)
    stored = {row["model"]: row for row in found.forecasts.to_dict("records")}
    assert [one.model for one in found.decompositions] == [model for model in stored if "HAR" in model]
    assert len(found.decompositions) == 10
    for one in found.decompositions:
        check_sums(one, stored[one.model]["forecast"])
        if stored[one.model]["status"] == "ok":
            assert one.labels["rows"].sum() == stored[one.model]["train_rows"]
            assert one.served == one.model


def test_the_terms_are_the_predictors_of_the_day_before() -> None:
    (one,) = ask(63, "MTL-50 HAR-EXT", with_panel=True).decompositions
    assert one.terms["term"].tolist() == ["intercept", *naive.EXT]
    np.testing.assert_allclose(one.terms["value"], [1.0, *world().row((TARGET, 62), naive.EXT)], rtol=1e-12)
    _, X, y, _ = world().training_table(world().training_pairs(TARGET, 60, "MTL-50"), naive.EXT)
    level = naive.har(X, y, [0.0] * 11)
    np.testing.assert_allclose(one.terms["coefficient"].iloc[0], level, rtol=1e-6)


def test_a_weight_is_what_the_forecast_moves_when_its_label_does() -> None:
    """By least squares run again with one label changed; sums of weights go by the label's asset."""
    for name, approach in (("TO HAR-STD", "TO"), ("MTL-25 HAR-STD", "MTL-25")):
        (one,) = ask(63, name, with_panel=True).decompositions
        pairs, X, y, _ = world().training_table(world().training_pairs(TARGET, 60, approach), naive.STD)
        row = world().row((TARGET, 62), naive.STD)
        base = naive.har(X, y, row)
        weights: dict[str, float] = {}
        parts: dict[str, float] = {}
        for i, (asset, _) in enumerate(pairs):
            moved = y.copy()
            moved[i] += 1.0
            weight = naive.har(X, moved, row) - base
            weights[asset] = weights.get(asset, 0.0) + weight
            parts[asset] = parts.get(asset, 0.0) + weight * y[i]
        assert sorted(one.labels["asset"]) == sorted(weights)
        for entry in one.labels.to_dict("records"):
            asset = entry["asset"]
            assert entry["own"] == (asset == TARGET)
            assert math.isclose(entry["weight"], weights[asset], rel_tol=1e-6, abs_tol=1e-9)
            assert math.isclose(entry["contribution"], parts[asset], rel_tol=1e-6, abs_tol=1e-8)


@st.composite
def designs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows, labels and a row to forecast; columns may be constant or repeated, and rows may be few."""
    rows, columns = draw(st.sampled_from([1, *range(3, 13)])), draw(st.integers(1, 5))
    generator = np.random.default_rng(draw(st.integers(0, 10_000)))
    X = generator.lognormal(size=(rows, columns))
    for j in range(columns):
        kind = draw(st.sampled_from(["own", "own", "constant", "repeated"]))
        if kind == "constant":
            X[:, j] = draw(st.sampled_from([0.0, 3.0]))
        elif kind == "repeated":
            X[:, j] = 2 * X[:, 0]
    return X, generator.lognormal(size=rows), generator.lognormal(size=columns)


@examples(200)
@given(designs())
def test_weighted_labels_are_the_least_squares_forecast(design: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    X, y, row = design
    weights = label_weights(X, row)
    fitted = HAR().forecast(TrainingSet(X, y, "TO"), row[None], None, 0)[0]
    size = np.abs(weights) @ y
    assert math.isclose(weights @ y, fitted, rel_tol=1e-6, abs_tol=1e-6 * size)
    assert math.isclose(weights.sum(), 1.0, abs_tol=1e-9 * max(1.0, np.abs(weights).sum()))


def test_two_labels_lie_on_a_line() -> None:
    """By hand: the row is (3, 0) deviations from the centre, and the slopes of (-1, 1), (1, -1) are a quarter each."""
    X = np.array([[1.0, 3.0, 5.0], [3.0, 3.0, 1.0]])
    np.testing.assert_allclose(label_weights(X, np.array([5.0, 9.0, 3.0])), [-0.25, 1.25], rtol=1e-12)


def test_a_day_without_a_predictor_is_taken_apart_as_its_std_model() -> None:
    day = BLANK_DAYS[0] + 1  # its predictors are those of the blank day
    ext, std = ask(day, "NP HAR-EXT", "NP HAR-STD", with_panel=True).decompositions[::-1]
    assert (ext.model, ext.served) == ("NP HAR-EXT", "NP HAR-STD")
    assert ext.terms.equals(std.terms)
    assert ext.labels.equals(std.labels)
    check_sums(ext, std.stored)


def test_a_negative_forecast_says_what_stands_in_its_place() -> None:
    before = decompose(estimation(market(), "TO HAR-STD", HAR()), 60, 61, 0.0)
    assert not before.agrees
    assert before.instead == ""
    rows = market().rows
    X = rows.X.copy()
    slope = before.terms["coefficient"].iloc[3]
    X[rows.first_row(TARGET) + 59, 2] = -1e3 * np.sign(slope)  # nobody learns from this row before day 61
    changed = dataclasses.replace(market(), rows=dataclasses.replace(rows, X=X))
    smallest = min(world().row((TARGET, t), naive.STD)[0] for t in range(1, 61))
    one = decompose(estimation(changed, "TO HAR-STD", HAR()), 60, 61, smallest)
    check_sums(one, one.again)
    assert one.fitted < 0
    assert one.instead == "floor"
    assert math.isclose(one.again, smallest, rel_tol=1e-12)


def test_a_forecast_that_the_insanity_filter_replaced_says_so() -> None:
    """Every day of every model is what it was, or the mean of the labels."""
    for day in range(51, 71):
        found = ask(day, "HAR", settings=FILTERED, with_panel=True)
        stored = found.forecasts.set_index("model")["forecast"].to_dict()
        for one in found.decompositions:
            assert one.agrees
            assert one.again == stored[one.model]
            if one.model == "TO HAR-STD":
                _, _, y, _ = world().training_table(world().training_pairs(TARGET, found.origin, "TO"), naive.STD)
                sane = min(y) <= one.fitted <= max(y)
                assert one.instead == ("" if sane else "insanity filter")
                assert math.isclose(one.again, one.fitted if sane else sum(y) / len(y), rel_tol=1e-9)


def test_what_the_origin_does_not_forecast_is_refused() -> None:
    with pytest.raises(ValueError, match="day 66 at origin 60"):
        decompose(estimation(market(), "TO HAR-STD", HAR()), 60, 66, 0.0)


def test_decompositions_on_the_real_panel() -> None:
    """CRM in its first months: eleven predictors, 28 days and more, and negative least-squares forecasts."""
    study = NewIssues(
        NewIssuesConfig(targets=("CRM",), periods=(50,), models=("HAR-EXT",), horizon_days=20, replications=100)
    )
    study = NewIssues(study.config.checked())
    data = study.load(naive.dj30())
    plan = study.plan(data)
    parts = {unit.key: part for unit, part in run_in_this_process(study, data, plan)}
    first = data.rows.first_row("CRM")
    floors = 0
    for day in range(51, 71, 4):
        date = dt.date(1970, 1, 1) + dt.timedelta(days=int(data.rows.date[first + day - 1]))
        found = explain(study, plan, lambda unit: parts[unit.key], Question("CRM", date, ("HAR",)), data)
        stored = found.forecasts.set_index("model")["forecast"].to_dict()
        assert found.day == day
        assert len(found.decompositions) == 5
        for one in found.decompositions:
            check_sums(one, stored[one.model])
            floors += one.instead == "floor"
    assert floors > 0


# ------------------------------------------------------------------------------------------------- what has no answer


def test_models_and_rate_are_those_asked_for() -> None:
    assert ask(63, "MTL-25 HAR-STD").forecasts["model"].tolist() == ["NF", "MTL-25 HAR-STD"]
    assert ask(63, "NF").forecasts["model"].tolist() == ["NF"]
    assert ask(63, "TO", "XGB").forecasts["model"].tolist() == ["NF", "TO HAR-STD", "TO HAR-EXT", "TO XGB-STD"]
    assert [ask(63, *models).rate for models in ((), ("TO",), ("MTL-25",), ("MTL",))] == [75, 75, 25, 75]
    assert ask(63, "MTL-75", rate=50).rate == 50
    assert [one.model for one in ask(63, with_panel=True).decompositions] == ["MTL-75 HAR-EXT"]
    assert [one.model for one in ask(63, rate=25, with_panel=True).decompositions] == ["MTL-25 HAR-EXT"]
    assert ask(63, "XGB", with_panel=True).decompositions == ()


def test_a_run_without_transfer_has_no_sources() -> None:
    found = ask(63, settings=TARGET_ONLY, with_panel=True)
    assert found.windows is None
    assert found.sources is None
    check_sums(found.decompositions[0], found.forecasts["forecast"].iloc[1])


def test_a_half_finished_run_tells_what_it_has() -> None:
    found = ask(63, without=lambda unit: unit.coordinates.get("model") in ("NF", "MTL-75 HAR-EXT", "TO XGB-STD"))
    assert found.missing == ("NF", "MTL-75 HAR-EXT", "TO XGB-STD")
    assert len(found.forecasts) == 9
    assert (found.day, found.origin) == (63, 60)


def refused(question: Question, without: Callable[[Unit], bool] = lambda unit: False) -> str:
    study, plan, parts = finished()
    with pytest.raises(ConfigError) as error:
        explain(study, plan, lambda unit: None if without(unit) else parts[unit.key], question)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_wrong_questions_are_refused_with_what_there_is() -> None:
    days = [day.date() for day in world().dates[TARGET]]
    assert f"--target: the run does not forecast SRC00001; its targets are {TARGET}" in refused(
        Question("SRC00001", days[50])
    )
    within = f"the run forecasts {TARGET} from {days[50]} to {days[109]}, not on {days[49]}"
    assert within in refused(Question(TARGET, days[49]))
    assert f"to {days[109]}, not on {days[110]}" in refused(Question(TARGET, days[110]))
    # between the sample periods, and on a day without trading
    assert f"the nearest are {days[69]} and {days[90]}" in refused(Question(TARGET, days[80]))
    closed = next(day for day in range(52, 70) if (days[day] - days[day - 1]).days > 1)
    weekend = days[closed] - dt.timedelta(days=1)
    assert f"the nearest are {days[closed - 1]} and {days[closed]}" in refused(Question(TARGET, weekend))
    assert "--model: the run has no NP XGB-EXT" in refused(Question(TARGET, days[60], ("NP XGB-EXT",)))
    assert "--rate: 60 is not an inclusion rate; give one of 25, 50, 75" in refused(Question(TARGET, days[60], (), 60))


def test_what_is_not_computed_yet_is_said() -> None:
    day = world().dates[TARGET][60].date()
    assert f"{TARGET}/50/selection is not computed yet" in refused(
        Question(TARGET, day), lambda unit: unit.kind == "selection"
    )
    nothing = refused(Question(TARGET, day), lambda unit: True)
    assert f"no forecast of {TARGET} is computed yet; sample periods 50, 90" in nothing
    second = refused(Question(TARGET, day), lambda unit: unit.coordinates["period"] == 50)
    assert "sample periods 50 are not computed yet" in second
    some = refused(
        Question(TARGET, day, ("TO XGB-STD",)), lambda unit: unit.coordinates.get("model") in ("NF", "TO XGB-STD")
    )
    assert f"{TARGET}/50: NF, TO XGB-STD are not computed yet" in some

"""The search over networks of log volatility: the loss of a point, on what it depends, what is reported on the way."""

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cluster.search.space import checked_point
from cluster.search.study import Search
from tests.studies.in_process import computed
from tests.studies.rough_panel import SMALL, TARGETS, a_panel, a_study
from volforecast.data.panel import Panel
from volforecast.data.parquet import unpack
from volforecast.errors import ConfigError, FitError
from volforecast.networks.jobs import Job
from volforecast.networks.training import train
from volforecast.studies.rough_config import NetworkSettings, TrainingSettings
from volforecast.studies.rough_transfer import RoughTransfer
from volforecast.studies.search_settings import RoughSearchSettings

MODELS = ("LSTM", "Transfer LSTM", "Residual Boosting", "Transfer Quantile LSTM")
POINT: dict[str, Any] = {  # that of the small study
    "network.hidden": 8,
    "network.layers": 2,
    "network.sequence": 22,
    "network.dropout": 0.1,
    "pretraining.rate": 3e-3,
    "pretraining.batch": 32,
    "fine_tuning.rate": 1e-3,
    "fine_tuning.batch": 16,
}


def only(study: RoughTransfer, panel: Panel | None = None) -> Search:
    (search,) = study.searches(study.load(panel or a_panel()))
    return search


def loss_of(study: RoughTransfer, panel: Panel, steps: list[tuple[int, float]] | None = None, **point: Any) -> float:
    data = study.load(panel)
    (search,) = study.searches(data)
    values = {name: POINT[name] for name in search.space} | {name.replace("__", "."): v for name, v in point.items()}
    told: list[tuple[int, float]] = [] if steps is None else steps
    return study.trial(search, data, values, lambda step, loss: told.append((step, loss)))


@cache
def quiet(*models: str) -> float:
    return loss_of(a_study(models=models), a_panel())


@pytest.mark.parametrize("model", MODELS)
def test_a_loss_is_that_of_the_studys_own_training_beside_har(model: str) -> None:
    """The study with a point's settings trains the same networks: its curves say what became of them."""
    study = a_study(models=(model,))
    data = study.load(a_panel())
    plan = study.plan(data)
    payloads = computed(study, data, plan)
    curves = [unpack(payloads[unit.key], "curves")["curves"] for unit in plan.units if unit.kind == "networks"]
    curve = pd.concat([table.to_pandas() for table in curves])
    lowest = curve.groupby(["name", "seed"])["valid_loss"].min()
    ratios = []
    for target in TARGETS:
        task = study.task(data, target, 1)
        rows = task.split.validation
        error = task.labels[rows] - task.har[rows]  # in log units
        scale = task.residual_deviation if model == "Residual Boosting" else task.deviation
        error = error / scale
        if "Quantile" in model:
            each = [np.where(error > 0, level * error, (level - 1) * error) for level in SMALL.network.levels]
            har = float(np.mean(each))
        else:
            har = float(np.mean(error**2))
        ratios += [lowest[target, seed] / har for seed in (1, 2)]
    assert quiet(model) == pytest.approx(float(np.mean(ratios)), rel=1e-5)


def test_the_loss_of_several_models_is_their_mean() -> None:
    assert quiet(*MODELS) == pytest.approx(float(np.mean([quiet(model) for model in MODELS])), rel=1e-12)


def test_every_epoch_of_every_model_is_reported_and_the_last_one_is_the_loss() -> None:
    study = a_study(models=MODELS, pretraining=TrainingSettings(rate=3e-3, batch=32, epochs=12, patience=1))
    steps: list[tuple[int, float]] = []
    loss = loss_of(study, a_panel(), steps, pretraining__rate=0.3)  # so fast that networks soon stop
    assert [step for step, _ in steps] == list(range(1, only(study).steps + 1))
    assert only(study).steps == 12 + 3 + 12 + 3
    assert steps[-1][1] == pytest.approx(loss, rel=1e-12)
    assert len({value for _, value in steps[:12]}) < 12


def test_what_ends_a_trial_early_passes() -> None:
    class EnoughError(Exception):
        pass

    def enough(step: int, loss: float) -> None:
        if step == 2:
            raise EnoughError

    study = a_study(models=("LSTM",))
    data = study.load(a_panel())
    with pytest.raises(EnoughError):
        study.trial(only(study), data, {name: POINT[name] for name in only(study).space}, enough)


def test_looking_on_changes_no_number() -> None:
    study = a_study(models=("Transfer LSTM",))
    data = study.load(a_panel())
    asked = study.fits("LSTM", 1)
    jobs = [Job(study.task(data, target, 1).learnt_from(False), seed) for target in TARGETS for seed in (1, 2)]
    seen: list[np.ndarray[Any, Any]] = []
    alone = train(asked.architecture, asked.schedule, jobs)
    watched = train(asked.architecture, asked.schedule, jobs, after=lambda epoch, lowest: seen.append(lowest))
    for one, other in zip(alone, watched, strict=True):
        assert all(one.weights[name].tobytes() == other.weights[name].tobytes() for name in one.weights)
        assert all(one.curve[name].tobytes() == other.curve[name].tobytes() for name in one.curve)
    lowest = [np.minimum.accumulate(one.curve["valid_loss"]) for one in alone]
    for job, curve in enumerate(lowest):
        assert [row[job] for row in seen[: len(curve)]] == curve.tolist()


def test_a_training_that_comes_to_nothing_fails_the_trial() -> None:
    with pytest.raises(FitError, match="LSTM: the loss was not finite in epoch"):
        loss_of(a_study(models=("LSTM",)), a_panel(), pretraining__rate=1e30)


# ------------------------------------------------------------------------------------------------------ no look-ahead


def changed_after(panel: Panel, share: float, tested_from: np.datetime64, shift: int = 0) -> Panel:
    """The panel with other values on the days on which targets are tested, and on those of the sources then."""
    daily, draw = panel.daily.copy(), np.random.default_rng(1)
    for target, days in TARGETS.items():
        own = daily.index[daily["asset"] == target][int(days * share) + shift :]
        daily.loc[own, "rv"] *= draw.uniform(0.1, 10.0, len(own))
    later = ~daily["asset"].isin(TARGETS) & (daily["date"].to_numpy().astype("datetime64[D]") >= tested_from)
    daily.loc[later, "rv"] *= draw.uniform(0.1, 10.0, int(later.sum()))
    return dataclasses.replace(panel, daily=daily)


def test_no_day_that_the_study_tests_on_changes_a_loss() -> None:
    study = a_study(models=MODELS)
    tested_from = study.load(a_panel()).tested_from
    assert loss_of(study, changed_after(a_panel(), 0.75, tested_from)) == quiet(*MODELS)


def test_the_test_above_can_fail() -> None:
    study = a_study(models=("LSTM",))
    tested_from = study.load(a_panel()).tested_from
    assert loss_of(study, changed_after(a_panel(), 0.75, tested_from, shift=-1)) != quiet("LSTM")


# ------------------------------------------------------------------------------------------------ on what it depends


def test_a_loss_depends_on_its_point_alone() -> None:
    study = a_study(models=("Transfer LSTM",))
    first = quiet("Transfer LSTM")
    assert loss_of(study, a_panel(), fine_tuning__batch=8) != first
    assert loss_of(study, a_panel()) == first


def test_a_point_with_another_sequence_and_other_widths_is_judged_on_the_same_rows() -> None:
    study = a_study(models=("LSTM",))
    losses = {quiet("LSTM"), loss_of(study, a_panel(), network__sequence=5, network__hidden=16, network__layers=1)}
    assert len(losses) == 2
    assert all(0.0 < loss < 20.0 for loss in losses)


def test_the_key_holds_what_a_trial_reads_and_not_where_it_starts() -> None:
    models = ("LSTM", "Transfer LSTM")
    changes: list[dict[str, Any]] = [
        {},
        {"models": ("LSTM",)},
        {"seed": 2},
        {"targets": ("ALPHA", "BETA")},
        {"sources": ("INDEX",)},
        {"horizons": (5,)},
        {"search": RoughSearchSettings(seeds=1)},
        {"search": RoughSearchSettings(targets=1)},
        {"network": NetworkSettings(layers=2, hidden=8, attention=8, heads=2)},
        {"pretraining": TrainingSettings(rate=3e-3, batch=32, epochs=4, patience=2)},
        {"fine_tuning": TrainingSettings(rate=1e-3, batch=16, epochs=3, patience=1)},
        {"mixed_precision": True},
    ]
    keys = [only(a_study(**({"models": models} | change))).key for change in changes]
    assert len(set(keys)) == len(keys)
    unread: list[dict[str, Any]] = [
        {"fine_tuning": TrainingSettings(rate=5e-3, batch=8, epochs=3, patience=2)},
        {"stack": 1},
        {"seeds": 4},
    ]
    assert {only(a_study(models=models, **change)).key for change in unread} == {keys[0]}
    assert only(a_study(models=models), a_panel(seed=6)).key not in keys


def test_the_search_begins_at_table_8() -> None:
    network = NetworkSettings(attention=4, heads=2)
    study = a_study(
        models=("Transfer LSTM",), network=network, pretraining=TrainingSettings(rate=1e-3, batch=32, epochs=3)
    )
    search = only(study)
    assert checked_point(search.space, search.defaults) == dict(sorted(search.defaults.items()))
    assert search.defaults["network.hidden"] == 64
    assert search.cost > 0
    assert only(a_study(models=("Transfer LSTM",))).defaults == {}  # 8 units are not among those that are tried


def test_only_what_means_something_is_searched() -> None:
    alone = only(a_study(models=("LSTM",))).space
    assert not any(name.startswith("fine_tuning") for name in alone)
    assert set(alone) < set(only(a_study(models=("Transfer LSTM",))).space)
    blocks = a_study(models=("Transformer",), network=NetworkSettings(layers=1, hidden=48, attention=48, heads=48))
    with pytest.raises(ConfigError, match=r"network.hidden: none of 16, 32, 64, 128 will do"):
        only(blocks)

"""Stopping, plateaus, frozen groups, failures."""

from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from tests.networks.naive_network import SMALL, same, schedule, series
from volforecast.errors import ConfigError
from volforecast.networks import learner
from volforecast.networks.architecture import Architecture, groups, start
from volforecast.networks.encoder import climb
from volforecast.networks.forecasting import forecast, run
from volforecast.networks.jobs import Job, Schedule
from volforecast.networks.training import train

DROPS = msgspec.structs.replace(SMALL, dropout=0.2, layers=3)


def test_networks_learn_and_the_best_epochs_weights_are_returned() -> None:
    one = series(1, train=200, valid=60)
    (found,) = train(SMALL, schedule(SMALL, 15), [Job(one, 1)])
    losses = found.curve["valid_loss"]
    assert found.reason == "epochs"
    assert found.best_epoch == np.argmin(losses) + 1
    assert losses.min() < 0.8 * losses[0]
    (values,) = forecast(SMALL, [found.weights], [one], [one.valid], length=4)
    assert np.mean((values - one.labels[one.valid]) ** 2) == pytest.approx(losses.min(), rel=1e-5)
    np.testing.assert_array_equal(found.curve["epoch"], np.arange(1, 16))


def test_a_network_stops_once_its_patience_is_over() -> None:
    jobs = [Job(series(seed), seed) for seed in range(4)]
    for found in train(SMALL, schedule(SMALL, 60, rate=0.1, patience=3), jobs):
        losses = found.curve["valid_loss"]
        assert found.reason == "patience"
        assert len(losses) == found.best_epoch + 3
        assert (losses[found.best_epoch :] >= losses[found.best_epoch - 1]).all()


def test_rates_fall_as_pytorchs_scheduler_lets_them() -> None:
    settings = schedule(SMALL, 40, rate=0.1, plateau_patience=1, plateau_factor=0.3)
    (found,) = train(SMALL, settings, [Job(series(3), 3)])
    optimizer = torch.optim.Adam([torch.zeros(1)], lr=0.1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=1, eps=0.0)
    for rate, loss in zip(found.curve["learning_rate"], found.curve["valid_loss"], strict=True):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
        plateau.step(loss)
    assert found.curve["learning_rate"][-1] < 0.1


@pytest.mark.parametrize("frozen", [1, 2, 3, 4])
def test_frozen_groups_stay_and_the_others_move(frozen: int) -> None:
    names = groups(DROPS)
    settings = schedule(DROPS, 2, rates=((1, dict.fromkeys(names[frozen:], 1e-2)),))
    begin = start(DROPS, 7)
    (found,) = train(DROPS, settings, [Job(series(1), 1, begin)])
    for name, value in found.weights.items():
        moved = not np.array_equal(value, begin[name])
        assert moved == name.startswith(names[frozen:]), name


def test_what_frozen_stages_give_is_kept_and_equals_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    names = groups(DROPS)
    rates = ((1, {"head": 1e-2}), (2, {"attention": 1e-3, "head": 1e-2}), (4, dict.fromkeys(names[2:], 1e-3)))
    jobs = [Job(series(seed, train=30 + seed), seed) for seed in range(3)]
    settings = schedule(DROPS, 5, rates=rates)
    kept: list[int] = []

    def noted(a: Architecture, p: Any, x: Any, first: int, last: int, *noise: Any, **mixed: Any) -> torch.Tensor:
        if first == 0:
            kept.append(last)
        return climb(a, p, x, first, last, *noise, **mixed)

    def long_way(a: Architecture, p: Any, x: Any, first: int, last: int, *noise: Any, **mixed: Any) -> torch.Tensor:
        """Keeps nothing: frozen stages run, without dropout, in every step."""
        if first == 0:
            return torch.as_tensor(x)
        with torch.no_grad():
            below = climb(a, p, x, 0, first)
        return climb(a, p, below, first, last, *noise, **mixed)

    monkeypatch.setattr(learner, "climb", noted)
    short = train(DROPS, settings, jobs)
    assert kept == [4, 4, 3, 3, 2, 2]  # once for the training and once for the validation rows
    monkeypatch.setattr(learner, "climb", long_way)
    monkeypatch.setattr(learner, "run", lambda a, p, data, first, mixed: run(a, p, data, 0, mixed))
    for one, other in zip(short, train(DROPS, settings, jobs), strict=True):
        for name in ("train_loss", "valid_loss"):
            np.testing.assert_allclose(one.curve[name], other.curve[name], rtol=1e-5)


def test_rates_differ_by_group() -> None:
    names = groups(SMALL)
    slow = dict.fromkeys(names, 1e-6) | {"head": 1e-2}
    begin = start(SMALL, 7)
    (found,) = train(SMALL, schedule(SMALL, 1, rates=((1, slow),)), [Job(series(1), 1, begin)])
    moves = {name: np.abs(value - begin[name]).max() for name, value in found.weights.items()}
    assert moves["lstm.0.weight_hh"] < 1e-5
    assert moves["head.hidden.weight"] > 1e-3


def test_another_head_starts_fresh_on_given_weights() -> None:
    hybrid = msgspec.structs.replace(SMALL, head="hybrid")
    given = start(SMALL, 1)
    frozen = schedule(hybrid, 1, rates=((1, {"head": 1e-3}),))
    (found,) = train(hybrid, frozen, [Job(series(1), 2, given)])
    assert all(np.array_equal(found.weights[name], given[name]) for name in given if not name.startswith("head."))
    with pytest.raises(ValueError, match=r"head\.output\.bias"):
        train(SMALL, schedule(SMALL), [Job(series(1), 1, {"head.output.bias": np.zeros(9, dtype=np.float32)})])


def test_a_network_that_fails_leaves_the_others_alone() -> None:
    good, bad, empty = series(1), series(2), series(3)
    bad.inputs[10] = np.nan
    jobs = [Job(good, 1), Job(bad, 2), Job(empty._replace(train=empty.train[:0]), 3), Job(series(4), 4)]
    found = train(DROPS, schedule(DROPS), jobs)
    for place in (0, 3):
        (alone,) = train(DROPS, schedule(DROPS), [jobs[place]])
        assert same(found[place].weights, alone.weights)
        assert not found[place].error
    assert found[1].reason == found[2].reason == "failed"
    assert "epoch 1" in found[1].error
    assert "rows" in found[2].error
    assert same(found[1].weights, start(DROPS, 2))
    assert found[1].best_epoch == 0


def test_rows_without_a_sequence_and_unknown_groups_are_refused() -> None:
    one = series(1)
    with pytest.raises(ValueError, match="4 days"):
        train(SMALL, schedule(SMALL), [Job(one._replace(train=np.arange(5)), 1)])
    with pytest.raises(ConfigError, match="body"):
        train(SMALL, schedule(SMALL, rates=((1, {"body": 1.0}),)), [Job(one, 1)])
    with pytest.raises(ConfigError, match="epoch 2"):
        train(SMALL, schedule(SMALL, rates=((1, {"head": 1.0}), (2, {}))), [Job(one, 1)])
    with pytest.raises(ValueError, match=r"lack head\.alpha"):
        forecast(msgspec.structs.replace(SMALL, head="hybrid"), [start(SMALL, 1)], [one], [one.valid], length=4)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"epochs": 0}, "epochs"),
        ({"rates": ((2, {"head": 1.0}),)}, "rates"),
        ({"rates": ((1, {"head": -1.0}),)}, "positive"),
        ({"plateau_factor": 0.0}, "plateau_factor"),
    ],
)
def test_schedules_that_cannot_be_followed_are_refused(settings: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Schedule(**({"epochs": 1, "batch": 1, "patience": 1, "rates": ((1, {"head": 1.0}),)} | settings))  # type: ignore[arg-type]

"""Benchmarks and recipes of log volatility: against libraries and against the specification's words."""

import numpy as np
import pytest
import statsmodels.api as sm

from volforecast.evaluation import rough_order
from volforecast.models.rough import BENCHMARKS, BEYOND, NAMES, NETWORKS, PAPERS
from volforecast.models.rough.aggressive import RATE

GROUPS = ("lstm.0", "lstm.1", "lstm.2", "attention", "head")
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@pytest.fixture(scope="module")
def regression() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    X = draw.standard_normal((300, 3)).cumsum(axis=1) - 8.0
    y = X @ [0.4, 0.3, 0.2] - 1.0 + draw.standard_t(5, size=300) * 0.4
    return X, y, X[-7:] + 0.1


def test_har_is_least_squares(regression: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    X, y, rows = regression
    expected = sm.OLS(y, sm.add_constant(X)).fit().predict(sm.add_constant(rows))
    np.testing.assert_allclose(BENCHMARKS["HAR"](X, y, rows, LEVELS), expected, rtol=1e-10)


def test_the_moving_average_is_the_mean_of_a_month(regression: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    X, y, rows = regression
    np.testing.assert_array_equal(BENCHMARKS["Moving Average"](X, y, rows, LEVELS), rows[:, 2])


def test_quantile_har_has_its_share_of_the_training_labels_below(
    regression: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    X, y, rows = regression
    quantiles = BENCHMARKS["Quantile HAR"](X, y, X, LEVELS)
    below = (y[:, None] <= quantiles).mean(axis=0)
    np.testing.assert_allclose(below, LEVELS, atol=0.02)  # exact but for the four coefficients
    assert (np.diff(BENCHMARKS["Quantile HAR"](X, y, rows * 5, LEVELS), axis=1) >= 0).all()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_forecast_does_not_depend_on_the_others_asked_for(
    name: str, regression: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    X, y, rows = regression
    together = BENCHMARKS[name](X, y, rows, LEVELS)
    np.testing.assert_array_equal(BENCHMARKS[name](X, y, rows[3:4], LEVELS)[0], together[3])


def test_names_are_the_papers_and_those_beyond() -> None:
    assert set(PAPERS) | set(BEYOND) == set(NAMES) == set(NETWORKS) | set(BENCHMARKS)
    assert len(NAMES) == len(set(NAMES)) == 19
    assert len(PAPERS) == 13


def test_tables_and_models_agree_on_names_and_their_order() -> None:
    assert (*rough_order.PAPER, *rough_order.BEYOND) == NAMES


def test_which_groups_learn_when() -> None:
    rates = {name: recipe.rates(GROUPS, 1e-4) for name, recipe in NETWORKS.items()}
    assert rates["Transfer LSTM"] == ((1, dict.fromkeys(GROUPS, 1e-4)),)
    assert rates["Frozen Transfer LSTM"] == ((1, {"head": 1e-4}),)
    assert rates["Aggressive Fine-tune"] == ((1, dict.fromkeys(GROUPS, RATE)),)
    assert rates["Differential LR"] == ((1, dict.fromkeys(GROUPS[:-1], 1e-5) | {"head": 1e-3}),)
    assert [(epoch, set(groups)) for epoch, groups in rates["Gradual Unfreezing"]] == [
        (1, {"head"}),
        (6, {"head", "attention"}),
        (11, {"head", "attention", "lstm.2"}),
        (16, {"head", "attention", "lstm.2", "lstm.1"}),
        (21, set(GROUPS)),
    ]


def test_only_pretrained_models_are_fine_tuned() -> None:
    for recipe in NETWORKS.values():
        assert recipe.phase == ("fine_tuning" if recipe.pretrained else "pretraining")

"""A stack beside its networks alone, and what both likelihoods make of data whose two regimes are known."""

import numpy as np
import pytest
import torch

from tests.mixtures.data import prepared
from volforecast.errors import ConfigError
from volforecast.mixtures.inputs import Inputs, Prepared, Scale
from volforecast.mixtures.settings import Mixture
from volforecast.mixtures.training import run, train

ROWS = 1500
KINDS = [Mixture(epochs=60), Mixture(sentiment=True, epochs=60), Mixture(family="inverse gamma", epochs=60)]


@pytest.mark.parametrize("m", KINDS)
def test_a_network_in_a_stack_is_the_network_alone(m: Mixture) -> None:
    data, seeds = prepared(m, 200, 3), [1, 7, 3, 20, 5]
    together = train(m, data, seeds)
    forecasts = run(m, data, together.rows)
    for s, seed in enumerate(seeds):
        alone = train(m, data, [seed])
        np.testing.assert_allclose(together.curve[:, s], alone.curve[:, 0], rtol=1e-9)
        np.testing.assert_allclose(forecasts.forecast[s], run(m, data, alone.rows).forecast[0], rtol=1e-8, atol=1e-9)
    assert np.ptp(forecasts.forecast, axis=0).max() > 1e-3


@pytest.mark.parametrize("m", KINDS)
def test_training_twice_gives_the_same_bytes_whatever_the_threads(m: Mixture) -> None:
    data = prepared(m, 150, 3)
    first = train(m, data, [1, 2])
    torch.set_num_threads(2)
    assert train(m, data, [1, 2]).rows.tobytes() == first.rows.tobytes()
    assert torch.get_num_threads() == 2


def test_a_network_that_fails_leaves_the_others_alone() -> None:
    m = KINDS[0]
    data = prepared(m, 150, 3)
    expected = train(m, data, [1, 2, 3])

    def spoil(epoch: int, rows: torch.Tensor) -> None:
        if epoch == 10:
            rows[1] = torch.nan

    found = train(m, data, [1, 2, 3], spoil)
    assert np.isnan(found.rows[1]).all()
    assert np.isnan(found.curve[10:, 1]).all()
    assert found.rows[[0, 2]].tobytes() == expected.rows[[0, 2]].tobytes()


def regimes(rows: int, seed: int) -> tuple[Inputs, np.ndarray, np.ndarray, np.ndarray]:
    """A mixture with a gate of equation (3) on both kinds of data: rows, gate, and both means."""
    draw = np.random.default_rng(seed)
    lags, book = np.abs(1.0 + 0.5 * draw.standard_normal((rows, 5))), draw.standard_normal((rows, 6))

    def bilinear(left: list[float], right: list[float]) -> np.ndarray:
        return np.asarray(book.reshape(rows, 2, 3) @ left @ right)

    a, b = (np.log1p(np.exp(x)) for x in (lags @ [0.3, 0.1, 0.0, 0.0, 0.0], bilinear([0.5, 1.0, 0.0], [1.5, 0.0])))
    gate, first = a / (a + b), lags @ [1.0, 0.5, 0.2, 0.1, 0.0]
    second = 1.0 + bilinear([0.8, -0.4, 0.3], [1.0, 0.5])
    y = np.where(
        draw.uniform(size=rows) < gate,
        first + 0.15 * draw.standard_normal(rows),
        second + 0.3 * draw.standard_normal(rows),
    )
    return Inputs(lags, book, np.empty((rows, 0)), y), gate, first, second


@pytest.fixture(scope="module")
def two_regimes() -> tuple[Prepared, np.ndarray, np.ndarray]:
    """Rows to learn, rows to forecast with their gates, and the means of their mixtures."""
    test, gate, first, second = regimes(500, 2)
    data = Prepared(regimes(ROWS, 1)[0], test, Scale(0.0, 1.0), 3, 2)
    return data, gate, gate * first + (1.0 - gate) * second


def test_the_likelihood_finds_the_regimes_that_made_the_data(
    two_regimes: tuple[Prepared, np.ndarray, np.ndarray],
) -> None:
    data, gate, mean = two_regimes
    m = Mixture(ridge=0.01, hinge=0.0, rate=0.03, epochs=500)
    ran = run(m, data, train(m, data, [1, 2]).rows)
    for weights, forecast in zip(ran.gates[:, 0], ran.forecast, strict=True):
        assert np.abs(weights - gate).mean() < 0.05
        assert np.corrcoef(weights, gate)[0, 1] > 0.97
        assert np.sqrt(np.mean((forecast - mean) ** 2)) < 0.2 * mean.std()


def test_the_authors_loss_saturates_the_gate_on_the_same_data(
    two_regimes: tuple[Prepared, np.ndarray, np.ndarray],
) -> None:
    data, gate, mean = two_regimes
    m = Mixture(published=True, sigma=0.3, ridge=0.01, hinge=0.0, rate=0.03, epochs=500)
    ran = run(m, data, train(m, data, [1, 2]).rows)
    saturated = (np.maximum(ran.gates[:, 0], ran.gates[:, 1]) > 0.95).mean(axis=1)
    assert (saturated > 0.8).all()
    assert (np.maximum(gate, 1.0 - gate) > 0.95).mean() < 0.1
    assert (np.sqrt(np.mean((ran.forecast - mean) ** 2, axis=1)) > 0.5 * mean.std()).all()


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"ridge": -1.0}, {"family": "inverse gamma", "sentiment": True}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="mixture"):
        Mixture(**wrong)  # type: ignore[arg-type]

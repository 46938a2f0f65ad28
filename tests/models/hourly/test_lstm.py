"""The LSTM: the network beside its equations, what it may know, and how it learns."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.hourly.mixture_tables import btc, table
from tests.models.hourly.test_mixtures import TEST, TRAIN, autoregression, spoilt
from volforecast.hourly_rows import Mode, Sample
from volforecast.models.hourly.lstm import GRID, LSTM, DualLSTM
from volforecast.models.hourly.protocol import HourlyModel, Value, rmse
from volforecast.networks.dual import Dual, Sequences, Settings, train

VALUES: dict[str, Value] = {"hidden": 4, "dense": 5, "rate": 0.001, "decay": 0.0001, "dropout": 0.2}
SMALL = DualLSTM(epochs=2, patience=2)
SETTINGS = Settings(hidden=8, dense=8, dropout=0.2, rate=0.01, decay=1e-4, epochs=4, patience=0)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def last_state(lstm: torch.nn.LSTM, x: np.ndarray) -> np.ndarray:
    """Hochreiter & Schmidhuber's cell, step by step, for one row's inputs (T, inputs)."""
    weights = [p.detach().numpy().astype(np.float64) for p in lstm.parameters()]
    hidden = np.zeros(weights[1].shape[1])
    cell = hidden.copy()
    for step in x:
        enter, forget, new, out = np.split(weights[0] @ step + weights[1] @ hidden + weights[2] + weights[3], 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
        hidden = sigmoid(out) * np.tanh(cell)
    return hidden


@pytest.mark.parametrize("features", [0, 3])
@pytest.mark.parametrize("plain", [True, False])
def test_the_network_computes_the_papers_equations(features: int, plain: bool) -> None:
    torch.manual_seed(2)
    network = Dual(_settings(plain), features)
    network.eval()
    draw = np.random.default_rng(1)
    vol, book = draw.standard_normal((6, 30, 1)), draw.standard_normal((6, 30, features))
    with torch.no_grad():
        found = network(torch.from_numpy(vol).float(), torch.from_numpy(book).float()).numpy()
    layers = [
        [p.detach().numpy().astype(np.float64) for p in one.parameters()] for one in (network.first, network.second)
    ]
    lstms = list(network.lstms)
    assert len(lstms) == (2 if features else 1)
    for row in range(6):
        states = [last_state(lstm, x[row]) for lstm, x in zip(lstms, (vol, book), strict=False)]  # type: ignore[arg-type]
        dense = np.maximum(layers[0][0] @ np.concatenate(states) + layers[0][1], 0.0)
        output = float((layers[1][0] @ dense + layers[1][1])[0])
        expected = max(output, 0.0) if plain else np.log1p(np.exp(output))
        assert found[row] == pytest.approx(expected, abs=1e-5)


def _settings(plain: bool) -> Settings:
    return Settings(hidden=7, dense=5, dropout=0.5, rate=0.01, decay=0.0, epochs=1, patience=0, plain=plain)


def learnable(rows: int, seed: int) -> Sequences:
    """Labels are a function of the last volatility and of the last feature."""
    draw = np.random.default_rng(seed)
    vol, book = (draw.standard_normal((rows, 10, k)).astype(np.float32) for k in (1, 2))
    return Sequences(vol, book, np.exp(0.4 * vol[:, -1, 0] + 0.3 * book[:, -1, 0]).astype(np.float32))


def distance(forecast: np.ndarray, labels: np.ndarray) -> float:
    return rmse(forecast.astype(np.float64), labels.astype(np.float64))


def test_it_learns_from_both_branches() -> None:
    data, wanted = learnable(600, 1), learnable(200, 2)
    settings = Settings(hidden=16, dense=16, dropout=0.2, rate=0.01, decay=1e-4, epochs=15, patience=0)
    loss = distance(train(settings, data, None, wanted, 1).forecast, wanted.y)
    assert loss < 0.4 * wanted.y.std()
    blind = wanted._replace(features=np.zeros_like(wanted.features))
    assert distance(train(settings, data, None, blind, 1).forecast, wanted.y) > 1.5 * loss


def test_a_network_depends_on_its_seed_alone_and_leaves_the_callers_random_numbers_alone() -> None:
    data, wanted = learnable(60, 1), learnable(20, 2)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = train(SETTINGS, data, None, wanted, 3)
    assert torch.equal(torch.rand(1), expected)
    assert train(SETTINGS, data, None, wanted, 3).forecast.tobytes() == first.forecast.tobytes()
    assert train(SETTINGS, data, None, wanted, 4).forecast.tobytes() != first.forecast.tobytes()


def test_patience_keeps_the_epoch_with_the_smallest_loss_on_the_rows_held_out() -> None:
    data, held, wanted = learnable(120, 1), learnable(60, 3), learnable(20, 2)
    wild = Settings(hidden=8, dense=8, dropout=0.0, rate=0.2, decay=0.0, epochs=30, patience=3)
    heard: list[np.ndarray] = []
    found = train(wild, data, held, wanted, 1, lambda _, forecast: heard.append(forecast))
    assert len(found.curve) == len(heard) == min(30, found.best_epoch + 3)
    np.testing.assert_array_equal(found.forecast, heard[-1])
    by_epoch: list[np.ndarray] = []
    train(wild, data, held, held, 1, lambda _, forecast: by_epoch.append(forecast))
    losses = [distance(forecast, held.y) for forecast in by_epoch]  # of the best weights so far
    assert losses == sorted(losses, reverse=True)
    assert losses[found.best_epoch - 1] == losses[-1]


def test_a_plain_output_may_be_dead_and_the_softplus_never_is() -> None:
    data = learnable(64, 1)
    for plain in (True, False):
        network = Dual(_settings(plain), 2)
        torch.nn.init.constant_(network.second.bias, -30.0 if plain else -5.0)
        found = network(*(torch.from_numpy(part) for part in data[:2]))
        slope = torch.autograd.grad((found - torch.from_numpy(data.y)).square().mean(), network.second.bias)[0]
        assert (slope.abs().item() == 0.0) == plain


@pytest.mark.parametrize("mode", ["clean", "paper"])
@pytest.mark.parametrize("features", [0, 3])
@given(place=st.integers(0, len(TEST) - 1), seed=st.integers(0, 3))
@settings(max_examples=4)
def test_a_forecast_knows_nothing_of_its_label_or_later(features: int, mode: Mode, place: int, seed: int) -> None:
    known = table(200, seed, features=features)
    asked = (TRAIN, TEST, VALUES, [1])
    first = SMALL.forecast(Sample(known, mode), *asked).forecast
    again = SMALL.forecast(Sample(spoilt(known, int(TEST[place])), mode), *asked).forecast
    np.testing.assert_array_equal(first[:, : place + 1], again[:, : place + 1])
    if place + 2 < len(TEST):
        assert (first[:, place + 2 :] != again[:, place + 2 :]).any()


def test_the_grid_is_the_papers() -> None:
    model: HourlyModel = LSTM
    assert model.grid == GRID
    assert int(np.prod([len(values) for values in GRID.values()])) == 4 * 4 * 2 * 2 * 4
    assert model.random
    assert model.needs == frozenset()


def test_reports_come_from_the_first_seed_and_forecasts_have_a_row_a_seed() -> None:
    sample, heard = Sample(table(200, 1), "clean"), list[tuple[int, float]]()
    found = SMALL.forecast(sample, TRAIN, TEST, VALUES, [4, 5, 6], lambda epoch, loss: heard.append((epoch, loss)))
    assert found.forecast.shape == (3, len(TEST))
    assert found.gates is None
    assert [epoch for epoch, _ in heard] == [1, 2]
    assert heard[-1][1] == pytest.approx(rmse(found.forecast[0], sample.y[TEST]))
    alone = SMALL.forecast(sample, TRAIN, TEST, VALUES, [6]).forecast
    np.testing.assert_array_equal(alone[0], found.forecast[2])


def test_a_loss_that_is_not_finite_fails_its_seed_with_a_reason() -> None:
    found = SMALL.forecast(Sample(table(200, 1), "clean"), TRAIN, TEST, VALUES | {"rate": 1e30}, [1, 2])
    assert np.isnan(found.forecast).all()
    assert all("not finite" in reason for reason in found.reasons)


def test_on_the_real_hours_it_is_near_an_autoregression() -> None:
    sample = Sample(btc(), "clean")
    blocks = sample.blocks(5)
    values = VALUES | {"hidden": 16, "dense": 16}
    found = DualLSTM(epochs=6, patience=6).forecast(sample, blocks.refit, blocks.test, values, [1, 2])
    expected = rmse(autoregression(sample, blocks.refit, blocks.test), sample.y[blocks.test])
    assert max(rmse(forecast, sample.y[blocks.test]) for forecast in found.forecast) < 1.1 * expected

"""Likelihoods and their derivatives, beside scipy's densities row by row and beside finite differences."""

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime

from tests.mixtures import naive_mixture
from tests.mixtures.data import FEATURES, LOOKBACK, prepared
from volforecast.mixtures.components import Data, components, log_softplus, views
from volforecast.mixtures.parameters import layout, penalised, start
from volforecast.mixtures.settings import Mixture
from volforecast.mixtures.training import losses, run

KINDS = [
    Mixture(ridge=0.3, hinge=2.0, least=0.2),
    Mixture(sentiment=True, ridge=0.3, hinge=2.0, least=0.2),
    Mixture(family="inverse gamma", ridge=0.3),
    Mixture(published=True, sigma=0.7, ridge=0.3, hinge=2.0, least=0.2),
    Mixture(published=True, sentiment=True, ridge=0.3, hinge=2.0),
    Mixture(published=True, family="inverse gamma", ridge=0.3),
]


def random_rows(m: Mixture, networks: int) -> np.ndarray:
    draw = np.random.default_rng(5)
    return draw.standard_normal((networks, layout(m, FEATURES, LOOKBACK).width)) * 0.5


def tensors(m: Mixture, rows: int) -> Data:
    return Data(*(torch.from_numpy(part) for part in prepared(m, rows, 1).train))


@pytest.mark.parametrize("m", KINDS)
def test_loss_gates_and_forecasts_are_those_of_the_equations(m: Mixture) -> None:
    data, rows = prepared(m, 40, 1), random_rows(m, 3)
    weights = torch.from_numpy(penalised(layout(m, FEATURES, LOOKBACK)).astype(float))
    found = losses(m, data, torch.from_numpy(rows), weights, tensors(m, 40))
    expected = [naive_mixture.loss(m, FEATURES, LOOKBACK, row, data.train, data.scale) for row in rows]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)
    ran = run(m, data, rows)
    for s, row in enumerate(rows):
        naive = naive_mixture.rows_of(m, FEATURES, LOOKBACK, row, data.test)
        np.testing.assert_allclose(ran.gates[s].T, [one.gates for one in naive], rtol=1e-10)
        bound = 2.0 * data.train.y.max() if m.family == "inverse gamma" and not m.published else np.inf
        means = np.array([one.gates @ np.minimum(one.means, bound) for one in naive]) * 2.0 + 0.5
        np.testing.assert_allclose(ran.forecast[s], means if m.published else np.maximum(means, 0.0), rtol=1e-10)


@pytest.mark.parametrize("m", KINDS)
def test_derivatives_are_those_of_finite_differences(m: Mixture) -> None:
    data, rows = prepared(m, 25, 1), random_rows(m, 2)
    weights = torch.from_numpy(penalised(layout(m, FEATURES, LOOKBACK)).astype(float))

    def total(flat: np.ndarray) -> float:
        found = torch.from_numpy(flat.reshape(rows.shape))
        return float(losses(m, data, found, weights, tensors(m, 25)).sum())

    leaf = torch.from_numpy(rows.copy()).requires_grad_()
    (slope,) = torch.autograd.grad(losses(m, data, leaf, weights, tensors(m, 25)).sum(), [leaf])
    np.testing.assert_allclose(slope.numpy().ravel(), approx_fprime(rows.ravel(), total, 1e-7), rtol=1e-3, atol=2e-4)


def test_log_softplus_is_exact_far_out_and_so_is_its_derivative() -> None:
    x = torch.tensor([-800.0, -40.0, -15.000001, -14.999999, -1.0, 0.0, 30.0, 800.0], dtype=torch.float64)
    x.requires_grad_()
    found = log_softplus(x)
    exact = [-800.0, -40.0, np.log(np.log1p(np.exp(-15.000001))), np.log(np.log1p(np.exp(-14.999999)))]
    exact += [
        np.log(np.log1p(np.exp(-1.0))),
        np.log(np.log(2.0)),
        np.log(30.0 + np.log1p(np.exp(-30.0))),
        np.log(800.0),
    ]
    np.testing.assert_allclose(found.detach().numpy(), exact, rtol=1e-13)
    (slope,) = torch.autograd.grad(found.sum(), [x])
    np.testing.assert_allclose(slope[:2].numpy(), [1.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(slope[2].item(), slope[3].item(), rtol=1e-6)
    np.testing.assert_allclose(slope[-1].item(), 1.0 / 800.0)


@pytest.mark.parametrize("m", KINDS)
def test_weights_add_up_to_one_and_stay_positive_far_out(m: Mixture) -> None:
    rows = torch.from_numpy(random_rows(m, 4) * 100.0)
    found = components(m, views(layout(m, FEATURES, LOOKBACK), rows), tensors(m, 30))
    assert torch.isfinite(found.log_gates).all()
    np.testing.assert_allclose(found.log_gates.exp().sum(dim=0).numpy(), 1.0, rtol=1e-12)


def test_the_authors_likelihood_is_largest_in_a_corner_of_the_gates_whatever_the_densities() -> None:
    draw = np.random.default_rng(2)
    weights = np.linspace(0.0, 1.0, 201)
    for densities in draw.normal(0.0, 3.0, size=(200, 2)):
        theirs = np.logaddexp(weights * densities[0], (1.0 - weights) * densities[1])
        assert np.argmax(theirs) in (0, 200)
        np.testing.assert_allclose(theirs.max(), np.log(np.exp(densities.max()) + 1.0))


@pytest.mark.parametrize("m", [KINDS[0], KINDS[2]])
def test_a_fresh_network_has_equal_gates_up_to_its_weights(m: Mixture) -> None:
    data = prepared(m, 90, 1)
    ran = run(m, data, start(m, FEATURES, LOOKBACK, range(200)))
    np.testing.assert_allclose(ran.gates.mean(axis=(0, 2)), 0.5, atol=0.02)
    assert ran.gates.std() < 0.2

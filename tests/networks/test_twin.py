"""Whole networks beside PyTorch's modules with the same weights: forecasts, derivatives, and steps of Adam."""

import msgspec
import numpy as np
import pytest
import torch

from tests.networks.naive_network import SMALL, Naive, schedule, series
from volforecast.networks.architecture import Architecture, start
from volforecast.networks.forecasting import forecast, run
from volforecast.networks.heads import losses
from volforecast.networks.jobs import Job, Series
from volforecast.networks.stack import flat, sample, views
from volforecast.networks.training import train
from volforecast.seeds import generator

LENGTH = 4


def with_head(**settings: object) -> Architecture:
    return msgspec.structs.replace(SMALL, **settings)


ARCHITECTURES = (
    SMALL,
    with_head(inputs=3, layers=3),
    with_head(head="hybrid"),
    with_head(head="dynamic"),
    with_head(head="regimes"),
    with_head(head="quantiles", levels=(0.05, 0.25, 0.5, 0.75, 0.95)),
    with_head(encoder="transformer", inputs=2),
    with_head(encoder="transformer", head="regimes", regimes=2),
)


def tensors(one: Series, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
    windows = np.stack([one.inputs[t - LENGTH + 1 : t + 1] for t in rows])
    return tuple(torch.from_numpy(part) for part in (windows, one.har[rows], one.features[rows], one.labels[rows]))


@pytest.mark.parametrize("a", ARCHITECTURES)
def test_forecasts_and_derivatives_are_those_of_pytorchs_modules(a: Architecture) -> None:
    many = [series(seed, inputs=a.inputs) for seed in (1, 2, 3)]
    weights = [start(a, seed) for seed in (1, 2, 3)]
    rows = [one.train for one in many]
    p = views(a, torch.from_numpy(np.stack([flat(a, one, 0) for one in weights])))
    data = sample(many, rows, LENGTH, 4, torch.device("cpu"))
    leaves = [parameter.requires_grad_() for parameter in p.values()]
    found, _ = run(a, p, data, 0)
    slopes = torch.autograd.grad(losses(a, found, data.labels).mean(dim=1).sum(), leaves)
    published = forecast(a, weights, many, rows, length=LENGTH)
    for n, (one, own) in enumerate(zip(many, weights, strict=True)):
        naive = Naive(a, own)
        x, har, features, labels = tensors(one, one.train)
        expected = naive(x, har, features)
        torch.testing.assert_close(found[n, : len(labels)], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(published[n], expected.detach().numpy(), rtol=1e-4, atol=1e-5)
        if len(labels) == data.labels.shape[1]:
            naive.loss(expected, labels).backward()
            for name, slope in zip(p, slopes, strict=True):
                if a.head == "regimes" and name.startswith(("head.hidden", "head.output")):
                    continue  # one module a regime there, one parameter here; forecasts and the steps below see them
                grad = naive.named[name].grad
                assert grad is not None
                torch.testing.assert_close(slope[n], grad, rtol=1e-3, atol=1e-5, msg=name)
        else:
            raise AssertionError("the rows are to fill the sample")


@pytest.mark.parametrize("a", ARCHITECTURES)
def test_training_takes_the_steps_of_torchs_adam(a: Architecture) -> None:
    jobs = [Job(series(seed, inputs=a.inputs), seed) for seed in (1, 2)]
    settings = schedule(a, 3, rate=1e-3)
    for job, found in zip(jobs, train(a, settings, jobs), strict=True):
        naive = Naive(a, start(a, job.seed))
        optimizer = torch.optim.Adam(naive.parameters(), lr=1e-3)
        valid = tensors(job.series, job.series.valid)
        for epoch in range(1, 4):
            order = job.series.train[generator("rows of an epoch", job.seed, epoch).permutation(20)]
            for begin in range(0, 20, 8):
                x, har, features, labels = tensors(job.series, order[begin : begin + 8])
                optimizer.zero_grad()
                naive.loss(naive(x, har, features), labels).backward()
                optimizer.step()
            loss = naive.loss(naive(*valid[:3]), valid[3]).item()
            assert found.curve["valid_loss"][epoch - 1] == pytest.approx(loss, rel=1e-3)
        if found.best_epoch < 3 or a.head == "regimes":
            continue
        for name, value in found.weights.items():
            if not name.endswith("in_proj.bias"):  # the keys' bias has no effect: there, Adam follows rounding errors
                np.testing.assert_allclose(value, naive.named[name].detach().numpy(), rtol=1e-2, atol=2e-4)


def test_quantiles_never_cross() -> None:
    a = with_head(head="quantiles", levels=(0.05, 0.25, 0.5, 0.75, 0.95))
    one = series(5, valid=40)
    (found,) = train(a, schedule(a, 5, rate=5e-2), [Job(one, 1)])
    (quantiles,) = forecast(a, [found.weights], [one], [one.valid], length=LENGTH)
    assert quantiles.shape == (40, 5)
    assert (np.diff(quantiles, axis=1) >= 0.0).all()
    below = (one.labels[one.valid, None] < quantiles).mean(axis=0)
    assert below[0] < 0.5 < below[-1]


@pytest.mark.parametrize("head", ["hybrid", "dynamic"])
def test_alpha_goes_to_har_where_har_is_right(head: str) -> None:
    a, one = with_head(head=head), series(3)
    exact = one._replace(har=one.labels)
    (found,) = train(a, schedule(a, 60, rate=5e-2), [Job(exact, 1)])
    alpha = found.curve["alpha"]
    assert 0.2 < alpha[0] < 0.8
    assert alpha[-1] > 0.8
    assert (np.diff(alpha) > 0.0).mean() > 0.8
    assert np.isnan(train(SMALL, schedule(SMALL, 1), [Job(one, 1)])[0].curve["alpha"]).all()

"""On a GPU: close to the CPU's numbers, the same masks, and as good networks in mixed precision."""

import msgspec
import numpy as np
import pytest
import torch

from tests.networks.naive_network import SMALL, schedule, series
from volforecast.networks.dropout import keys_of, masked
from volforecast.networks.forecasting import forecast
from volforecast.networks.jobs import Job
from volforecast.networks.training import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that PyTorch can use")

DROPS = msgspec.structs.replace(SMALL, dropout=0.2, layers=3)


def test_masks_are_the_cpus() -> None:
    x, words = torch.randn(3, 500), keys_of(np.arange(3, dtype=np.uint64), np.zeros((1, 3), dtype=np.uint64), 1)[0, 0]
    there = masked(x.cuda(), torch.from_numpy(words.astype(np.int64)).cuda(), 0.3)
    assert torch.equal(there.cpu(), masked(x, words, 0.3))


@pytest.mark.parametrize("encoder", ["lstm", "transformer"])
def test_networks_become_the_cpus(encoder: str) -> None:
    a = msgspec.structs.replace(DROPS, encoder=encoder)
    jobs = [Job(series(seed, train=20 + seed), seed) for seed in range(5)]
    settings = schedule(a, 3, rate=1e-3)
    here, there = train(a, settings, jobs), train(a, settings, jobs, device="cuda")
    for job, one, other in zip(jobs, here, there, strict=True):
        np.testing.assert_allclose(one.curve["valid_loss"], other.curve["valid_loss"], rtol=1e-3)
        values = [
            forecast(a, [one.weights], [job.series], [job.series.valid], length=4, device=device)[0]
            for device in ("cpu", "cuda")
        ]
        np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-4)


def test_mixed_precision_learns_as_well() -> None:
    jobs = [Job(series(seed, train=200, valid=60), seed) for seed in range(3)]
    settings = schedule(DROPS, 10)
    for one, other in zip(
        train(DROPS, settings, jobs), train(DROPS, settings, jobs, device="cuda", mixed_precision=True), strict=True
    ):
        assert other.curve["valid_loss"].min() == pytest.approx(one.curve["valid_loss"].min(), rel=0.15)

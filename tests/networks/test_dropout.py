"""Masks: the same on every device and in every company, and of the right share."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from volforecast.networks.dropout import Noise, dropped, kept, keys_of, masked


def keys(seeds: list[int], step: int = 0) -> np.ndarray:
    steps = np.full((1, len(seeds)), step, dtype=np.uint64)
    return keys_of(np.array(seeds, dtype=np.uint64), steps, 2)[0]


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=4), st.integers(0, 2**40), st.floats(0.01, 0.99))
@examples(30)
def test_the_compiled_mask_is_that_of_torchs_integers(seeds: list[int], step: int, rate: float) -> None:
    x, words = torch.randn(len(seeds), 3, 37), keys(seeds, step)[1]
    assert torch.equal(masked(x, words, rate), masked(x, torch.from_numpy(words.astype(np.int64)), rate))


def test_units_stay_as_often_as_they_should_and_are_scaled() -> None:
    y = masked(torch.ones(3, 100_000), keys([1, 2, 3])[0], 0.1)
    assert torch.allclose((y == 0.0).float().mean(dim=1), torch.tensor(0.1), atol=0.005)
    assert torch.equal(y[y != 0.0].unique(), torch.tensor([1.0 / 0.9]))


def test_masks_differ_by_seed_step_place_and_position() -> None:
    x = torch.ones(1, 4096)
    base = masked(x, keys([1])[0], 0.5)
    for words in (keys([2])[0], keys([1], 1)[0], keys([1])[1]):
        agreement = (masked(x, words, 0.5) == base).float().mean()
        assert 0.45 < agreement < 0.55
    words = torch.from_numpy(keys([1])[0].astype(np.int64))
    stays = kept(words, 4096, 2**31)[0]
    assert 0.45 < (stays[1:] == stays[:-1]).float().mean() < 0.55


def test_a_networks_mask_ignores_its_company() -> None:
    x = torch.randn(3, 50)
    together = masked(x, keys([7, 8, 9])[0], 0.3)
    assert torch.equal(masked(x[1:2], keys([8])[0], 0.3), together[1:2])


def test_derivatives_pass_where_units_stay() -> None:
    x = torch.randn(2, 40, requires_grad=True)
    noise = Noise(keys([1, 2])[None, 0], 0.4)
    y = dropped(x, noise, 0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(slope * x, y)
    assert dropped(x, None, 0) is x

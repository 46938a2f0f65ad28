"""The LSTM layer beside PyTorch's, its derivatives beside finite differences, the compiled cell beside torch's."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from volforecast.networks import cell, lstm
from volforecast.networks.lstm import lstm_layer


def parameters(networks: int, inputs: int, width: int, dtype: torch.dtype) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(1)
    shapes = [(4 * width, inputs), (4 * width, width), (4 * width,), (4 * width,)]
    return [torch.randn(networks, *shape, generator=made, dtype=dtype).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("inputs", [1, 3])
def test_derivatives_are_those_of_finite_differences(inputs: int) -> None:
    x = torch.randn(2, 2, 3, inputs, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lstm_layer, (x, *parameters(2, inputs, 2, torch.float64)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_and_derivatives_are_those_of_pytorch(dtype: torch.dtype) -> None:
    networks, width, inputs = 3, 20, 5
    own = parameters(networks, inputs, width, dtype)
    x = torch.randn(networks, 4, 7, inputs, dtype=dtype, requires_grad=True)
    slope = torch.randn(networks, 4, 7, width, dtype=dtype)
    hidden = lstm_layer(x, *own)
    found = torch.autograd.grad(hidden, [x, *own], slope)
    for n in range(networks):
        theirs = torch.nn.LSTM(inputs, width, batch_first=True, dtype=dtype)
        for parameter, value in zip(theirs.parameters(), own, strict=True):
            parameter.data.copy_(value[n])
        y = x[n].detach().requires_grad_()
        expected, _ = theirs(y)
        torch.testing.assert_close(hidden[n], expected)
        slopes = torch.autograd.grad(expected, [y, *theirs.parameters()], slope[n])
        for one, other in zip(found, slopes, strict=True):
            torch.testing.assert_close(one[n], other, rtol=1e-4, atol=1e-5)


def test_the_compiled_cell_computes_what_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    own, x = parameters(2, 3, 9, torch.float32), 3.0 * torch.randn(2, 5, 6, 3)
    found = [lstm_layer(x, *own), *torch.autograd.grad(lstm_layer(x, *own).square().sum(), own)]
    monkeypatch.setattr(lstm, "_compiled", lambda _: False)
    expected = [lstm_layer(x, *own), *torch.autograd.grad(lstm_layer(x, *own).square().sum(), own)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_the_cells_functions_are_exact_to_float32_and_hand_on_nan() -> None:
    sums = np.linspace(-100.0, 100.0, 4 * 8001, dtype=np.float32).reshape(1, 1, 1, -1)
    sums[..., 5] = np.nan
    gates, states = sums.copy(), [np.empty((1, 1, 1, 8001), dtype=np.float32) for _ in range(3)]
    cell.forward(0, gates, gates[:, 0], np.zeros((1, 4 * 8001), dtype=np.float32), *states)
    exact = expit(sums.astype(np.float64))
    exact[..., 2 * 8001 : 3 * 8001] = np.tanh(sums[..., 2 * 8001 : 3 * 8001].astype(np.float64))
    np.testing.assert_allclose(gates, exact, rtol=0, atol=2e-7)
    assert np.isnan(gates[..., 5]).all()
    assert np.isnan(states[2][..., 5]).all()


def test_mixed_precision_is_close() -> None:
    own, x = parameters(2, 3, 8, torch.float32), torch.randn(2, 5, 6, 3)
    torch.testing.assert_close(lstm_layer(x, *own, True), lstm_layer(x, *own), rtol=0.1, atol=0.1)

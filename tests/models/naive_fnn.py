"""Slow, obvious twins of the network's training: PyTorch fed with the same weights and row orders, and plain Python."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

Arrays = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Two torch threads on a busy machine can spin for seconds an epoch."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def network_of(layers: Arrays, dtype: torch.dtype) -> torch.nn.Sequential:
    """A ReLU network with a linear output and the given (weights, biases)."""
    modules: list[torch.nn.Module] = []
    for weights, biases in layers:
        linear = torch.nn.Linear(weights.shape[1], weights.shape[0], dtype=dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(weights))
            linear.bias.copy_(torch.tensor(biases))
        modules += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*modules[:-1])


def layers_of(network: torch.nn.Sequential) -> Arrays:
    """(Weights, biases) of each layer, in float64."""
    linears = [module for module in network if isinstance(module, torch.nn.Linear)]
    return [(m.weight.detach().double().numpy().copy(), m.bias.detach().double().numpy().copy()) for m in linears]


def torch_training(
    layers: Arrays,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    orders: Sequence[NDArray[np.int64]],
    batch: int,
    rate: float,
    dtype: torch.dtype,
) -> Arrays:
    """Adam on the mean squared error of mini-batches; one epoch for each order of the rows."""
    with one_torch_thread():
        network, inputs, labels = network_of(layers, dtype), torch.tensor(X, dtype=dtype), torch.tensor(y, dtype=dtype)
        optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        for order in orders:
            for start in range(0, len(y), batch):
                chosen = torch.tensor(order[start : start + batch])
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(network(inputs[chosen])[:, 0], labels[chosen]).backward()
                optimizer.step()
        return layers_of(network)


def unflat(parameters: NDArray[np.float32], inputs: int) -> Arrays:
    """The kernel's flat parameters as (weights, biases) of each layer."""
    layers, begin = [], 0
    for fan_in, units in zip((inputs, 8, 4, 2), (8, 4, 2, 1), strict=True):
        table = parameters[begin : begin + (1 + fan_in) * units].reshape(1 + fan_in, units).astype(np.float64)
        layers.append((table[1:].T.copy(), table[0].copy()))
        begin += table.size
    return layers


def difference(ours: Arrays, theirs: Arrays) -> float:
    """Largest absolute difference of any weight or bias."""
    return max(
        float(np.abs(a - b).max())
        for mine, other in zip(ours, theirs, strict=True)
        for a, b in zip(mine, other, strict=True)
    )


def outputs(layers: Arrays, X: NDArray[np.float64]) -> NDArray[np.float64]:
    """The network's output for each row, in float64."""
    units = X
    for weights, biases in layers[:-1]:
        units = np.maximum(units @ weights.T + biases, 0.0)
    weights, biases = layers[-1]
    return (units @ weights.T + biases)[:, 0]


def mean_squared_error(layers: Arrays, X: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.mean((outputs(layers, X) - y) ** 2))


def numeric_gradient(layers: Arrays, X: NDArray[np.float64], y: NDArray[np.float64], width: float = 1e-6) -> Arrays:
    """Central differences of the mean squared error by every weight and bias."""
    result = []
    for pair in layers:
        slopes = []
        for values in pair:
            slope = np.empty_like(values)
            for place in np.ndindex(values.shape):
                kept = values[place]
                values[place] = kept + width
                above = mean_squared_error(layers, X, y)
                values[place] = kept - width
                below = mean_squared_error(layers, X, y)
                values[place] = kept
                slope[place] = (above - below) / (2.0 * width)
            slopes.append(slope)
        result.append((slopes[0], slopes[1]))
    return result


def best_epoch(error_after_epoch: Callable[[int], float], limit: int, patience: int) -> tuple[int, int]:
    """Early stopping in words: (the epoch count with the smallest error, the number of epochs that were trained)."""
    errors: list[float] = []
    while len(errors) < limit:
        errors.append(error_after_epoch(len(errors)))
        smallest = int(np.argmin(errors)) + 1
        if len(errors) - smallest >= patience:
            break
    return smallest, len(errors)

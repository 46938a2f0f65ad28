"""Network training: the fused kernel beside PyTorch, one epoch each, in one process and on one thread.

    OMP_NUM_THREADS=1 python benchmarks/bench_fnn.py [--rounds 5]

The peers take turns within a round, so a busy machine disturbs all alike; a figure is the median over rounds. Peers:
``loader`` is the usual loop over a shuffling DataLoader with ``torch.optim.Adam``; ``tensors`` is the best that PyTorch
gives on a CPU without compiling: rows shuffled by indexing, fused Adam.
"""

import argparse
import time
from collections.abc import Callable
from itertools import pairwise
from statistics import median

import numpy as np
import torch

from volforecast.models import fnn_kernel as kernel
from volforecast.models.fnn import flat, initial_layers
from volforecast.models.protocol import FloatArray

CASES = ((210_000, 3, 1024), (210_000, 11, 1024), (300, 3, 4))  # rows, predictors, batch
SHORT = 0.02  # seconds that a timing of the kernel lasts at least

Epoch = Callable[[], None]


def network(inputs: int) -> torch.nn.Module:
    """The network 8-4-2 with PyTorch's own initial weights."""
    widths, modules = (inputs, 8, 4, 2), []
    for fan_in, units in pairwise(widths):
        modules += [torch.nn.Linear(fan_in, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules, torch.nn.Linear(2, 1))


def loader_epoch(X: FloatArray, y: FloatArray, batch: int) -> Epoch:
    model = network(X.shape[1])
    optimizer, loss = torch.optim.Adam(model.parameters(), lr=1e-3), torch.nn.MSELoss()
    rows = torch.utils.data.TensorDataset(torch.tensor(X).float(), torch.tensor(y).float()[:, None])
    loader = torch.utils.data.DataLoader(rows, batch_size=batch, shuffle=True)

    def epoch() -> None:
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss(model(inputs), labels).backward()
            optimizer.step()

    return epoch


def tensors_epoch(X: FloatArray, y: FloatArray, batch: int) -> Epoch:
    model = network(X.shape[1])
    optimizer, loss = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True), torch.nn.MSELoss()
    inputs, labels = torch.tensor(X).float(), torch.tensor(y).float()[:, None]

    def epoch() -> None:
        for chosen in torch.split(torch.randperm(len(labels)), batch):
            optimizer.zero_grad()
            loss(model(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()

    return epoch


def kernel_epoch(X: FloatArray, y: FloatArray, batch: int) -> Callable[[int], None]:
    inputs = X.shape[1]
    state, rows = kernel.network(flat(initial_layers(inputs, 1))), kernel.data_rows(X, y)
    work = kernel.workspace(*X.shape)
    return lambda epochs: kernel.train(state, rows, inputs, batch, 1, (0, epochs), 1e-3, work)


def seconds(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(rows: int, inputs: int, batch: int, rounds: int) -> dict[str, float]:
    """Median seconds an epoch of each peer."""
    draw = np.random.default_rng(1)
    X = draw.standard_normal((rows, inputs))
    y = np.abs(X[:, 0]) + draw.standard_normal(rows)
    ours, loader, tensors = kernel_epoch(X, y, batch), loader_epoch(X, y, batch), tensors_epoch(X, y, batch)
    ours(1)  # compiles
    repeats = max(1, int(SHORT / seconds(lambda: ours(1))))
    taken: dict[str, list[float]] = {"kernel": [], "loader": [], "tensors": []}
    for _ in range(rounds):
        taken["loader"].append(seconds(loader))
        taken["tensors"].append(seconds(tensors))
        taken["kernel"].append(seconds(lambda: ours(repeats)) / repeats)
    return {name: median(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print("| rows x predictors, batch | kernel, ms | loader, ms | tensors, ms | loader / kernel | tensors / kernel |")
    print("|---|---|---|---|---|---|")
    for rows, inputs, batch in CASES:
        took = measure(rows, inputs, batch, rounds)
        ours, loader, tensors = (took[name] * 1e3 for name in ("kernel", "loader", "tensors"))
        figures = f"{ours:.3f} | {loader:.1f} | {tensors:.1f} | {loader / ours:.0f} | {tensors / ours:.0f}"
        print(f"| {rows} x {inputs}, {batch} | {figures} |")


if __name__ == "__main__":
    main()

"""Network training: the fused kernel beside PyTorch and scikit-learn, one epoch each, on one thread.

    python benchmarks/bench_fnn.py [--rounds 5]

Peers: ``loader`` is the usual loop over a shuffling DataLoader with ``torch.optim.Adam``; ``tensors`` is the best that
PyTorch gives on a CPU without compiling: rows shuffled by indexing, fused Adam; ``sklearn`` is ``partial_fit`` of
scikit-learn's MLPRegressor.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from rounds import Call, arguments, interleaved, publish, scaled
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from volforecast.models import fnn_kernel as kernel
from volforecast.models.fnn_start import flat, initial_layers
from volforecast.models.fnn_vectors import HIDDEN
from volforecast.models.protocol import FloatArray


class Case(NamedTuple):
    """Rows, predictors, rows of a mini-batch, and the goals: how many times faster than loader and tensors."""

    rows: int
    inputs: int
    batch: int
    loader: int
    tensors: int


CASES = (
    Case(210_000, 3, 1024, 150, 20),
    Case(210_000, 11, 1024, 100, 12),
    Case(300, 3, 4, 500, 500),
    Case(300, 11, 4, 500, 500),
)


def network(inputs: int) -> torch.nn.Module:
    """The network 8-4-2 with PyTorch's own initial weights."""
    modules: list[torch.nn.Module] = []
    for fan_in, units in pairwise((inputs, *HIDDEN)):
        modules += [torch.nn.Linear(fan_in, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*modules, torch.nn.Linear(HIDDEN[-1], 1))


def loader_epoch(X: FloatArray, y: FloatArray, batch: int) -> Call:
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


def tensors_epoch(X: FloatArray, y: FloatArray, batch: int, device: str = "cpu") -> Call:
    model = network(X.shape[1]).to(device)
    optimizer, loss = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True), torch.nn.MSELoss()
    inputs, labels = torch.tensor(X).float().to(device), torch.tensor(y).float()[:, None].to(device)

    def epoch() -> None:
        for chosen in torch.split(torch.randperm(len(labels), device=device), batch):
            optimizer.zero_grad()
            loss(model(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()

    return epoch


def sklearn_epoch(X: FloatArray, y: FloatArray, batch: int) -> Call:
    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN, batch_size=min(batch, len(y)), learning_rate_init=1e-3, alpha=0.0, random_state=1
    )
    inputs = X.astype(np.float32)
    return lambda: model.partial_fit(inputs, y)


def kernel_epoch(X: FloatArray, y: FloatArray, batch: int) -> Call:
    inputs = X.shape[1]
    state, rows = kernel.network(flat(initial_layers(inputs, 1))), kernel.data_rows(X, y)
    return partial(kernel.train, state, rows, inputs, batch, 1, (0, 1), 1e-3, kernel.workspace(*X.shape))


def sample(rows: int, inputs: int) -> tuple[FloatArray, FloatArray]:
    draw = np.random.default_rng(1)
    X = draw.standard_normal((rows, inputs))
    return X, np.abs(X[:, 0]) + draw.standard_normal(rows)


def row(case: Case, rounds: int) -> list[str]:
    """One line of the table."""
    X, y = sample(case.rows, case.inputs)
    peers = {"kernel": kernel_epoch, "loader": loader_epoch, "tensors": tensors_epoch, "sklearn": sklearn_epoch}
    took = interleaved({name: peer(X, y, case.batch) for name, peer in peers.items()}, rounds)
    ratios = {name: took[name] / took["kernel"] for name in took}
    return [
        f"{case.rows:,} x {case.inputs}, {case.batch}",
        *(scaled(took[name]) for name in peers),
        f"{ratios['loader']:.0f}x",
        f"{case.loader}x",
        f"{ratios['tensors']:.0f}x",
        f"{case.tensors}x",
        f"{ratios['sklearn']:.0f}x",
    ]


def main() -> None:
    rounds = arguments(__doc__).parse_args().rounds
    torch.set_num_threads(1)
    with threadpool_limits(1):
        rows = [row(case, rounds) for case in CASES]
    header = ["rows x predictors, batch", "kernel", "loader", "tensors", "sklearn"]
    header += ["loader / kernel", "goal", "tensors / kernel", "goal", "sklearn / kernel"]
    publish("fnn", "Network 8-4-2: one epoch, one thread", header, rows)


if __name__ == "__main__":
    main()

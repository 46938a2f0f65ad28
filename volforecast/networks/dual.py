"""Two LSTMs, one on past volatility and one on past features, whose last hidden states two dense layers read.

Networks of several seeds are trained one after the other with PyTorch's own layers: for a single layer and batches of
32 the fused cell of a stack (``lstm``) takes as long (5 and 5 ms a step at 64 units, 84 and 93 at 256).

Source: Darracq Paries et al. (2025), section 2.2 ("LSTM").
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Final, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from volforecast.networks.forecasting import one_thread
from volforecast.seeds import generator, seed_of

Float32 = NDArray[np.float32]
Seen = Callable[[int, Float32], None]

CHUNK: Final = 1024  # rows that are run at once without derivatives
ONE: Final = 0.5413248546  # softplus of it is one


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one network is made and trained.

    Attributes:
        hidden: Width of each LSTM.
        dense: Width of the first dense layer.
        dropout: Share of the hidden states that a training step leaves out.
        rate: AdamW's learning rate.
        decay: AdamW's weight decay.
        epochs: At most.
        patience: Epochs without a smaller loss on the held-out rows after which training ends; 0: it goes to the end,
            on all rows, and the last weights count.
        batch: Rows of a mini-batch.
        shuffled: Whether rows are put into a new order each epoch.
        plain: Whether the output is a ReLU, as in the paper. Such an output can die: below zero for all rows it has no
            derivative. Otherwise it is a softplus that starts at one, the mean of labels in units of their mean.
    """

    hidden: int
    dense: int
    dropout: float
    rate: float
    decay: float
    epochs: int
    patience: int
    batch: int = 32
    shuffled: bool = True
    plain: bool = False


class Sequences(NamedTuple):
    """n rows: volatility (n, T, 1), features (n, T, B) with B maybe 0, both oldest first, and labels (n,); float32."""

    vol: Float32
    features: Float32
    y: Float32


class Trained(NamedTuple):
    """Forecasts for the rows asked for, training loss by epoch, the epoch whose weights count, and what failed."""

    forecast: Float32
    curve: tuple[float, ...]
    best_epoch: int
    reason: str


class Dual(torch.nn.Module):
    """The network; without features it has one LSTM.

    Args:
        settings: Widths and the output's kind.
        features: B.
    """

    def __init__(self, settings: Settings, features: int) -> None:
        super().__init__()
        inputs = [1, features] if features else [1]
        self.lstms = torch.nn.ModuleList(torch.nn.LSTM(size, settings.hidden, batch_first=True) for size in inputs)
        self.dropout = torch.nn.Dropout(settings.dropout)
        self.first = torch.nn.Linear(len(inputs) * settings.hidden, settings.dense)
        self.second = torch.nn.Linear(settings.dense, 1)
        self.plain = settings.plain
        if not self.plain:
            torch.nn.init.constant_(self.second.bias, ONE)

    def forward(self, vol: Tensor, features: Tensor) -> Tensor:
        """Forecasts (n,)."""
        states = [lstm(x)[1][0][-1] for lstm, x in zip(self.lstms, (vol, features), strict=False)]
        summary = torch.relu(self.first(self.dropout(torch.cat(states, dim=1))))
        found: Tensor = self.second(summary)[:, 0]
        return torch.relu(found) if self.plain else torch.nn.functional.softplus(found)


def train(
    settings: Settings,
    learnt: Sequences,
    held: Sequences | None,
    wanted: Sequences,
    seed: int,
    seen: Seen | None = None,
    device: str = "cpu",
) -> Trained:
    """Train one network and run it.

    Args:
        settings: How.
        learnt: Rows whose labels are learnt.
        held: Later rows by whose RMSE training ends and an epoch is chosen; None without patience.
        wanted: Rows to forecast; their labels are not read.
        seed: Settles fresh weights, orders of rows and dropout.
        seen: Called after each epoch with its number (from 1) and the forecasts by the weights that count so far; it
            may raise.
        device: ``cpu`` (one thread) or ``cuda``.
    """
    where = torch.device(device)
    cuda = [where] if where.type == "cuda" else []
    with one_thread(where), torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed_of("dual LSTM", seed))
        network = Dual(settings, learnt.features.shape[2]).to(where)
        optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=settings.decay)
        data, test = _on(learnt, where), _on(wanted, where)
        check = None if held is None else _on(held, where)
        curve: list[float] = []
        newest: Float32 | None = None
        best, best_epoch, kept = float("inf"), 0, deepcopy(network.state_dict())
        for epoch in range(1, settings.epochs + 1):
            curve.append(_epoch(network, optimizer, settings, data, _order(settings, seed, epoch, len(learnt.y))))
            if not np.isfinite(curve[-1]):
                break
            loss = -float(epoch) if check is None else float(_root(_run(network, check), check[2]))
            if loss < best:
                best, best_epoch, kept = loss, epoch, deepcopy(network.state_dict())
                newest = None if seen is None else _run(network, test).cpu().numpy()
            if seen is not None and newest is not None:
                seen(epoch, newest)
            if check is not None and epoch - best_epoch >= settings.patience:
                break
        network.load_state_dict(kept)
        forecast = _run(network, test).cpu().numpy()
    return Trained(forecast, tuple(curve), best_epoch, _reason(curve, forecast))


def _epoch(
    network: Dual, optimizer: torch.optim.Optimizer, settings: Settings, data: tuple[Tensor, ...], order: Tensor
) -> float:
    """One epoch of mini-batches; the root of the mean over rows of their squared errors."""
    network.train()
    total = 0.0
    for rows in torch.split(order.to(data[2].device), settings.batch):
        optimizer.zero_grad()
        error = network(data[0][rows], data[1][rows]) - data[2][rows]
        mean = error.square().mean()
        (mean + 1e-12).sqrt().backward()
        optimizer.step()
        total += float(mean.detach()) * len(rows)
    return float(np.sqrt(total / len(order)))


def _order(settings: Settings, seed: int, epoch: int, rows: int) -> Tensor:
    if not settings.shuffled:
        return torch.arange(rows)
    return torch.from_numpy(generator("rows of an epoch", seed, epoch).permutation(rows))


def _run(network: Dual, data: tuple[Tensor, ...]) -> Tensor:
    network.eval()
    with torch.no_grad():
        begins = range(0, len(data[0]), CHUNK)
        parts = [network(data[0][begin : begin + CHUNK], data[1][begin : begin + CHUNK]) for begin in begins]
    return torch.cat(parts)


def _root(found: Tensor, y: Tensor) -> Tensor:
    return (found - y).square().mean().sqrt()


def _on(rows: Sequences, device: torch.device) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in rows)


def _reason(curve: list[float], forecast: Float32) -> str:
    if not np.isfinite(curve).all():
        return f"the loss was not finite in epoch {len(curve)}"
    return "" if np.isfinite(forecast).all() else "a forecast was not finite"

"""Seeds of a temporal mixture trained as one stacked model beside one after the other in PyTorch.

    python benchmarks/stacked_mixtures.py [--rounds 3] [--epochs 50]

The setting is one estimation of the Bitcoin study: 1,040 rows, ten features, and a lookback of ten hours, in float64,
on one thread. The peer is the same model as a ``torch.nn.Module`` of one seed in a plain loop with ``torch.optim.Adam``
and the same clipping. Times are scaled to the 300 steps that a model takes. The note compares losses after training.
"""

import numpy as np
import torch
from rounds import arguments, interleaved, publish, scaled
from torch import Tensor
from torch.nn.functional import softplus

from volforecast.mixtures.inputs import Inputs, Prepared, Scale
from volforecast.mixtures.parameters import layout, start
from volforecast.mixtures.settings import Mixture
from volforecast.mixtures.training import NORM, train
from volforecast.models.hourly.mixture import EPOCHS

ROWS, FEATURES, LOOKBACK = 1040, 10, 10
STACKS = (1, 5, 20)


class Peer(torch.nn.Module):
    """TM-G of one seed: equations (1) to (4) with intercepts and learnt standard deviations."""

    def __init__(self, m: Mixture, seed: int) -> None:
        super().__init__()
        row = torch.from_numpy(start(m, FEATURES, LOOKBACK, [seed])[0])
        for name, (begin, end) in layout(m, FEATURES, LOOKBACK).spans.items():
            self.register_parameter(name, torch.nn.Parameter(row[begin:end].clone()))

    def loss(self, m: Mixture, lags: Tensor, book: Tensor, y: Tensor) -> Tensor:
        """Mean over rows; ``book`` has shape (n, lags, features)."""
        p = dict(self.named_parameters())
        means = [lags @ p["phi"] + p["phi0"], torch.einsum("nlb,l,b->n", book, p["V"], p["U"]) + p["U0"]]
        gates = [lags @ p["theta"] + p["theta0"], torch.einsum("nlb,l,b->n", book, p["B"], p["A"]) + p["A0"]]
        weights = torch.stack([softplus(gate) for gate in gates])
        normal = torch.distributions.Normal(torch.stack(means), (0.05 + p["log_sigma"].exp())[:, None])
        fit = torch.logsumexp((weights / weights.sum(dim=0)).log() + normal.log_prob(y), dim=0).sum()
        free = {"log_sigma", "phi0", "U0", "theta0", "A0"}
        ridge = sum(value.square().sum() for name, value in p.items() if name not in free)
        hinge = torch.relu(-torch.stack(means)).sum()
        return (m.ridge * ridge + m.hinge * hinge - fit) / len(y)


def one_by_one(m: Mixture, data: Prepared, seeds: range) -> list[float]:
    """The loss of each network before its last step."""
    lags, y = torch.from_numpy(data.train.lags), torch.from_numpy(data.train.y)
    book, found = torch.from_numpy(data.train.book).view(-1, LOOKBACK, FEATURES), []
    for seed in seeds:
        network = Peer(m, seed)
        optimizer = torch.optim.Adam(network.parameters(), lr=m.rate)
        loss = torch.zeros(())
        for _ in range(m.epochs):
            optimizer.zero_grad()
            loss = network.loss(m, lags, book, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), NORM)
            optimizer.step()
        found.append(float(loss.detach()))
    return found


def rows(seed: int) -> Inputs:
    """Persistent labels, and features that know a little."""
    draw = np.random.default_rng(seed)
    x = np.zeros(ROWS + 5)
    for t, shock in enumerate(draw.standard_normal(ROWS + 4)):
        x[t + 1] = 0.7 * x[t] + 0.7 * shock
    lags = np.column_stack([x[5 - k : -k] for k in range(1, 6)])
    return Inputs(lags, draw.standard_normal((ROWS, LOOKBACK * FEATURES)), np.empty((ROWS, 0)), x[5:])


def main() -> None:
    """Print and write the table."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--epochs", type=int, default=50, help="steps that are timed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = Prepared(rows(1), rows(2), Scale(0.0, 1.0), FEATURES, LOOKBACK)
    m = Mixture(ridge=10.0, epochs=options.epochs)
    table = []
    for count in STACKS:
        seeds = range(1, count + 1)
        took = interleaved(
            {
                "stack": lambda seeds=seeds: train(m, data, seeds),
                "one by one": lambda seeds=seeds: one_by_one(m, data, seeds),
            },
            options.rounds,
        )
        times = [EPOCHS / options.epochs * took[name] for name in ("stack", "one by one")]
        table.append([str(count), *map(scaled, times), f"{times[1] / times[0]:.1f}x"])
    whole = Mixture(ridge=10.0, epochs=EPOCHS)
    ours, theirs = train(whole, data, range(1, 6)).curve[-1], one_by_one(whole, data, range(1, 6))
    publish(
        "stacked_mixtures",
        f"Seeds of TM-G trained side by side ({EPOCHS} steps, {ROWS:,} rows)",
        ["seeds", "stacked", "PyTorch, one after the other", "ratio"],
        table,
        f"Largest difference of the losses of five seeds after {EPOCHS} steps: {np.abs(ours - theirs).max():.1e}.",
        "stacked_mixtures",
    )


if __name__ == "__main__":
    main()

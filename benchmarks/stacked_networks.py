"""Sequence networks trained side by side beside one after the other in PyTorch: networks a minute of fine-tuning.

    python benchmarks/stacked_networks.py [--epochs 3] [--rounds 3] [--device cuda]

The setting is Dhansoia's (2025) fine-tuning: 3 LSTM layers of 64, attention of 4 heads on 32, batch 16, sequences of 22
days, 600 training and 300 validation rows, 30 epochs. Peers: ``nn.LSTM`` and ``nn.MultiheadAttention`` in a plain loop
over tensors, fused Adam, one network after the other, with PyTorch's own number of threads and with one. Ours runs as
two processes of one thread each, with half of the networks each, or as one process on a GPU. Each figure is the median
of rounds in which the peers take turns; every peer is a process of its own, timed without its start. The second table
trains both to the end and compares their smallest validation losses over seeds.
"""

import os
import subprocess
import sys
import time
from copy import deepcopy
from statistics import mean, median, stdev

import msgspec
import numpy as np
import torch
from rounds import arguments, publish

from volforecast.networks.architecture import Architecture, groups
from volforecast.networks.jobs import Job, Schedule, Series
from volforecast.networks.training import train

TRAIN, VALID, LENGTH, BATCH, EPOCHS, RATE = 600, 300, 22, 16, 30, 1e-4
STACKS = (1, 5, 20, 50)
SEEDS = 6
NETWORK = Architecture()


class Peer(torch.nn.Module):
    """The network of ``volforecast.networks`` in PyTorch's own modules."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.encoder = torch.nn.LSTM(a.inputs, a.hidden, a.layers, batch_first=True, dropout=a.dropout)
        self.map = torch.nn.Linear(a.hidden, a.attention)
        self.attention = torch.nn.MultiheadAttention(a.attention, a.heads, batch_first=True)
        self.last = torch.nn.Linear(a.hidden, a.attention)
        self.head = torch.nn.Sequential(
            torch.nn.Dropout(a.dropout),
            torch.nn.Linear(2 * a.attention, a.attention),
            torch.nn.ReLU(),
            torch.nn.Dropout(a.dropout),
            torch.nn.Linear(a.attention, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Forecasts (B,) of sequences (B, T, inputs)."""
        states, _ = self.encoder(x)
        mapped = self.map(states)
        attended, _ = self.attention(mapped[:, -1:], mapped, mapped, need_weights=False)
        found: torch.Tensor = self.head(torch.cat([attended[:, 0], self.last(states[:, -1])], dim=1))
        return found[:, 0]


def series(seed: int) -> Series:
    """A persistent series of standardised log variances, and the sequences' rows."""
    draw, days = np.random.default_rng(seed), LENGTH + TRAIN + VALID
    x = np.zeros(days + 1)
    for t, shock in enumerate(draw.standard_normal(days)):
        x[t + 1] = 0.85 * x[t] + 0.5 * shock
    x = x.astype(np.float32)
    rows = np.arange(LENGTH - 1, LENGTH - 1 + TRAIN + VALID)
    return Series(x[:-1, None], x[1:], 0.85 * x[:-1], np.repeat(x[:-1, None], 3, 1), rows[:TRAIN], rows[TRAIN:])


def one_by_one(seeds: list[int], epochs: int, rate: float, device: str) -> list[float]:
    """Each network's smallest validation loss, trained in PyTorch one after the other."""
    losses = []
    for seed in seeds:
        torch.manual_seed(seed)
        data, model = series(seed), Peer(NETWORK).to(device)
        windows = np.lib.stride_tricks.sliding_window_view(data.inputs[:, 0], LENGTH)[:, :, None]
        x, y = torch.tensor(windows[: TRAIN + VALID]).to(device), torch.tensor(data.labels[LENGTH - 1 :]).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
        plateau, loss = (
            torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=5),
            torch.nn.MSELoss(),
        )
        best, kept = float("inf"), deepcopy(model.state_dict())
        for _ in range(epochs):
            model.train()
            for rows in torch.split(torch.randperm(TRAIN, device=device), BATCH):
                optimizer.zero_grad()
                loss(model(x[rows]), y[rows]).backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                valid = float(loss(model(x[TRAIN:]), y[TRAIN : TRAIN + VALID]))
            plateau.step(valid)
            if valid < best:
                best, kept = valid, deepcopy(model.state_dict())
        assert kept
        losses.append(best)
    return losses


def stacked(seeds: list[int], epochs: int, rate: float, device: str) -> list[float]:
    """The same, trained side by side."""
    rates = ((1, dict.fromkeys(groups(NETWORK), rate)),)
    schedule = Schedule(epochs=epochs, batch=BATCH, patience=epochs, rates=rates, length=LENGTH)
    found = train(NETWORK, schedule, [Job(series(seed), seed) for seed in seeds], device=device)
    return [float(one.curve["valid_loss"].min()) for one in found]


def worker(kind: str, first: int, count: int, epochs: int, rate: float, device: str) -> None:
    """Get ready, wait for a word, train, and print when it began and ended, core-seconds, and validation losses."""
    peer = stacked if kind == "stacked" else one_by_one
    peer([0], 1, rate, device)
    print("ready", flush=True)
    sys.stdin.readline()
    begin, cpu = time.time(), time.process_time()
    losses = peer(list(range(first, first + count)), epochs, rate, device)
    print(msgspec.json.encode([begin, time.time(), time.process_time() - cpu, losses]).decode(), flush=True)


class Took(msgspec.Struct):
    """Seconds by the clock and of all cores, and each network's smallest validation loss."""

    seconds: float
    core_seconds: float
    losses: list[float]


def measured(kind: str, counts: list[int], epochs: int, threads: int | None, rate: float, device: str) -> Took:
    """Run one process for each count at the same time."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    if threads is not None:
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads))
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--worker", kind, str(first), str(count), str(epochs), str(rate), device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for first, count in zip(firsts, counts, strict=True)
    ]  # fmt: skip
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    found = []
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        found.append(msgspec.json.decode(process.communicate()[0]))
    begins, ends, cpu, losses = zip(*found, strict=True)
    return Took(max(ends) - min(begins), sum(cpu), [loss for part in losses for loss in part])


def halves(count: int) -> list[int]:
    """Networks of each of two processes."""
    return [part for part in (count - count // 2, count // 2) if part]


def main() -> None:
    """Print and write the table."""
    if sys.argv[1:2] == ["--worker"]:
        kind, first, count, epochs, rate, device = sys.argv[2:]
        worker(kind, int(first), int(count), int(epochs), float(rate), device)
        return
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--epochs", type=int, default=3, help="epochs that are timed")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    rows = [row(count, options.epochs, options.rounds, options.device) for count in STACKS]
    ours = "GPU, one process" if options.device == "cuda" else "two processes"
    header = ["networks", f"stacked, {ours}", "core-ms a network-epoch", "PyTorch, its threads", "PyTorch, one thread"]
    header += ["stacked / its threads", "stacked / one thread", "goal"]
    publish(
        "stacked_networks",
        "Networks a minute of fine-tuning (30 epochs)",
        header,
        rows,
        note(options.device),
        "stacked_networks",
    )


def row(count: int, epochs: int, rounds: int, device: str) -> list[str]:
    """One line of the table; PyTorch's time for a network does not depend on their number: three stand for all."""
    few = min(count, 3)
    plans = {
        "stacked": ("stacked", halves(count) if device == "cpu" else [count], 1, count, device),
        "threads": ("torch", [few], None, few, device),
        "one": ("torch", [few], 1, few, device),
    }
    speeds: dict[str, list[float]] = {name: [] for name in plans}
    core = []
    for _ in range(rounds):
        for name, (kind, counts, threads, networks, where) in plans.items():
            took = measured(kind, counts, epochs, threads, RATE, where)
            speeds[name].append(60.0 * networks / (took.seconds * EPOCHS / epochs))
            if name == "stacked":
                core.append(1e3 * took.core_seconds / networks / epochs)
    speed = {name: median(values) for name, values in speeds.items()}
    return [
        str(count),
        f"{speed['stacked']:.1f}",
        f"{median(core):.0f}",
        f"{speed['threads']:.1f}",
        f"{speed['one']:.1f}",
        f"{speed['stacked'] / speed['threads']:.1f}x",
        f"{speed['stacked'] / speed['one']:.1f}x",
        "3x" if device == "cpu" else "20x",
    ]


def note(device: str) -> str:
    """Both trained to the end: smallest validation losses over seeds."""
    ours, theirs = (measured(kind, halves(SEEDS), EPOCHS, 1, 1e-3, device).losses for kind in ("stacked", "torch"))
    return (
        f"Trained for {EPOCHS} epochs at a rate of 1e-3, smallest validation losses over {SEEDS} series and seeds:"
        f" stacked {mean(ours):.4f} (standard deviation {stdev(ours):.4f}), PyTorch {mean(theirs):.4f}"
        f" ({stdev(theirs):.4f}); of the difference on the same series"
        f" {mean(a - b for a, b in zip(ours, theirs, strict=True)):+.4f}"
        f" ({stdev(a - b for a, b in zip(ours, theirs, strict=True)):.4f}).\n"
        f"{torch.get_num_threads()} threads are PyTorch's own number here. Device: {device}."
    )


if __name__ == "__main__":
    main()

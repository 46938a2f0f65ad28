"""Many networks at once in PyTorch beside one after the other: on a GPU where there is one, else on a CPU.

    python benchmarks/bench_gpu.py [--device cuda] [--small] [--epochs 130]

Peers: ``kernel`` is the CPU's fused kernel on one core, ``one by one`` the usual loop on tensors with fused Adam, one
network at a time on the same device. Both take as long for each network, so one stands for all. An epoch of the batch
is the difference between a longer and a shorter training; reading rows, z-scoring and capturing are ``begin``.
The note extrapolates the networks of the whole study: ten models, 1,000 trainings each, and 50 tunings, which go on for
a patience of 100 epochs after the best one.
"""

from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from bench_fnn import kernel_epoch, sample, tensors_epoch
from rounds import arguments, interleaved, publish, scaled, seconds
from threadpoolctl import threadpool_limits

from volforecast.models import fnn_batched as batched
from volforecast.models.fnn_start import Job

PATIENCE = 100
SHORT, LONG = 2, 6  # epochs of the two trainings; the first also captures what is replayed
TRAININGS, TUNINGS = 1000, 50  # networks of one model that can be trained at once
SHARES = {"NP": 1.0, "MTL-25": 0.25, "MTL-50": 0.5, "MTL-75": 0.75}  # of the pooled rows, which models train on


class Case(NamedTuple):
    """An approach: median training rows, rows of a mini-batch."""

    approach: str
    rows: int
    batch: int


CASES = (Case("NP", 210_000, 1024), Case("MTL", 105_000, 512), Case("TO", 250, 4))
SMALL = (Case("NP", 8_000, 1024), Case("MTL", 4_000, 512), Case("TO", 60, 4))


def jobs_of(case: Case, networks: int) -> list[Job]:
    """Networks with 80 to 120 per cent of the rows, as targets are listed at different times."""
    draw = np.random.default_rng(1)
    sizes = draw.integers(int(0.8 * case.rows), int(1.2 * case.rows), networks)
    table = np.arange(int(1.3 * case.rows), dtype=np.int32)
    others = table[-5:]
    return [Job(np.sort(draw.choice(table[:-5], size, replace=False)), others, k) for k, size in enumerate(sizes)]


def batch_seconds(
    case: Case, inputs: int, networks: int, device: torch.device, rounds: int, budget: int | None
) -> tuple[float, float]:
    """Seconds to begin, and of an epoch, for all networks together."""
    table = batched.upload(*sample(int(1.3 * case.rows), inputs), device)
    jobs, settings = jobs_of(case, networks), batched.Settings(case.batch, 1e-3, budget)
    took: dict[int, list[float]] = {SHORT: [], LONG: []}
    batched.train_many(table, jobs[: min(8, networks)], [SHORT] * min(8, networks), settings)  # loads libraries
    for _ in range(rounds):
        for epochs, times in took.items():
            times.append(seconds(partial(batched.train_many, table, jobs, [epochs] * networks, settings)))
    epoch = (median(took[LONG]) - median(took[SHORT])) / (LONG - SHORT)
    return max(0.0, median(took[SHORT]) - SHORT * epoch), epoch


def peers(case: Case, inputs: int, device: torch.device, rounds: int) -> dict[str, float]:
    """Seconds of an epoch of one network."""
    X, y = sample(case.rows, inputs)
    one = tensors_epoch(X, y, case.batch, str(device))

    def one_by_one() -> None:
        one()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return interleaved({"kernel": kernel_epoch(X, y, case.batch), "one by one": one_by_one}, rounds)


def study_seconds(took: Mapping[tuple[str, int, int], tuple[float, float]], epochs: int) -> float:
    """Seconds of all networks of the study, from (begin, epoch) by approach, predictors, networks at once."""
    total = 0.0
    for inputs in (3, 11):
        for model in ("TO", *SHARES):
            approach = model.split("-")[0]
            # the MTL case has half of the pooled rows
            scale = SHARES[model] / 0.5 if approach == "MTL" else 1.0
            for networks, count in ((TRAININGS, epochs), (TUNINGS, epochs + PATIENCE)):
                begin, epoch = took[approach, inputs, networks]
                total += scale * (begin + count * epoch)
    return total


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--small", action="store_true", help="few networks and rows; prints, extrapolates nothing")
    parser.add_argument("--epochs", type=int, default=130, help="mean epochs of a training, for the extrapolation")
    parser.add_argument("--budget", type=int, help="bytes that a group of networks may take")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    counts = (5, 20) if options.small else (TUNINGS, TRAININGS)
    rows, ours, theirs = [], {}, {}
    with threadpool_limits(1):
        for case in SMALL if options.small else CASES:
            for inputs in (3, 11):
                alone = peers(case, inputs, device, options.rounds)
                for networks in counts:
                    begin, epoch = batch_seconds(case, inputs, networks, device, options.rounds, options.budget)
                    ours[case.approach, inputs, networks] = begin, epoch
                    theirs[case.approach, inputs, networks] = 0.0, networks * alone["kernel"]
                    rows.append(
                        [
                            f"{case.approach}: {case.rows:,} x {inputs}, {case.batch}",
                            str(networks),
                            scaled(begin),
                            scaled(epoch),
                            f"{networks / (begin + options.epochs * epoch):.3g}",
                            *(f"{networks * alone[name] / epoch:.3g}x" for name in alone),
                        ]
                    )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, one thread"
    header = ["rows x predictors, batch", "networks", "begin", "epoch of all", "networks a second"]
    header += ["kernel on a core / batch", "one by one / batch"]
    title = f"Networks 8-4-2, many at once: {name}"
    if options.small:
        print(title, " | ".join(header), *(" | ".join(row) for row in rows), sep="\n")
        return
    minutes, hours = study_seconds(ours, options.epochs) / 60, study_seconds(theirs, options.epochs) / 3600
    note = f"{options.epochs} epochs a training. All networks of the study: {minutes:.3g} minutes at once, "
    note += f"{hours:.3g} hours with the kernel on one core."
    publish("gpu", title, header, rows, note)


if __name__ == "__main__":
    main()

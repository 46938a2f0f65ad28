"""Forecasts of many networks at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from volforecast.networks.architecture import Architecture, Float32, shapes
from volforecast.networks.encoder import Parameters, climb
from volforecast.networks.heads import forecasts
from volforecast.networks.jobs import Rows, Series
from volforecast.networks.stack import Sample, flat, sample, views

CHUNK = 64  # rows of each network that are run at once, padded: a row's numbers do not depend on how many there are
TOGETHER = {"cpu": 8, "cuda": 512}  # networks side by side: on a CPU as many as its cache holds


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """On a CPU one thread, as products of these sizes are cut by the number of threads; put back afterwards."""
    before = torch.get_num_threads()
    if device.type == "cpu" and before > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


def forecast(
    a: Architecture,
    weights: Sequence[Mapping[str, Float32]],
    jobs: Sequence[Series],
    rows: Sequence[Rows],
    *,
    length: int,
    device: str = "cpu",
) -> list[NDArray[np.float64]]:
    """What each network forecasts for the given rows of its series.

    Args:
        a: What the networks are made of.
        weights: All parameters of each network.
        jobs: The series that each network reads; several may share one.
        rows: Rows t of each, with ``length`` days up to and including t; shape (r,).
        length: Days of a sequence.
        device: ``cpu`` or ``cuda``.

    Returns:
        For each network shape (r,), or (r, levels) of the quantile head, in the unit of its inputs.

    Raises:
        ValueError: A row has no such sequence, or parameters are missing or of another shape.
    """
    found: list[NDArray[np.float64]] = []
    where = torch.device(device)
    for given in weights:
        if missing := sorted(set(shapes(a)) - set(given)):
            raise ValueError(f"weights lack {', '.join(missing)}")
    with torch.no_grad(), one_thread(where):
        for begin in range(0, len(jobs), TOGETHER[where.type]):
            here = slice(begin, begin + TOGETHER[where.type])
            stacked = np.stack([flat(a, one, 0) for one in weights[here]])
            p = views(a, torch.from_numpy(stacked).to(where))
            data = sample(jobs[here], rows[here], length, CHUNK, where)
            parts = [run(a, p, part, 0)[0] for part in chunks(data)]
            values = torch.cat(parts, dim=1).double().cpu().numpy()
            found += [values[n, : len(chosen)] for n, chosen in enumerate(rows[here])]
    return found


def chunks(data: Sample) -> Iterator[Sample]:
    """The rows in chunks; the sample's length is a multiple of ``CHUNK``."""
    for begin in range(0, data.labels.shape[1], CHUNK):
        yield data.part(begin, begin + CHUNK)


def run(a: Architecture, p: Parameters, data: Sample, first: int, mixed: bool = False) -> tuple[Tensor, Tensor | None]:
    """Forecasts and alpha of rows whose state is what stage ``first`` reads."""
    with torch.autocast(data.state.device.type, dtype=torch.bfloat16, enabled=mixed):
        summary = climb(a, p, data.state, first, a.layers + 1, mixed=mixed)
        found, alpha = forecasts(a, p, summary, data.har, data.features)
    return found.float(), alpha

"""Parameters and rows of many networks, laid out side by side."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from volforecast.networks.architecture import Architecture, Float32, Shape, groups, shapes, start
from volforecast.networks.jobs import Rows, Series

ALIGNED = 16  # float32 numbers in 64 bytes: a network's parameters begin there, so that its arithmetic is always alike


class Layout(NamedTuple):
    """Where parameters lie in a row of flat ones.

    Attributes:
        shapes: Shape of each parameter of one network.
        begins: Where it begins.
        spans: First and one past the last place of each group, shape (G, 2).
        width: Length of a row.
    """

    shapes: dict[str, Shape]
    begins: dict[str, int]
    spans: NDArray[np.int64]
    width: int


@lru_cache
def layout(a: Architecture) -> Layout:
    """The layout of a network's parameters; gaps hold zeros."""
    begins, end = {}, 0
    spans = np.zeros((len(groups(a)), 2), dtype=np.int64)
    for name, shape in shapes(a).items():
        begins[name] = end
        group = next(k for k, group in enumerate(groups(a)) if name.startswith(f"{group}."))
        end += -(-int(np.prod(shape)) // ALIGNED) * ALIGNED
        spans[group] = spans[group, 0] if spans[group, 1] else begins[name], end
    return Layout(shapes(a), begins, spans, end)


def flat(a: Architecture, weights: Mapping[str, Float32] | None, seed: int) -> Float32:
    """A row of parameters: those given, and fresh ones for those that are missing.

    Raises:
        ValueError: A parameter has another shape than the architecture says, or is not the architecture's.
    """
    found, row = layout(a), np.zeros(layout(a).width, dtype=np.float32)
    given = {} if weights is None else weights
    fresh = start(a, seed) if set(found.shapes) - set(given) else {}
    for name, shape in found.shapes.items():
        value = np.asarray(given.get(name, fresh.get(name)), dtype=np.float32)
        if value.shape != shape:
            raise ValueError(f"parameter {name} has shape {value.shape}, not {shape}")
        row[found.begins[name] : found.begins[name] + value.size] = value.ravel()
    return row


def named(a: Architecture, row: Float32) -> dict[str, Float32]:
    """The parameters of a row by name, as arrays of their own."""
    found = layout(a)
    return {
        name: row[begin : begin + int(np.prod(found.shapes[name]))].reshape(found.shapes[name]).copy()
        for name, begin in found.begins.items()
    }


def views(a: Architecture, rows: Tensor) -> dict[str, Tensor]:
    """Each parameter of all networks as a view into their rows (N, P), with the networks along axis 0."""
    found = layout(a)
    return {
        name: rows[:, begin : begin + int(np.prod(found.shapes[name]))].view(len(rows), *found.shapes[name])
        for name, begin in found.begins.items()
    }


class Sample(NamedTuple):
    """Rows of each network, padded to one length R.

    Attributes:
        state: What the stage reads that comes first: sequences, or what frozen stages make of them; (N, R, ...).
        labels, har: Shape (N, R).
        features: Shape (N, R, 3).
    """

    state: Tensor
    labels: Tensor
    har: Tensor
    features: Tensor

    def take(self, rows: Tensor) -> "Sample":
        """Rows (K, B) of the first K networks."""
        count, networks, batch = self.labels.shape[1], *rows.shape
        chosen = (rows + torch.arange(networks, device=rows.device)[:, None] * count).view(-1)
        found = (part.flatten(0, 1).index_select(0, chosen) for part in self)
        return Sample(*(part.view(networks, batch, *part.shape[1:]) for part in found))

    def part(self, begin: int, end: int) -> "Sample":
        """Some rows of all networks."""
        return Sample(*(part[:, begin:end] for part in self))

    def of(self, networks: Tensor) -> "Sample":
        """All rows of some networks."""
        return Sample(*(part[networks] for part in self))


def sample(series: Sequence[Series], rows: Sequence[Rows], length: int, multiple: int, device: torch.device) -> Sample:
    """The sequences that end at the given rows, and what belongs to them.

    Args:
        series: One for each network.
        rows: Rows of each network.
        length: Days of a sequence.
        multiple: The padded number of rows is a multiple of this one.
        device: Where to put them.

    Raises:
        ValueError: A sequence would begin before the series, or a row lies behind it.
    """
    most = -(-max(1, *map(len, rows)) // multiple) * multiple
    inputs, features = series[0].inputs.shape[1], series[0].features.shape[1]
    count = len(series)
    state = np.zeros((count, most, length, inputs), dtype=np.float32)
    labels, har = np.zeros((count, most), dtype=np.float32), np.zeros((count, most), dtype=np.float32)
    others = np.zeros((count, most, features), dtype=np.float32)
    for n, (one, chosen) in enumerate(zip(series, rows, strict=True)):
        if len(chosen) and (chosen.min() < length - 1 or chosen.max() >= len(one.inputs)):
            raise ValueError(f"rows {chosen.min()} to {chosen.max()} of {len(one.inputs)} have no {length} days each")
        here = slice(len(chosen))
        state[n, here] = one.inputs[np.asarray(chosen, dtype=np.int64)[:, None] + np.arange(1 - length, 1)]
        labels[n, here], har[n, here], others[n, here] = one.labels[chosen], one.har[chosen], one.features[chosen]
    return Sample(*(torch.from_numpy(part).to(device) for part in (state, labels, har, others)))

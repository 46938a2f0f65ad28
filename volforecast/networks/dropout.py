"""Dropout whose masks follow from the network's seed, the step, the place in the network and the position alone.

A unit stays if a 32-bit hash of (key, position) reaches a bound, and is then divided by the share that stays; the key
is a hash of (seed, step, place). So a mask depends neither on the stack nor on the device, a resumed training draws
what an unbroken one would, and nothing is kept for the backward pass: the mask is hashed again.

Source of the mixing functions: Steele, Lea & Flood (2014), SplitMix64; Wellons (2018), the 32-bit "lowbias32".
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

_GOLDEN, _FIRST, _SECOND = 0x9E3779B9, 0x7FEB352D, 0x846CA68B
_WORD = 0xFFFFFFFF


class Noise(NamedTuple):
    """Dropout of one training step.

    Attributes:
        keys: Two 32-bit words for each place and network, shape (places, N, 2): uint32 in numpy on a CPU, int64 in a
            tensor elsewhere.
        rate: Share of units that are left out.
    """

    keys: Any
    rate: float


def keys_of(seeds: NDArray[np.uint64], steps: NDArray[np.uint64], places: int) -> NDArray[np.uint32]:
    """The keys of some steps of some networks.

    Args:
        seeds: Shape (N,).
        steps: Steps that each network has taken before, shape (S, N).
        places: Places at which a network drops units.

    Returns:
        Shape (S, places, N, 2).
    """
    place = np.arange(1, places + 1, dtype=np.uint64)[:, None]
    mixed = _mixed(_mixed(_mixed(seeds) + steps)[:, None, :] + place)
    return np.stack([mixed >> np.uint64(32), mixed & np.uint64(_WORD)], axis=-1).astype(np.uint32)


def dropped(x: Tensor, noise: Noise | None, place: int) -> Tensor:
    """``x`` (N, ...) with units of each network set to zero and the others scaled up; as it is without noise."""
    if noise is None or noise.rate == 0.0:
        return x
    result: Tensor = _Dropout.apply(x, noise.keys[place], noise.rate)  # type: ignore[no-untyped-call]
    return result


def masked(x: Tensor, keys: Any, rate: float) -> Tensor:
    """:func:`dropped` without derivatives."""
    bound, scale = int(rate * 2.0**32), np.float32(1.0 / (1.0 - rate))
    x = x.contiguous()
    if isinstance(keys, np.ndarray):
        result = torch.empty_like(x)
        flat = x.numpy().reshape(len(x), -1), result.numpy().reshape(len(x), -1)
        _mask(*flat, keys, np.uint32(bound), scale if x.dtype == torch.float32 else np.float64(scale))
        return result
    return x * (kept(keys, x[0].numel(), bound) * float(scale)).to(x.dtype).view(x.shape)


def kept(keys: Tensor, count: int, bound: int) -> Tensor:
    """Which of the first ``count`` positions stay, for keys (N, 2) in int64; shape (N, count), in torch's integers."""
    x = (torch.arange(count, device=keys.device) * _GOLDEN + keys[:, :1]) & _WORD
    x = ((x ^ (x >> 16)) * _FIRST & _WORD) ^ keys[:, 1:]
    x = (x ^ (x >> 15)) * _SECOND & _WORD
    return (x ^ (x >> 16)) >= bound


@njit(cache=True)  # type: ignore[untyped-decorator]
def _mask(x: Any, result: Any, keys: NDArray[np.uint32], bound: np.uint32, scale: Any) -> None:
    zero = scale - scale
    for n in range(len(x)):
        key, other, row, new = keys[n, 0], keys[n, 1], x[n], result[n]
        for j in range(x.shape[1]):
            h = np.uint32(np.uint32(j) * np.uint32(_GOLDEN) + key)
            h = np.uint32(h ^ (h >> np.uint32(16))) * np.uint32(_FIRST)
            h = np.uint32(h) ^ other
            h = np.uint32(h ^ (h >> np.uint32(15))) * np.uint32(_SECOND)
            h = np.uint32(h)
            h = np.uint32(h ^ (h >> np.uint32(16)))
            new[j] = row[j] * (scale if h >= bound else zero)


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, keys: Any, rate: float) -> Tensor:
        ctx.keys, ctx.rate = keys, rate
        return masked(x, keys, rate)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        return masked(slope, ctx.keys, ctx.rate), None, None

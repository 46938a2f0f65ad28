"""Whole trainings of the tiny network p-8-4-2-1 in one compiled function: float32, one thread, nothing allocated.

PyTorch spends a hundred times the arithmetic of such a network on dispatching it. Here a mini-batch is cut into tiles
that stay in the first-level cache; the rows that the epoch's shuffle put next to each other are gathered and transposed
in one go, and the arithmetic is that of ``fnn_vectors``. Same inputs, same bytes, on every machine.

Source: Teller et al. (2026), section 5.3 and table 2; Kingma & Ba (2015), algorithm 1, in ``torch.optim.Adam``'s form.
"""

from typing import NamedTuple

import numba
import numpy as np
from numba import njit
from numpy.typing import NDArray

from volforecast.models.fnn_vectors import (
    BEYOND_FIRST,
    D1,
    D2,
    D3,
    D4,
    H1,
    H2,
    H3,
    TILE,
    UNITS,
    X0,
    backward,
    forward,
    gather,
    outer,
    prefetch,
    sum_lanes,
)

Float32Array = NDArray[np.float32]

WIDE, NARROW = 16, 4  # samples in a vector register; a batch of up to 8 would leave a wide one empty
NARROW_BATCH = 8
AHEAD = 64  # samples between asking for a row and reading it: rows of large training sets come from distant caches

BETA_1, BETA_2, EPSILON = 0.9, 0.999, np.float32(1e-8)
KEEP_2, NEW_1, NEW_2 = np.float32(BETA_2), np.float32(1 - BETA_1), np.float32(1 - BETA_2)
# The moments of a dead unit's weights decay into denormal numbers, on which a CPU is several times slower, and rounding
# keeps them there. A moment below this bound is invisible beside EPSILON, so it becomes zero.
FLUSH, ZERO = np.float32(1e-30), np.float32(0.0)


class Network(NamedTuple):
    """Parameters and Adam's state: weights and both moments, flat and padded to 16; beta_1^t and beta_2^t."""

    weights: Float32Array
    first: Float32Array
    second: Float32Array
    powers: NDArray[np.float64]


class Workspace(NamedTuple):
    """What a training writes to besides the network: row order, tile, gradient by lane, gradient of the last batch."""

    order: NDArray[np.int32]
    tile: Float32Array
    lanes: Float32Array
    gradient: Float32Array


def aligned(size: int) -> Float32Array:
    """Zeros that begin on a cache line (speed only; results do not depend on it)."""
    raw = np.empty(size + 16, dtype=np.float32)  # not np.zeros: numpy asks for huge pages in empty only
    begin = -raw.ctypes.data % 64 // 4
    raw[:] = 0.0
    return raw[begin : begin + size]


def data_rows(X: NDArray[np.float64], y: NDArray[np.float64]) -> Float32Array:
    """Predictors (rows, predictors) and labels (rows,) as the kernel's rows: side by side, padded to whole quads."""
    n, inputs = X.shape
    stride = -(-(inputs + 1) // 4) * 4
    rows = aligned(n * stride).reshape(n, stride)
    rows[:, :inputs] = X
    rows[:, inputs] = y
    return rows


def network(weights: Float32Array) -> Network:
    """A network before its first step, with the given flat parameters."""
    size = -(-len(weights) // 16) * 16
    start = Network(aligned(size), aligned(size), aligned(size), np.ones(2))
    start.weights[: len(weights)] = weights
    return start


def workspace(rows: int, inputs: int) -> Workspace:
    """Working memory for trainings on up to ``rows`` rows."""
    size = -(-(UNITS[0] * (1 + inputs) + BEYOND_FIRST) // 16) * 16
    tile = aligned((X0 + inputs + 5) * TILE)
    for row in (H1, H2, H3, X0):
        tile[row * TILE : (row + 1) * TILE] = 1.0
    return Workspace(np.empty(rows, dtype=np.int32), tile, aligned(WIDE * size), aligned(size))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _mixed(z: np.uint64) -> np.uint64:
    """The finalizer of splitmix64 (Steele, Lea & Flood 2014): a counter in, 64 random bits out."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)  # type: ignore[untyped-decorator]
def shuffle(order: NDArray[np.int32], seed: int, epoch: int) -> None:
    """Write the permutation of one epoch, a function of seed, epoch and length alone (Fisher & Yates, inside out).

    Rows are drawn by a multiplication instead of a division: no row is likelier than another by more than rows / 2^32.
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    key = _mixed(np.uint64(seed) + _mixed(np.uint64(epoch) * golden))
    for i in range(len(order)):
        key += golden
        j = np.int64(((_mixed(key) >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
        order[i] = order[j]
        order[j] = i


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _adam(network: Network, gradient: Float32Array, rate: float) -> None:
    weights, first, second, powers = network
    powers[0] *= BETA_1
    powers[1] *= BETA_2
    step = np.float32(rate / (1.0 - powers[0]))
    root = np.float32(1.0 / np.sqrt(1.0 - powers[1]))
    for k in range(len(gradient)):
        g = gradient[k]
        m = first[k] + NEW_1 * (g - first[k])
        v = KEEP_2 * second[k] + NEW_2 * g * g
        first[k] = ZERO if abs(m) < FLUSH else m
        second[k] = ZERO if v < FLUSH else v
        weights[k] -= step * first[k] / (np.sqrt(second[k]) * root + EPSILON)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _epoch(
    network: Network,
    rows: Float32Array,
    inputs: int,
    batch: int,
    seed: int,
    epoch: int,
    rate: float,
    work: Workspace,
    lanes: int,
) -> None:
    numba.literally(lanes)
    order, tile, sums, gradient = work
    stride, second = rows.shape[1], UNITS[0] * (inputs + 1)
    shuffle(order[: len(rows)], seed, epoch)
    for begin in range(0, len(rows), batch):
        size = min(batch, len(rows) - begin)
        sums[: (second + BEYOND_FIRST) * lanes] = ZERO
        for start in range(begin, begin + size, TILE):
            count = min(TILE, begin + size - start)
            for s in range(0, count, 4):
                for k in range(start + s + AHEAD, min(start + s + AHEAD + 4, len(rows))):
                    prefetch(rows, order[k] * stride)
                    prefetch(rows, order[k] * stride + stride - 1)
                # the last quad repeats the last sample; its derivatives are masked
                a, b = order[start + s] * stride, order[start + min(s + 1, count - 1)] * stride
                c, d = order[start + min(s + 2, count - 1)] * stride, order[start + min(s + 3, count - 1)] * stride
                for q in range(0, stride, 4):
                    gather(rows, a + q, b + q, c + q, d + q, tile, (X0 + 1 + q) * TILE + s)
            for at in range(0, count, lanes):
                backward(network.weights, inputs, tile, at, count, np.float32(2.0 / size), lanes)
            blocks = (count + lanes - 1) // lanes
            for i in range(inputs + 1):
                outer(sums, i * 8, tile, X0 + i, D1, blocks, 1, 8, lanes)
            for i in range(0, 9, 3):
                outer(sums, second + 4 * i, tile, H1 + i, D2, blocks, 3, 4, lanes)
            outer(sums, second + 36, tile, H2, D3, blocks, 5, 2, lanes)
            outer(sums, second + 46, tile, H3, D4, blocks, 3, 1, lanes)
        for k in range(0, second + BEYOND_FIRST, 4):
            sum_lanes(sums, k, gradient, lanes)
        _adam(network, gradient, rate)


@njit(cache=True)  # type: ignore[untyped-decorator]
def train(
    network: Network,
    rows: Float32Array,
    inputs: int,
    batch: int,
    seed: int,
    epochs: tuple[int, int],
    rate: float,
    work: Workspace,
) -> None:
    """Train in place for the epochs ``epochs[0] ... epochs[1] - 1``, each over all rows in a fresh order.

    Args:
        network: Changed in place; a later call goes on where this one ends.
        rows: From :func:`data_rows`, shape (rows, stride); predictors z-scored, label in per cent squared.
        inputs: Number of predictors.
        batch: Rows of a mini-batch; the last batch of an epoch holds what is left.
        seed: Settles the order of the rows (with the epoch's number).
        epochs: First epoch and the one to stop before.
        rate: Adam's learning rate.
        work: From :func:`workspace`.
    """
    for epoch in range(epochs[0], epochs[1]):
        if batch <= NARROW_BATCH:
            _epoch(network, rows, inputs, batch, seed, epoch, rate, work, NARROW)
        else:
            _epoch(network, rows, inputs, batch, seed, epoch, rate, work, WIDE)


@njit(cache=True)  # type: ignore[untyped-decorator]
def predict(network: Network, rows: Float32Array, inputs: int, work: Workspace, out: Float32Array) -> None:
    """Write the network's output for each row, in the label's unit; the rows' labels are not looked at."""
    for start in range(0, len(rows), TILE):
        count = min(TILE, len(rows) - start)
        for s in range(count):
            for i in range(inputs):
                work.tile[(X0 + 1 + i) * TILE + s] = rows[start + s, i]
        for at in range(0, count, WIDE):
            forward(network.weights, inputs, work.tile, at, WIDE)
        out[start : start + count] = work.tile[D4 * TILE : D4 * TILE + count]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def best_epoch(
    network: Network,
    rows: Float32Array,
    held: Float32Array,
    inputs: int,
    batch: int,
    seed: int,
    limit: int,
    patience: int,
    rate: float,
    work: Workspace,
) -> int:
    """Train until the held-out mean squared error has not improved for ``patience`` epochs, ``limit`` at most.

    Returns:
        The number of epochs after which that error was smallest; 0 where it was never finite.
    """
    best, best_at, out = np.inf, 0, np.empty(len(held), dtype=np.float32)
    for epoch in range(limit):
        train(network, rows, inputs, batch, seed, (epoch, epoch + 1), rate, work)
        predict(network, held, inputs, work, out)
        total = 0.0
        for k in range(len(held)):
            error = np.float64(out[k]) - np.float64(held[k, inputs])
            total += error * error
        if total < best:
            best, best_at = total, epoch + 1
        elif epoch + 1 - best_at >= patience:
            break
    return best_at

"""The LSTM cell of all networks at one time step, compiled for a CPU, in float32, and Adam's update likewise.

Every product and sum is rounded on its own (no contraction, no reordering) and every element is computed alike, whether
it falls into a vector register or behind the last one: results do not depend on where a network lies in the stack.

Source: Hochreiter & Schmidhuber (1997) in the form of ``torch.nn.LSTM``; Kingma & Ba (2015) in that of
``torch.optim.Adam``; exp by Cody & Waite's reduction and Taylor's polynomial of degree 6, within 2 units in the last
place.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

_LOG2E, _LN2_HIGH, _LN2_LOW = np.float32(1.44269504), np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST, _HIGHEST, _ROUND = np.float32(-87.0), np.float32(88.0), np.float32(12582912.0)  # 1.5 * 2**23
_C2, _C3, _C4 = np.float32(1.0 / 2.0), np.float32(1.0 / 6.0), np.float32(1.0 / 24.0)
_C5, _C6 = np.float32(1.0 / 120.0), np.float32(1.0 / 720.0)
_ONE, _TWO, _ZERO = np.float32(1.0), np.float32(2.0), np.float32(0.0)

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
_KEEP_1, _NEW_1 = np.float32(BETA_1), np.float32(1.0 - BETA_1)
_KEEP_2, _NEW_2 = np.float32(BETA_2), np.float32(1.0 - BETA_2)
_EPSILON, _FLUSH = np.float32(EPSILON), np.float32(1e-30)  # moments below vanish beside epsilon, but are slow: zero


@njit(inline="always")  # type: ignore[untyped-decorator]
def _exp(x: np.float32) -> np.float32:
    x = _LOWEST if x < _LOWEST else x  # NaN passes both
    x = _HIGHEST if x > _HIGHEST else x
    shifted = x * _LOG2E + _ROUND  # its lowest bits hold the nearest whole number
    whole = shifted - _ROUND
    x = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
    y = _ONE + x * (_ONE + x * (_C2 + x * (_C3 + x * (_C4 + x * (_C5 + x * _C6)))))
    return y * np.int32(np.int32(np.float32(shifted).view(np.int32) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(inline="always", error_model="numpy")  # type: ignore[untyped-decorator]
def _sigmoid(x: np.float32) -> np.float32:
    return _ONE / (_ONE + _exp(-x))  # type: ignore[no-any-return]


@njit(inline="always", error_model="numpy")  # type: ignore[untyped-decorator]
def _tanh(x: np.float32) -> np.float32:
    return _ONE - _TWO / (_exp(_TWO * x) + _ONE)  # type: ignore[no-any-return]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def forward(
    t: int, gates: Float32, recurrent: Float32, bias: Float32, cells: Float32, squashed: Float32, hidden: Float32
) -> None:
    """From the gates' sums to the hidden state of step t.

    Args:
        t: Time step.
        gates: In: the input's share of the sums; out: the gates, shape (N, T, B, 4 H), at step t.
        recurrent: The last hidden state's share, shape (N, B, 4 H); not read at step 0.
        bias: Sum of both biases, shape (N, 4 H).
        cells: Written at step t, as are the next two: cell state, shape (N, T, B, H).
        squashed: Its tanh.
        hidden: Hidden state.
    """
    networks, _, batch, width = hidden.shape
    total = np.empty(4 * width, dtype=np.float32)
    for n in range(networks):
        offset = bias[n]
        for b in range(batch):
            g, c, q, h = gates[n, t, b], cells[n, t, b], squashed[n, t, b], hidden[n, t, b]
            r, before = recurrent[n, b], cells[n, max(t - 1, 0), b]
            if t > 0:
                for j in range(4 * width):
                    total[j] = (g[j] + r[j]) + offset[j]
            else:
                for j in range(4 * width):
                    total[j] = g[j] + offset[j]
            for j in range(width):
                g[j], g[width + j] = _sigmoid(total[j]), _sigmoid(total[width + j])
                g[2 * width + j], g[3 * width + j] = _tanh(total[2 * width + j]), _sigmoid(total[3 * width + j])
            for j in range(width):
                c[j] = g[j] * g[2 * width + j] + (g[width + j] * before[j] if t > 0 else _ZERO)
            for j in range(width):
                q[j] = _tanh(c[j])
                h[j] = g[3 * width + j] * q[j]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def backward(
    t: int,
    slopes: Float32,
    recurrent: Float32,
    carried: Float32,
    gates: Float32,
    cells: Float32,
    squashed: Float32,
    sums: Float32,
) -> None:
    """From the loss's derivative by the hidden state of step t to those by the gates' sums.

    Args:
        t: Time step.
        slopes: By the hidden states as the layers above see them, shape (N, T, B, H).
        recurrent: By the hidden state as step t + 1 sees it, shape (N, B, H); not read at the last step.
        carried: In: by the cell state as step t + 1 sees it; out: as step t sees that of t - 1; shape (N, B, H).
        gates: What ``forward`` wrote, as the next two.
        cells: Cell states.
        squashed: Their tanh.
        sums: Written at step t: by the gates' sums, shape (N, T, B, 4 H).
    """
    networks, steps, batch, width = cells.shape
    for n in range(networks):
        for b in range(batch):
            g, q, d, k, s = gates[n, t, b], squashed[n, t, b], slopes[n, t, b], carried[n, b], sums[n, t, b]
            r, before = recurrent[n, b], cells[n, max(t - 1, 0), b]
            for j in range(width):
                above = d[j] + r[j] if t < steps - 1 else d[j]
                i, f, a, o = g[j], g[width + j], g[2 * width + j], g[3 * width + j]
                cell = above * o * (_ONE - q[j] * q[j]) + (k[j] if t < steps - 1 else _ZERO)
                last = before[j] if t > 0 else _ZERO
                s[j] = cell * a * (i * (_ONE - i))
                s[width + j] = cell * last * (f * (_ONE - f))
                s[2 * width + j] = cell * i * (_ONE - a * a)
                s[3 * width + j] = above * q[j] * (o * (_ONE - o))
                k[j] = cell * f


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def adam(
    weights: Float32, gradient: Float32, first: Float32, second: Float32, spans: NDArray[np.int64], factors: Float32
) -> None:
    """One step of Adam for each network and group of parameters.

    Args:
        weights: Parameters, shape (N, P), like the next three.
        gradient: Derivatives by them.
        first: Mean of the derivatives, written.
        second: Mean of their squares, written.
        spans: First and one past the last parameter of each group, shape (G, 2).
        factors: Rate over the first bias correction, and the root of the second one, shape (N, G, 2); a group whose
            rate is 0 stays as it is, moments included.
    """
    for n in range(len(weights)):
        for k in range(len(spans)):
            step, root = factors[n, k, 0], factors[n, k, 1]
            if step == _ZERO:
                continue
            begin, end = spans[k]
            w, g, m, v = weights[n, begin:end], gradient[n, begin:end], first[n, begin:end], second[n, begin:end]
            for j in range(end - begin):
                one = _KEEP_1 * m[j] + _NEW_1 * g[j]
                two = _KEEP_2 * v[j] + _NEW_2 * (g[j] * g[j])
                one = _ZERO if abs(one) < _FLUSH else one
                two = _ZERO if two < _FLUSH else two
                m[j], v[j] = one, two
                w[j] = w[j] - step * (one / (np.sqrt(two) / root + _EPSILON))

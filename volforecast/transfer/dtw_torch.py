"""DTW distances on a GPU: all windows of many sources, at all origins of one target, by few large tensor operations.

Costs are computed once for each target day and source row. The recursion then goes along the anti-diagonals: the cells
of one depend on the two before it only, so an anti-diagonal of all windows together is one minimum and one addition.

Every operation is rounded by itself and in the order of ``dtw.dtw_scalar``, and IEEE 754 settles the result of each
(difference, product, sum, root, minimum). Distances on a GPU are therefore those of the CPU kernel, and so are the
selections, ties included. The same code runs on torch's CPU device, whose roots may differ in the last digit.

Torch is imported with this module, so this module is imported where it is used.
"""

import numpy as np
import torch

from volforecast.errors import ConfigError
from volforecast.transfer.dtw import FloatArray, IntArray, Layout, Question

MEMORY = 1 << 30  # bytes that are held on the device at once, more or less
Tensor = torch.Tensor


def distances(layout: Layout, question: Question, device: str, memory: int = MEMORY) -> FloatArray:
    """As :func:`dtw_kernel.distances`, computed on ``device``, a group of sources after the other.

    Raises:
        ConfigError: The device is a GPU and this process sees none.
        ValueError: As :meth:`Question.check`, or a distance is too large for the precision.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError('dtw: device = "cuda", and torch sees no GPU in this worker; give it one, or use "cpu"')
    question.check(layout)
    counts = layout.windows(question.known)
    place = np.append(0, np.cumsum(counts))
    out = np.empty(int(place[-1]))
    m, sources = layout.length, len(layout.begin)
    days, position = np.unique(question.first[:, None] + np.arange(m), return_inverse=True)
    first = position.reshape(-1, m)[:, 0]
    query = torch.tensor(question.rows[days].astype(layout.values.dtype), device=device)
    ends = np.append(layout.begin[1:], layout.begin[-1:] + layout.pitch[-1:] * layout.step)
    size = layout.values.dtype.itemsize
    # two tables of costs; for each window its places and, for each cell of a diagonal, four sums and an index
    needs = 2 * size * len(days) * (ends - layout.begin) + counts.sum(axis=0) * m * (16 + 4 * size)
    for low, high in _groups(needs, memory):
        values = torch.tensor(layout.values[:, layout.begin[low] : ends[high - 1]], device=device)
        found = _group(layout, question, counts[:, low:high], slice(low, high), values, query, first).cpu().numpy()
        begun = 0
        for o in range(len(first)):
            at = place[o * sources + low]
            end = place[o * sources + high]
            out[at:end] = found[begun : begun + end - at]
            begun += end - at
    if not np.isfinite(out).all():
        raise ValueError(f"a distance is not a finite {layout.values.dtype} number; check the rows' size")
    return out


def _groups(needs: IntArray, memory: int) -> list[tuple[int, int]]:
    """Runs of sources that need no more than ``memory`` together, or one source alone."""
    groups, low, held = [], 0, 0
    for a, need in enumerate(needs):
        if a > low and held + need > memory:
            groups.append((low, a))
            low, held = a, 0
        held += int(need)
    return [*groups, (low, len(needs))] if len(needs) else []


def _group(
    layout: Layout,
    question: Question,
    counts: IntArray,
    own: slice,
    values: Tensor,
    query: Tensor,
    first: IntArray,
) -> Tensor:
    """Distances of the sources ``own``, with ``counts`` windows each, origin by origin, source by source."""
    m, step, device = layout.length, layout.step, values.device
    costs = _costs(values, query)
    number, windows = torch.tensor(counts.ravel(), device=device), int(counts.sum())

    def each(of_pair: IntArray) -> Tensor:
        """What holds for an origin and source, for each of their windows."""
        flat = np.broadcast_to(of_pair, counts.shape).ravel()
        return torch.repeat_interleave(torch.tensor(flat, device=device), number, output_size=windows)

    nth = torch.arange(windows, device=device) - each((counts.cumsum() - counts.ravel()).reshape(counts.shape))
    grid, pitch = each((question.known[:, own] - m) % step), each(layout.pitch[own])
    top = each(first[:, None]) * values.shape[1] + each(layout.begin[own] - layout.begin[own.start]) + nth
    j = torch.arange(m, device=device)[:, None]
    columns = (grid + j) % step * pitch + (grid + j) // step
    return _along_diagonals(costs, top, columns, values.shape[1])


def _costs(values: Tensor, query: Tensor) -> Tensor:
    """Euclidean distances of each target day and source row, flat, day by day."""
    total = torch.zeros((len(query), values.shape[1]), dtype=values.dtype, device=values.device)
    for c in range(len(values)):
        difference = query[:, c, None] - values[c]
        total += difference.mul_(difference)
    return _root(total).view(-1)


def _root(squares: Tensor) -> Tensor:
    return squares.sqrt_()


def _along_diagonals(costs: Tensor, top: Tensor, columns: Tensor, pitch: int) -> Tensor:
    """Path sums of the last cells.

    Args:
        costs: Flat.
        top: Where the costs of the first query row and a window's residue class 0 are, shape (windows,).
        columns: By how much window row j is further on, shape (m, windows).
        pitch: Places from one query row to the next.
    """
    m, windows = columns.shape
    # row i + 1 holds query row i; row 0 is the border, which no path crosses but at the corner
    shape = (m + 1, windows)
    last, before, new = (torch.full(shape, torch.inf, dtype=costs.dtype, device=costs.device) for _ in range(3))
    before[0] = 0.0
    down = top + pitch * torch.arange(m, device=top.device)[:, None]
    for s in range(2 * m - 1):
        low, high = max(0, s - m + 1), min(s, m - 1) + 1
        at = down[low:high] + columns[s - high + 1 : s - low + 1].flip(0)
        best = torch.minimum(last[low:high], last[low + 1 : high + 1]).minimum(before[low:high])
        torch.add(costs[at], best, out=new[low + 1 : high + 1])
        if s == 0:
            before[0] = torch.inf
        last, before, new = new, last, before
    return last[m].double()

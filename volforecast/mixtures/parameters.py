"""Parameters of a mixture: one row of numbers a seed, so that many seeds are one matrix."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.mixtures.settings import SENTIMENT_LAGS, VOL_LAGS, Mixture
from volforecast.seeds import generator

SMALL: Final = 0.3  # standard deviation of a fresh weighted sum of independent z-scores, about
SHAPE: Final = 4.0  # alpha - 1 of a fresh inverse gamma: a standard deviation of six tenths of the mean
LEAST_SHAPE: Final = 1.0  # of alpha - 1: the variance is finite, too
LEARNT_SIGMA: Final = "log_sigma"


class Layout(NamedTuple):
    """Where parameters lie in a row: name to (first, one past the last), and the row's length."""

    spans: Mapping[str, tuple[int, int]]
    width: int


@lru_cache
def layout(m: Mixture, features: int, lookback: int) -> Layout:
    """Names in the paper's letters; a name that ends in 0 is an intercept.

    Each component has a linear function for its mean (``phi``; ``U``, ``V``; ``psi``) and one for its gate (``theta``;
    ``A``, ``B``; ``xi``); an inverse gamma has two in the mean's place, of alpha and of beta (``phi_b`` and so on).
    """
    book, lags, mood = {"U": features, "V": lookback}, {"phi": VOL_LAGS}, {"psi": SENTIMENT_LAGS}
    sizes = lags | book | (mood if m.sentiment else {})
    if m.family == "inverse gamma":
        sizes |= {"phi_b": VOL_LAGS}
        if not m.published:  # equation (9) has one U and V for both
            sizes |= {"U_b": features, "V_b": lookback}
    sizes |= {"theta": VOL_LAGS, "A": features, "B": lookback} | ({"xi": SENTIMENT_LAGS} if m.sentiment else {})
    if not m.published:
        whole = [name for name in sizes if name[0] not in "VB"]  # one intercept a bilinear form
        sizes |= {f"{name}0": 1 for name in whole}
        if m.family == "gaussian":
            sizes[LEARNT_SIGMA] = len(m.components)
    ends = list(accumulate(sizes.values()))
    spans = {name: (end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}
    return Layout(spans, ends[-1])


def penalised(found: Layout) -> NDArray[np.bool_]:
    """Which parameters of a row are weights, shape (width,)."""
    chosen = np.ones(found.width, dtype=bool)
    for name, (begin, end) in found.spans.items():
        if name.endswith("0") or name == LEARNT_SIGMA:
            chosen[begin:end] = False
    return chosen


def start(m: Mixture, features: int, lookback: int, seeds: Sequence[int]) -> NDArray[np.float64]:
    """Fresh parameters, a row a seed and from that seed alone, shape (S, width).

    Published: Xavier's uniform distribution, as in the authors' program. Otherwise sums of independent z-scores have a
    standard deviation of ``SMALL``, gates are equal, standard deviations one, and inverse gammas have mean one.
    """
    found = layout(m, features, lookback)
    rows = np.zeros((len(seeds), found.width))
    for row, seed in zip(rows, seeds, strict=True):
        draw = generator("temporal mixture", m.family, seed)
        for name, (begin, end) in found.spans.items():
            size = end - begin
            if m.published:
                row[begin:end] = draw.uniform(-1.0, 1.0, size) * np.sqrt(6.0 / (1 + size))
            elif name.endswith("0"):
                row[begin] = _intercept(m, name)
            elif name != LEARNT_SIGMA:
                spread = SMALL**0.5 if name[0] in "UVAB" else SMALL
                row[begin:end] = draw.standard_normal(size) * spread / size**0.5
    return rows


def _intercept(m: Mixture, name: str) -> float:
    """Where an intercept starts: an inverse gamma's alpha and beta at those of ``SHAPE``, anything else at zero."""
    if m.family == "gaussian" or name in ("theta0", "A0"):
        return 0.0
    return float(np.log(np.expm1(SHAPE if name.endswith("_b0") else SHAPE - LEAST_SHAPE)))

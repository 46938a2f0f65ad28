"""Realized measures of one day with plain loops: slow and obvious, the oracle of ``volforecast.data.realized``."""

import itertools
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Bar(NamedTuple):
    stamp: datetime
    open: float
    close: float


def naive_returns(bars: Sequence[Bar], minutes: int, start: datetime, end: datetime, every: int = 5) -> list[float]:
    """Previous-tick log returns on the grid start, start + every, ..., end; empty if no bar lies in the session."""
    length = timedelta(minutes=minutes)
    session = sorted(bar for bar in bars if bar.stamp >= start and bar.stamp + length <= end)
    if not session:
        return []
    prices = [session[0].open]
    now = start
    while now < end:
        now = min(now + timedelta(minutes=every), end)
        price = session[0].open
        for bar in session:
            if bar.stamp + length <= now:
                price = bar.close
        prices.append(price)
    return [math.log(after) - math.log(before) for before, after in itertools.pairwise(prices)]


def naive_measures(returns: Sequence[float]) -> dict[str, float]:
    """rv, bpv, rq, rs_pos, rs_neg of one day's returns."""
    rv = bpv = fourth = up = down = 0.0
    for i, r in enumerate(returns):
        rv += r * r
        fourth += r**4
        if r > 0:
            up += r * r
        if r < 0:
            down += r * r
        if i > 0:
            bpv += abs(r) * abs(returns[i - 1])
    return {"rv": rv, "bpv": math.pi / 2 * bpv, "rq": len(returns) / 3 * fourth, "rs_pos": up, "rs_neg": down}

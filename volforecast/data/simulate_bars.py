"""One-minute bars of a simulated asset, consistent with its row of the daily table.

A bar carries the stamp of its open, exchange-local and without a zone. Sessions have 390 bars, or fewer on the
exchange's early closes, where five-minute grids end early as well.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.data.simulate_paths import AssetPath, measures_of, session_profile

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MINUTES = 5  # one-minute bars in a five-minute cell
OPEN = np.timedelta64(9 * 60 + 30, "m")
# Finer than a cent: at low prices a cent would be a good part of a five-minute return, and RV an artefact of rounding.
PRICE_DECIMALS = 4


def simulate_bars(
    path: AssetPath, sessions: pd.DatetimeIndex, cells: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """One-minute bars of the last sessions of a path.

    Within a five-minute cell the diffusion is a Brownian bridge to the cell's return, and the cell's jump falls into
    one of its minutes. High and low are drawn from the law of the extremes of the bridge between open and close.

    Args:
        path: The asset's path; its last ``len(sessions)`` days are turned into bars.
        sessions: Trading days, shape (d,).
        cells: Five-minute cells of each session, shape (d,).
        rng: The asset's stream for bars.

    Returns:
        Columns ``timestamp, open, high, low, close, volume``; ``5 * cells.sum()`` rows in time order. Volumes of a
        day add up to the daily volume.
    """
    d = len(sessions)
    wanted = slice(len(path.cell_variance) - d, None)
    variance = path.cell_variance[wanted, :, None] / MINUTES
    diffusion, jump = path.cell_diffusion[wanted], path.cell_jump[wanted]

    # Draws have the shape of full sessions, so that a bar does not depend on the early closes before it.
    step = np.sqrt(variance) * rng.standard_normal((*diffusion.shape, MINUTES))
    step += ((diffusion - step.sum(axis=2)) / MINUTES)[:, :, None]
    minute = rng.integers(MINUTES, size=jump.shape)
    np.put_along_axis(
        step, minute[:, :, None], np.take_along_axis(step, minute[:, :, None], 2) + jump[:, :, None], axis=2
    )
    step = step.reshape(d, -1)
    log_open = path.log_open[len(path.log_open) - d :, None]
    close = log_open + np.cumsum(step, axis=1)
    start = np.concatenate([log_open, close[:, :-1]], axis=1)

    spread = np.repeat(variance[:, :, 0], MINUTES, axis=1)
    uniform = 1 - rng.random((2, *step.shape))  # in (0, 1]
    reach = np.sqrt(step**2 - 2 * spread * np.log(uniform))
    table = {
        "open": start,
        "high": (start + close + reach[0]) / 2,
        "low": (start + close - reach[1]) / 2,
        "close": close,
    }
    traded = np.arange(step.shape[1]) < MINUTES * cells[:, None]
    weights = np.repeat(session_profile() ** 0.5, MINUTES) * rng.uniform(0.6, 1.4, step.shape) * traded
    daily = path.volume[len(path.volume) - d :].astype(np.int64)
    volume = rng.multinomial(daily, weights / weights.sum(axis=1, keepdims=True))
    stamps = sessions.to_numpy().astype("datetime64[us]")[:, None] + OPEN + np.arange(step.shape[1]).astype("m8[m]")
    return pd.DataFrame(
        {"timestamp": stamps[traded]}
        | {name: np.round(np.exp(values[traded]), PRICE_DECIMALS) for name, values in table.items()}
        | {"volume": volume[traded].astype(np.float64)}
    )


def realized_from_bars(bars: pd.DataFrame, cells: IntArray) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
    """RV, close and other measures of each session of :func:`simulate_bars`, by the rule of the daily table.

    The grid's first price is the open of the session's first bar, each later one the close of the last bar that has
    ended by then.

    Returns:
        ``rv`` (decimal variance a day), ``close`` and ``bpv, rq, rs_pos, rs_neg``, each of shape (d,).
    """
    ends = np.cumsum(MINUTES * cells)
    opens, closes = bars["open"].to_numpy(), bars["close"].to_numpy()
    rv, returns = np.empty(len(cells)), np.zeros((len(cells), int(cells.max(initial=0))))
    for day, (first, end) in enumerate(zip(ends - MINUTES * cells, ends, strict=True)):
        grid = np.concatenate([opens[first : first + 1], closes[first + MINUTES - 1 : end : MINUTES]])
        own = np.diff(np.log(grid))
        rv[day], returns[day, : len(own)] = np.sum(own**2), own
    return rv, closes[ends - 1], measures_of(returns, cells)

"""The market table of a simulated panel: levels as published, on the days on which they are published."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.data.simulate_paths import Factor
from volforecast.seeds import generator

FloatArray = NDArray[np.float64]

LEAD_DAYS = 30  # calendar days before the first session, so that an as-of join always finds a level


def simulate_market(
    market: Factor, sessions: pd.DatetimeIndex, hong_kong: pd.DatetimeIndex, days: pd.DatetimeIndex, seed: int
) -> pd.DataFrame:
    """The five market series on calendar days, NaN where a series has no value that day.

    Args:
        market: The market factor on the sessions.
        sessions: New York trading days of the panel, shape (n,).
        hong_kong: Hong Kong trading days within ``days``.
        days: All calendar days from ``LEAD_DAYS`` before the first session to the last session.
        seed: The panel's seed.

    Returns:
        Columns ``date``; ``us3m`` (per cent; business days, some missing); ``hsi`` (index level; Hong Kong trading
        days); ``ads`` (every day); ``epu`` (positive, every day); ``vix`` (per cent a year, US trading days, known at
        the close: a smooth of the market's log variance up to that day).
    """
    # The days before the first session and closed days carry the state of the nearest session before (or the first).
    at = np.maximum(sessions.searchsorted(days, side="right") - 1, 0)
    state = market.log_variance[at]
    open_here = days.isin(sessions)
    table = pd.DataFrame({"date": days})
    weekday = np.asarray(days.day_of_week) < 5

    rng = generator(seed, "simulator", "market", "us3m")
    # A bill is a martingale to a first approximation: steps of a basis point or two, and now and then a meeting.
    steps = rng.choice([-0.02, -0.01, 0.0, 0.01, 0.02], size=len(days), p=[0.1, 0.2, 0.4, 0.2, 0.1])
    meetings = (rng.random(len(days)) < 4 / 365) * rng.choice([-0.25, 0.25], size=len(days))
    rate = np.abs(1.5 + np.cumsum((steps + meetings) * weekday))  # reflected at zero
    rate[~weekday | ((rng.random(len(days)) < 0.015) & (np.arange(len(days)) > 7))] = np.nan
    table["us3m"] = np.round(rate, 2)

    rng = generator(seed, "simulator", "market", "hsi")
    # Hong Kong closes before New York opens: it moves with New York's session of the day before.
    before = np.maximum(sessions.searchsorted(days, side="left") - 1, 0)
    shock = 0.4 * market.session[before] + np.sqrt(1 - 0.4**2) * rng.standard_normal(len(days))
    traded = days.isin(hong_kong)
    returns = np.where(traded, 0.011 * np.exp(0.35 * state) * shock, 0.0)
    table["hsi"] = np.round(np.where(traded, 21_000 * np.exp(np.cumsum(returns)), np.nan), 2)

    rng = generator(seed, "simulator", "market", "ads")
    table["ads"] = np.round(_autoregression(0.995, -0.2, 0.8, rng.standard_normal(len(days))), 4)

    rng = generator(seed, "simulator", "market", "epu")
    slow = _autoregression(0.97, 0.0, 0.45, rng.standard_normal(len(days)))
    fast = 0.3 * rng.standard_normal(len(days))
    table["epu"] = np.round(100 * np.exp(0.25 * state + slow + fast), 2)

    rng = generator(seed, "simulator", "market", "vix")
    smooth = pd.Series(market.log_variance).ewm(span=8, adjust=True).mean().to_numpy()[at]
    premium = _autoregression(0.9, 0.0, 0.08, rng.standard_normal(len(days)))
    table["vix"] = np.where(open_here, np.round(18 * np.exp(0.46 * smooth + premium), 2), np.nan)
    return table


def _autoregression(coefficient: float, mean: float, deviation: float, shocks: FloatArray) -> FloatArray:
    """Stationary AR(1) with the given mean and standard deviation, shape of ``shocks``."""
    scaled = np.sqrt(1 - coefficient**2) * shocks
    scaled[0] = shocks[0]
    path = np.empty_like(scaled)
    last = 0.0
    for i, shock in enumerate(scaled):
        last = coefficient * last + shock
        path[i] = last
    level: FloatArray = mean + deviation * path
    return level

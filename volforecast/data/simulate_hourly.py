"""A simulated hourly table with an order book and sentiment, and simulated snapshots of an order book.

Log volatility follows its means over 1, 6 and 24 hours, a daily pattern, spikes, and two hidden states of the order
book that are seen before it moves: a wide spread raises the volatility of the hour that follows, a large bid volume
lowers it. ``LEADING`` names the features that show these states; the others say nothing of the future.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.data.hourly import HourlyTable
from volforecast.data.hourly_build import PER_CENT_A_YEAR
from volforecast.data.hourly_files import hourly_table
from volforecast.data.hourly_write import write_tables
from volforecast.data.order_book import BOOK_FEATURES
from volforecast.errors import ConfigError
from volforecast.seeds import generator

FloatArray = NDArray[np.float64]

LEADING: Final = ("spread", "bid_volume", "volume_difference")
START: Final = np.datetime64("2018-06-04T22", "h")
HOURS_PER_GAP = 175  # at least: four intervals of ten must keep rows that have 30 hours before them
WARM_UP = 200  # hours, so that the first row does not remember where the recursion began
MEANS = (0.30, 0.30, 0.30)  # weights of the means of log volatility over 1, 6 and 24 hours
LEVEL = 2.0  # of log volatility in per cent: about 7
SHOCK = 0.30
SPREAD_EFFECT, BID_EFFECT = 0.12, -0.10
ARTEFACT = 9.0  # times the volatility of an hour that holds the move over a gap as one minute's return
LONG_GAP = 24  # hours, from which on the row after a gap is such an hour


class HourlySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size of a simulated hourly table.

    Attributes:
        hours: Rows.
        gaps: How often hours are missing between two rows.
    """

    hours: int = 2600
    gaps: int = 4

    def __post_init__(self) -> None:
        """Check both; a :class:`ConfigError` names the field, its value and the remedy."""
        if not 500 <= self.hours <= 1_000_000:
            raise ConfigError(f"hours is {self.hours}, outside 500 to 1,000,000: ten intervals need as many")
        if not 0 <= self.gaps <= self.hours // HOURS_PER_GAP:
            most = self.hours // HOURS_PER_GAP
            raise ConfigError(f"gaps is {self.gaps}, outside 0 to {most}: {self.hours} hours bear no more of them")


@dataclass(frozen=True)
class SimulatedHours:
    """The tables of a folder, as :func:`write_simulated_hours` writes them.

    Attributes:
        hourly: ``timestamp``, the ten features of an order book, ``vol, return_previous_hour, gap_artefact``.
        sentiment: ``timestamp, fng_value, cbbi_value``; new values at midnight.
    """

    hourly: pd.DataFrame
    sentiment: pd.DataFrame


def simulate_hourly(settings: HourlySettings, seed: int) -> HourlyTable:
    """Draw an hourly table, as it is read from the folder that :func:`write_simulated_hours` writes.

    Args:
        settings: Its size.
        seed: Equal settings and seeds give equal tables on every machine.
    """
    drawn = draw_hours(settings, seed)
    return hourly_table(drawn.hourly, drawn.sentiment)


def draw_hours(settings: HourlySettings, seed: int) -> SimulatedHours:
    """The same as frames."""
    rng = generator(seed, "hourly", "gaps")
    before = _gaps(settings, rng)
    hour = np.arange(settings.hours) + np.cumsum(before)  # number of each row's hour since the first one
    n = int(hour[-1]) + 1
    times = START + np.arange(n)
    book = _book(n, seed)
    mood = _mood(times, seed)
    x = _log_vol(times, book, seed)
    vol = np.exp(x)
    draw = generator(seed, "hourly", "returns").standard_normal(n)
    returns = np.concatenate([[np.nan], (draw[1:] * vol[:-1] / PER_CENT_A_YEAR)])
    artefact = before >= LONG_GAP
    table = pd.DataFrame({"timestamp": _utc(times[hour])})
    for name in BOOK_FEATURES:
        table[name] = book[name][hour]
    table["vol"] = vol[hour] * np.where(artefact, ARTEFACT, 1.0)
    table["return_previous_hour"] = returns[hour]
    table["gap_artefact"] = artefact
    sentiment = pd.DataFrame({"timestamp": _utc(times[hour]), **{name: part[hour] for name, part in mood.items()}})
    return SimulatedHours(table, sentiment)


def write_simulated_hours(drawn: SimulatedHours, out: str) -> None:
    """Write ``hourly.parquet`` and ``sentiment.parquet``; equal tables give equal bytes.

    Args:
        drawn: What :func:`draw_hours` returned.
        out: Folder, local or ``s3://``, which holds no hourly table.

    Raises:
        PanelError: It does, or cannot be written.
    """
    write_tables(out, {"sentiment": drawn.sentiment, "hourly": drawn.hourly})


def simulate_snapshots(hours: int, seed: int, levels: int = 40) -> pd.DataFrame:
    """Snapshots of an order book, one every 30 seconds, with orders that cross and orders far away.

    Args:
        hours: How many, from the simulated table's first on.
        seed: Of all draws.
        levels: Orders a side.

    Returns:
        ``timestamp`` (UTC, ascending), ``side, price, volume``.
    """
    rng = generator(seed, "hourly", "snapshots")
    moments = (START - 1).astype("datetime64[us]") + np.arange(1, hours * 120 + 1) * np.timedelta64(30, "s")
    mid = 7000.0 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(moments))))
    # as shares of the price: mostly within 20%, some beyond 25%, a few on the wrong side
    distance = rng.choice([0.02, 0.2, 0.6], p=[0.6, 0.3, 0.1], size=(len(moments), 2, levels)) * rng.uniform(
        -0.02, 1.0, (len(moments), 2, levels)
    )
    price = np.round(mid[:, None, None] * (1 + distance * np.array([-1.0, 1.0])[:, None]), 2)
    return pd.DataFrame(
        {
            "timestamp": _utc(np.repeat(moments, 2 * levels)),
            "side": np.tile(np.repeat(["bid", "ask"], levels), len(moments)),
            "price": price.ravel(),
            "volume": np.round(rng.exponential(3.0, price.size), 8),
        }
    )


def _gaps(settings: HourlySettings, rng: np.random.Generator) -> NDArray[np.int64]:
    """Hours missing before each row, shape (hours,): every second gap is a long one."""
    missing = np.zeros(settings.hours, dtype=np.int64)
    for k in range(settings.gaps):
        share = (k + 0.5 + rng.uniform(-0.2, 0.2)) / settings.gaps
        low, high = (30, 72) if k % 2 == 0 else (5, 20)
        missing[int(share * settings.hours)] = rng.integers(low, high)
    return missing


def _autoregression(rng: np.random.Generator, n: int, memory: float) -> FloatArray:
    """A Gaussian series with mean 0, variance 1 and first autocorrelation ``memory``."""
    shocks = rng.standard_normal(n) * np.sqrt(1 - memory**2)
    values = np.empty(n)
    last = float(rng.standard_normal())
    for i, shock in enumerate(shocks.tolist()):
        last = memory * last + shock
        values[i] = last
    return values


def _book(n: int, seed: int) -> dict[str, FloatArray]:
    def state(name: str, memory: float) -> FloatArray:
        return _autoregression(generator(seed, "hourly", name), n, memory)

    book = {
        "spread": np.round(1.8 * np.exp(0.6 * state("spread", 0.7)), 2),
        "bid_depth": np.round(1600 + 120 * state("bid depth", 0.9)),
        "ask_depth": np.round(1250 + 150 * state("ask depth", 0.9)),
        "bid_volume": 9500 * np.exp(0.15 * state("bid volume", 0.7)),
        "ask_volume": 3000 * np.exp(0.15 * state("ask volume", 0.9)),
        "bid_slope": 900 * np.exp(0.2 * state("bid slope", 0.8)),
        "ask_slope": 750 * np.exp(0.2 * state("ask slope", 0.8)),
    }
    book["difference"] = book["ask_depth"] - book["bid_depth"]
    book["volume_difference"] = book["ask_volume"] - book["bid_volume"]
    book["weighted_spread"] = 6700 * (book["bid_slope"] - book["ask_slope"])
    return book


def _log_vol(times: NDArray[np.datetime64], book: dict[str, FloatArray], seed: int) -> FloatArray:
    n = len(times)
    rng = generator(seed, "hourly", "volatility")
    shocks = SHOCK * (rng.standard_t(5, WARM_UP + n) * np.sqrt(3 / 5))
    clock = 2 * np.pi * (times.astype(np.int64) % 24) / 24
    drift = 0.08 * np.cos(clock - 2 * np.pi * 15 / 24)  # busiest in the afternoon, UTC
    drift = drift + SPREAD_EFFECT * np.log(book["spread"] / 1.8 + 1e-3) / 0.6
    drift = drift + BID_EFFECT * np.log(book["bid_volume"] / 9500) / 0.15
    moves = (np.concatenate([np.zeros(WARM_UP), drift]) + shocks).tolist()
    short, middle, long = MEANS
    rest = (1 - sum(MEANS)) * LEVEL
    x = [LEVEL] * 24
    for move in moves:
        x.append(rest + short * x[-1] + middle * sum(x[-6:]) / 6 + long * sum(x[-24:]) / 24 + move)
    return np.array(x[24 + WARM_UP :])


def _mood(times: NDArray[np.datetime64], seed: int) -> dict[str, FloatArray]:
    day = times.astype("datetime64[D]")
    number = (day - day[0]).astype(np.int64)
    days = int(number[-1]) + 1
    mood = {}
    for name, level, memory in (("fng_value", -0.9, 0.8), ("cbbi_value", -0.3, 0.97)):
        own = _autoregression(generator(seed, "hourly", name), days, memory)
        mood[name] = np.round(1 / (1 + np.exp(-level - 0.5 * own)), 2)[number]
    return mood


def _utc(times: NDArray[np.datetime64]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC")

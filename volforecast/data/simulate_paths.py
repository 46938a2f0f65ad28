"""Volatility factors and the daily path of one simulated asset.

Log variance of asset i on day t: level + market + sector + idiosyncratic factor (each a rough stationary process of
:mod:`volforecast.data.rough`) + what follows an announcement + what follows a listing. A session is 78 five-minute
returns, Gaussian given the day's variance, with jumps; RV is their sum of squares, so its measurement error is that of
78 returns with the U-shaped variance of a session. The constants below are measured on the Dow 30, 2003-2024, and on
83 US listings (``docs/simulator.md``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from volforecast.data.realized import bipower_variation, realized_quarticity, semivariances
from volforecast.data.rough import cauchy_autocovariance, circulant_paths, innovation_filter
from volforecast.data.simulate_settings import SimulatorSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CELLS = 78  # five-minute cells of a full session
FILTER_DAYS = 250  # days of the past that an innovation is cleaned of

# Standard deviation, scale in days and memory exponent of the three kinds of factor, fitted to the autocorrelations and
# cross-correlations of log RV. The scale of the assets lies outside any sample: at the lags of a sample their
# correlations fall like exp(-0.35 lag^0.2), a slow mean reversion, and the exponent MEMORY itself is never seen.
MARKET_SD, MARKET_SCALE, MARKET_MEMORY = 0.76, 70.0, 0.68
SECTOR_SD, IDIO_SD, ASSET_SCALE, ASSET_MEMORY = 0.18, 0.40, 1e6, 1.1
# Crises have no ceiling, calm has a floor: log RV is right-skewed.
MARKET_SKEW = 0.25
RETURN_SHARES = (0.35, 0.10, 0.55)  # variance of a return from market, sector and the asset itself
OVERNIGHT_SHARE = 1.0  # overnight variance over that of the session
JUMP_SD = 0.7  # a jump in units of the day's volatility
REPORTING_CYCLE = 63  # trading days between announcements
# Log variance on the announcement day and after it; some firms report before the open, some after the close.
EARNINGS_PROFILE = (0.95, 0.8, 0.2)
VOLUME_ELASTICITY = 0.38  # of volume with respect to RV
# The root of MEAN RV is asked for: half the variance of log RV, and what jumps and announcements add.
MEAN_CORRECTION = 0.57


@dataclass(frozen=True)
class FactorLaw:
    """The law of one kind of log-variance factor over the panel's days, prepared once and drawn many times.

    Attributes:
        days: Days n of a path.
        deviation: Standard deviation of the log variance.
        leverage: Correlation of return shocks with innovations of the log variance.
        autocovariance: Shape (n + 1 + FILTER_DAYS,), unit variance.
        whitening: Shape (FILTER_DAYS + 1,), see :func:`volforecast.data.rough.innovation_filter`.
    """

    days: int
    deviation: float
    leverage: float
    autocovariance: FloatArray
    whitening: FloatArray

    @classmethod
    def cauchy(
        cls, days: int, deviation: float, leverage: float, *, hurst: float, scale: float, memory: float
    ) -> "FactorLaw":
        """A law of the Cauchy class; see :func:`volforecast.data.rough.cauchy_autocovariance`."""
        covariance = cauchy_autocovariance(days + 1 + FILTER_DAYS, hurst, scale, memory)
        return cls(days, deviation, leverage, covariance, innovation_filter(covariance[: FILTER_DAYS + 1]))


@dataclass(frozen=True)
class Factor:
    """One drawn factor, all of shape (n,).

    Attributes:
        log_variance: Its part of the log variance of day t.
        session: Standard normal shock of day t's open-to-close return; a fall raises the variance of day t + 1.
        overnight: Standard normal shock of the return into day t's open; a fall raises the variance of day t.
    """

    log_variance: FloatArray
    session: FloatArray
    overnight: FloatArray


def draw_factor(law: FactorLaw, rng: np.random.Generator) -> Factor:
    """Draw a factor's path with the return shocks that belong to it (white, leverage included)."""
    path = circulant_paths(law.autocovariance, rng)[0]
    innovation = np.convolve(path, law.whitening, mode="valid")  # of days 0 ... n
    noise = rng.standard_normal((2, law.days + 1))
    rho, rest = law.leverage, np.sqrt(1 - law.leverage**2)
    session = rho * innovation + rest * noise[0]  # at t: the session of day t - 1
    # The session has moved with the innovation already; overnight returns move with what is orthogonal to it, so that
    # one does not predict the other.
    unseen = rest * innovation - rho * noise[0]
    overnight = rho * unseen + rest * noise[1]
    level = law.deviation * path[FILTER_DAYS : FILTER_DAYS + law.days]
    return Factor(level, session[1:], overnight[:-1])


def draw_market(law: FactorLaw, rng: np.random.Generator) -> Factor:
    """Draw the market factor: as :func:`draw_factor`, then bent so that its log variance is right-skewed."""
    factor = draw_factor(law, rng)
    z = factor.log_variance / law.deviation
    bent = (z + MARKET_SKEW * (z**2 - 1)) / np.sqrt(1 + 2 * MARKET_SKEW**2)
    return Factor(law.deviation * bent, factor.session, factor.overnight)


@dataclass(frozen=True)
class AssetPath:
    """One asset over the panel's n days; a target is cut to its life afterwards.

    Attributes:
        integrated_variance: Shape (n,), decimal variance of the session without jumps: what RV measures.
        rv: Shape (n,), decimal: sum of squared five-minute log returns, jumps included.
        measures: ``bpv, rq, rs_pos, rs_neg`` of the same returns, each of shape (n,).
        log_open: Shape (n,), log price at the open.
        log_close: Shape (n,), log price at the close.
        volume: Shape (n,), whole shares.
        earnings_next_day: Shape (n,), whether earnings are announced on day t + 1.
        cell_variance: Shape (kept, CELLS), variance of the diffusion in each five-minute cell of the last days.
        cell_diffusion: Shape (kept, CELLS), log returns of the diffusion.
        cell_jump: Shape (kept, CELLS), log returns of the jumps.
    """

    integrated_variance: FloatArray
    rv: FloatArray
    measures: dict[str, FloatArray]
    log_open: FloatArray
    log_close: FloatArray
    volume: FloatArray
    earnings_next_day: NDArray[np.bool_]
    cell_variance: FloatArray
    cell_diffusion: FloatArray
    cell_jump: FloatArray


def session_profile() -> FloatArray:
    """Share of a full session's variance in each five-minute cell, shape (CELLS,): high open, calm noon, busy close."""
    cell = np.arange(CELLS, dtype=np.float64)
    shape = 0.6 + 3.4 * np.exp(-cell / 4) + 0.9 * np.exp(-cell / 25) + 0.9 * np.exp(-(CELLS - 1 - cell) / 6)
    share: FloatArray = shape / shape.sum()
    return share


def announcement_days(days: int, rng: np.random.Generator) -> IntArray:
    """Indices (ascending, below ``days``) of quarterly announcement days; a firm keeps its place in the quarter."""
    first = int(rng.integers(REPORTING_CYCLE))
    regular = np.arange(first, days + REPORTING_CYCLE, REPORTING_CYCLE)
    moved = regular + rng.integers(-2, 3, len(regular))
    return moved[(moved >= 0) & (moved < days)]


def listing_log_variance(age: IntArray) -> FloatArray:
    """Log variance that a new listing has above its later level, by days since the first trading day (0 = first day).

    Mean over 83 US listings of log range variance less that of seasoned stocks: 2.1 on the first day, 1.1 in the first
    week, 0.5 in the first month, 0.25 after half a year.
    """
    living = np.maximum(age, 0)
    return np.asarray(1.55 * np.exp(-living / 1.5) + 0.55 * np.exp(-living / 150))


def draw_asset(
    settings: SimulatorSettings,
    market: Factor,
    sector: Factor,
    own: Factor,
    cells: IntArray,
    listing: int | None,
    rng: np.random.Generator,
    rng_earnings: np.random.Generator,
) -> AssetPath:
    """Draw one asset.

    Args:
        settings: Volatility level, jumps, earnings, listing effect, bars.
        market: The market's factor.
        sector: The factor of the asset's sector.
        own: The asset's own factor.
        cells: Shape (n,), five-minute cells of each session (78, fewer on early closes).
        listing: Index of the first trading day of a new listing, ``None`` for a source.
        rng: The asset's stream for prices and volume.
        rng_earnings: The asset's stream for announcements.
    """
    n = len(cells)
    level, load_market, load_own, price, size = rng.standard_normal(5)
    log_variance = (
        np.log(settings.annual_volatility**2 / 252)
        - MEAN_CORRECTION
        + 0.3 * level
        + np.exp(0.1 * load_market) * market.log_variance
        + sector.log_variance
        + np.exp(0.1 * load_own) * own.log_variance
    )
    announced = np.zeros(n + 1, dtype=np.bool_)
    if settings.earnings:
        days = announcement_days(n + 1, rng_earnings)
        announced[days] = True
        sizes = rng_earnings.uniform(0.3, 1.7, len(days))
        for later, effect in enumerate(EARNINGS_PROFILE):
            inside = days + later < n
            log_variance[days[inside] + later] += effect * sizes[inside]
    if listing is not None:
        log_variance += settings.listing_effect * listing_log_variance(np.arange(n) - listing)
    full = np.exp(log_variance)  # of a full session

    session, overnight = (
        sum(np.sqrt(share) * shock for share, shock in zip(RETURN_SHARES, shocks, strict=True))
        for shocks in (
            (market.session, sector.session, own.session),
            (market.overnight, sector.overnight, own.overnight),
        )
    )
    profile = session_profile()
    cell_variance = full[:, None] * np.where(np.arange(CELLS) < cells[:, None], profile, 0.0)
    integrated = cell_variance.sum(axis=1)
    shocks = rng.standard_normal((n, CELLS))
    # Weights of unit length: replacing the shocks' projection on them by the session shock leaves 78 independent
    # normals, whose weighted sum, the open-to-close return, is the one that belongs to the factors.
    weights = np.sqrt(cell_variance / integrated[:, None])
    shocks += (session - (shocks * weights).sum(axis=1))[:, None] * weights
    diffusion = np.sqrt(cell_variance) * shocks
    jumps = _draw_jumps(settings.jumps_per_day, np.sqrt(full), cells, rng)
    cell_return = diffusion + jumps
    rv = (cell_return**2).sum(axis=1)

    first = 0 if listing is None else listing
    gap = np.sqrt(OVERNIGHT_SHARE * full) * overnight + 0.06 / 252 - 0.5 * (1 + OVERNIGHT_SHARE) * full[first:].mean()
    gap[0] = 0.0
    within = cell_return.sum(axis=1)
    moved = np.cumsum(gap + within)
    # opens its first day of trading at its issue price: years of drift before it would leave some without any price
    log_close = np.log(80.0) + 0.5 * price + moved - (moved - within)[first]

    slow = 0.15 * _autoregression(0.97, rng.standard_normal(n))
    surprise = np.log(rv) - np.log(settings.annual_volatility**2 / 252) - 0.3 * level
    log_volume = np.log(6e6) + 0.8 * size + VOLUME_ELASTICITY * surprise + slow + 0.24 * rng.standard_normal(n)
    kept = slice(n - settings.bars_days, n)
    return AssetPath(
        integrated_variance=integrated,
        rv=rv,
        measures=measures_of(cell_return, cells),
        log_open=log_close - within,
        log_close=log_close,
        volume=np.rint(np.exp(log_volume)),
        earnings_next_day=announced[1:],
        cell_variance=cell_variance[kept],
        cell_diffusion=diffusion[kept],
        cell_jump=jumps[kept],
    )


def measures_of(returns: FloatArray, steps: IntArray) -> dict[str, FloatArray]:
    """``bpv, rq, rs_pos, rs_neg`` of days of returns, shape (days, longest grid), zero after each day's ``steps``."""
    positive, negative = semivariances(returns)
    quarticity = realized_quarticity(returns, steps)
    return {"bpv": bipower_variation(returns), "rq": quarticity, "rs_pos": positive, "rs_neg": negative}


def _draw_jumps(per_day: float, volatility: FloatArray, cells: IntArray, rng: np.random.Generator) -> FloatArray:
    """Compound Poisson jumps in log price by day and five-minute cell, shape (n, CELLS)."""
    jumps = np.zeros((len(cells), CELLS))
    day = np.repeat(np.arange(len(cells)), rng.poisson(per_day, len(cells)))
    cell = (rng.random(len(day)) * cells[day]).astype(np.int64)
    np.add.at(jumps, (day, cell), JUMP_SD * volatility[day] * rng.standard_normal(len(day)))
    return jumps


def _autoregression(coefficient: float, shocks: FloatArray) -> FloatArray:
    """Stationary AR(1) of unit variance driven by standard normal shocks, shape (n,).

    A moving average of 400 terms instead of a loop: 0.97^400 is 5e-6.
    """
    kernel = np.sqrt(1 - coefficient**2) * coefficient ** np.arange(min(400, len(shocks)))
    started = np.concatenate([[shocks[0] / np.sqrt(1 - coefficient**2)], shocks[1:]])
    return np.convolve(started, kernel)[: len(shocks)]

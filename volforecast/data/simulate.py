"""A simulated panel with the properties of real ones: the data that ships with the project.

Rough log-volatility with market, sector and idiosyncratic factors, jumps, earnings, leverage, measurement error of
RV, volume that follows volatility, new listings whose volatility starts high and decays, and the market series of the
EXT predictors. ``docs/simulator.md`` compares its statistics with those of the Dow 30.

Every path has its own stream, named by what it is: an asset of a panel does not change when more assets are asked
for. It does change with the number of days, because paths are drawn exactly and therefore at once.
"""

from dataclasses import dataclass
from pathlib import Path

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.data.simulate_bars import PRICE_DECIMALS, realized_from_bars, simulate_bars
from volforecast.data.simulate_market import LEAD_DAYS, simulate_market
from volforecast.data.simulate_paths import (
    ASSET_MEMORY,
    ASSET_SCALE,
    IDIO_SD,
    MARKET_MEMORY,
    MARKET_SCALE,
    MARKET_SD,
    SECTOR_SD,
    Factor,
    FactorLaw,
    draw_asset,
    draw_factor,
    draw_market,
)
from volforecast.data.simulate_settings import SimulatorSettings
from volforecast.errors import PanelError
from volforecast.seeds import generator

__all__ = ["GICS_SECTORS", "SimulatedPanel", "SimulatorSettings", "simulate_panel", "write_simulated"]

GICS_SECTORS = (
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
)


@dataclass(frozen=True)
class SimulatedPanel:
    """The tables of a panel, as :func:`write_simulated` writes them, and what a real panel does not have.

    Attributes:
        assets: ``asset, name, sector, role, first_trading_day``, by asset.
        daily: ``asset, date, rv, close, volume, earnings_next_day, bpv, rq, rs_pos, rs_neg``, by asset and date.
        market: ``date, us3m, hsi, ads, epu, vix`` on calendar days, NaN where nothing is published.
        bars: ``timestamp, open, high, low, close, volume`` by asset; empty without ``bars_days``.
        truth: ``asset, date, integrated_variance`` (decimal, the session's variance without jumps) for the rows of
            ``daily``; for tests, never written.
    """

    assets: pd.DataFrame
    daily: pd.DataFrame
    market: pd.DataFrame
    bars: dict[str, pd.DataFrame]
    truth: pd.DataFrame


@dataclass(frozen=True)
class _Member:
    """One asset of the panel before it is drawn; ``listing`` is the index of a target's first day."""

    asset: str
    number: int
    listing: int | None

    @property
    def sector(self) -> str:
        return GICS_SECTORS[(self.number - 1) % len(GICS_SECTORS)]


def simulate_panel(settings: SimulatorSettings, seed: int) -> SimulatedPanel:
    """Draw a panel.

    Args:
        settings: Size and character of the panel.
        seed: Equal settings and seeds give equal panels on every machine.

    Returns:
        The tables, dates day-normalised, RV in decimal variance a day.
    """
    n = settings.source_days
    sessions, cells = _new_york(settings)
    laws = _laws(settings)
    market = draw_market(laws["market"], generator(seed, "simulator", "market", "volatility"))
    sectors: dict[str, Factor] = {}
    dates = sessions.to_numpy().astype("datetime64[us]")
    rows: list[pd.DataFrame] = []
    about: list[dict[str, object]] = []
    bars: dict[str, pd.DataFrame] = {}
    for member in _members(settings):
        if member.sector not in sectors:
            sectors[member.sector] = draw_factor(laws["sector"], generator(seed, "simulator", "sector", member.sector))
        own = draw_factor(laws["idio"], generator(seed, "simulator", "asset", member.asset, "volatility"))
        path = draw_asset(
            settings,
            market,
            sectors[member.sector],
            own,
            cells,
            member.listing,
            generator(seed, "simulator", "asset", member.asset, "price"),
            generator(seed, "simulator", "asset", member.asset, "earnings"),
        )
        first = member.listing or 0
        close, rv = np.round(np.exp(path.log_close), PRICE_DECIMALS), path.rv
        if settings.bars_days:
            covered = slice(max(first, n - settings.bars_days), n)
            rng = generator(seed, "simulator", "asset", member.asset, "bars")
            bars[member.asset] = simulate_bars(path, sessions[covered], cells[covered], rng)
            rv[covered], close[covered], measures = realized_from_bars(bars[member.asset], cells[covered])
            for name, values in measures.items():
                path.measures[name][covered] = values
        rows.append(
            pd.DataFrame(
                {
                    "asset": member.asset,
                    "date": dates[first:],
                    "rv": rv[first:],
                    "close": close[first:],
                    "volume": path.volume[first:],
                    "earnings_next_day": path.earnings_next_day[first:],
                    **{name: values[first:] for name, values in path.measures.items()},
                    "integrated_variance": path.integrated_variance[first:],
                }
            )
        )
        role = "source" if member.listing is None else "target"
        about.append(
            {
                "asset": member.asset,
                "name": f"Simulated {role} {member.number}",
                "sector": member.sector,
                "role": role,
                "first_trading_day": dates[first],
            }
        )
    table = pd.concat(rows, ignore_index=True)
    days = pd.date_range(sessions[0] - pd.Timedelta(days=LEAD_DAYS), sessions[-1], unit="us")
    return SimulatedPanel(
        assets=pd.DataFrame(about),
        daily=table.drop(columns="integrated_variance"),
        market=simulate_market(market, sessions, _hong_kong(days), days, seed),
        bars=bars,
        truth=table[["asset", "date", "integrated_variance"]],
    )


def write_simulated(panel: SimulatedPanel, out: str | Path) -> None:
    """Write a panel folder: ``assets.parquet``, ``daily.parquet``, ``market.parquet`` and ``bars/<ASSET>.parquet``.

    Equal panels give equal bytes.

    Args:
        panel: What :func:`simulate_panel` returned.
        out: A local folder (created if missing) or a URL pandas can write to, such as ``s3://bucket/panel``. A local
            folder that holds bars of other assets is refused: readers would mix two panels.
    """
    root = str(out).rstrip("/")
    if "://" not in root:
        folder = Path(root)
        stale = sorted(file.stem for file in folder.glob("bars/*.parquet") if file.stem not in panel.bars)
        if stale:
            raise PanelError(f"{folder}/bars holds {stale[0]}, which is not in this panel: write to another folder")
        (folder / "bars" if panel.bars else folder).mkdir(parents=True, exist_ok=True)
    for name, table in (("assets", panel.assets), ("daily", panel.daily), ("market", panel.market)):
        table.to_parquet(f"{root}/{name}.parquet", index=False)
    for asset, table in panel.bars.items():
        table.to_parquet(f"{root}/bars/{asset}.parquet", index=False)


def _members(settings: SimulatorSettings) -> list[_Member]:
    """Targets and sources by asset name; a member depends on its own number only."""
    # Listings go back in time and round, so that every target has target_days days however many targets there are.
    room = settings.source_days - settings.target_days
    targets = [
        _Member(f"NEW{k + 1:05d}", k + 1, room - (k * settings.listing_gap_days) % (room + 1))
        for k in range(settings.targets)
    ]
    return targets + [_Member(f"SRC{k + 1:05d}", k + 1, None) for k in range(settings.sources)]


def _laws(settings: SimulatorSettings) -> dict[str, FactorLaw]:
    n = settings.source_days
    half = settings.leverage / 2
    rough = {"hurst": settings.hurst, "scale": ASSET_SCALE, "memory": ASSET_MEMORY}
    return {
        "market": FactorLaw.cauchy(
            n, MARKET_SD, settings.leverage, hurst=settings.market_hurst, scale=MARKET_SCALE, memory=MARKET_MEMORY
        ),
        "sector": FactorLaw.cauchy(n, SECTOR_SD, half, **rough),
        "idio": FactorLaw.cauchy(n, IDIO_SD, half, **rough),
    }


def _new_york(settings: SimulatorSettings) -> tuple[pd.DatetimeIndex, NDArray[np.int64]]:
    """The panel's NYSE sessions and the number of five-minute cells in each (42 instead of 78 on early closes)."""
    last = pd.Timestamp(settings.last_day)
    start = last - pd.Timedelta(days=int(settings.source_days * 1.5) + 30)
    schedule = exchange_calendars.get_calendar("XNYS", start=start, end=last).schedule.iloc[-settings.source_days :]
    minutes = (schedule["close"] - schedule["open"]).dt.total_seconds().to_numpy() / 60
    return pd.DatetimeIndex(schedule.index), (minutes // 5).astype(np.int64)


def _hong_kong(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(exchange_calendars.get_calendar("XHKG", start=days[0], end=days[-1]).sessions)

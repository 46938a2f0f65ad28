"""What the simulator is asked for."""

import datetime as dt
import math

import msgspec

from volforecast.errors import ConfigError

EARLIEST, LATEST = dt.date(2000, 1, 1), dt.date(2030, 12, 31)


class SimulatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size and character of a simulated panel; the defaults are calibrated to the Dow 30 (``docs/simulator.md``).

    Attributes:
        sources: Number of assets that trade from the first day of the panel.
        targets: Number of new listings.
        source_days: Trading days of the panel, counted back from ``last_day``.
        target_days: Trading days of the target that lists last.
        listing_gap_days: Trading days between the listings of two targets: the k-th target (from 0) has
            ``target_days + k * listing_gap_days`` days, counted round when that exceeds ``source_days``.
        last_day: Last calendar date of the panel, ISO format.
        annual_volatility: Root of the mean annual realized variance (open to close) of a typical asset, decimal.
        hurst: Hurst exponent of the sector and idiosyncratic log variances, in (0, 0.5].
        market_hurst: Hurst exponent of the market's log variance, in (0, 0.5]; an average over assets is smoother.
        jumps_per_day: Mean number of price jumps of an asset in a session.
        earnings: Whether assets announce earnings every quarter.
        listing_effect: Size of the raised volatility after a listing; 1 as measured on US listings, 0 for none.
        leverage: Correlation of the market's return with the innovation of its log variance, in (-1, 1); sectors and
            single assets have half of it.
        bars_days: Trailing days that also get 1-minute bars.
    """

    sources: int = 20
    targets: int = 4
    source_days: int = 1500
    target_days: int = 600
    listing_gap_days: int = 40
    last_day: str = "2024-12-31"
    annual_volatility: float = 0.25
    hurst: float = 0.1
    market_hurst: float = 0.3
    jumps_per_day: float = 0.1
    earnings: bool = True
    listing_effect: float = 1.0
    leverage: float = -0.25
    bars_days: int = 0

    def __post_init__(self) -> None:
        """Check every field; a :class:`ConfigError` names the field, its value and the remedy."""
        _between("sources", self.sources, 1, 99_999, "ask for at least one source")
        _between("targets", self.targets, 0, 99_999, "ask for none or more")
        _between("source_days", self.source_days, 30, 6000, "predictors need 22 days, calendars reach 24 years")
        if self.targets:  # without targets a short panel needs no word about listings
            remedy = "a listing lies within source_days"
            _between("target_days", self.target_days, 1, self.source_days, remedy)
            _between("listing_gap_days", self.listing_gap_days, 0, self.source_days, remedy)
        _between("annual_volatility", self.annual_volatility, 0.01, 3.0, "give a decimal, 0.25 for 25 per cent")
        _between("hurst", self.hurst, 0.01, 0.5, "rough log-volatility is near 0.1")
        _between("market_hurst", self.market_hurst, 0.01, 0.5, "the market's log-volatility is near 0.3")
        _between("jumps_per_day", self.jumps_per_day, 0.0, 20.0, "give a mean number of jumps a session, 0 for none")
        _between("listing_effect", self.listing_effect, 0.0, 3.0, "give 1 for the measured effect, 0 for none")
        _between("leverage", self.leverage, -0.95, 0.95, "give a correlation, negative for equities")
        _between("bars_days", self.bars_days, 0, self.source_days, "bars cover the last days of the panel")
        try:
            day = dt.date.fromisoformat(self.last_day)
        except ValueError:
            raise ConfigError(f"last_day is {self.last_day!r}, not a date: write it as 2024-12-31") from None
        if not EARLIEST <= day <= LATEST:
            raise ConfigError(f"last_day is {day}, outside {EARLIEST} to {LATEST}: choose a date the calendars know")


def _between(field: str, value: float, low: float, high: float, remedy: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ConfigError(f"{field} is {value}, outside {low} to {high}: {remedy}")

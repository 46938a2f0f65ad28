"""Flexible HARX(l): a Lasso chooses among means over 1 to 30 hours and features at lags 0 to l (section 2.2)."""

from volforecast.models.hourly.flexible_har import WINDOWS
from volforecast.models.hourly.harx import HARX


def flexible_harx(lags: int) -> HARX:
    """Flexible HARX(l): HARX(l) with 30 means, each a candidate like any other."""
    return HARX(lags, windows=WINDOWS, always=False)


MODEL = flexible_harx(10)

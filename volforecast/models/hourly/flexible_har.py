"""Flexible HAR: a Lasso chooses among the means over 1 to 30 hours, least squares weighs them (section 2.2).

Table 1 of Darracq Paries et al. (2025) is met within 0.0001 in every interval in paper mode.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from volforecast.data.hourly import IntArray
from volforecast.hourly_rows import Sample
from volforecast.models.hourly.lasso import select
from volforecast.models.hourly.protocol import Forecasts, Report, Value, Values
from volforecast.models.hourly.regression import regressed

WINDOWS: Final = tuple(range(1, 31))  # hours
WINDOW_NAMES: Final = tuple(f"{window} h" for window in WINDOWS)


@dataclass(frozen=True)
class FlexibleHAR:
    """The penalty is chosen within the rows learnt from, so there is nothing to choose outside."""

    har = True
    dropped = 0
    reports = 1
    random = False
    needs: ClassVar[frozenset[str]] = frozenset()
    grid: ClassVar[Mapping[str, tuple[Value, ...]]] = {}

    def forecast(
        self,
        sample: Sample,
        train: IntArray,
        test: IntArray,
        values: Values,
        seeds: Sequence[int],
        report: Report | None = None,
    ) -> Forecasts:
        """See :class:`volforecast.models.hourly.protocol.HourlyModel`."""
        X, y = sample.vol_means(train, WINDOWS), sample.y[train]
        found = select(X, 100.0 * y)
        rows = sample.vol_means(test, WINDOWS)
        return Forecasts(regressed(X[:, found.kept], y, rows[:, found.kept]), details=found.details(WINDOW_NAMES))


MODEL = FlexibleHAR()

"""HAR: least squares on means of the last 1, 6 and 24 hours (Corsi 2009; Darracq Paries et al. 2025, section 2.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from volforecast.data.hourly import IntArray
from volforecast.hourly_rows import Sample
from volforecast.models.hourly.protocol import Forecasts, Report, Value, Values
from volforecast.models.hourly.regression import HOURS, regressed


@dataclass(frozen=True)
class HAR:
    """Nothing to choose, nothing to draw."""

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
        X, rows = sample.vol_means(train, HOURS), sample.vol_means(test, HOURS)
        return Forecasts(regressed(X, sample.y[train], rows))


MODEL = HAR()

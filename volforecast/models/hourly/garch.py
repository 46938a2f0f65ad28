"""GARCH(1,1) on a rolling window, estimated again at each hour (Darracq Paries et al. 2025, section 3, GARCH).

The forecast of the hour after t is ``sqrt(365) sigma``: an hourly variance in the unit of the label, which counts the
hour as if it were a day. The rows learnt from have no part in it but through the length of the window, which is chosen
on validation rows only (the authors choose theirs, of 70 to 87 hours, on all rows).

Windows hold returns of consecutive hours only. In clean mode, when the run of hours that t lies in has had fewer
returns than the window is long (the first ``window`` hours after a gap), parameters are those of the last full window
of an earlier run, which ends with that run's last return, and the recursion goes through the returns of the current run
only, from the mean squared return of that window. In paper mode the table is one run, as in the authors' program.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.errors import FitError
from volforecast.hourly_rows import Sample
from volforecast.models.hourly.garch_estimate import Parameters, estimate, first_variance, next_variance
from volforecast.models.hourly.protocol import Forecasts, Report, Value, Values

HOURS_A_YEAR_OF_LABELS = 365.0  # what the label multiplies an hour's variance by


@dataclass(frozen=True)
class GARCH:
    """Estimated by each forecast's own window; ``grid`` holds the windows tried, in hours."""

    har = False
    dropped = 0
    reports = 1
    random = False
    needs: ClassVar[frozenset[str]] = frozenset({"returns"})
    grid: ClassVar[Mapping[str, tuple[Value, ...]]] = {"window": (75, 150, 300, 500)}

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
        window = int(values["window"])
        last_full = _last_full(sample, window)
        borrowed: dict[int, Parameters] = {}
        found, unsettled, after_gap = np.empty(len(test)), 0, 0
        for place, row in enumerate(test):
            returns = _known(sample, int(row), window)
            if len(returns) == window:
                parameters = estimate(returns)
                start = first_variance(returns, parameters)
            else:
                source = int(last_full[row])
                if source < 0:
                    when = sample.table.times[row]
                    raise FitError(f"no {window} consecutive hourly returns are known before {when}")
                if source not in borrowed:
                    borrowed[source] = estimate(_known(sample, source, window))
                parameters = borrowed[source]
                start = parameters.level
                after_gap += 1
            unsettled += not parameters.settled
            found[place] = next_variance(returns, parameters, start)
        forecast = np.sqrt(HOURS_A_YEAR_OF_LABELS * found) / 100.0
        details = {
            "window": f"{window} hours",
            "estimations that did not converge, RiskMetrics' weights instead": f"{unsettled} of {len(test)}",
            "hours soon after a gap, parameters of an earlier run": f"{after_gap} of {len(test)}",
        }
        return Forecasts(forecast[None, :], details=details)


def _known(sample: Sample, row: int, window: int) -> FloatArray:
    """Returns of consecutive hours up to the last one known at t, per cent, oldest first, at most ``window``."""
    returns = 100.0 * sample.returns_before(row, window)
    holes = np.flatnonzero(~np.isfinite(returns))
    return returns[holes[-1] + 1 :] if len(holes) else returns


def _last_full(sample: Sample, window: int) -> IntArray:
    """The last row up to each row at which a full window is known, shape (n,); -1 before there is any."""
    full = np.array([len(_known(sample, row, window)) == window for row in range(len(sample.table))])
    rows = np.where(full, np.arange(len(full)), -1)
    return np.asarray(np.maximum.accumulate(rows), dtype=np.int64)


MODEL = GARCH()

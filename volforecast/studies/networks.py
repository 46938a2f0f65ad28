"""All networks of one model at once: every target, sample period and origin in one unit of work.

A GPU trains a thousand tiny networks in little more time than twenty, so the work is cut differently there than for
CPUs, where each target and sample period is a unit by itself. What is estimated on what, from which seeds, is the same.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from volforecast.errors import FitError
from volforecast.models.fnn import FNN
from volforecast.models.fnn_start import Job
from volforecast.studies.rolling import Estimation, Fit, FloatArray, IntArray
from volforecast.transfer.training import in_order

if TYPE_CHECKING:
    import torch

Key = tuple[str, int, str, int]


class _Asked(NamedTuple):
    estimation: Estimation
    origin: int
    days: NDArray[np.int64]

    @property
    def of(self) -> tuple[str, int, str]:
        return self.estimation.target, self.estimation.period, str(self.estimation.name)


def together(estimations: Sequence[Estimation], fnn: FNN, on: "torch.device | None" = None) -> pa.Table:
    """Forecasts of one network model for several targets and sample periods, trained side by side.

    Args:
        estimations: One for each target and sample period, all of one model.
        fnn: Its settings.
        on: Train on this device, whatever the setting ``device`` (tests do on a CPU).

    Returns:
        The tables that :meth:`Estimation.forecasts` gives, one after the other.
    """
    asked: list[_Asked] = []

    def note(estimation: Estimation, origin: int, days: IntArray) -> FloatArray:
        asked.append(_Asked(estimation, origin, days))
        return np.zeros(len(days))

    for estimation in estimations:
        estimation.forecasts(note)  # asks the STD model, too, for days that lack a predictor
    answers: dict[Key, tuple[FloatArray | FitError, Fit]] = {}
    for name in sorted({str(one.estimation.name) for one in asked}):
        answers |= _answers([one for one in asked if str(one.estimation.name) == name], fnn, on)

    def look_up(estimation: Estimation, origin: int, days: IntArray) -> FloatArray:
        answer, estimation.last_fit = answers[estimation.target, estimation.period, str(estimation.name), origin]
        if isinstance(answer, FitError):
            raise answer
        return answer

    return pa.concat_tables(estimation.forecasts(look_up) for estimation in estimations)


def _answers(
    asked: Sequence[_Asked], fnn: FNN, on: "torch.device | None"
) -> dict[Key, tuple[FloatArray | FitError, Fit]]:
    """Tune at the first origins, then train for every origin, all of one model and predictor set."""
    one = asked[0].estimation
    approach, width, rows = one.name.approach, one.width, one.market.rows
    X, y = np.ascontiguousarray(rows.X[:, :width]), rows.y
    nothing = np.empty(0, dtype=np.int64)
    firsts = {entry.of: entry.estimation for entry in asked}
    tunings = []
    for estimation in firsts.values():
        first = estimation.tuning_origin()
        tunings.append(Job(_training_rows(estimation, first)[0], nothing, estimation.seed(first, "tune")))
    tuned = dict(zip(firsts, fnn.tune_many(X, y, approach, tunings, on), strict=True))
    jobs, epochs, fits, keys = [], [], [], []
    answers: dict[Key, tuple[FloatArray | FitError, Fit]] = {}
    for entry in asked:
        key = (*entry.of, entry.origin)
        chosen, dropped = _training_rows(entry.estimation, entry.origin)
        settled = tuned[entry.of]
        if isinstance(settled, FitError):
            answers[key] = settled, Fit()
            continue
        jobs.append(Job(chosen, entry.days, entry.estimation.seed(entry.origin, "fit")))
        epochs.append(settled)
        fits.append(Fit(len(chosen), dropped, settled))
        keys.append(key)
    found = fnn.forecast_many(X, y, approach, jobs, epochs, on)
    return answers | dict(zip(keys, zip(found, fits, strict=True), strict=True))


def _training_rows(estimation: Estimation, origin: int) -> tuple[IntArray, int]:
    """Rows of a training set by date, then asset, and how many were left out for a missing predictor."""
    chosen = np.concatenate(estimation.pairs(origin))
    rows = in_order(estimation.market.pool, chosen, estimation.width)
    return rows, len(chosen) - len(rows)

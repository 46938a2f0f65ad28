"""How a point is judged on one target: by the last rows of a training set, learnt from the rows before them.

The training set is the one that the study itself estimates on at the target's first origin: nothing in it was unknown
at the close of that day, and the study tests the target on the days after it. Its rows are cut at a day: those from
that day on judge, and those whose label lies before it are learnt from. A row before the cut whose label lies on it or
after it does neither, so whatever is learnt from was known before the first day that judges.
"""

from typing import NamedTuple

import numpy as np

from volforecast.errors import FitError
from volforecast.models.insanity import sane
from volforecast.models.protocol import Model, TrainingSet
from volforecast.seeds import seed_of
from volforecast.studies.rolling import Estimation, FloatArray
from volforecast.studies.search_settings import SearchSettings
from volforecast.transfer.training import in_order


class Parts(NamedTuple):
    """A training set, cut.

    Attributes:
        train: Rows to learn from, by date, then asset.
        X: Predictors of the rows that judge, shape (rows, predictors).
        y: Their labels, shape (rows,), per cent squared.
        naive: The naive forecast of these labels, shape (rows,): the variance of the day before.
    """

    train: TrainingSet
    X: FloatArray
    y: FloatArray
    naive: FloatArray


def cut(estimation: Estimation, origin: int, settings: SearchSettings) -> Parts:
    """The training set of a target at an origin, cut.

    Raises:
        FitError: No row is left to learn from or to judge by, or the naive forecast makes no error.
    """
    rows = estimation.market.rows
    chosen = in_order(estimation.market.pool, np.concatenate(estimation.pairs(origin)), estimation.width)
    chosen = chosen[-settings.rows :]  # in order of their dates
    if len(chosen):
        day = rows.date[chosen[-max(1, int(len(chosen) * settings.share))]]
        judging, learnt = chosen[rows.date[chosen] >= day], chosen[rows.label_date[chosen] < day]
    else:
        judging = learnt = chosen
    if not (len(judging) and len(learnt)):
        raise FitError(
            f"{estimation.name} of {estimation.target} at origin {origin} has {len(chosen)} rows, which leave "
            f"{len(learnt)} to learn from and {len(judging)} to judge by"
        )
    X, y = rows.X[judging, : estimation.width], rows.y[judging]
    if not (y != X[:, 0]).any():
        raise FitError(f"the naive forecast of {estimation.target} makes no error, so nothing compares with it")
    train = TrainingSet(rows.X[learnt, : estimation.width], rows.y[learnt], estimation.name.approach)
    return Parts(train, X, y, X[:, 0])


def relative_error(estimation: Estimation, model: Model, parts: Parts, settings: SearchSettings) -> float:
    """Mean squared error relative to the naive forecast's, mean over the seeds.

    Negative forecasts are replaced by the smallest label that was learnt from; with the study's insanity filter, it
    comes first.

    Args:
        estimation: The study's.
        model: Its class with the settings that are judged.
        parts: The target's training set, cut.
        settings: How many seeds.

    Raises:
        FitError: The model cannot be estimated.
    """
    naive = float(np.square(parts.naive - parts.y).sum())
    found = []
    for number in range(1, settings.seeds + 1):
        named = ("search", estimation.target, estimation.period, str(estimation.name), number)
        tuned = model.tune(parts.train, seed_of(estimation.study_seed, *named, "tune"))
        forecast = model.forecast(parts.train, parts.X, tuned, seed_of(estimation.study_seed, *named, "fit"))
        if not np.isfinite(forecast).all():
            raise FitError(f"{estimation.name} of {estimation.target}: a forecast is not a finite number")
        if estimation.insanity_filter:
            forecast, _ = sane(forecast, parts.train.y)
        forecast = np.where(forecast < 0.0, parts.train.y.min(), forecast)
        found.append(float(np.square(forecast - parts.y).sum()) / naive)
    return sum(found) / len(found)

"""How well every model forecasts hourly volatility: RMSE, MAE, R2 and QLIKE (Darracq Paries et al. 2025, section 3).

By seed first, then as mean and standard deviation over seeds; and of the average forecast over seeds. Forecasts are in
units of ``vol / 100``. Each model is measured over its own test hours; ratios are over those that all models have.
"""

from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.hourly_forecasts import Block, FloatArray, averages, blocks, shared_hours, together
from volforecast.evaluation.hourly_order import ALL, HAR, METRICS
from volforecast.evaluation.losses import ROUNDING

FLOOR: Final = 1e-3
"""What QLIKE takes in the place of a smaller forecast or realized volatility (``vol / 100``): at zero, where the HAR
family cuts its forecasts, it is not defined. The calmest hour of the paper's months has ten times as much."""


def qlike(forecast: FloatArray, realized: FloatArray) -> FloatArray:
    """``r / f - log(r / f) - 1`` of the variances ``r = realized^2`` and ``f = forecast^2`` (Patton 2011).

    Args:
        forecast: Volatility, ``vol / 100``, any shape; below :data:`FLOOR` it counts as that.
        realized: Likewise, a shape that broadcasts against ``forecast``.

    Returns:
        Losses without unit, zero for a perfect forecast; NaN where a forecast is NaN.
    """
    ratio = (np.maximum(realized, FLOOR) / np.maximum(forecast, FLOOR)) ** 2
    return np.asarray(ratio - np.log(ratio) - 1.0, dtype=np.float64)


def measures(forecasts: FloatArray, realized: FloatArray) -> FloatArray:
    """The four measures of each of several forecasts over one window.

    Args:
        forecasts: ``vol / 100``, shape (seeds, T).
        realized: ``vol / 100``, shape (T,).

    Returns:
        Shape (seeds, 4): RMSE; MAE; R2, which is 1 - sum of squared errors / sum of squared distances of ``realized``
        from its mean over the window (below 0: worse than that mean), NaN where ``realized`` is constant; mean QLIKE.
    """
    errors = realized - forecasts
    squares = (errors**2).mean(axis=1)
    variance = float(((realized - realized.mean()) ** 2).mean())
    varies = variance**0.5 > ROUNDING * float(np.abs(realized).max())
    r2 = 1.0 - squares / variance if varies else np.full(len(forecasts), np.nan)
    columns = [np.sqrt(squares), np.abs(errors).mean(axis=1), r2, qlike(forecasts, realized).mean(axis=1)]
    return np.column_stack(columns)


def metrics(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Every model's errors on each test block, and on all of them together (iteration 0).

    Args:
        forecasts: Long table ``mode, iteration, model, seed, timestamp, forecast, realized, status``.

    Returns:
        Columns ``mode, iteration, model, metric, value`` (mean over the seeds that count) ``, spread`` (their standard
        deviation over n - 1, NaN for one) ``, seeds, failed`` (how many count, and how many do not) ``, hours``. All
        hours together are one window with one mean, and a seed counts there if it does in each block. A model without
        a seed that counts has NaN.

    Raises:
        InputError: The table breaks a rule (see :func:`~volforecast.evaluation.hourly_forecasts.blocks`).
    """
    rows = []
    for parts in blocks(forecasts):
        for block in (together(parts), *parts):
            for model, made in block.models.items():
                found = measures(made.forecasts, made.realized)
                for k, metric in enumerate(METRICS):
                    counts = len(made.seeds), made.failed, len(made.times)
                    rows.append((block.mode, block.iteration, model, metric, *_over_seeds(found[:, k]), *counts))
    columns = ["mode", "iteration", "model", "metric", "value", "spread", "seeds", "failed", "hours"]
    return pd.DataFrame(rows, columns=columns)


def mean_over_seeds(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Errors of each model's average forecast over its seeds, which is what a user of several seeds would forecast.

    Args:
        forecasts: As for :func:`metrics`.

    Returns:
        Columns ``mode, iteration, model, metric, value``; NaN of a model without a seed that counts in every block.

    Raises:
        InputError: As for :func:`metrics`.
    """
    rows = []
    for parts in blocks(forecasts):
        singles: list[Block] = [averages([part]) for part in parts]
        whole = averages(parts)._replace(iteration=ALL)
        for block in (whole, *singles):
            for model, made in block.models.items():
                found = measures(made.forecasts, made.realized)
                values = found[0] if len(found) else np.full(len(METRICS), np.nan)
                rows += [(block.mode, block.iteration, model, *pair) for pair in zip(METRICS, values, strict=True)]
    return pd.DataFrame(rows, columns=["mode", "iteration", "model", "metric", "value"])


def relative(forecasts: pd.DataFrame) -> pd.DataFrame:
    """RMSE divided by HAR's over the hours that all models have, by test block and over all of them together.

    Args:
        forecasts: As for :func:`metrics`.

    Returns:
        Columns ``mode, iteration, model, ratio`` (mean over seeds) ``, spread`` (their standard deviation, NaN for
        one) ``, hours``; NaN of a model without a seed that counts, and without HAR.

    Raises:
        InputError: As for :func:`metrics`.
    """
    rows = []
    for parts in blocks(forecasts):
        shared = [shared_hours(part) for part in parts]
        for block in (together(shared), *shared):
            own = block.models.get(HAR)
            base = np.nan if own is None or not own.seeds else float(measures(own.forecasts, own.realized)[0, 0])
            for model, made in block.models.items():
                ratios = measures(made.forecasts, made.realized)[:, 0] / (base if base > 0.0 else np.nan)
                rows.append((block.mode, block.iteration, model, *_over_seeds(ratios), len(made.times)))
    return pd.DataFrame(rows, columns=["mode", "iteration", "model", "ratio", "spread", "hours"])


def _over_seeds(values: FloatArray) -> tuple[float, float]:
    if not len(values):
        return np.nan, np.nan
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else np.nan

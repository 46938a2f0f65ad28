"""All tables that follow from the forecasts of hourly volatility (Darracq Paries et al. 2025)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from volforecast.evaluation import hourly_tests
from volforecast.evaluation.hourly_forecasts import blocks, common
from volforecast.evaluation.hourly_metrics import mean_over_seeds, metrics, relative


def tables(forecasts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables ``metrics``, ``mean_over_seeds``, ``relative``, ``tests`` and ``spikes``: all but the confidence sets.

    Args:
        forecasts: Long table ``mode, iteration, model, seed, timestamp, forecast, realized, status``, in units of
            ``vol / 100``, of all modes.

    Raises:
        InputError: The table breaks a rule (see :func:`~volforecast.evaluation.hourly_forecasts.blocks`).
    """
    return {
        "metrics": metrics(forecasts),
        "mean_over_seeds": mean_over_seeds(forecasts),
        "relative": relative(forecasts),
        "tests": hourly_tests.against_benchmarks(forecasts),
        "spikes": spikes(forecasts),
    }


def confidence(
    parts: Sequence[Mapping[str, pd.DataFrame]], level: float, replications: int, seed: int
) -> dict[str, pd.DataFrame]:
    """The table ``confidence_sets`` of one mode, which costs seconds and is a unit of work of its own.

    Args:
        parts: Frames of the mode's units of forecasts, each with ``forecasts``.
        level: Confidence level.
        replications: Bootstrap resamples.
        seed: The study's seed; what else the resamples derive from says
            :func:`~volforecast.evaluation.hourly_tests.confidence_sets`.

    Raises:
        InputError: The forecasts break a rule (see :func:`~volforecast.evaluation.hourly_forecasts.blocks`).
    """
    forecasts = pd.concat([part["forecasts"] for part in parts], ignore_index=True)
    made = hourly_tests.confidence_sets(forecasts, seed=seed, level=level, replications=replications)
    return {"confidence_sets": made}


def spikes(forecasts: pd.DataFrame) -> pd.DataFrame:
    """What every model forecast for the most volatile hour of each test block (the paper's figure 2 shows one).

    Args:
        forecasts: As for :func:`tables`.

    Returns:
        Columns ``mode, iteration, timestamp, model, forecast`` (mean over seeds, NaN of a model that has failed) ``,
        realized``: a row each model, the hour being the most volatile of those that all models have.
    """
    rows = []
    for parts in blocks(forecasts):
        for part in parts:
            shared = common([part])
            if len(shared.times):
                peak = int(np.argmax(shared.realized))
                where = (part.mode, part.iteration, pd.Timestamp(shared.times[peak], tz="UTC"))
                rows += [(*where, model, mean[peak], shared.realized[peak]) for model, mean in shared.means.items()]
    return pd.DataFrame(rows, columns=["mode", "iteration", "timestamp", "model", "forecast", "realized"])

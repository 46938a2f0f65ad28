"""Tests between the models of hourly volatility: Diebold-Mariano and model confidence sets.

A model's loss in an hour is that of its average forecast over seeds. Models are compared over the hours that all of
them have (in paper mode the HAR family has five more a block). One that has failed in a block takes no part in it, nor
in all hours together, and its rows say so.
"""

from math import isqrt
from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.confidence_set import model_confidence_set
from volforecast.evaluation.diebold_mariano import diebold_mariano_two_sided
from volforecast.evaluation.hourly_forecasts import Block, Common, FloatArray, blocks, common
from volforecast.evaluation.hourly_metrics import qlike
from volforecast.evaluation.hourly_order import ALL, COUNTERPARTS, HAR, LOSSES, QLIKE, in_order
from volforecast.evaluation.losses import squared_error
from volforecast.evaluation.resampling import shared_weights

FEWEST: Final = 2
"""Hours from which models are compared."""


def against_benchmarks(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Diebold-Mariano tests (two-sided, horizon 1) against HAR, and against the model that lacks what one adds.

    Args:
        forecasts: Long table ``mode, iteration, model, seed, timestamp, forecast, realized, status``.

    Returns:
        Columns ``mode, iteration`` (0: all test hours together) ``, model, benchmark, loss`` (squared error, QLIKE) ``,
        statistic`` (negative where the model is worse than the benchmark) ``, p_value`` (Student t, corrected by
        Harvey, Leybourne & Newbold) ``, hours, status``: ``ok``; ``no variance`` (the two have the same losses);
        ``missing`` (one of the two has failed); ``too few hours``. Unless ``ok``, statistic and p-value are NaN.

    Raises:
        InputError: The table breaks a rule (see :func:`~volforecast.evaluation.hourly_forecasts.blocks`).
    """
    rows: list[tuple[object, ...]] = []
    for parts in blocks(forecasts):
        for iteration, shared in _compared(parts):
            for loss in LOSSES:
                losses = _losses(shared, loss)
                for model in losses:
                    for benchmark in dict.fromkeys((HAR, COUNTERPARTS.get(model, HAR))):
                        if benchmark in losses and benchmark != model:
                            found = _two_sided(losses[benchmark], losses[model])
                            where = (parts[0].mode, iteration, model, benchmark, loss)
                            rows.append((*where, *found[:2], len(shared.times), found[2]))
    types = {"mode": "str", "iteration": "int64", "model": "str", "benchmark": "str", "loss": "str"}
    types |= {"statistic": "float64", "p_value": "float64", "hours": "int64", "status": "str"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def confidence_sets(
    forecasts: pd.DataFrame, *, seed: int, level: float = 0.95, replications: int = 5000
) -> pd.DataFrame:
    """Model confidence sets (Hansen, Lunde & Nason 2011) of each test block and of all hours together, by both losses.

    The resamples (stationary bootstrap, mean block floor(sqrt(T)) hours) derive from the seed, the number of hours and
    of replications alone, so that sets made mode by mode equal those made at once.

    Args:
        forecasts: Long table of all models, of one mode or of several.
        seed: The study's seed.
        level: Confidence level.
        replications: Bootstrap resamples.

    Returns:
        Columns ``mode, iteration, loss, model, p_value, included, status``, with the status of
        :class:`~volforecast.evaluation.confidence_set.ConfidenceSet`: ``ok``, ``duplicate``, ``missing``.

    Raises:
        InputError: The table breaks a rule (see :func:`~volforecast.evaluation.hourly_forecasts.blocks`).
    """
    found = []
    for parts in blocks(forecasts):
        for iteration, shared in _compared(parts):
            hours = len(shared.times)
            if hours < FEWEST:
                continue
            for loss in LOSSES:
                by_model = _losses(shared, loss)
                models = sorted(by_model)  # by name, so that the same one of two equal series represents both
                weights = shared_weights(hours, replications, seed, isqrt(hours))
                losses = np.column_stack([by_model[model] for model in models])
                made = model_confidence_set(losses, level=level, weights=weights)
                columns = {
                    "mode": parts[0].mode,
                    "iteration": iteration,
                    "loss": loss,
                    "model": models,
                    "p_value": made.p_values,
                    "included": made.included,
                    "status": list(made.status),
                }
                found.append(pd.DataFrame(columns))
    if not found:
        return pd.DataFrame(columns=["mode", "iteration", "loss", "model", "p_value", "included", "status"])
    table = pd.concat(found, ignore_index=True)
    places = table["loss"].map({loss: place for place, loss in enumerate(LOSSES)})
    return in_order(table.assign(_loss=places), "_loss").drop(columns="_loss")


def _compared(parts: list[Block]) -> list[tuple[int, Common]]:
    """All blocks together, then each, over the hours that their models have in common."""
    return [(ALL, common(parts)), *((part.iteration, common([part])) for part in parts)]


def _losses(shared: Common, loss: str) -> dict[str, FloatArray]:
    function = qlike if loss == QLIKE else squared_error
    return {model: function(mean, shared.realized) for model, mean in shared.means.items()}


def _two_sided(losses_i: FloatArray, losses_j: FloatArray) -> tuple[float, float, str]:
    if len(losses_i) < FEWEST:
        return np.nan, np.nan, "too few hours"
    test = diebold_mariano_two_sided(losses_i, losses_j)
    return test.statistic, test.p_value, test.status

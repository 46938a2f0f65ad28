"""Tests between the models of the cross-asset study: Dhansoia's (2025) tables 4 and 6, confidence sets, all targets.

A network's loss on a day is the mean of its seeds' losses: the expected loss of one network, not the loss of their
average forecast. A model without a seed that has forecasts for every day takes no part, and its rows say so.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isqrt
from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.confidence_set import model_confidence_set
from volforecast.evaluation.diebold_mariano import diebold_mariano_two_sided
from volforecast.evaluation.intervals import mean_interval
from volforecast.evaluation.resampling import shared_weights
from volforecast.evaluation.rough_forecasts import Errors, FloatArray, by_target_and_horizon, expected
from volforecast.evaluation.rough_order import HAR, LSTM, METRICS, TRANSFER_LSTM, in_order
from volforecast.evaluation.rough_transfer import metrics, over_seeds

BENCHMARKS: Final = (HAR, LSTM)
"""What table 6 compares with: can it be beaten, and does transfer beat training from scratch."""
SIGNIFICANCE: Final = 0.05
LOSS: Final = "squared error"


def table_4(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Table 4: what transfer improves over training from scratch.

    The two networks are paired by seed: by how many per cent is Transfer LSTM's RMSE or MAE below LSTM's, its R2 or
    correlation above it (relative to its absolute value, which makes little of an R2 near zero).

    Args:
        forecasts: Long forecasts table (see :func:`~volforecast.evaluation.rough_transfer.table_3`).

    Returns:
        Columns ``target, horizon, metric, improvement`` (per cent, mean over seeds; positive is better) ``, spread``
        (over seeds) ``, p_value`` (two-sided Diebold-Mariano test at the horizon, on squared errors for RMSE, absolute
        ones for MAE, NaN for the others) ``, wins`` (seeds in which transfer is better) ``, seeds`` (that both have).
        Targets that lack one of the two models have no rows; without a seed in common the figures are NaN.
    """
    rows = []
    for errors in by_target_and_horizon(forecasts):
        if not {LSTM, TRANSFER_LSTM} <= errors.seeds.keys():
            continue
        both = sorted(set(errors.seeds[LSTM]) & set(errors.seeds[TRANSFER_LSTM]))
        scratch, transfer = (
            metrics(errors.forecasts[model][[errors.seeds[model].index(seed) for seed in both]], errors.realized)
            for model in (LSTM, TRANSFER_LSTM)
        )
        better = (transfer - scratch) * [-1.0, -1.0, 1.0, 1.0]
        relative = np.full(better.shape, np.nan)
        np.divide(100.0 * better, np.abs(scratch), out=relative, where=scratch != 0.0)
        p_values = {"RMSE": _transfer_test(errors, Errors.squared), "MAE": _transfer_test(errors, Errors.absolute)}
        for k, metric in enumerate(METRICS):
            figures = (*over_seeds(relative[:, k]), p_values.get(metric, np.nan))
            rows.append((errors.target, errors.horizon, metric, *figures, int((better[:, k] > 0.0).sum()), len(both)))
    types = dict.fromkeys(("improvement", "spread", "p_value"), "float64") | {"wins": "int64", "seeds": "int64"}
    return typed(rows, {"target": "str", "horizon": "int64", "metric": "str"} | types)


def table_6(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Table 6: Diebold-Mariano tests on squared errors, two-sided, at the horizon of the forecasts.

    Args:
        forecasts: Long forecasts table (see :func:`~volforecast.evaluation.rough_transfer.table_3`).

    Returns:
        Columns ``target, horizon, benchmark`` (HAR, LSTM) ``, model, statistic`` (negative where the model is worse
        than the benchmark, the paper's sign) ``, p_value`` (Student t, corrected by Harvey, Leybourne & Newbold) ``,
        days, status``: ``ok``; ``no variance`` (the two have the same errors); ``missing`` (one of the two has failed);
        ``too few days`` (no more than the horizon). Unless ``ok``, statistic and p-value are NaN. Benchmarks that a
        target lacks have no rows.
    """
    rows = []
    for errors in by_target_and_horizon(forecasts):
        losses = {model: expected(errors.squared(model), errors.days) for model in errors.seeds}
        for benchmark in BENCHMARKS:
            for model in losses if benchmark in losses else ():
                if model != benchmark:
                    statistic, p_value, status = _two_sided(losses[benchmark], losses[model], errors.horizon)
                    where = (errors.target, errors.horizon, benchmark, model)
                    rows.append((*where, statistic, p_value, errors.days, status))
    types = {"target": "str", "horizon": "int64", "benchmark": "str", "model": "str", "statistic": "float64"}
    return typed(rows, types | {"p_value": "float64", "days": "int64", "status": "str"})


def confidence_sets(
    forecasts: pd.DataFrame, *, seed: int, level: float = 0.95, replications: int = 5000
) -> pd.DataFrame:
    """The 95% model confidence set by squared error of each target and horizon (Hansen, Lunde & Nason 2011).

    Labels of horizon h overlap for h - 1 days, so blocks are at least h days long: max(floor(sqrt(T)), h). The
    resamples derive from the seed, the number of days and this length alone, so that tables made target by target equal
    one made at once.

    Args:
        forecasts: Long forecasts table (see :func:`~volforecast.evaluation.rough_transfer.table_3`) of all models, of
            one target and horizon or of several.
        seed: The study's seed.
        level: Confidence level.
        replications: Bootstrap resamples.

    Returns:
        Columns ``target, horizon, loss`` (squared error) ``, model, p_value, included, status``, with the status of
        :class:`~volforecast.evaluation.confidence_set.ConfidenceSet`: ``ok``, ``duplicate``, ``missing``.

    Raises:
        InputError: The table breaks a rule, or a target has fewer than two days.
    """
    parts = []
    for errors in by_target_and_horizon(forecasts):
        # by name, so that duplicates are represented by the same model whichever others take part
        models = sorted(errors.seeds)
        losses = np.column_stack([expected(errors.squared(model), errors.days) for model in models])
        weights = shared_weights(errors.days, replications, seed, max(isqrt(errors.days), errors.horizon))
        found = model_confidence_set(losses, level=level, weights=weights)
        columns = {
            "target": errors.target,
            "horizon": errors.horizon,
            "loss": LOSS,
            "model": models,
            "p_value": found.p_values,
            "included": found.included,
            "status": list(found.status),
        }
        parts.append(pd.DataFrame(columns))
    return in_order(pd.concat(parts, ignore_index=True))


def table_across(table_3: pd.DataFrame, table_6: pd.DataFrame) -> pd.DataFrame:
    """All targets together: does anything beat HAR, does transfer beat training from scratch?

    Args:
        table_3: Result of :func:`~volforecast.evaluation.rough_transfer.table_3`.
        table_6: Result of :func:`table_6`.

    Returns:
        Columns ``horizon, model, ratio`` (mean over targets of the model's RMSE relative to HAR's) ``, low, high`` (its
        95% interval by Student's t, the targets taken as independent draws; NaN for fewer than three) ``, targets``
        (that have both) ``, better_than_har, worse_than_har, better_than_lstm, worse_than_lstm`` (on how many targets
        the Diebold-Mariano test finds it so at 5%; missing where no target has both, and for the benchmark itself).
    """
    rmse = table_3[table_3["metric"] == "RMSE"].set_index(["target", "horizon", "model"])["value"]
    wide = rmse.unstack("model")
    base = wide[HAR] if HAR in wide.columns else pd.Series(np.nan, index=wide.index)
    ratios = wide.div(base.where(base > 0.0), axis=0)
    found = _counts(table_6)
    rows: list[tuple[object, ...]] = []
    for horizon, part in ratios.groupby(level="horizon"):
        present = wide.loc[part.index].notna().any()
        for model in present.index[present]:
            known = part[model].dropna().to_numpy(dtype=np.float64)
            ratio = float(known.mean()) if len(known) else np.nan
            counts = [n for one in BENCHMARKS for n in found.get((horizon, one, model), (None, None))]
            rows.append((horizon, model, ratio, *mean_interval(known), len(known), *counts))
    names = [f"{way}_than_{benchmark.lower()}" for benchmark in BENCHMARKS for way in ("better", "worse")]
    types = {"horizon": "int64", "model": "str", "ratio": "float64", "low": "float64", "high": "float64"}
    return in_order(typed(rows, types | {"targets": "int64"} | dict.fromkeys(names, "Int64")))


def typed(rows: Sequence[tuple[object, ...]], types: Mapping[str, str]) -> pd.DataFrame:
    """Rows as a table with columns of these types, so that one without rows has the same types as any other."""
    return pd.DataFrame(rows, columns=list(types)).astype(dict(types))


def _two_sided(losses_i: FloatArray, losses_j: FloatArray, horizon: int) -> tuple[float, float, str]:
    if len(losses_i) <= horizon:
        return np.nan, np.nan, "too few days"
    test = diebold_mariano_two_sided(losses_i, losses_j, horizon)
    return test.statistic, test.p_value, test.status


def _transfer_test(errors: Errors, losses: Callable[[Errors, str], FloatArray]) -> float:
    scratch, transfer = (expected(losses(errors, model), errors.days) for model in (LSTM, TRANSFER_LSTM))
    return _two_sided(scratch, transfer, errors.horizon)[1]


def _counts(table_6: pd.DataFrame) -> dict[tuple[object, ...], tuple[int, int]]:
    """By horizon, benchmark and model: on how many targets tested the model is significantly better, and worse."""
    tests = table_6.dropna(subset="p_value")
    clear = tests["p_value"] < SIGNIFICANCE
    counts = tests.assign(better=clear & (tests["statistic"] > 0.0), worse=clear & (tests["statistic"] < 0.0))
    summed = counts.groupby(["horizon", "benchmark", "model"])[["better", "worse"]].sum()
    return {
        tuple(key): (int(better), int(worse))
        for key, (better, worse) in zip(summed.index, summed.to_numpy(), strict=True)
    }

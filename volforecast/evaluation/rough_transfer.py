"""Tables of the cross-asset study: how well every model forecasts (Dhansoia 2025, tables 2, 3 and 5).

All figures are in log units on the test days of a target, by seed first and then as mean and spread over seeds. The
tests between models are in ``rough_tests``.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kurtosis, skew

from volforecast.errors import InputError
from volforecast.evaluation.losses import ROUNDING
from volforecast.evaluation.rough_forecasts import by_target_and_horizon
from volforecast.evaluation.rough_order import GROUPS, HAR, METRICS, in_order

FloatArray = NDArray[np.float64]

TABLE_2: Final = (
    *("asset", "role", "observations", "mean", "standard_deviation"),
    *("skewness", "kurtosis", "minimum", "maximum"),
)


def table_2(series: pd.DataFrame) -> pd.DataFrame:
    """Table 2: what the log realized variance of each asset looks like.

    Args:
        series: Columns ``asset, role, date, log_rv`` in any order; days without a value (NaN) are left out.

    Returns:
        Columns ``asset, role, observations, mean, standard_deviation`` (over n - 1) ``, skewness, kurtosis`` (both from
        the moments over n; the kurtosis of a normal variable is 3) ``, minimum, maximum``; sources first, assets by
        name. NaN where there are too few values, or all are equal.

    Raises:
        InputError: A column is missing, or an asset has two values for a day.
    """
    absent = [column for column in ("asset", "role", "date", "log_rv") if column not in series.columns]
    if absent:
        raise InputError(f"series table lacks the column(s) {', '.join(absent)}")
    if series.duplicated(["asset", "date"]).any():
        asset, date = series.loc[series.duplicated(["asset", "date"]), ["asset", "date"]].iloc[0]
        raise InputError(f"asset {asset} has two values for {date}")
    rows = []
    ordered = series.astype({"asset": str, "role": str}).sort_values(["role", "asset", "date"])  # source < target
    for (role, asset), part in ordered.groupby(["role", "asset"]):
        x = part["log_rv"].dropna().to_numpy(dtype=np.float64)
        varies = len(x) > 1 and x.std() > ROUNDING * np.abs(x).max()
        shape = (float(skew(x)), float(kurtosis(x, fisher=False))) if varies else (np.nan, np.nan)
        middle = (float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else np.nan) if len(x) else (np.nan, np.nan)
        ends = (float(x.min()), float(x.max())) if len(x) else (np.nan, np.nan)
        rows.append((asset, role, len(x), *middle, *shape, *ends))
    return pd.DataFrame(rows, columns=list(TABLE_2))


def metrics(forecasts: FloatArray, realized: FloatArray) -> FloatArray:
    """The paper's four measures (section 3.6) of each of several forecasts.

    Args:
        forecasts: Log units, shape (seeds, T).
        realized: Log units, shape (T,).

    Returns:
        Shape (seeds, 4): RMSE and MAE in log units; R2 against the mean of ``realized``, NaN where that is constant;
        Pearson's correlation, NaN where the forecast or ``realized`` is constant (up to rounding).
    """
    errors = realized - forecasts
    squares = (errors**2).mean(axis=1)
    centred = realized - realized.mean()
    variance = float((centred**2).mean())
    varies = variance**0.5 > ROUNDING * float(np.abs(realized).max())
    r2 = 1.0 - squares / variance if varies else np.full(len(forecasts), np.nan)
    own = forecasts - forecasts.mean(axis=1, keepdims=True)
    deviation = np.sqrt((own**2).mean(axis=1))
    defined = varies & (deviation > ROUNDING * np.abs(forecasts).max(axis=1, initial=0.0))
    correlation = np.full(len(forecasts), np.nan)
    np.divide((own * centred).mean(axis=1), deviation * variance**0.5, out=correlation, where=defined)
    return np.column_stack([np.sqrt(squares), np.abs(errors).mean(axis=1), r2, np.clip(correlation, -1.0, 1.0)])


def over_seeds(values: FloatArray) -> tuple[float, float]:
    """Mean and standard deviation (over n - 1) over seeds, shape (n,); NaN without seeds, the latter also for one."""
    if not len(values):
        return np.nan, np.nan
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else np.nan


def table_3(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Table 3: every model's errors on the test days.

    Args:
        forecasts: Long table ``target, horizon, model, seed, date, forecast, realized, status``, log units, any order.

    Returns:
        Columns ``target, horizon, model, metric`` (RMSE, MAE, R2, Correlation) ``, value`` (mean over seeds) ``,
        spread`` (their standard deviation, NaN for one) ``, seeds`` (that count: those with a forecast every day) ``,
        days``. A model whose seeds all failed has 0 seeds and NaN.

    Raises:
        InputError: The table breaks a rule (see :func:`~volforecast.evaluation.rough_forecasts.by_target_and_horizon`).
    """
    rows = []
    for errors in by_target_and_horizon(forecasts):
        for model, seeds in errors.seeds.items():
            found = metrics(errors.forecasts[model], errors.realized)
            for k, metric in enumerate(METRICS):
                where = (errors.target, errors.horizon, model, metric)
                rows.append((*where, *over_seeds(found[:, k]), len(seeds), errors.days))
    columns = ["target", "horizon", "model", "metric", "value", "spread", "seeds", "days"]
    return pd.DataFrame(rows, columns=columns)


def table_5(table_3: pd.DataFrame) -> pd.DataFrame:
    """Table 5: the attempts to beat HAR, by group.

    Args:
        table_3: Result of :func:`table_3`.

    Returns:
        Columns ``target, horizon, group, model, rmse, spread, versus_har``: the last is by how many per cent of HAR's
        RMSE the model's is smaller; negative is worse than HAR, as the paper prints it, NaN for HAR itself and without
        HAR. Groups are ``Baseline``, the paper's three, and ``Beyond the paper``; other models are in table 3 only.
    """
    groups = {model: group for group, models in GROUPS.items() for model in models}
    table = table_3[table_3["metric"] == "RMSE"].rename(columns={"value": "rmse"})
    table = table.assign(group=table["model"].map(groups))
    base = table[table["model"] == HAR].set_index(["target", "horizon"])["rmse"]
    table = table.dropna(subset="group").join(base.rename("har"), on=["target", "horizon"])
    table["versus_har"] = 100.0 * (1.0 - table["rmse"] / table["har"].where(table["har"] > 0.0))
    table.loc[table["model"] == HAR, "versus_har"] = np.nan
    table["place"] = table["group"].map({group: place for place, group in enumerate(GROUPS)})
    ordered = in_order(table, "place")
    return ordered[["target", "horizon", "group", "model", "rmse", "spread", "versus_har"]]

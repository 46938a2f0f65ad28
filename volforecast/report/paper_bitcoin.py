"""The printed figures of Darracq Paries et al. (2025) in the columns of this project's tables, misprints corrected."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.hourly_order import TABLE_1, TABLE_2, mode_order

TABLES: Final[Mapping[int, tuple[str, ...]]] = {1: TABLE_1, 2: TABLE_2}
"""Models of the paper's two tables, in its order."""
ITERATIONS: Final = 6
FIRST: Final = pd.Timestamp("2018-06-01", tz="UTC")
LAST: Final = pd.Timestamp("2018-10-01", tz="UTC")
"""The hours of the paper's test intervals lie between the two."""
AUTOCORRELATED: Final = 5
"""Lags up to which volatility is said to be autocorrelated."""
SENTIMENT: Final = {"aggregate": 2, "orthogonal": 19}
"""Lags up to which the aggregate, and the part of Fear & Greed beside it, are said to Granger-cause volatility."""
LAGS: Final = 30
"""Lags that are tested for Granger causality."""


@cache
def printed(number: int) -> pd.DataFrame:
    """A table as it is stored: every cell the text that is printed. Not to be changed in place.

    Args:
        number: 1 or 2.

    Raises:
        InputError: There is no such table.
    """
    if number not in TABLES:
        raise InputError(f"the paper's table {number} is not at hand; choose from 1 and 2")
    return _read(f"table_{number}.csv")


def figures(number: int) -> pd.DataFrame:
    """One of the paper's tables, a row each interval and model, a new frame each time.

    Args:
        number: 1 or 2.

    Returns:
        Columns ``iteration, model, paper`` (as printed) ``, corrected`` (where the print is known to be wrong; else
        equal) ``, reason`` (why it is wrong; empty where it is not), by iteration, models in the paper's order.

    Raises:
        InputError: There is no such table.
    """
    table = printed(number)
    wide = table.drop(columns="Interval").set_axis(list(TABLES[number]), axis=1)
    wide.insert(0, "iteration", table["Interval"].str.removeprefix("Interval ").astype(int))
    long = wide.melt("iteration", var_name="model", value_name="paper")
    order = {model: place for place, model in enumerate(TABLES[number])}
    long = long.assign(place=long["model"].map(order)).sort_values(["iteration", "place"], ignore_index=True)
    wrong = _read("corrections.csv")
    wrong = wrong[wrong["table"] == str(number)]
    keys = zip(wrong["interval"].astype(int), wrong["model"], strict=True)
    known = dict(zip(keys, zip(wrong["corrected"].astype(float), wrong["reason"], strict=True), strict=True))
    places = list(zip(long["iteration"], long["model"], strict=True))
    paper = long["paper"].astype(np.float64)
    corrected = [known.get(place, (value, ""))[0] for place, value in zip(places, paper, strict=True)]
    reasons = [known.get(place, (0.0, ""))[1] for place in places]
    return long[["iteration", "model"]].assign(paper=paper, corrected=corrected, reason=reasons)


def granger() -> pd.DataFrame:
    """Features that Granger-cause volatility by the paper: columns ``cause, first, last``, the lags meant."""
    return _read("granger.csv").astype({"first": int, "last": int})


def of_its_hours(forecasts: pd.DataFrame) -> bool:
    """Whether the forecasts are of the paper's months, June to September 2018, so that its tables can be compared."""
    if forecasts.empty:
        return False
    times = pd.to_datetime(forecasts["timestamp"], utc=True)
    return bool(times.min() >= FIRST and times.max() < LAST)


def beside(metrics: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A run's RMSE beside the paper's tables: ``table_1`` and ``table_2``.

    Args:
        metrics: A run's table of that name.

    Returns:
        Each with the columns ``iteration, model, mode, rmse, spread`` (the run's, mean and standard deviation over
        seeds) ``, paper, corrected, difference`` (rmse minus corrected): every row of the paper for each of the run's
        modes, by iteration, model and mode; NaN where the run lacks the model. A table of whose models the run has none
        is not among them.
    """
    own = metrics[(metrics["metric"] == "RMSE") & (metrics["iteration"] > 0)]
    own = own.rename(columns={"value": "rmse"})[["iteration", "model", "mode", "rmse", "spread"]]
    made = {}
    for number, models in TABLES.items():
        if not set(models) & set(own["model"]):
            continue
        modes = pd.DataFrame({"mode": mode_order(own["mode"])})
        rows = figures(number).drop(columns="reason").merge(modes, how="cross")
        both = rows.merge(own, on=["iteration", "model", "mode"], how="left", validate="one_to_one")
        both["difference"] = both["rmse"] - both["corrected"]
        columns = ["iteration", "model", "mode", "rmse", "spread", "paper", "corrected", "difference"]
        made[f"table_{number}"] = both[columns]
    return made


def tables() -> dict[str, pd.DataFrame]:
    """What the paper reports as a run's tables would have it, mode ``paper``: errors, and what its tests reject.

    ``metrics`` (corrected RMSE), ``granger`` (every lag of the features and sentiment series named), ``diagnostics``
    and ``autocorrelation``. Where the paper gives verdicts alone, statistics are NaN and p-values 0 or 1.
    """
    errors = pd.concat([figures(number) for number in TABLES], ignore_index=True)
    errors = errors[["iteration", "model"]].assign(mode="paper", metric="RMSE", value=errors["corrected"], hours=260)
    ranges = {str(row.cause): (int(str(row.first)), int(str(row.last))) for row in granger().itertuples()}
    ranges |= {name: (1, last) for name, last in SENTIMENT.items()}
    causes = [(name, lag, first <= lag <= last) for name, (first, last) in ranges.items() for lag in _lags()]
    causality = pd.DataFrame(causes, columns=["cause", "lag", "rejected"]).assign(mode="paper", iteration=0)
    stationary = pd.DataFrame({"series": ["volatility"] * 2, "test": ["ADF", "KPSS"], "rejected": [True, True]})
    memory = pd.DataFrame({"lag": _lags(), "series": "volatility", "mode": "paper", "bound": 0.5})
    return {
        "metrics": errors,
        "granger": causality.assign(p_value=np.where(causality["rejected"], 0.0, 1.0)),
        "diagnostics": stationary.assign(mode="paper", iteration=0, p_value=0.0),
        "autocorrelation": memory.assign(value=np.where(memory["lag"] <= AUTOCORRELATED, 1.0, 0.0)),
    }


def _lags() -> list[int]:
    return list(range(1, LAGS + 1))


def _read(name: str) -> pd.DataFrame:
    path = files("volforecast.report").joinpath("darracq2025", name)
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)

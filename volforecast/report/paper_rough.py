"""The printed figures of Dhansoia (2025) in the columns of this project's tables: S&P 500 to Bitcoin, one day ahead."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import pandas as pd

from volforecast.errors import InputError

SOURCE: Final = "SPX"
TARGET: Final = "BTC"
HORIZON: Final = 1
NUMBERS: Final = (1, 2, 3, 4, 5, 6, 7)
"""Tables at hand; table 8 has settings, not results."""
TOTAL: Final = "Total"
ALPHA: Final = 0.886
"""The weight on HAR that the hybrid learns (section 5.4)."""
SMALL: Final = 0.001
"""How ``< 0.001``, which the paper prints for small p-values, is read: as the bound."""

_ASSETS: Final = {"S&P 500": SOURCE, "Bitcoin": TARGET}
_COMPONENTS: Final = {"LSTM Encoder": "LSTM encoder"}
_MODELS: Final = {"LSTM (from scratch)": "LSTM", "LSTM (scratch)": "LSTM", "HAR (Baseline)": "HAR"}
_METHODS: Final = ("R/S", "DFA", "Variogram", "Wavelet")
_METRICS: Final = ("RMSE", "MAE", "R2", "Correlation")
_NOTHING: Final = ("", "–", "—")
_NORMALISED: Final = "*"  # ends the figures that table 5 has on another scale
_KEYS: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("asset", "method"),
    2: ("asset",),
    3: ("target", "horizon", "model", "metric"),
    4: ("target", "horizon", "metric"),
    5: ("target", "horizon", "group", "model"),
    6: ("target", "horizon", "benchmark", "model"),
    7: ("encoder", "component"),
}
_FIGURES: Final[Mapping[int, tuple[str, ...]]] = {
    1: ("hurst", "slope"),
    2: ("mean", "standard_deviation", "skewness", "kurtosis", "minimum", "maximum"),
    3: ("value",),
    4: ("improvement", "p_value"),
    5: ("rmse", "versus_har"),
    6: ("statistic", "p_value"),
    7: ("parameters",),
}


@cache
def printed(number: int) -> pd.DataFrame:
    """A table as it is stored: every cell the text that is printed. Not to be changed in place.

    Args:
        number: 1 to 7.

    Raises:
        InputError: There is no such table.
    """
    if number not in NUMBERS:
        raise InputError(f"the paper's table {number} is not at hand; choose from 1 to 7")
    path = files("volforecast.report").joinpath("dhansoia2025", f"table_{number}.csv")
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def figures(number: int) -> pd.DataFrame:
    """One of the paper's tables under the names of a run's tables, a new frame each time.

    Args:
        number: 1 to 7.

    Returns:
        * 1: ``asset, role, method, hurst, slope``; of the wavelets the slope alone, of the others the exponent alone.
        * 2: ``asset, role, mean, standard_deviation, skewness, kurtosis, minimum, maximum``.
        * 3: ``target, horizon, model, metric, value``.
        * 4: ``target, horizon, metric, improvement, p_value``.
        * 5: ``target, horizon, group, model, rmse, versus_har, finding``; RMSE is NaN where the paper has it on another
          scale.
        * 6: ``target, horizon, benchmark, model, statistic, p_value``.
        * 7: ``encoder, component, configuration, parameters``.

        NaN where nothing is printed. A p-value of 0.001 stands for one below.

    Raises:
        InputError: There is no such table.
    """
    table = printed(number).copy()
    if "asset" in table.columns:
        table["asset"] = table["asset"].map(_ASSETS)
        table.insert(1, "role", ["source" if asset == SOURCE else "target" for asset in table["asset"]])
    if "model" in table.columns:
        table["model"] = table["model"].replace(_MODELS)
    if number == 1:
        long = table.melt(["asset", "role"], list(_METHODS), "method", "hurst")
        wavelet = long["method"] == "Wavelet"
        values = _numbers(long["hurst"])
        return long.assign(hurst=values.mask(wavelet), slope=values.where(wavelet))
    if number == 3:
        table = table.melt("model", list(_METRICS), "metric", "value")
    if number == 5:
        table["rmse"] = table["rmse"].mask(table["versus_har"].str.endswith(_NORMALISED), "")
    if number == 6:
        table.insert(0, "benchmark", "HAR")
    if number == 7:
        table["component"] = table["component"].replace(_COMPONENTS)
        table.insert(0, "encoder", "LSTM")
    if 3 <= number <= 6:
        table.insert(0, "target", TARGET)
        table.insert(1, "horizon", HORIZON)
    return table.assign(**{name: _numbers(table[name]) for name in _FIGURES[number]})


def tables() -> dict[str, pd.DataFrame]:
    """The paper's tables by the names that a run's tables have: ``table_1``, ..., ``table_7``."""
    return {f"table_{number}": figures(number) for number in NUMBERS}


def beside(
    ours: Mapping[str, pd.DataFrame], number: int, *, source: str = SOURCE, target: str = TARGET
) -> pd.DataFrame:
    """A run's table beside the paper's, one day ahead.

    Args:
        ours: The run's tables by name.
        number: 1 to 7.
        source: The run's asset to set beside the S&P 500.
        target: The run's asset to set beside Bitcoin.

    Returns:
        The paper's rows in its order, one a printed figure: its keys (1: ``asset, method``; 2: ``asset``; 3: ``model,
        metric``; 4: ``metric``; 5: ``group, model``; 6: ``benchmark, model``; 7: ``encoder, component``) with the names
        of the run's assets, then ``figure`` (the column it is in, such as ``versus_har``) ``, ours, paper, difference``
        (ours minus the paper's; NaN where the run lacks the row). Table 7's total is that of all of the run's
        components, of which there are more than in the paper. Table 2's figures are in another unit than ours (the
        README of the figures says which).

    Raises:
        InputError: The paper has no such table, or the run's tables lack it.
    """
    name = f"table_{number}"
    theirs = figures(number).replace({SOURCE: source, TARGET: target})
    if name not in ours:
        raise InputError(f"this run has no {name} to set beside the paper's")
    keys = list(_KEYS[number])
    own = ours[name].astype({key: theirs[key].dtype for key in keys})
    if number == 7 and not (own["component"] == TOTAL).any():
        totals = own.groupby("encoder")["parameters"].sum().reset_index()
        own = pd.concat([own, totals.assign(component=TOTAL)], ignore_index=True)
    parts = [
        table.melt(keys, list(_FIGURES[number]), "figure", column)
        for table, column in ((theirs, "paper"), (own[[*keys, *_FIGURES[number]]], "ours"))
    ]
    parts[0] = parts[0].dropna(subset="paper")
    both = parts[0].merge(parts[1], on=[*keys, "figure"], how="left", validate="one_to_one")
    order = {name: place for place, name in enumerate(_FIGURES[number])}
    rows = theirs.reset_index(names="place")[[*keys, "place"]]
    both = both.merge(rows, on=keys).assign(rank=both["figure"].map(order)).sort_values(["place", "rank"])
    shown = [key for key in keys if key not in ("target", "horizon")]
    result = both[[*shown, "figure"]].assign(ours=both["ours"].astype(float), paper=both["paper"].astype(float))
    return result.assign(difference=result["ours"] - result["paper"]).reset_index(drop=True)


def _numbers(text: "pd.Series[str]") -> "pd.Series[float]":
    """Printed figures as numbers: ``+0.01%*``, ``< 0.001``, ``53,760``; NaN where nothing is printed."""
    bare = text.str.strip("<+*% ").str.replace(",", "")
    return bare.where(~bare.isin(_NOTHING)).astype(np.float64)

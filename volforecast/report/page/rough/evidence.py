"""What a run's tables say to the study's questions, in numbers: does transfer help, is HAR beaten, how rough is it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from volforecast.evaluation.intervals import mean_interval
from volforecast.evaluation.rough_order import HAR, model_order
from volforecast.report.page.evidence import Tables
from volforecast.report.page.rough.grids import SIGNIFICANCE, lines_of

Answer = Literal["yes", "open", "no", "opposite"]
"""Better beyond chance, better but not beyond chance, not better, worse beyond chance."""


class Gain(NamedTuple):
    """By how much Transfer LSTM's RMSE is below that of the LSTM trained on the target alone, over targets.

    Attributes:
        horizon: Days ahead.
        mean: Per cent, mean over targets of the means over seeds.
        low: Lower end of its 95% interval over targets; NaN for fewer than three. ``high``: its upper end.
        targets: How many there are.
        ahead: For how many the RMSE is lower.
        better: For how many a test (two-sided, 5%) finds it so; ``worse``: for how many the opposite.
        p_values: Of the targets that were tested, ascending.
        wins: Seeds in which transfer is better, of ``seeds``; over all targets.
    """

    horizon: int
    mean: float
    low: float
    high: float
    targets: int
    ahead: int
    better: int
    worse: int
    p_values: Sequence[float]
    wins: int
    seeds: int

    @property
    def answer(self) -> Answer:
        """By the test for a single target; of several by the interval, or else by most targets' tests."""
        return _answer(self.mean, self.low, self.high, self.better, self.worse, self.targets)


class Rival(NamedTuple):
    """The model with the smallest RMSE relative to HAR's.

    Attributes:
        horizon: Days ahead.
        model: Its name.
        ratio: Mean over targets of its RMSE divided by HAR's; ``low`` and ``high`` are the ends of its 95% interval.
        targets: How many have it.
        better: For how many a test (two-sided, 5%) finds it better than HAR; ``worse``: worse.
        p_value: Of the test, if there is one target; else NaN.
        models: Among how many models it was picked.
        beaten: How many of them are worse than HAR by most targets' tests.
    """

    horizon: int
    model: str
    ratio: float
    low: float
    high: float
    targets: int
    better: int
    worse: int
    p_value: float
    models: int
    beaten: int

    @property
    def corrected(self) -> float:
        """The p-value after Bonferroni's correction for the models it was picked from."""
        return min(1.0, self.p_value * self.models)

    @property
    def answer(self) -> Answer:
        """Of one target by the corrected p-value; of several by the interval, or else by most targets' tests."""
        better = int(self.ratio < 1.0 and self.corrected < SIGNIFICANCE) if self.targets == 1 else self.better
        gain = 100.0 * (1.0 - self.ratio)
        low, high = 100.0 * (1.0 - self.high), 100.0 * (1.0 - self.low)
        return _answer(gain, low, high, better, self.worse, self.targets)


class Roughness(NamedTuple):
    """Hurst exponents of one role's series by one method: how many, mean, smallest, largest, and below one half.

    Attributes:
        role: ``source`` or ``target``.
        assets: Their names.
        method: The estimator.
        mean: Of H over the series; ``low`` and ``high`` are the smallest and the largest.
        rough: Series whose 95% interval lies below 0.5, of ``tested`` that have one.
    """

    role: str
    assets: Sequence[str]
    method: str
    mean: float
    low: float
    high: float
    rough: int
    tested: int


def gain(tables: Tables, horizon: int) -> Gain | None:
    """What transfer gains at a horizon, or None if it was not compared."""
    if "table_4" not in tables:
        return None
    table = tables["table_4"]
    own = table[(table["metric"] == "RMSE") & (table["horizon"] == horizon) & table["improvement"].notna()]
    if own.empty:
        return None
    gains, p_values = own["improvement"].to_numpy(dtype=float), own["p_value"].to_numpy(dtype=float)
    low, high = mean_interval(np.asarray(gains, dtype=np.float64), least=-np.inf)
    firm = np.nan_to_num(p_values, nan=1.0) < SIGNIFICANCE
    return Gain(
        horizon,
        float(gains.mean()),
        low,
        high,
        len(own),
        int((gains > 0.0).sum()),
        int((firm & (gains > 0.0)).sum()),
        int((firm & (gains < 0.0)).sum()),
        sorted(p_values[np.isfinite(p_values)].tolist()),
        int(own["wins"].sum()),
        int(own["seeds"].sum()),
    )


def rival(tables: Tables, horizon: int) -> Rival | None:
    """The best model beside HAR at a horizon, or None if there is none."""
    if "table_across" not in tables:
        return None
    table = tables["table_across"]
    own = table[(table["horizon"] == horizon) & (table["model"] != HAR) & table["ratio"].notna()]
    full = own[own["targets"] == own["targets"].max()]  # a mean over fewer targets does not compete
    if full.empty:
        return None
    best = min(lines_of(full), key=lambda row: float(row.ratio))
    most = [int(row.worse_than_har) for row in lines_of(own) if not pd.isna(row.worse_than_har)]
    better, worse = (0 if pd.isna(count) else int(count) for count in (best.better_than_har, best.worse_than_har))
    targets = int(best.targets)
    p_value = _p_value(tables, str(best.model), horizon) if targets == 1 else np.nan
    beaten = sum(2 * count > targets for count in most)
    ends = float(best.low), float(best.high)
    return Rival(horizon, str(best.model), float(best.ratio), *ends, targets, better, worse, p_value, len(full), beaten)


def roughness(tables: Tables) -> list[Roughness]:
    """Hurst exponents by role and method."""
    if "table_1" not in tables:
        return []
    table = tables["table_1"]
    found = []
    for (role, method), own in table[table["hurst"].notna()].groupby(["role", "method"], sort=False):
        values, ends = own["hurst"].astype(float), own["high"].astype(float).dropna()
        rough = int((ends < 0.5).sum())
        assets = sorted(map(str, own["asset"]))
        numbers = float(values.mean()), float(values.min()), float(values.max())
        found.append(Roughness(str(role), assets, str(method), *numbers, rough, len(ends)))
    return found


def in_sets(tables: Tables, horizon: int) -> dict[str, tuple[int, int]]:
    """In how many targets' confidence sets each model is, of how many it took part in."""
    if "confidence_sets" not in tables:
        return {}
    table = tables["confidence_sets"]
    own = table[(table["horizon"] == horizon) & ((table["status"] == "ok") if "status" in table.columns else True)]
    members = own[own["included"].astype(bool)]
    return {
        model: (int((members["model"] == model).sum()), int((own["model"] == model).sum()))
        for model in model_order(own["model"])
    }


def _p_value(tables: Tables, model: str, horizon: int) -> float:
    """Of the test of a single target's model against HAR."""
    if "table_6" not in tables:
        return np.nan
    table = tables["table_6"]
    own = table[(table["model"] == model) & (table["horizon"] == horizon) & (table["benchmark"] == HAR)]
    return float(own["p_value"].iloc[0]) if len(own) == 1 else np.nan


def _answer(gain: float, low: float, high: float, better: int, worse: int, targets: int) -> Answer:
    if low > 0.0 or 2 * better > targets:
        return "yes"
    if high < 0.0 or 2 * worse > targets:
        return "opposite"
    return "open" if gain > 0.0 else "no"

"""How good quantile forecasts are: pinball loss, coverage and width of central intervals, raw and calibrated."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.errors import InputError
from volforecast.evaluation.conformal import central_pairs
from volforecast.evaluation.rough_order import in_order
from volforecast.evaluation.rough_transfer import over_seeds

FloatArray = NDArray[np.float64]

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
COLUMNS: Final = ("target", "horizon", "model", "seed", "date", "level", "quantile", "calibrated", "realized")
_KEY: Final = ["target", "horizon", "model", "seed", "date", "level"]
_FIGURES: Final = ("coverage", "calibrated_coverage", "width", "calibrated_width", "pinball", "calibrated_pinball")


def pinball_loss(quantiles: FloatArray, realized: FloatArray, levels: Sequence[float]) -> FloatArray:
    """The loss that a quantile minimises: with u = realized - quantile, ``level u`` above it, ``(level - 1) u`` below.

    Args:
        quantiles: Forecasts, shape (T, levels), any unit.
        realized: What was realized, shape (T,), same unit.
        levels: Levels of the forecasts, between 0 and 1.

    Returns:
        Shape (T, levels), unit of the forecasts.
    """
    above = realized[:, None] - quantiles
    level = np.asarray(levels, dtype=np.float64)
    return np.maximum(level * above, (level - 1.0) * above)


def intervals(quantiles: FloatArray, realized: FloatArray, levels: Sequence[float]) -> list[tuple[float, float, float]]:
    """Nominal probability, coverage and mean width of each central interval, the narrowest first.

    A day on an interval's end counts as covered; where the ends cross, no day is and the width is negative.

    Args:
        quantiles: Forecasts, shape (T, levels), any unit.
        realized: What was realized, shape (T,), same unit.
        levels: Ascending and symmetric around 0.5.
    """
    found = []
    for low, high in central_pairs(levels):
        inside = (quantiles[:, low] <= realized) & (realized <= quantiles[:, high])
        width = (quantiles[:, high] - quantiles[:, low]).mean()
        found.append((round(levels[high] - levels[low], 9), float(inside.mean()), float(width)))
    return found


def coverage(quantile_forecasts: pd.DataFrame) -> pd.DataFrame:
    """What the quantile forecasts promise and what they keep, on the test days.

    Args:
        quantile_forecasts: Long table ``target, horizon, model, seed, date, level, quantile, calibrated, realized``,
            log units, any order; a failed fit has NaN.

    Returns:
        Columns ``target, horizon, model, interval`` (0.5, 0.9) ``, coverage, calibrated_coverage`` (share of days)
        ``, width, calibrated_width`` (mean, log units) ``, pinball, calibrated_pinball`` (mean over all days and
        levels, so the same for each interval of a model) ``, spread_coverage`` (standard deviation of ``coverage``
        over seeds, NaN for one) ``, seeds, days``. Figures are means over the seeds that have all quantiles for every
        day; a model without one has 0 seeds and NaN.

    Raises:
        InputError: A column is missing, there are no rows, a quantile comes twice, a label is missing or not one, or
            the levels are not symmetric around 0.5.
    """
    table = _checked(quantile_forecasts)
    rows = []
    for (target, horizon), part in table.groupby(["target", "horizon"]):
        labels = part.drop_duplicates("date").set_index("date")["realized"].sort_index()
        levels = [float(level) for level in sorted(part["level"].unique())]
        nominal = [round(levels[high] - levels[low], 9) for low, high in central_pairs(levels)]
        for model, own in part.groupby("model"):
            measured = []
            for _, seed_rows in own.groupby("seed"):
                wide = seed_rows.pivot(index="date", columns="level", values=["quantile", "calibrated"])
                both = pd.MultiIndex.from_product([["quantile", "calibrated"], levels])
                values = wide.reindex(index=labels.index, columns=both).to_numpy(dtype=np.float64)
                if np.isfinite(values).all():
                    measured.append(_measured(values, labels.to_numpy(dtype=np.float64), levels))
            figures = np.array(measured).reshape(len(measured), len(nominal), len(_FIGURES))
            for k, name in enumerate(nominal):
                means = [over_seeds(figures[:, k, j])[0] for j in range(len(_FIGURES))]
                spread = over_seeds(figures[:, k, 0])[1]
                rows.append((target, horizon, model, name, *means, spread, len(measured), len(labels)))
    columns = ["target", "horizon", "model", "interval", *_FIGURES, "spread_coverage", "seeds", "days"]
    return in_order(pd.DataFrame(rows, columns=columns))


def _measured(values: FloatArray, realized: FloatArray, levels: Sequence[float]) -> list[tuple[float, ...]]:
    """The figures of one seed by interval: raw quantiles in the first half of the columns, calibrated in the second."""
    raw, calibrated = values[:, : len(levels)], values[:, len(levels) :]
    losses = tuple(float(pinball_loss(one, realized, levels).mean()) for one in (raw, calibrated))
    both = zip(intervals(raw, realized, levels), intervals(calibrated, realized, levels), strict=True)
    return [(one[1], two[1], one[2], two[2], *losses) for one, two in both]


def _checked(quantile_forecasts: pd.DataFrame) -> pd.DataFrame:
    absent = [column for column in COLUMNS if column not in quantile_forecasts.columns]
    if absent:
        raise InputError(f"quantile forecasts lack the column(s) {', '.join(absent)}")
    if quantile_forecasts.empty:
        raise InputError("quantile forecasts have no rows, so there is nothing to evaluate")
    table = quantile_forecasts[list(COLUMNS)].astype({"target": str, "model": str})
    table["level"] = table["level"].round(9)
    twice = table.duplicated(_KEY)
    if twice.any():
        target, horizon, model, seed, date, level = table.loc[twice, _KEY].iloc[0]
        raise InputError(
            f"target {target} has two quantiles {level} of {model}, seed {seed}, horizon {horizon}, for {date}"
        )
    labels = table.drop_duplicates(["target", "horizon", "date", "realized"])
    bad = labels.duplicated(["target", "horizon", "date"]) | ~np.isfinite(labels["realized"])
    if bad.any():
        target, horizon, date = labels.loc[bad, ["target", "horizon", "date"]].iloc[0]
        raise InputError(f"target {target} has no label, or two, for {date} at horizon {horizon}")
    return table

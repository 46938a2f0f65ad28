"""Realized measures beside the variance: optional columns of the daily table, read when a model asks for them.

They have fingerprints of their own, so a panel with or without them is the same panel to all other models, and what
these have computed stays valid when a measure is added, corrected or removed.
"""

import hashlib
from typing import Final

import numpy as np
import pandas as pd

from volforecast.errors import PanelError

MEASURES: Final = ("bpv", "rq", "rs_neg", "rs_pos")
"""Bipower variation, realized quarticity, negative and positive semivariance (``volforecast.data.realized``)."""

LARGEST: Final = {"bpv": 1e5, "rq": 1e11, "rs_neg": 1e4, "rs_pos": 1e4}
"""Decimal variances per day, and for ``rq`` their square: with these, squares and products stay finite."""

# median over the rows of a measure relative to rv (rq: to its square), wide enough for thin trading and other ways of
# sampling, and too narrow for another unit: per cent squared is 10,000 times a decimal
SCALES: Final = {"bpv": (0.01, 10.0), "rq": (0.01, 1e3), "rs_neg": (0.001, 2.0), "rs_pos": (0.001, 2.0)}


def check_measures(daily: pd.DataFrame, measures: tuple[str, ...]) -> None:
    """Stop if a measure cannot be what its name says; days without it (NaN) are allowed.

    Args:
        daily: ``asset, date, rv`` and those of the measures that the panel has, as numbers.
        measures: The measures to look at.

    Raises:
        PanelError: A value is negative, infinite or absurdly large, or a column is in another unit than ``rv``.
    """
    rv = daily["rv"].to_numpy(dtype=np.float64)
    for name in measures:
        if name not in daily:
            continue
        values = daily[name].to_numpy(dtype=np.float64)
        bad = (values < 0.0) | (values > LARGEST[name])
        if bad.any():
            row, more = daily[bad].iloc[0], int(bad.sum()) - 1
            raise PanelError(
                f"daily.parquet: asset {row['asset']}, {row['date']:%Y-%m-%d}: {name} is {row[name]:g}"
                f"{f' (and {more:,} more)' if more else ''}; it lies between 0 and {LARGEST[name]:g}: correct it or "
                "leave it empty"
            )
        power = 2 if name == "rq" else 1
        known = np.isfinite(values)
        if known.any():
            size = float(np.median(values[known] / rv[known] ** power))
            low, high = SCALES[name]
            if not low <= size <= high:
                raise PanelError(
                    f"daily.parquet: the median {name} is {size:.3g} times rv{' squared' * (power - 1)}, where {low:g} "
                    f"to {high:g} is plausible; column {name} must be decimal as rv is (per cent squared is divided by "
                    f"{'100,000,000' if power == 2 else '10,000'})"
                )


def measure_fingerprints(daily: pd.DataFrame, measures: tuple[str, ...]) -> dict[str, str]:
    """sha256 of each measure's values in the order of the daily table, of those that are there."""
    return {
        name: hashlib.sha256(np.ascontiguousarray(daily[name].to_numpy(dtype="<f8")).tobytes()).hexdigest()
        for name in measures
        if name in daily
    }

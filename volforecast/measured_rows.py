"""Predictors made of realized measures: those of the models beside the paper's (HAR-J, HARQ, SHAR).

Rows of their own with other columns, made when such a model is asked for; row numbers, labels and dates are those of
the rows they are made of, so selections of either apply to both. Similarity is measured on ``rv_d, rv_w, rv_m`` always.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from volforecast.data.panel import Panel
from volforecast.errors import PanelError
from volforecast.predictors import PER_CENT_SQUARED, FloatArray, PredictorRows

NEEDS = {"HAR-J": ("bpv",), "HARQ": ("rq",), "SHAR": ("rs_neg", "rs_pos")}
"""By predictor set, the measures it is made of."""

EXTRA_SETS = {
    "HAR-J": ("rv_d", "rv_w", "rv_m", "jump"),
    "HARQ": ("rv_d", "rv_w", "rv_m", "rv_d_rq"),
    "SHAR": ("rs_neg", "rs_pos", "rv_w", "rv_m"),
}
"""By name, the predictors of models that have one set of their own; variances in per cent squared."""


def measures_needed(sets: Iterable[str]) -> tuple[str, ...]:
    """The measures that some predictor sets are made of, each once."""
    return tuple(sorted({name for one in sets for name in NEEDS.get(one, ())}))


def require_measures(panel: Panel, predictors: str, targets: Iterable[str]) -> None:
    """Stop if the panel lacks a measure of a predictor set.

    Raises:
        PanelError: Names the model class, the column, and the first target that has it on no day.
    """
    for name in NEEDS[predictors]:
        if name not in panel.daily:
            raise PanelError(
                f"{predictors} needs {name} (daily.parquet), which the panel lacks: add the column (volforecast panel "
                f"makes it from intraday bars; read_panel reads it with measures={NEEDS[predictors]!r}), or run other "
                "models (--models)"
            )
        counts = panel.daily.groupby("asset")[name].count()
        for target in targets:
            if counts[target] == 0:
                raise PanelError(
                    f"daily.parquet: target {target} has no {name} on any day; {predictors} needs it: fill it in, "
                    "leave out the target (--targets), or run other models (--models)"
                )


def measured_rows(panel: Panel, rows: PredictorRows, predictors: str) -> PredictorRows:
    """The rows with the predictors of one set of :data:`EXTRA_SETS`; NaN where a day lacks a measure.

    Args:
        panel: With the measures that the set needs.
        rows: Made of the same panel.
        predictors: The set's name.
    """
    # rows and the daily table are in the same order: asset after asset, day after day
    measured = {name: panel.daily[name].to_numpy(dtype=np.float64) for name in NEEDS[predictors]}
    column = {name: rows.X[:, rows.names.index(name)] for name in ("rv_d", "rv_w", "rv_m")}
    if predictors == "HARQ":
        column["rv_d_rq"] = column["rv_d"] * (PER_CENT_SQUARED * np.sqrt(measured["rq"]))
    elif predictors == "HAR-J":
        column["jump"] = _positive(column["rv_d"] - PER_CENT_SQUARED * measured["bpv"])
    else:
        column |= {name: PER_CENT_SQUARED * values for name, values in measured.items()}
    names = EXTRA_SETS[predictors]
    X = np.column_stack([column[name] for name in names])
    return replace(rows, X=X, names=names, volatilities=len(names))


def _positive(values: FloatArray) -> FloatArray:
    return np.where(values < 0.0, 0.0, values)  # NaN stays

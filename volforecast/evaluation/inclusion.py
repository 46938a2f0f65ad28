"""Which models belong to the sets of the best, and how often (Table 4 of Teller, Pigorsch & Pigorsch 2026)."""

import numpy as np
import pandas as pd

from volforecast.evaluation.confidence_set import model_confidence_set
from volforecast.evaluation.losses import LOSSES, checked_forecasts, loss_matrix
from volforecast.evaluation.order import AGGREGATE, ALL, in_order, period_key
from volforecast.evaluation.resampling import shared_weights


def confidence_set(
    forecasts: pd.DataFrame,
    *,
    seed: int,
    level: float = 0.95,
    replications: int = 5000,
    block_length: int | None = None,
) -> pd.DataFrame:
    """The model confidence sets of one target over the days given, one for each loss (section 5.4).

    All sets over the same number of days share their resamples (:func:`resampling.shared_weights`).

    Args:
        forecasts: Rows of one target, of one sample period or of several together (see ``mean_losses``).
        seed: The study's seed.
        level: Confidence level.
        replications: Bootstrap resamples.
        block_length: Mean block length in days; floor(sqrt(days)) when None.

    Returns:
        Columns ``loss, model, p_value, included, status`` with the status of
        :class:`~volforecast.evaluation.confidence_set.ConfidenceSet`.

    Raises:
        InputError: The table breaks a rule, or has fewer than two days.
    """
    days = forecasts["date"].nunique()
    weights = shared_weights(days, replications, seed, block_length)
    parts = []
    for loss in LOSSES:
        matrix = loss_matrix(forecasts, loss)
        found = model_confidence_set(matrix.to_numpy(), level=level, weights=weights)
        columns = {
            "loss": loss,
            "model": list(matrix.columns),
            "p_value": found.p_values,
            "included": found.included,
            "status": list(found.status),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def confidence_sets(
    forecasts: pd.DataFrame,
    *,
    seed: int,
    level: float = 0.95,
    replications: int = 5000,
    block_length: int | None = None,
) -> pd.DataFrame:
    """:func:`confidence_set` of every target and period, and of all periods together.

    The resamples derive from the seed and the number of days alone, so a table made target by target equals one made
    at once.

    Args:
        forecasts: Long forecasts table (see ``mean_losses``), of one or more targets.
        seed: The study's seed.
        level: Confidence level.
        replications: Bootstrap resamples.
        block_length: Mean block length in days; floor(sqrt(days)) when None.

    Returns:
        Columns ``target, period, loss, model, p_value, included, status``.

    Raises:
        InputError: The table breaks a rule, or a period has fewer than two days.
    """
    table = checked_forecasts(forecasts)
    table["period"] = table["period"].astype(str)
    parts = []
    for target, rows in table.groupby("target"):
        for period in [*sorted(set(rows["period"]), key=period_key), ALL]:
            part = rows if period == ALL else rows[rows["period"] == period]
            found = confidence_set(part, seed=seed, level=level, replications=replications, block_length=block_length)
            parts.append(found.assign(target=target, period=period))
    names = ["target", "period", "loss", "model", "p_value", "included", "status"]
    return pd.concat(parts, ignore_index=True)[names]


def inclusion_counts(sets: pd.DataFrame) -> pd.DataFrame:
    """Table 4: in how many targets' confidence sets each model is.

    Args:
        sets: Table with the columns ``target, period, loss, model, p_value, included`` (:func:`confidence_sets`).

    Returns:
        Columns ``model, period, loss, included, targets, left_out``, in the paper's order: ``targets`` is how many
        sets the model took part in, ``left_out`` how many more there are where it had no usable losses. Period ``agg``
        adds up the single periods; ``all`` is the set over all days together and not part of the sum.
    """
    sets = sets.assign(period=sets["period"].astype(str), taken=sets["p_value"].notna())
    grouped = sets.groupby(["model", "period", "loss"])
    table = grouped.agg(included=("included", "sum"), targets=("taken", "sum")).reset_index()
    total = sets.groupby(["period", "loss"])["target"].nunique().rename("total").reset_index()
    table = table.merge(total, on=["period", "loss"])
    single = table[table["period"] != ALL]
    added = single.groupby(["model", "loss"])[["included", "targets", "total"]].sum().reset_index()
    table = pd.concat([table, added.assign(period=AGGREGATE)], ignore_index=True)
    table["left_out"] = table["total"] - table["targets"]
    counts = ["included", "targets", "left_out"]
    table[counts] = table[counts].astype(np.int64)
    return in_order(table[["model", "period", "loss", *counts]])

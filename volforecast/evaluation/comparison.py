"""From a run's forecasts to the comparison tables of Teller, Pigorsch & Pigorsch (2026): 3 and 8 to 11.

Each table is long (one row a number, with the count of targets behind it); ``layout`` has the paper's layouts. A model
with a missing forecast on any day of a target's period is left out of that target's numbers there, and counted as such.
"""

import numpy as np
import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.diebold_mariano import diebold_mariano_matrix
from volforecast.evaluation.losses import (
    GREATEST,
    LOSSES,
    checked_forecasts,
    loss_matrix,
    loss_named,
    usable_series,
)
from volforecast.evaluation.order import ALL, NAIVE, in_order, paper_order


def mean_losses(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Mean losses of every target, period and model.

    Args:
        forecasts: Long table ``target, period, origin, date, model, forecast, realized, status``, any row order, values
            in per cent squared.

    Returns:
        Columns ``target, period, model, loss, days, missing, mean_loss``: ``period`` is text (``50``, ..., and ``all``
        for the periods' days together); ``days`` is how many days the target has in that period, ``missing`` on how
        many of them the model has no usable loss; ``mean_loss`` (unit of the loss) is NaN unless ``missing`` is 0.

    Raises:
        InputError: The table breaks a rule (see :func:`~volforecast.evaluation.losses.checked_forecasts`).
    """
    table = checked_forecasts(forecasts)
    for name, function in LOSSES.items():
        values = function(table["forecast"].to_numpy(), table["realized"].to_numpy())
        table[name] = np.where(np.abs(values) <= GREATEST, values, np.nan)
    names = list(LOSSES)
    parts = []
    for part in (table.assign(period=table["period"].astype(str)), table.assign(period=ALL)):
        days = part.groupby(["target", "period"])["date"].nunique().rename("days")
        models = part.groupby(["target", "period", "model"])[names]
        means = models.mean().melt(var_name="loss", value_name="mean_loss", ignore_index=False)
        counts = models.count().melt(var_name="loss", value_name="count", ignore_index=False)
        means["count"] = counts["count"].to_numpy()
        parts.append(means.reset_index().merge(days.reset_index(), on=["target", "period"]))
    result = pd.concat(parts, ignore_index=True)
    result["missing"] = result["days"] - result["count"]
    result["mean_loss"] = result["mean_loss"].where(result["missing"] == 0)
    ordered = in_order(result.sort_values("target", ignore_index=True)).sort_values("target", kind="stable")
    return ordered[["target", "period", "model", "loss", "days", "missing", "mean_loss"]].reset_index(drop=True)


def relative_to_naive(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Table 3: mean over the targets of each model's mean loss relative to that of the naive forecast.

    Args:
        forecasts: Long forecasts table (see :func:`mean_losses`) with the model ``NF``.

    Returns:
        Columns ``model, period, loss, ratio, targets, left_out``, in the paper's order, without NF itself.
        ``targets`` is how many targets the mean is over; ``left_out`` how many more have this period but lack a
        forecast of the model or of NF, or have a perfect NF. ``ratio`` is NaN when ``targets`` is 0.

    Raises:
        InputError: There is no NF, or the table breaks a rule.
    """
    losses = mean_losses(forecasts)
    naive = losses.loc[losses["model"] == NAIVE, ["target", "period", "loss", "mean_loss"]]
    if naive.empty:
        raise InputError(f"forecasts table has no naive forecast ({NAIVE}), which the relative losses are relative to")
    joined = losses[losses["model"] != NAIVE].merge(
        naive.rename(columns={"mean_loss": "naive"}), on=["target", "period", "loss"], how="left"
    )
    joined["ratio"] = joined["mean_loss"] / joined["naive"].where(joined["naive"] > 0.0)
    grouped = joined.groupby(["model", "period", "loss"])["ratio"]
    table = grouped.mean().to_frame().assign(targets=grouped.count()).reset_index()
    having = losses.groupby("period")["target"].nunique()
    table["left_out"] = table["period"].map(having) - table["targets"]
    return in_order(table)


def pairwise(forecasts: pd.DataFrame, loss: str, *, significance: float = 0.05) -> pd.DataFrame:
    """Every model against every other one over all days together (the numbers of Tables 8 to 11).

    Args:
        forecasts: Long forecasts table (see :func:`mean_losses`).
        loss: A name in :data:`~volforecast.evaluation.losses.LOSSES`.
        significance: Level of the Diebold-Mariano tests.

    Returns:
        Columns ``loss, benchmark, model, ratio, targets, left_out, rejections, untested, significant``, benchmarks and
        models in the paper's order, without the diagonal. ``ratio`` is the mean over targets of the model's mean loss
        relative to the benchmark's; ``targets`` how many targets that is over and ``left_out`` how many lack a forecast
        of one of the two (or have a perfect benchmark). ``rejections`` counts the targets where the model's loss is
        significantly smaller, ``untested`` those among ``targets`` where the two cannot be told apart (no variance);
        ``significant`` says whether the rejections are more than half of ``targets``.

    Raises:
        InputError: The table breaks a rule, the loss is unknown, or a target has fewer than two days.
    """
    loss_named(loss)
    table = checked_forecasts(forecasts)
    models = paper_order(table["model"])
    place = {name: rank for rank, name in enumerate(models)}
    shape = (len(models), len(models))
    ratios = np.zeros(shape)
    targets, rejections, untested = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    for _, rows in table.groupby("target"):
        matrix = loss_matrix(rows, loss)
        losses = matrix.to_numpy()
        usable = usable_series(losses)
        means = np.where(usable, losses, np.nan).mean(axis=0)
        p_values = diebold_mariano_matrix(losses).T  # row: benchmark, column: the model that may be better
        at = np.array([place[name] for name in matrix.columns])
        counted = usable & (means > 0.0)[:, None]  # a benchmark that is missing has the mean NaN
        ratio = np.zeros_like(p_values)
        np.divide(np.broadcast_to(means, ratio.shape), means[:, None], out=ratio, where=counted)
        cells = np.ix_(at, at)
        ratios[cells] += ratio
        targets[cells] += counted
        rejections[cells] += counted & (p_values < significance)
        untested[cells] += counted & np.isnan(p_values)
    np.divide(ratios, targets, out=ratios, where=targets > 0)
    ratios[targets == 0] = np.nan
    row, column = np.nonzero(~np.eye(len(models), dtype=bool))
    return pd.DataFrame(
        {
            "loss": loss,
            "benchmark": [models[i] for i in row],
            "model": [models[j] for j in column],
            "ratio": ratios[row, column],
            "targets": targets[row, column],
            "left_out": table["target"].nunique() - targets[row, column],
            "rejections": rejections[row, column],
            "untested": untested[row, column],
            "significant": 2 * rejections[row, column] > targets[row, column],
        }
    )

"""From a run's forecasts to the comparison tables of Teller, Pigorsch & Pigorsch (2026): 3, 4 and 8 to 11.

Each table comes long first (one row a number, with the count of targets behind it), then in the paper's layout. A model
with a missing forecast on any day of a target's period is left out of that target's numbers there, and counted as such.
"""

import re
from collections.abc import Iterable, Sequence
from math import isqrt
from typing import Final

import numpy as np
import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.confidence_set import model_confidence_set, stationary_bootstrap_indices
from volforecast.evaluation.diebold_mariano import diebold_mariano_matrix
from volforecast.evaluation.losses import (
    GREATEST,
    LOSSES,
    checked_forecasts,
    loss_matrix,
    loss_named,
    usable_series,
)
from volforecast.seeds import generator

NAIVE: Final = "NF"
ALL: Final = "all"
"""The paper's s*: the days of a target's sample periods together."""
AGGREGATE: Final = "agg"
"""The single sample periods added up (column Agg. of Table 4)."""
PAIRWISE_TABLES: Final = {8: ("MSE", "STD"), 9: ("MSE", "EXT"), 10: ("MAE", "STD"), 11: ("MAE", "EXT")}

_CLASSES: Final = ("HAR", "FNN", "XGB")
_NAME: Final = re.compile(r"(?:(\d+)-)?(TO|NP|MTL)(?:-(\d+))? (.+)-(STD|EXT)")


def paper_order(models: Iterable[str]) -> list[str]:
    """Model names in the order of the paper's rows.

    NF first; then by class HAR, FNN, XGB (others follow by name); within a class TO, NP, MTL; within each of these STD
    before EXT; then MTL-25, 50, 75. First-days prefixes (``1-``, ``5-``, ``22-``) sort before the class. Names of
    another form come last, by name.
    """
    return sorted(set(models), key=_model_key)


def _model_key(name: str) -> tuple[int, int, int, str, int, int, int, str]:
    if name == NAIVE:
        return (0, 0, 0, "", 0, 0, 0, name)
    parts = _NAME.fullmatch(name)
    if parts is None:
        return (2, 0, 0, "", 0, 0, 0, name)
    prefix, approach, share, family, predictors = parts.groups()
    rank = _CLASSES.index(family) if family in _CLASSES else len(_CLASSES)
    approach_rank = ("TO", "NP", "MTL").index(approach)
    return (1, int(prefix or 0), rank, family, approach_rank, int(predictors == "EXT"), int(share or 0), name)


def _period_key(period: str) -> tuple[int, int, str]:
    if period in (AGGREGATE, ALL):
        return (2, int(period == ALL), period)
    return (0, int(period), "") if period.isdecimal() else (1, 0, period)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by model, period and loss, each in the paper's order."""
    ranks = pd.DataFrame(index=table.index)
    for column, order in (
        ("model", paper_order(table["model"])),
        ("period", sorted(set(table["period"]), key=_period_key)),
        ("loss", list(LOSSES)),
    ):
        ranks[column] = table[column].map({name: rank for rank, name in enumerate(order)})
    return table.loc[ranks.sort_values(["model", "period", "loss"]).index].reset_index(drop=True)


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
    ordered = _in_order(result.sort_values("target", ignore_index=True)).sort_values("target", kind="stable")
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
    return _in_order(table)


def confidence_set(
    forecasts: pd.DataFrame,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    replications: int = 5000,
    block_length: int | None = None,
) -> pd.DataFrame:
    """The model confidence sets of one target over the days given, one for each loss (section 5.4).

    The losses share their resamples, so their sets differ by the loss alone.

    Args:
        forecasts: Rows of one target, of one sample period or of several together (see :func:`mean_losses`).
        rng: Draws the resamples.
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
    indices = stationary_bootstrap_indices(days, replications, block_length or isqrt(days), rng)
    parts = []
    for loss in LOSSES:
        matrix = loss_matrix(forecasts, loss)
        found = model_confidence_set(matrix.to_numpy(), level=level, indices=indices)
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

    The resamples of a target and period derive from the seed and these two names alone, so a table made target by
    target equals one made at once.

    Args:
        forecasts: Long forecasts table (see :func:`mean_losses`), of one or more targets.
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
        for period in [*sorted(set(rows["period"]), key=_period_key), ALL]:
            part = rows if period == ALL else rows[rows["period"] == period]
            rng = generator(seed, "confidence set", str(target), period)
            found = confidence_set(part, rng, level=level, replications=replications, block_length=block_length)
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
    return _in_order(table[["model", "period", "loss", *counts]])


def printed(table: pd.DataFrame, value: str, losses: Sequence[str] = ("MSE", "MAE")) -> pd.DataFrame:
    """The layout of Tables 3 and 4: one row a model, columns by period, then loss.

    Args:
        table: Result of :func:`relative_to_naive` or :func:`inclusion_counts`.
        value: The column to show (``ratio``, ``included``, ``targets`` ...).
        losses: The losses to show; the paper has MSE and MAE.
    """
    shown = table[table["loss"].isin(losses)]
    wide = shown.pivot(index="model", columns=["period", "loss"], values=value)
    periods = sorted(set(shown["period"]), key=_period_key)
    order = pd.MultiIndex.from_product([periods, list(losses)], names=["period", "loss"])
    return wide.reindex(index=paper_order(shown["model"]), columns=order)


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


def cut_pairwise(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows of one of the paper's Tables 8 to 11.

    Args:
        table: Results of :func:`pairwise`, those for MSE and MAE concatenated.
        number: 8 (MSE) and 10 (MAE): models with STD predictors and NF; 9 (MSE) and 11 (MAE): EXT. All benchmarks stay.

    Raises:
        InputError: Another number.
    """
    if number not in PAIRWISE_TABLES:
        raise InputError(f"there is no pairwise table {number}; choose from 8, 9, 10, 11")
    loss, predictors = PAIRWISE_TABLES[number]
    shown = table["model"].str.endswith(f"-{predictors}")
    if predictors == "STD":
        shown |= table["model"] == NAIVE
    return table[(table["loss"] == loss) & shown].reset_index(drop=True)


def pairwise_matrix(table: pd.DataFrame, value: str = "ratio") -> pd.DataFrame:
    """One column of a pairwise table as a matrix: a row each benchmark, a column each model, in the paper's order.

    Args:
        table: Result of :func:`pairwise` or :func:`cut_pairwise`, for one loss.
        value: The column to show. On the diagonal ``significant`` is False, a number NaN.
    """
    wide = table.pivot(index="benchmark", columns="model", values=value)
    wide = wide.reindex(index=paper_order(table["benchmark"]), columns=paper_order(table["model"]))
    return wide.eq(True) if value == "significant" else wide


def printed_pairwise(table: pd.DataFrame) -> pd.DataFrame:
    """The layout of Tables 8 to 11 as text.

    ``0.745*`` where significant, ``-`` on the diagonal, ``n/a`` where no target has both models.

    Args:
        table: Result of :func:`pairwise` or :func:`cut_pairwise`, for one loss.
    """
    ratios = pairwise_matrix(table)
    stars = pairwise_matrix(table, "significant")
    text = ratios.astype(object)
    for i, benchmark in enumerate(ratios.index):
        for j, model in enumerate(ratios.columns):
            ratio = float(ratios.to_numpy()[i, j])
            number = "n/a" if np.isnan(ratio) else f"{ratio:.3f}" + ("*" if stars.to_numpy()[i, j] else "")
            text.iat[i, j] = "-" if benchmark == model else number
    return text

"""From forecasts of an asset's first days to tables 5, 6 and 15 to 17 of Teller, Pigorsch & Pigorsch (2026).

Models come in three predictor sets, which their prefix tells: ``1-`` from the first trading day on, ``5-`` from the
fifth, ``22-`` from the twenty-second. A transition strategy says which of them serves in which sample period. Means are
taken over what is there: a ratio that is exceptionally large is reported as it is.
"""

from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.comparison import mean_losses, relative_to_naive
from volforecast.evaluation.losses import LOSSES
from volforecast.evaluation.order import ALL, NAIVE, paper_order

PERIODS: Final = (1, 5, 22)
STRATEGIES: Final = {  # the prefix that serves in each sample period
    "Str. 1-1-1": {1: 1, 5: 1, 22: 1},
    "Str. 1-5-5": {1: 1, 5: 5, 22: 5},
    "Str. 1-5-22": {1: 1, 5: 5, 22: 22},
}
PROMPT: Final = "Str. 1-5-22"
"""The strategy that changes as soon as it can: the paper's best one, by which it compares NP and MTL models."""
PREFIX_TABLES: Final = {15: 1, 16: 5, 17: 22}


def base_name(model: str) -> str:
    """The name of a model without its prefix: ``MTL-75 XGB-EXT`` for ``5-MTL-75 XGB-EXT``."""
    prefix, dash, rest = model.partition("-")
    return rest if dash and prefix.isdecimal() else model


def served(forecasts: pd.DataFrame, strategy: str) -> pd.DataFrame:
    """The forecasts that a transition strategy issues, one series a model, with those of NF.

    Args:
        forecasts: Long table ``target, period, origin, date, model, prefix, forecast, realized, status`` with periods
            1, 5 and 22; values in per cent squared.
        strategy: A name in :data:`STRATEGIES`.

    Returns:
        The same columns without ``prefix``; models have lost theirs. A model of a target is left out unless it serves
        in all three periods.
    """
    serving = forecasts["period"].map(STRATEGIES[strategy])
    naive = forecasts["model"] == NAIVE
    rows = forecasts[naive | (forecasts["prefix"] == serving)].drop(columns="prefix")
    rows = rows.assign(model=rows["model"].map(base_name))
    periods = rows.groupby(["target", "model"])["period"].transform("nunique")
    return rows[periods == len(PERIODS)].reset_index(drop=True)


def strategy_losses(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Mean losses of every strategy's series over all first days.

    Args:
        forecasts: As for :func:`served`.

    Returns:
        Columns ``strategy, target, model, loss, days, mean_loss``; ``mean_loss`` is NaN where a forecast is missing or
        the loss is not usable on some day. NF appears in each strategy that has models, with the same losses. Empty if
        none has.
    """
    columns = ["strategy", "target", "model", "loss", "days", "mean_loss"]
    parts = [pd.DataFrame(columns=columns)]
    for strategy in STRATEGIES:
        series = served(forecasts, strategy)
        if (series["model"] != NAIVE).any():
            losses = mean_losses(series)
            parts.append(losses[losses["period"] == ALL].assign(strategy=strategy))
    return pd.concat(parts[1:] or parts, ignore_index=True)[columns]


def strategy_table(losses: pd.DataFrame) -> pd.DataFrame:
    """Table 5: each strategy relative to each other one, over all targets and all NP and MTL models.

    Args:
        losses: Result of :func:`strategy_losses`.

    Returns:
        Columns ``loss, row, column, ratio, pairs, left_out``: ``ratio`` is the mean, over pairs of a target and a
        model, of the column strategy's mean loss relative to the row strategy's; ``pairs`` how many that is over and
        ``left_out`` how many lack one of the two (or have a perfect row strategy). NaN when ``pairs`` is 0.
    """
    pooled = losses[losses["model"].str.match("NP|MTL")]
    wide = pooled.pivot(index=["loss", "target", "model"], columns="strategy", values="mean_loss")
    run = [strategy for strategy in STRATEGIES if strategy in wide.columns]
    rows = []
    for loss in (name for name in LOSSES if name in wide.index.get_level_values("loss")):
        own = wide.loc[loss]
        for row in run:
            for column in run:
                ratio = own[column] / own[row].where(own[row] > 0.0)
                rows.append((loss, row, column, ratio.mean(), ratio.count(), len(own) - ratio.count()))
    return pd.DataFrame(rows, columns=["loss", "row", "column", "ratio", "pairs", "left_out"])


def transition_table(losses: pd.DataFrame) -> pd.DataFrame:
    """Table 6: TO models under every strategy beside NP and MTL models under ``Str. 1-5-22``, relative to NF.

    Args:
        losses: Result of :func:`strategy_losses`.

    Returns:
        Columns ``model, strategy, loss, ratio, targets, left_out``: ``ratio`` is the mean over targets of the model's
        mean loss relative to that of NF, ``targets`` how many it is over, ``left_out`` how many lack one of the two (or
        have a perfect NF). Models in the paper's order, strategies within models.
    """
    naive = losses[losses["model"] == NAIVE].set_index(["strategy", "target", "loss"])["mean_loss"].rename("naive")
    own = losses[losses["model"].str.startswith("TO") | (losses["strategy"] == PROMPT)]
    own = own[own["model"] != NAIVE].join(naive, on=["strategy", "target", "loss"])
    own = own.assign(ratio=own["mean_loss"] / own["naive"].where(own["naive"] > 0.0))
    grouped = own.groupby(["model", "strategy", "loss"])["ratio"]
    table = grouped.mean().to_frame().assign(targets=grouped.count(), left_out=grouped.size() - grouped.count())
    return _ordered(table.reset_index())


def by_prefix(forecasts: pd.DataFrame, prefix: int) -> pd.DataFrame:
    """Tables 15 to 17: the models of one prefix relative to NF, by sample period.

    Args:
        forecasts: As for :func:`served`.
        prefix: 1, 5 or 22.

    Returns:
        Columns ``model, period, loss, ratio, targets, left_out`` of
        :func:`~volforecast.evaluation.comparison.relative_to_naive`; models keep their prefix. Empty if there is none.
    """
    chosen = forecasts["prefix"] == prefix
    periods = forecasts.loc[chosen, "period"].unique()
    own = forecasts[(chosen | (forecasts["model"] == NAIVE)) & forecasts["period"].isin(periods)]
    if not len(own):
        return pd.DataFrame(columns=["model", "period", "loss", "ratio", "targets", "left_out"])
    table = relative_to_naive(own.drop(columns="prefix"))
    return table[table["period"] != ALL].reset_index(drop=True)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    ranks = pd.DataFrame(index=table.index)
    for column, order in (("model", paper_order(table["model"])), ("strategy", STRATEGIES), ("loss", LOSSES)):
        ranks[column] = table[column].map({name: rank for rank, name in enumerate(order)}).astype(np.int64)
    return table.loc[ranks.sort_values(["model", "strategy", "loss"]).index].reset_index(drop=True)

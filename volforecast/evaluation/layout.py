"""The paper's layouts of the comparison tables: tables 3 and 4, 8 to 11."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.order import NAIVE, paper_order, period_key

PAIRWISE_TABLES: Final = {8: ("MSE", "STD"), 9: ("MSE", "EXT"), 10: ("MAE", "STD"), 11: ("MAE", "EXT")}


def printed(table: pd.DataFrame, value: str, losses: Sequence[str] = ("MSE", "MAE")) -> pd.DataFrame:
    """The layout of Tables 3 and 4: one row a model, columns by period, then loss.

    Args:
        table: Result of ``relative_to_naive`` or ``inclusion_counts``.
        value: The column to show (``ratio``, ``included``, ``targets`` ...).
        losses: The losses to show; the paper has MSE and MAE.
    """
    shown = table[table["loss"].isin(losses)]
    wide = shown.pivot(index="model", columns=["period", "loss"], values=value)
    periods = sorted(set(shown["period"]), key=period_key)
    order = pd.MultiIndex.from_product([periods, list(losses)], names=["period", "loss"])
    return wide.reindex(index=paper_order(shown["model"]), columns=order)


def cut_pairwise(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows of one of the paper's Tables 8 to 11.

    Args:
        table: Results of ``pairwise``, those for MSE and MAE concatenated.
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
        table: Result of ``pairwise`` or :func:`cut_pairwise`, for one loss.
        value: The column to show. On the diagonal ``significant`` is False, a number NaN.
    """
    wide = table.pivot(index="benchmark", columns="model", values=value)
    wide = wide.reindex(index=paper_order(table["benchmark"]), columns=paper_order(table["model"]))
    return wide.eq(True) if value == "significant" else wide


def printed_pairwise(table: pd.DataFrame) -> pd.DataFrame:
    """The layout of Tables 8 to 11 as text.

    ``0.745*`` where significant, ``-`` on the diagonal, ``n/a`` where no target has both models.

    Args:
        table: Result of ``pairwise`` or :func:`cut_pairwise`, for one loss.
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

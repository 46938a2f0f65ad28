"""The printed tables of Teller, Pigorsch & Pigorsch (2026), in the columns of this project's own tables."""

from pathlib import Path

import pandas as pd

from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.evaluation.order import ALL, NAIVE


def relative(folder: Path) -> pd.DataFrame:
    """Table 3 and, as the period ``all``, the rows of tables 8 to 11 whose benchmark is the naive forecast.

    Args:
        folder: Folder of ``table_3.csv``, ...

    Returns:
        Columns ``model, period, loss, ratio``; ratio is the mean over targets of errors relative to the naive forecast.
    """
    parts = [pd.read_csv(folder / "table_3.csv", dtype={"period": str}).rename(columns={"value": "ratio"})]
    for number in PAIRWISE_TABLES:
        table = pairwise(folder, number)
        parts.append(table[table["benchmark"] == NAIVE].assign(period=ALL))
    return pd.concat(parts, ignore_index=True)[["model", "period", "loss", "ratio"]]


def included(folder: Path) -> pd.DataFrame:
    """Table 4: columns ``model, period, loss, included``; periods ``50``, ..., ``agg`` and ``all``."""
    return pd.read_csv(folder / "table_4.csv", dtype={"period": str}).rename(columns={"value": "included"})


def pairwise(folder: Path, number: int) -> pd.DataFrame:
    """Table 8, 9, 10 or 11: columns ``loss, benchmark, model, ratio, significant``, without the diagonal."""
    table = pd.read_csv(folder / f"table_{number}.csv")
    table.columns = pd.Index(["benchmark", "model", "ratio", "significant"])
    table.insert(0, "loss", PAIRWISE_TABLES[number][0])
    return table.astype({"significant": bool})

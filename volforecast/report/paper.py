"""The printed figures of Teller, Pigorsch & Pigorsch (2026), in the columns of this project's own tables."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import pandas as pd

from volforecast.errors import InputError
from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.evaluation.order import ALL, NAIVE

BEYOND: Final = "> 99"
"""How tables 6, 15 and 16 print what is too large to print; infinite in :func:`figures`."""
MISSING: Final = "-"
"""What the paper prints where there is nothing: a diagonal, a later listing, a sample period before the model's."""
SELECTION_TABLES: Final = {12: 25, 13: 50, 14: 75}
"""Inclusion rate in per cent by table."""
FIRST_DAYS_TABLES: Final = {15: 1, 16: 5, 17: 22}
"""Prefix of the models by table."""
NUMBERS: Final = (1, *range(3, 18))
"""Tables at hand; table 2 has settings, not results."""

_COLUMNS: Final[Mapping[int, Mapping[str, str]]] = {
    3: {"value": "ratio"},
    4: {"value": "included"},
    5: {"value": "ratio"},
    6: {"value": "ratio"},
    **{n: {"row": "benchmark", "column": "model", "value": "ratio", "star": "significant"} for n in PAIRWISE_TABLES},
    **{key: {"value": "selection_rate"} for key in SELECTION_TABLES},
    **{key: {"value": "ratio"} for key in FIRST_DAYS_TABLES},
}


@cache
def printed(number: int) -> pd.DataFrame:
    """A table as it is stored: every cell the text that is printed, one value a row. Not to be changed in place.

    Args:
        number: 1 or 3 to 17.

    Raises:
        InputError: There is no such table.
    """
    if number not in NUMBERS:
        raise InputError(f"the paper's table {number} is not at hand; choose from 1, 3 to 17")
    path = files("volforecast.report").joinpath("teller2026", f"table_{number}.csv")
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=str, keep_default_na=False)


def figures(number: int) -> pd.DataFrame:
    """One of the paper's tables, a new frame each time.

    Args:
        number: 1 or 3 to 17.

    Returns:
        * 1: ``asset, first_day, kind, sector`` of the ten targets, 7: ``asset, sector`` of the 66 sources (text).
        * 3: ``model, period, loss, ratio``; as the period ``all``, which the paper's table lacks, the rows of tables 8
          to 11 whose benchmark is the naive forecast.
        * 4: ``model, period, loss, included``; periods ``50``, ..., ``agg`` and ``all``.
        * 5: ``loss, row, column, ratio``, the diagonal 1; 6: ``model, strategy, loss, ratio``.
        * 8 to 11: ``loss, benchmark, model, ratio, significant``.
        * 12 to 14: ``sector, asset, target, same_sector, selection_rate``; the rate is NaN where there was no window.
        * 15 to 17: ``model, period, loss, ratio``; periods ``1``, ``5`` and ``22``.

        Ratios are means over targets; infinite where the paper prints ``> 99``.

    Raises:
        InputError: There is no such table.
    """
    table = _numeric(printed(number), number)
    if number == 3:
        pairs = pd.concat([figures(other) for other in PAIRWISE_TABLES])
        over_all = pairs[pairs["benchmark"] == NAIVE].assign(period=ALL)
        return pd.concat([table, over_all[list(table.columns)]], ignore_index=True)
    if number == 4:
        return table.astype({"included": int})
    if number in PAIRWISE_TABLES:
        table.insert(0, "loss", PAIRWISE_TABLES[number][0])
        return table.assign(significant=printed(number)["star"] == "1")
    if number in SELECTION_TABLES:
        sectors = printed(1).set_index("asset")["sector"]
        table.insert(3, "same_sector", table["sector"] == table["target"].map(sectors))
    if number in FIRST_DAYS_TABLES:
        return table.dropna(subset="ratio", ignore_index=True)
    return table


def tables() -> dict[str, pd.DataFrame]:
    """The paper's tables by the names that a run's tables have: ``table_3``, ..., without 1, 2 and 7."""
    return {f"table_{number}": figures(number) for number in _COLUMNS}


def beside(ours: Mapping[str, pd.DataFrame], number: int) -> pd.DataFrame:
    """A run's table beside the paper's.

    Args:
        ours: The run's tables by name.
        number: 3 to 6, 8 to 11 or 15 to 17. (12 to 14 are about the paper's own assets.)

    Returns:
        The paper's rows in its order: the keys (``model, period, loss``; table 5 ``loss, row, column``, table 6
        ``model, strategy, loss``, tables 8 to 11 ``loss, benchmark, model``), then ``ours``, ``paper`` and
        ``difference`` (ours minus the paper's; NaN where the run lacks the row, minus infinity where the paper prints
        ``> 99``). Figures are relative errors, in table 4 counts of targets.

    Raises:
        InputError: The paper has no such table, or the run's tables lack it.
    """
    if number not in _COLUMNS or number in SELECTION_TABLES:
        raise InputError(f"table {number} cannot be set beside the paper's; choose from 3 to 6, 8 to 11, 15 to 17")
    name = f"table_{number}"
    if name not in ours:
        raise InputError(f"this run has no {name} to set beside the paper's")
    theirs = figures(number)
    value = _COLUMNS[number]["value"]
    keys = [column for column in theirs.columns if column not in (value, "significant")]
    own = ours[name].astype(dict.fromkeys(keys, str))[[*keys, value]]
    both = theirs.merge(own, on=keys, how="left", suffixes=(" in the paper", ""), validate="one_to_one")
    if number == 5:  # a strategy beside itself, which a run's table may leave out
        both[value] = both[value].mask(both["row"] == both["column"], 1.0)
    result = both[keys].assign(ours=both[value].astype(float), paper=both[f"{value} in the paper"].astype(float))
    return result.assign(difference=result["ours"] - result["paper"])


def _numeric(text: pd.DataFrame, number: int) -> pd.DataFrame:
    """The stored columns under the names of this project's tables, figures as numbers."""
    table = text.copy()
    if "value" in table.columns:
        table["value"] = table["value"].replace({BEYOND: "inf", MISSING: "nan"}).astype(float)
    return table.rename(columns=_COLUMNS.get(number, {}))

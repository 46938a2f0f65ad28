"""Every table that is printed, with its heading: which ones there are depends on the tables that a run has."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pandas as pd

from volforecast.evaluation.layout import PAIRWISE_TABLES
from volforecast.report.page import grids
from volforecast.report.page.evidence import Tables
from volforecast.report.page.grids import Grid
from volforecast.report.page.names import papers_own

SELECTION_TABLES: Final = {"table_12": 25, "table_13": 50, "table_14": 75}
FIRST_DAYS_TABLES: Final = {"table_15": 1, "table_16": 5, "table_17": 22}
MOST_TARGETS: Final = 100  # targets of a selection table that are printed
MOST_COLUMNS: Final = 18  # of them beside each other


class Printed(NamedTuple):
    """A table with its name (that of its file), its group on the page, and its heading."""

    name: str
    group: str
    heading: str
    grid: Grid


def printed_tables(tables: Tables, config: Mapping[str, Any]) -> list[Printed]:
    """The printed tables in the order of their numbers; those not in the paper follow the ones they resemble.

    Args:
        tables: A run's tables by name.
        config: The plan's configuration.
    """
    found = {name: table for name, table in tables.items() if len(table)}
    return [*_errors(found, config), *_transitions(found), *_pairwise(found), *_selections(found)]


def _errors(tables: Tables, config: Mapping[str, Any]) -> list[Printed]:
    shown = []
    if "table_3" in tables:
        table = papers_own(tables["table_3"])
        grid = grids.relative(table, ["MSE", "MAE"], "Mean over targets of a model's error divided by that of NF")
        shown.append(Printed("table_3", "errors", "Table 3: errors relative to the naive forecast", grid))
    if "table_4" in tables:
        level = f"{config.get('confidence', 0.95):.0%}"
        caption = f"Number of targets whose {level} model confidence set a model is in; Agg. adds up the periods"
        grid = grids.inclusions(papers_own(tables["table_4"]), caption)
        shown.append(Printed("table_4", "errors", "Table 4: model confidence sets", grid))
    if "table_3" in tables:
        caption = "Not in the paper. Mean over targets of a model's QLIKE divided by that of NF"
        grid = grids.relative(papers_own(tables["table_3"]), ["QLIKE"], caption)
        shown.append(Printed("table_3_qlike", "errors", "QLIKE relative to the naive forecast", grid))
    return shown


def _transitions(tables: Tables) -> list[Printed]:
    shown = []
    if "table_5" in tables:
        caption = "Error of the column's strategy divided by that of the row's, mean over targets, NP and MTL models"
        grid = grids.strategies(tables["table_5"], caption)
        shown.append(Printed("table_5", "errors", "Table 5: transition strategies", grid))
    if "table_6" in tables:
        caption = "Mean over targets of the error divided by that of NF, the 49 days after the first"
        grid = grids.first_days(papers_own(tables["table_6"]), caption)
        shown.append(Printed("table_6", "errors", "Table 6: transition strategies by model", grid))
    for name, prefix in FIRST_DAYS_TABLES.items():
        if name in tables:
            table = papers_own(tables[name]).astype({"period": str})
            losses = [loss for loss in ("MSE", "MAE") if loss in set(table["loss"])]
            caption = f"Mean over targets of a {prefix}-model's error divided by that of NF, by sample period"
            heading = f"Table {name.partition('_')[2]}: models that need {_days(prefix)}"
            shown.append(Printed(name, "errors", heading, grids.relative(table, losses, caption, classes=False)))
    return shown


def _pairwise(tables: Tables) -> list[Printed]:
    cuts: list[tuple[str, str, str, str, pd.DataFrame]] = [
        (f"table_{n}", f"Table {n}", loss, which, tables[f"table_{n}"])
        for n, (loss, which) in PAIRWISE_TABLES.items()
        if f"table_{n}" in tables
    ]
    if "pairwise_qlike" in tables:
        cuts += _by_predictors("pairwise_qlike", "QLIKE", tables["pairwise_qlike"])
    if "pairwise" in tables:  # a first-days run's, of all losses
        for loss in dict.fromkeys(tables["pairwise"]["loss"]):
            own = tables["pairwise"][tables["pairwise"]["loss"] == loss]
            cuts += _by_predictors(f"pairwise_{str(loss).lower()}", str(loss), own)
    caption = "Mean over targets of the {} of the model in the column divided by that of the benchmark in the row"
    shown = []
    for name, title, loss, which, table in cuts:
        own = papers_own(table, ("model", "benchmark"))
        if not own.empty:
            grid = grids.pairs(own, caption.format(loss))
            shown.append(Printed(name, "pairs", f"{title}: {loss}, {which} models", grid))
    return shown


def _by_predictors(name: str, loss: str, table: pd.DataFrame) -> list[tuple[str, str, str, str, pd.DataFrame]]:
    """A pairwise table that the paper lacks, cut as its are: models with STD predictors and NF, models with EXT."""
    extended = table["model"].astype(str).str.endswith("-EXT")
    parts = (("STD", table[~extended]), ("EXT", table[extended]))
    return [(f"{name}_{which.lower()}", "Not in the paper", loss, which, part) for which, part in parts]


def _selections(tables: Tables) -> list[Printed]:
    """Tables 12 to 14, in parts of at most 18 targets; a part's group is the name of its table."""
    shown = []
    for name, rate in SELECTION_TABLES.items():
        if name not in tables:
            continue
        table = tables[name]
        targets = list(dict.fromkeys(table["target"]))[:MOST_TARGETS]
        parts = [targets[start : start + MOST_COLUMNS] for start in range(0, len(targets), MOST_COLUMNS)]
        caption = f"Share of a source's windows (rows) that MTL-{rate} selects for a target (columns)"
        if table["target"].nunique() > MOST_TARGETS:
            caption += f"; the first {MOST_TARGETS} of {table['target'].nunique():,} targets, {name}.csv has the rest"
        for number, part in enumerate(parts, 1):
            which = f", part {number} of {len(parts)}" if len(parts) > 1 else ""
            heading = f"Table {name.partition('_')[2]}: selection rates of MTL-{rate}{which}"
            grid = grids.selection_rates(table[table["target"].isin(part)], rate, caption)
            file_name = name if len(parts) == 1 else f"{name}_{number}"
            shown.append(Printed(file_name, name, heading, grid))
    return shown


def _days(prefix: int) -> str:
    return "1 day of history" if prefix == 1 else f"{prefix} days of history"

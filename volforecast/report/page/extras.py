"""What lies beyond the paper: models in tables of their own, never marked, and what the insanity filter replaced."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from volforecast.evaluation.losses import LOSSES
from volforecast.evaluation.order import ALL, paper_order
from volforecast.report.page.basis import Basis
from volforecast.report.page.drawings import SIGNIFICANCE, tested
from volforecast.report.page.evidence import USUAL, Tables, contrast, row_of
from volforecast.report.page.findings import interval
from volforecast.report.page.grids import NONE, ratio_text
from volforecast.report.page.names import is_papers


class Listing(NamedTuple):
    """A table of words: what it shows, its columns' heads, its rows."""

    caption: str
    heads: list[str]
    rows: list[tuple[str, ...]]


def extras(basis: Basis) -> list[Listing]:
    """Models beyond the paper's: their errors, against TO HAR-STD, and against HAR-STD trained on the same rows."""
    tables = basis.tables
    if "table_3_extended" not in tables:
        return []
    beside = basis._replace(tables={**tables, "mean_losses": tables["mean_losses_extended"]})
    errors: list[tuple[str, ...]] = []
    same: list[tuple[str, ...]] = []
    names = tables["table_3_extended"]["model"].astype(str).unique()
    for model in paper_order(name for name in names if not is_papers(name)):
        against, counted = _against_usual(beside, model), _in_sets(tables, model)
        errors.append((model, *(_ratio(tables["table_3_extended"], model, loss) for loss in LOSSES), *against, counted))
        if model.partition(" ")[2]:  # NF-22 learns from nothing
            same.append((model, *(_against_same(tables["pairwise_extended"], model, loss) for loss in LOSSES)))
    usual = ["MSE ratio to TO HAR-STD", "95% interval", "Targets won", "Tests (5%)", "In sets of all models (MSE)"]
    found = [Listing("Errors relative to NF over all days, and against TO HAR-STD", ["Model", *LOSSES, *usual], errors)]
    if same:
        caption = (
            "Loss relative to that of HAR-STD trained on the same rows; in brackets for how many targets tests agree"
        )
        found.append(Listing(caption, ["Model", *LOSSES], same))
    return found


def filtered(tables: Tables) -> list[Listing]:
    """How often the insanity filter has replaced a forecast, by model; nothing where it was off."""
    if "insanity" not in tables:
        return []
    table = tables["insanity"]
    rows: list[tuple[str, ...]] = []
    for model in paper_order(table["model"].astype(str)):
        own = table[(table["period"] == ALL) & (table["model"] == model)]
        replaced, days = int(own["replaced"].sum()), int(own["days"].sum())
        rows.append((model, f"{replaced:,} of {days:,}", f"{replaced / days:.2%}"))
    return [
        Listing(
            "Forecasts that the insanity filter replaced by the mean of the labels", ["Model", "Days", "Rate"], rows
        )
    ]


def _ratio(table: pd.DataFrame, model: str, loss: str) -> str:
    found = row_of(table, model=model, period=ALL, loss=loss)
    missing = found is None or np.isnan(found.ratio)
    return NONE if missing else ratio_text(float(found.ratio), found.left_out > 0)


def _against_usual(basis: Basis, model: str) -> tuple[str, str, str, str]:
    """MSE relative to TO HAR-STD's: the mean ratio, its interval, targets won, and tests for either side."""
    found = contrast(basis.tables, "MSE", model, USUAL)
    if found is None:
        return NONE, NONE, NONE, NONE
    p_values = np.array(list(tested(basis, "MSE", (model, USUAL)).values()), dtype=float)
    better, worse = int((p_values < SIGNIFICANCE).sum()), int((p_values > 1.0 - SIGNIFICANCE).sum())
    won = f"{found.won} of {found.targets}"
    return ratio_text(found.ratio, False), interval(found), won, f"{better} better, {worse} worse"


def _against_same(pairs: pd.DataFrame, model: str, loss: str) -> str:
    """Relative to HAR-STD of the same approach (and inclusion rate): ``0.851 (7 of 10)``."""
    found = row_of(pairs, model=model, benchmark=f"{model.partition(' ')[0]} HAR-STD", loss=loss)
    if found is None or found.targets == 0:
        return NONE
    return f"{ratio_text(float(found.ratio), found.left_out > 0)} ({found.rejections} of {found.targets})"


def _in_sets(tables: Tables, model: str) -> str:
    """In how many targets' confidence sets of all models together, the paper's and these."""
    if "table_4_extended" not in tables:
        return NONE
    found = row_of(tables["table_4_extended"], model=model, period=ALL, loss="MSE")
    return NONE if found is None else f"{found.included} of {found.targets}"

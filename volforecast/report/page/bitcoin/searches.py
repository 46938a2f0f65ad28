"""The searches for hyperparameters: what was chosen, and how the loss fell trial by trial."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from volforecast.evaluation.hourly_order import model_order
from volforecast.report.page.bitcoin import names, plots
from volforecast.report.page.bitcoin.grids import Line, lines_of, rows_of
from volforecast.report.page.drawings import Choice, Drawing
from volforecast.report.page.evidence import Tables
from volforecast.report.page.grids import NONE, Cell, Grid
from volforecast.report.page.printed import Printed


def by_model(tables: Tables, modes: Sequence[str]) -> list[Choice]:
    """For each model that was searched for: loss by trial, and the values chosen."""
    if "trials" not in tables:
        return []
    table = tables["trials"]
    choices = []
    for model in model_order(table["model"]):
        own = table[table["model"] == model]
        drawn = [
            _drawing(own[own["mode"] == mode], model, names.in_mode(mode, modes))
            for mode in modes
            if own.loc[own["mode"] == mode, "loss"].notna().any()
        ]
        caption = "Validation RMSE of the chosen values; failed trials did not compete"
        grid = _chosen(own, modes, caption)
        choices.append(Choice(model, drawn, [Printed("trials", "trials", f"Chosen for {model}", grid)]))
    return choices


def _drawing(own: pd.DataFrame, model: str, mode: str) -> Drawing:
    counts = own.groupby("iteration").size()
    every = f"{counts.min()}" + (f" to {counts.max()}" if counts.max() > counts.min() else "")
    caption = (
        f"Validation RMSE of each trial relative to the best of its interval; {every} trials an interval. "
        "Line: the best so far, median over intervals."
    )
    relative = own.assign(relative=own["loss"] / own.groupby("iteration")["loss"].transform("min"))
    relative = relative.sort_values(["iteration", "number"])
    return Drawing(f"Trials of {model}{mode}", plots.trials(model, relative), caption)


def _chosen(own: pd.DataFrame, modes: Sequence[str], caption: str) -> Grid:
    best = own[own["chosen"].astype(bool)]
    values = [_read(str(text)) for text in best["values"]]
    keys = sorted({key for found in values for key in found})
    rows = dict(zip(zip(best["mode"].astype(str), best["iteration"].astype(int), strict=True), values, strict=True))
    losses = {(str(row.mode), int(row.iteration)): float(row.loss) for row in lines_of(best)}
    lines: list[Line] = []
    for mode in modes:
        for block in sorted(set(own.loc[own["mode"] == mode, "iteration"].astype(int))):
            found, loss = rows.get((mode, block), {}), losses.get((mode, block), np.nan)
            here = own.loc[(own["mode"] == mode) & (own["iteration"] == block), "status"]
            size, failed = len(here), int((here == "failed").sum())
            cells = [Cell(_value(found[key]) if key in found else NONE) for key in keys]
            cells += [Cell(NONE if np.isnan(loss) else f"{loss:.4f}"), Cell(f"{size}"), Cell(f"{failed}")]
            section = names.mode_words(mode) if len(modes) > 1 else ""
            lines.append((names.block_words(block), section, cells))
    heads = [*(key.replace("_", " ") for key in keys), "RMSE", "Trials", "Failed"]
    return Grid(caption, "Interval", [], heads, rows_of(lines))


def _read(text: str) -> dict[str, Any]:
    found = json.loads(text)
    return dict(found) if isinstance(found, dict) else {}


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

"""Tables of the quantile forecasts: how often intervals hold what comes, how wide they are, and pinball losses."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.rough_order import model_order
from volforecast.report.page.evidence import Tables
from volforecast.report.page.grids import NONE, Cell, Grid, Row
from volforecast.report.page.printed import Printed
from volforecast.report.page.rough.names import ahead

_COLUMNS: Final = ("coverage", "calibrated_coverage", "width", "calibrated_width")
_PINBALL: Final = ("pinball", "calibrated_pinball")


def coverage(tables: Tables, horizon: int, target: str | None = None) -> list[Printed]:
    """Coverage, width and pinball loss of a target's quantile forecasts; of all targets' on average without one."""
    table = tables.get("coverage")
    if table is None:
        return []
    own = table[table["horizon"] == horizon]
    if target is not None:
        own = own[own["target"] == target]
    if own["coverage"].notna().sum() == 0:
        return []
    targets = own["target"].nunique()
    whose = target if target is not None else f"mean over {targets:,} targets"
    caption = (
        "Share of days within the interval, its mean width (log units) and mean pinball loss, mean over seeds; each "
    )
    caption += "before and after calibration on the validation part"
    if target is not None and own["spread_coverage"].notna().any():
        caption += "; below, standard deviation over seeds"
    return [Printed("coverage", "quantiles", f"Coverage, {whose}, {ahead(horizon)}", _grid(own, caption, target))]


def _grid(own: pd.DataFrame, caption: str, target: str | None) -> Grid:
    intervals = sorted(own["interval"].astype(float).unique())
    means = own.groupby(["model", "interval"])[[*_COLUMNS, *_PINBALL, "spread_coverage"]].mean()
    smallest = means["calibrated_pinball"].min()
    rows = []
    for model in model_order(own["model"]):
        cells: list[Cell] = []
        for interval in intervals:
            values = means.loc[(model, interval)] if (model, interval) in means.index else None
            cells += _cells(values, target is not None)
        first = means.loc[model].iloc[0]
        top = "top" if first["calibrated_pinball"] == smallest and len(set(own["model"])) > 1 else ""
        cells += [Cell(_three(first["pinball"])), Cell(_three(first["calibrated_pinball"]), top)]
        rows.append(Row(model, cells))
    groups = [(f"{interval:.0%} interval", 4) for interval in intervals]
    heads: Sequence[str] = ["covers", "calibrated", "width", "calibrated"] * len(intervals)
    return Grid(caption, "Model", [*groups, ("Pinball loss", 2)], [*heads, "before", "calibrated"], rows)


def _cells(values: "pd.Series[float] | None", spread: bool) -> list[Cell]:
    if values is None:
        return [Cell(NONE)] * 4
    texts = [_share(values["coverage"]), _share(values["calibrated_coverage"])]
    texts += [_three(values["width"]), _three(values["calibrated_width"])]
    around = values["spread_coverage"]
    below = f"\N{PLUS-MINUS SIGN} {100.0 * around:.1f}" if spread and not np.isnan(around) else ""
    return [Cell(texts[0], "", below), *map(Cell, texts[1:])]


def _share(value: float) -> str:
    return NONE if np.isnan(value) else f"{100.0 * value:.1f}%"


def _three(value: float) -> str:
    return NONE if np.isnan(value) else f"{value:.3f}"

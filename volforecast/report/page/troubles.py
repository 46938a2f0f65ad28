"""What did not go as ordered: fallbacks, failures, training rows left out."""

from typing import Any

import pandas as pd

from volforecast.evaluation.order import paper_order


def statuses(forecasts: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """Target, status, models and days of the forecasts that are not ``ok``."""
    troubled = forecasts[forecasts["status"] != "ok"]
    counts = troubled.groupby(["target", "status", "model"], observed=True).size()
    return [(t, s, names, n) for (t, s, n), names in _together(counts).items()]


def dropped_rows(estimations: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Target, models, and training rows dropped for a missing predictor, added up over a model's estimations."""
    if estimations.empty:
        return []
    single = estimations.groupby(["target", "model", "period", "origin"], observed=True)["dropped_rows"].max()
    counts = single.groupby(["target", "model"]).sum()
    return [(t, names, n) for (t, n), names in _together(counts[counts > 0]).items()]


def reasons(estimations: pd.DataFrame) -> list[str]:
    """Why forecasts failed, each reason once."""
    if estimations.empty:
        return []
    given = estimations.loc[estimations["reason"].notna(), ["target", "period", "model", "reason"]].drop_duplicates()
    return [f"{row.target}, s = {row.period}, {row.model}: {row.reason}" for row in given.itertuples()]


def _together(counts: "pd.Series[int]") -> dict[tuple[Any, ...], str]:
    """Models (the last level) with the same place and count in one entry: their names in the paper's order."""
    entries: dict[tuple[Any, ...], list[str]] = {}
    for place, number in zip(counts.index.to_list(), counts.to_list(), strict=True):
        entries.setdefault((*map(str, place[:-1]), int(number)), []).append(str(place[-1]))
    return {key: ", ".join(paper_order(models)) for key, models in entries.items()}

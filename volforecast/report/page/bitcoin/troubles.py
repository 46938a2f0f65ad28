"""What did not go as ordered, and what models say of themselves."""

from typing import Final

import pandas as pd

from volforecast.evaluation.hourly_order import model_order
from volforecast.report.page.bitcoin.grids import lines_of
from volforecast.report.page.bitcoin.names import block_words, mode_words
from volforecast.report.page.evidence import Tables

FAILED: Final = "failed"
"""The detail of ``estimations`` that says why a seed has no forecast."""


def failed(forecasts: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    """Mode, interval, model and seeds of what has no forecast."""
    if forecasts.empty:
        return []
    keys = ["mode", "iteration", "model", "seed"]
    rows = forecasts.loc[forecasts["status"] != "ok", keys].drop_duplicates()
    seeds: dict[tuple[str, int], dict[str, list[int]]] = {}
    for mode, iteration, model, seed in rows.sort_values(["mode", "iteration", "seed"]).to_numpy():
        seeds.setdefault((str(mode), int(iteration)), {}).setdefault(str(model), []).append(int(seed))
    return [
        (mode_words(mode), block_words(iteration), model, ", ".join(map(str, own[model])))
        for (mode, iteration), own in seeds.items()
        for model in model_order(own)
    ]


def reasons(tables: Tables) -> list[str]:
    """Why fits failed, each reason once with where it came up."""
    if "estimations" not in tables:
        return []
    table = tables["estimations"]
    given = table[(table["detail"] == FAILED) & (table["text"].astype(str) != "")]
    seeds: dict[tuple[str, int, str, str], list[int]] = {}
    for row in lines_of(given):
        where = (str(row.mode), int(row.iteration), str(row.model), str(row.text))
        seeds.setdefault(where, []).append(int(row.seed))
    return [
        f"{mode_words(mode)}, {block_words(iteration).lower()}, {model}, "
        f"seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}: {reason}"
        for (mode, iteration, model, reason), own in seeds.items()
    ]


def details(tables: Tables) -> list[tuple[str, str, str, str]]:
    """What was estimated or chosen: model and detail, mode and interval, text; by model."""
    if "estimations" not in tables:
        return []
    table = tables["estimations"]
    table = table[table["detail"] != FAILED]
    ranks = {name: rank for rank, name in enumerate(model_order(table["model"].astype(str)))}
    ordered = table.assign(rank=table["model"].astype(str).map(ranks))
    ordered = ordered.sort_values(["rank", "detail", "mode", "iteration"], kind="stable")
    return [
        (
            str(row.model),
            str(row.detail),
            f"{mode_words(str(row.mode))}, {block_words(int(row.iteration)).lower()}",
            str(row.text),
        )
        for row in lines_of(ordered)
    ]


def gaps(tables: Tables) -> list[tuple[str, str, str, str]]:
    """Where hours are missing, and what was done about it."""
    if "gaps" not in tables:
        return []
    table = tables["gaps"]
    rows = table[["from", "to", "hours", "treatment"]].to_numpy()
    return [(_minute(start), _minute(end), f"{int(hours):,}", str(treatment)) for start, end, hours, treatment in rows]


def _minute(stamp: object) -> str:
    """``2018-07-03 21:00``."""
    return str(stamp).replace("T", " ")[:16]

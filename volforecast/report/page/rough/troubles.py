"""What did not go as ordered, and the settings of the training."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from volforecast.evaluation.rough_order import model_order
from volforecast.report.page.evidence import Tables
from volforecast.report.page.grids import NONE, Cell, Grid, Row
from volforecast.report.page.rough.names import days

_PHASES: Final = {"pretraining": "Pre-training", "fine_tuning": "Fine-tuning"}
_SETTINGS: Final = {
    "rate": "Learning rate",
    "batch": "Batch size",
    "epochs": "Max epochs",
    "patience": "Early stopping patience",
    "plateau_factor": "Factor on a plateau",
    "plateau_patience": "Patience on a plateau",
}


def failed(forecasts: pd.DataFrame, tables: Tables) -> list[tuple[str, str, str, str]]:
    """Target, horizon, model and seeds of what failed: of all targets by ``estimations``, and of those drawn."""
    keys = ["target", "horizon", "model", "seed"]
    parts = [forecasts.loc[forecasts["status"] != "ok", keys]] if len(forecasts) else []
    if "estimations" in tables:
        table = tables["estimations"]
        parts.append(table.loc[_given(table), keys])
    if not parts:
        return []
    rows = pd.concat(parts).drop_duplicates()
    seeds: dict[tuple[str, int], dict[str, list[int]]] = {}
    for target, horizon, model, seed in rows.sort_values(["target", "horizon", "seed"]).to_numpy():
        seeds.setdefault((str(target), int(horizon)), {}).setdefault(str(model), []).append(int(seed))
    return [
        (target, days(horizon), model, ", ".join(map(str, own[model])))
        for (target, horizon), own in seeds.items()
        for model in model_order(own)
    ]


def reasons(tables: Tables) -> list[str]:
    """Why fits failed, each reason once with where it came up."""
    if "estimations" not in tables:
        return []
    table = tables["estimations"]
    given = table[_given(table)]
    seeds: dict[tuple[str, int, str, str], list[int]] = {}
    for target, horizon, model, seed, reason in given[["target", "horizon", "model", "seed", "reason"]].to_numpy():
        seeds.setdefault((str(target), int(horizon), str(model), str(reason)), []).append(int(seed))
    return [
        f"{target}, {days(horizon)}, {model}, seed{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}: {reason}"
        for (target, horizon, model, reason), own in seeds.items()
    ]


def _given(estimations: pd.DataFrame) -> "pd.Series[bool]":
    """Rows with a reason for failing."""
    return estimations["reason"].notna() & (estimations["reason"].astype(str) != "")


def training_settings(config: Mapping[str, Any]) -> Grid | None:
    """Table 8, if the configuration has both phases."""
    phases = [config.get(name) for name in _PHASES]
    if not all(isinstance(phase, Mapping) for phase in phases):
        return None
    rows = [
        Row(words, [Cell(_value(phase, name)) for phase in phases])
        for name, words in _SETTINGS.items()
        if any(isinstance(phase, Mapping) and name in phase for phase in phases)
    ]
    network = config.get("network")
    if isinstance(network, Mapping) and "dropout" in network:
        rows.append(Row("Dropout", [Cell(f"{network['dropout']}")] * 2))
    rows.append(Row("Optimizer", [Cell("Adam")] * 2))
    caption = "Networks from scratch train by the first column, pre-trained ones by the second"
    return Grid(caption, "Parameter", [], list(_PHASES.values()), rows)


def _value(phase: Any, name: str) -> str:
    return str(phase[name]) if name in phase else NONE

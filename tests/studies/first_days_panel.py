"""A small panel for tests of the first-days study, and its units computed one after the other in this process."""

import dataclasses
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cluster.study import Plan
from tests import naive
from volforecast.data.panel import Panel
from volforecast.data.parquet import from_parquet
from volforecast.studies.first_days import FirstDays, Markets
from volforecast.studies.first_days_config import FirstDaysConfig

TARGET = "NEW00001"
BLANK_DAYS = [7, 30]  # days of the target without volume: no dv on that day and the next
ORIGINS = {1: range(1, 5), 5: range(5, 22), 22: range(22, 50)}


@functools.lru_cache(maxsize=1)
def panel() -> Panel:
    """Three sources, and a target some of whose days lack volume; no VIX is published before its second day."""
    with tempfile.TemporaryDirectory() as folder:
        simulated = naive.simulated(Path(folder), seed=5, source_days=170, target_days=56)
    daily = simulated.daily.copy()
    own = daily.index[daily["asset"] == TARGET]
    daily.loc[own[[day - 1 for day in BLANK_DAYS]], "volume"] = [0.0, np.nan]
    return dataclasses.replace(simulated, daily=daily)


def study_of(*models: str, **settings: object) -> FirstDays:
    """The study with these words for models."""
    return FirstDays(FirstDaysConfig(models=models, replications=100, **settings).checked())  # type: ignore[arg-type]


def run_here(study: FirstDays, data: Markets, plan: Plan, shards: int = 2) -> dict[str, bytes]:
    """The payload of every unit, by its name."""
    payloads: dict[str, bytes] = {}
    stores = study.shards(data, shards)
    for unit in plan.units:
        answers = [study.scan(shard, study.query(data, unit)) for shard in stores] if unit.sharded else []
        inputs = {need: payloads[need] for need in unit.needs}
        payloads[unit.key] = study.run(unit, data, inputs, answers).payload
    return {unit.name: payloads[unit.key] for unit in plan.units}


def forecasts_of(payloads: Mapping[str, bytes]) -> pd.DataFrame:
    """The forecasts among payloads, with how each estimation went."""
    tables = [from_parquet(payload).to_pandas() for payload in payloads.values()]
    return pd.concat([table for table in tables if "forecast" in table], ignore_index=True)


@functools.lru_cache(maxsize=1)
def market() -> Markets:
    return study_of().load(panel())


@functools.lru_cache(maxsize=1)
def world() -> naive.World:
    return naive.World(panel())

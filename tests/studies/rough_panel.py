"""A small panel of rough volatilities and a study of it with networks of a few parameters."""

import numpy as np
import pandas as pd

from volforecast.data.frames import make_panel
from volforecast.data.panel import Panel
from volforecast.data.rough import rough_log_volatility
from volforecast.studies.rough_config import NetworkSettings, RoughTransferConfig, TrainingSettings
from volforecast.studies.rough_transfer import RoughTransfer

SOURCES = {"INDEX": 420, "METAL": 360}
TARGETS = {"ALPHA": 200, "BETA": 180, "GAMMA": 200}
LAST = np.datetime64("2019-12-31")
SMALL = RoughTransferConfig(
    models=("all",),
    seeds=2,
    network=NetworkSettings(layers=2, hidden=8, attention=4, heads=2),
    pretraining=TrainingSettings(rate=3e-3, batch=32, epochs=3, patience=2),
    fine_tuning=TrainingSettings(rate=1e-3, batch=16, epochs=3, patience=2),
    replications=100,
    roughness_replications=20,
)


def a_panel(seed: int = 5) -> Panel:
    """Two sources and three targets; the sources end when the targets' tests begin, or a little before."""
    draw = np.random.default_rng(seed)
    parts = []
    for asset, days in (SOURCES | TARGETS).items():
        x = rough_log_volatility(days, 0.15, 200.0, 0.4, draw)[0] * 0.8 - 8.0
        last = LAST - 60 if asset in SOURCES else LAST
        dates = last - np.arange(days)[::-1]
        parts.append(pd.DataFrame({"asset": asset, "date": dates.astype("datetime64[ms]"), "rv": np.exp(x)}))
    roles = dict.fromkeys(SOURCES, "source") | dict.fromkeys(TARGETS, "target")
    assets = pd.DataFrame({"asset": list(roles), "role": list(roles.values())})
    return make_panel(pd.concat(parts, ignore_index=True), assets, gaps="allow")


def a_study(**changes: object) -> RoughTransfer:
    """The study with settings changed."""
    given = {field: getattr(SMALL, field) for field in SMALL.__struct_fields__} | changes
    return RoughTransfer(RoughTransferConfig(**given).checked())  # type: ignore[arg-type]

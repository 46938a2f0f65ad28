"""Small made-up hourly tables, of persistent volatility with features that know something of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volforecast.data.hourly import HourlyTable

BTC = Path(__file__).parents[3].parent / "shared" / "data" / "btc-2018"
BOOK = [
    "spread",
    "bid_depth",
    "ask_depth",
    "difference",
    "bid_volume",
    "ask_volume",
    "volume_difference",
    "weighted_spread",
    "bid_slope",
    "ask_slope",
]


def table(rows: int, seed: int, features: int = 3, indices: int = 2) -> HourlyTable:
    """Hours without a gap."""
    draw = np.random.default_rng(seed)
    shocks, log_vol = 0.4 * draw.standard_normal(rows), np.zeros(rows)
    for t in range(1, rows):
        log_vol[t] = 0.8 * log_vol[t - 1] + shocks[t]
    known = 0.5 * np.concatenate([shocks, [0.0]])[1:, None] + draw.standard_normal((rows, features))
    mood = np.clip(0.5 + 0.02 * draw.standard_normal((rows, indices)).cumsum(axis=0), 0.0, 1.0)
    start = np.datetime64("2018-06-04T22:00:00")
    return HourlyTable(
        times=start + np.arange(rows).astype("timedelta64[h]").astype("timedelta64[s]"),
        vol=8.0 * np.exp(log_vol),
        returns=0.001 * draw.standard_normal(rows),
        features=known,
        feature_names=tuple(f"feature_{k}" for k in range(features)),
        indices=mood,
        index_names=tuple(f"index_{k}" for k in range(indices)),
        artefact=np.zeros(rows, dtype=bool),
        orthogonal=np.empty(0),
    )


def btc() -> HourlyTable:
    """The real table of the paper; the test is skipped where it is not there."""
    if not BTC.exists():
        pytest.skip("needs ../shared/data/btc-2018, beside the repository")
    hours, mood = pd.read_parquet(BTC / "hourly.parquet"), pd.read_parquet(BTC / "sentiment.parquet")
    return HourlyTable(
        times=hours["timestamp"].dt.tz_localize(None).to_numpy().astype("datetime64[s]"),
        vol=hours["vol"].to_numpy(float),
        returns=hours["return_previous_hour"].to_numpy(float),
        features=hours[BOOK].to_numpy(float),
        feature_names=tuple(BOOK),
        indices=mood[["fng_value", "cbbi_value"]].to_numpy(float),
        index_names=("fng", "cbbi"),
        artefact=hours["gap_artefact"].to_numpy(bool),
        orthogonal=mood["fng_feature"].to_numpy(float),
    )

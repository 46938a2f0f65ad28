"""A made-up run of the study of hourly volatility, small and complete: every frame and table that it leaves behind."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from volforecast.evaluation.hourly import confidence, tables
from volforecast.evaluation.hourly_order import (
    GARCH,
    GCT_TM_G,
    GROUPS,
    HAR,
    IG_TM,
    LSTM,
    LSTM_GARCH,
    TM_G,
    TM_SG,
    XGB,
)
from volforecast.report import paper_bitcoin
from volforecast.report.claims.bitcoin import bitcoin_claims

MODES = ("clean", "paper")
ITERATIONS = (1, 2, 3, 4, 5, 6)
MODELS = tuple(name for group in GROUPS.values() for name in group)
HOURS = 96
HAR_FAMILY = ("HAR", "Flexible HAR", "HARX(10)", "Flexible HARX(10)")
FEATURES = (
    *("spread", "bid_depth", "ask_depth", "difference", "bid_volume"),
    *("ask_volume", "volume_difference", "weighted_spread", "bid_slope", "ask_slope"),
)
FRAMES = (
    *("forecasts", "gates", "trials", "diagnostics", "granger", "autocorrelation", "estimations", "gaps"),
    "confidence_sets",
)
TABLES = ("metrics", "mean_over_seeds", "relative", "tests", "spikes", "table_1", "table_2", "claims")

_NOISE = {HAR: 0.010, LSTM: 0.022, GARCH: 0.03, XGB: 0.014}
"""Standard deviation of what a model adds to the best forecast, 0.012 for the others."""
_GRIDS: dict[str, dict[str, Sequence[float]]] = {
    TM_G: {"l2": (0.001, 0.01, 0.1), "order_book_lags": (5, 10)},
    LSTM: {"dropout": (0.2, 0.4), "hidden": (32, 64), "rate": (0.0005, 0.001)},
    XGB: {"depth": (3, 5), "rounds": (50, 100)},
}


def frames(seed: int, modes: Sequence[str] = MODES, models: Sequence[str] = MODELS) -> dict[str, pd.DataFrame]:
    """The frames of a run's units: two modes, six iterations, all models.

    In clean mode one seed of TM-G has failed on iteration 2, and all of IG-TM on iteration 3.
    """
    rng = np.random.default_rng(seed)
    forecasts = _forecasts(rng, modes, models)
    made = {
        "forecasts": forecasts,
        "gates": _gates(rng, forecasts),
        "trials": _trials(rng, modes, models),
        "estimations": _estimations(forecasts),
        "gaps": _gaps(),
        **_diagnostics(rng, modes),
    }
    parts = [{"forecasts": own} for _, own in forecasts.groupby(["mode", "iteration"])]
    return made | confidence(parts, 0.95, 200, seed)


def hourly_tables(seed: int, modes: Sequence[str] = MODES, models: Sequence[str] = MODELS) -> dict[str, pd.DataFrame]:
    """All frames, and the tables that are made of them."""
    found = frames(seed, modes, models)
    made = found | tables(found["forecasts"])
    made |= paper_bitcoin.beside(made["metrics"])
    return made | {"claims": bitcoin_claims(made)}


def seeds_of(model: str) -> tuple[int, ...]:
    if model in (*HAR_FAMILY, GARCH):
        return (0,)
    return (1, 2) if model in (LSTM, LSTM_GARCH) else (1, 2, 3)


def failed(mode: str, iteration: int, model: str, seed: int) -> bool:
    return (mode, iteration, model, seed) == ("clean", 2, TM_G, 2) or (mode, iteration, model) == ("clean", 3, IG_TM)


def _hours(iteration: int) -> pd.DatetimeIndex:
    return pd.date_range("2018-07-20", periods=HOURS + 5, freq="h", tz="UTC") + pd.Timedelta(days=10 * (iteration - 1))


def _forecasts(rng: np.random.Generator, modes: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    parts = []
    for iteration in ITERATIONS:
        times = _hours(iteration)
        level = np.zeros(len(times))
        for t in range(1, len(times)):
            level[t] = 0.9 * level[t - 1] + 0.2 * rng.standard_normal()
        realized = 0.08 * np.exp(level)
        realized[20 + 5 * iteration] *= 4.0
        best = 0.3 * realized.mean() + 0.7 * realized * np.exp(0.2 * rng.standard_normal(len(times)))
        for mode in modes:
            for model in models:
                own = slice(None) if mode == "paper" and model in HAR_FAMILY else slice(5, None)
                for seed in seeds_of(model):
                    lost = failed(mode, iteration, model, seed)
                    forecast = np.maximum(best + _NOISE.get(model, 0.012) * rng.standard_normal(len(times)), 0.0)
                    columns = {
                        "mode": mode,
                        "iteration": iteration,
                        "model": model,
                        "seed": seed,
                        "timestamp": times,
                        "forecast": np.nan if lost else forecast,
                        "realized": realized,
                        "status": "failed" if lost else "ok",
                    }
                    parts.append(pd.DataFrame(columns).iloc[own])
    return pd.concat(parts, ignore_index=True)


def _gates(rng: np.random.Generator, forecasts: pd.DataFrame) -> pd.DataFrame:
    """Weights that add up to one, most of them on volatility."""
    parts = []
    mixtures = forecasts[forecasts["model"].isin([TM_G, GCT_TM_G, TM_SG, IG_TM]) & (forecasts["status"] == "ok")]
    for (mode, iteration, model), own in mixtures.groupby(["mode", "iteration", "model"], sort=False):
        times = own.drop_duplicates("timestamp")["timestamp"]
        names = ["volatility", "features", *(["sentiment"] if model == TM_SG else [])]
        weights = rng.dirichlet([16.0, *[2.0] * (len(names) - 1)], len(times)).T
        for name, weight in zip(names, weights, strict=True):
            columns = {
                "mode": mode,
                "iteration": iteration,
                "model": model,
                "timestamp": times,
                "component": name,
                "weight": weight,
                "spread": 0.02 + 0.01 * rng.random(len(times)),
            }
            parts.append(pd.DataFrame(columns))
    names = ["mode", "iteration", "model", "timestamp", "component", "weight", "spread"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def _trials(rng: np.random.Generator, modes: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    rows = []
    for mode in modes:
        for iteration in ITERATIONS:
            for model, grid in _GRIDS.items():
                if model not in models:
                    continue
                losses = 0.06 + 0.02 * rng.random(8)
                best = int(losses[1:].argmin()) + 1
                for number, loss in enumerate(losses):
                    values = {name: choices[number % len(choices)] for name, choices in grid.items()}
                    lost = number == 0
                    status = "failed" if lost else "complete"
                    text = json.dumps(values, sort_keys=True)
                    rows.append(
                        (mode, iteration, model, number, text, np.nan if lost else loss, status, number == best)
                    )
    columns = ["mode", "iteration", "model", "number", "values", "loss", "status", "chosen"]
    return pd.DataFrame(rows, columns=columns)


def _estimations(forecasts: pd.DataFrame) -> pd.DataFrame:
    rows = []
    keys = forecasts.drop_duplicates(["mode", "iteration", "model", "seed"])
    for mode, iteration, model, seed, status in keys[["mode", "iteration", "model", "seed", "status"]].to_numpy():
        if status == "failed":
            rows.append((mode, iteration, model, seed, "failed", "the loss is not finite at epoch 3"))
        elif seed == seeds_of(model)[0]:
            rows.append((mode, iteration, model, seed, "rows", "1035"))
    return pd.DataFrame(rows, columns=["mode", "iteration", "model", "seed", "detail", "text"])


def _gaps() -> pd.DataFrame:
    rows = [
        ("2018-06-30 21:00", "2018-07-03 21:00", 72, "the first row after it is dropped; nothing reaches over it"),
        ("2018-07-15 15:00", "2018-07-16 06:00", 15, "nothing reaches over it"),
    ]
    return pd.DataFrame(rows, columns=["from", "to", "hours", "treatment"])


def _diagnostics(rng: np.random.Generator, modes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """As the paper reports them, but for noise: volatility, features, and two sentiment series."""
    tests, causes, memory = [], [], []
    ranges = {row.cause: int(str(row.last)) for row in paper_bitcoin.granger().itertuples()} | paper_bitcoin.SENTIMENT
    for mode in modes:
        for iteration in (0, *ITERATIONS):
            tests.append((mode, iteration, "volatility", "ADF", -9.1, 0.001, True, 26, 1035))
            tests.append((mode, iteration, "volatility", "KPSS", 0.9, 0.01, True, 20, 1035))
            tests.append((mode, iteration, FEATURES[0], "ADF", -1.1, 0.4, False, 26, 1035))
            for cause in (*FEATURES, *paper_bitcoin.SENTIMENT):
                for lag in range(1, 31):
                    rejected = lag <= ranges.get(cause, 0)
                    p_value = 0.04 * rng.random() if rejected else 0.06 + 0.9 * rng.random()
                    causes.append((mode, iteration, cause, lag, 3.0, p_value, rejected, 1035))
        for lag in range(1, 31):
            memory.append((mode, "volatility", lag, 0.6 * 0.75**lag, 0.061))
    columns = ["mode", "iteration", "series", "test", "statistic", "p_value", "rejected", "lags", "rows"]
    names = ["mode", "iteration", "cause", "lag", "statistic", "p_value", "rejected", "rows"]
    return {
        "diagnostics": pd.DataFrame(tests, columns=columns),
        "granger": pd.DataFrame(causes, columns=names),
        "autocorrelation": pd.DataFrame(memory, columns=["mode", "series", "lag", "value", "bound"]),
    }

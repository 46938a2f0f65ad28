"""What the units of the bitcoin-mixture study compute: searches, forecasts, averages of two models."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cluster.search.space import Asked, Trial, grid_point, trial_count
from cluster.search.study import Report
from cluster.search.within import EarlyStopping, best, search_within
from cluster.study import Checkpoint
from volforecast.errors import FitError
from volforecast.hourly_rows import Blocks, Mode, Sample
from volforecast.models.hourly import HYBRIDS, MODELS
from volforecast.models.hourly.hybrid import averaged
from volforecast.models.hourly.protocol import Forecasts, Value, rmse
from volforecast.seeds import seed_of
from volforecast.studies.bitcoin_config import HEAVY, BitcoinMixtureConfig, SearchSettings

Tables = dict[str, pa.Table]
Frames = Mapping[str, pd.DataFrame]


def asked_of(model: str, settings: SearchSettings, seed: int) -> Asked:
    """The search for a model's hyperparameters; a grid that has no more points than trials is gone through whole."""
    grid = MODELS[model].grid
    points = trial_count(grid, Asked(method="grid"))
    whole = settings.method == "grid" or points <= settings.trials
    return Asked(method="grid" if whole else settings.method, trials=points if whole else settings.trials, seed=seed)


def seeds_of(config: BitcoinMixtureConfig, mode: Mode, model: str, iteration: int, numbers: Sequence[int]) -> list[int]:
    """The seeds of networks by their numbers."""
    return [seed_of(config.seed, "bitcoin-mixture", mode, model, iteration, number) for number in numbers]


def rows_of(sample: Sample, model: str, iteration: int) -> Blocks:
    """The rows of a model on one iteration."""
    return sample.blocks(iteration, har=MODELS[model].har, dropped=MODELS[model].dropped)


def validation_loss(
    sample: Sample, model: str, iteration: int, values: Mapping[str, Value], seeds: Sequence[int], report: Report
) -> float:
    """RMSE on an iteration's validation rows of what was learnt from the rows before them, mean over seeds.

    Raises:
        FitError: No seed has a forecast.
    """
    blocks = rows_of(sample, model, iteration)
    found = MODELS[model].forecast(sample, blocks.train, blocks.valid, values, seeds, report)
    losses = [rmse(forecast, sample.y[blocks.valid]) for forecast in found.forecast if np.isfinite(forecast).all()]
    if not losses:
        raise FitError(f"{model} has no forecast on the validation rows: {'; '.join(dict.fromkeys(found.reasons))}")
    return float(np.mean(losses))


def tuned(sample: Sample, model: str, iteration: int, config: BitcoinMixtureConfig, checkpoint: Checkpoint) -> Tables:
    """The trials of a model's hyperparameters on one iteration; none is chosen where all have failed."""
    settings = config.search_of(model)
    seed = seed_of(config.seed, "search", sample.mode, model, iteration)
    asked = asked_of(model, settings, seed)
    numbers = config.seeds_of(model)[: settings.seeds]
    seeds = seeds_of(config, sample.mode, model, iteration, numbers)

    def objective(values: Mapping[str, Value], report: Report) -> float:
        return validation_loss(sample, model, iteration, values, seeds, report)

    early = EarlyStopping() if model in HEAVY else None
    grid = MODELS[model].grid
    if asked.method == "grid" and hasattr(MODELS[model], "grid_losses"):
        trials = _whole_grid(sample, model, iteration, asked)
    else:
        trials = search_within(objective, grid, asked, checkpoint, early=early, fails=(FitError,), demand=False)
    frame = trial_rows(sample.mode, model, iteration, trials)
    return {"trials": pa.Table.from_pandas(frame, preserve_index=False)}


def _whole_grid(sample: Sample, model: str, iteration: int, asked: Asked) -> list[Trial]:
    """The trials of a whole grid of a model that computes many points at the price of few; the same losses."""
    own: Any = MODELS[model]
    points = [grid_point(own.grid, number) for number in range(asked.trials)]
    blocks = rows_of(sample, model, iteration)
    losses = own.grid_losses(sample, blocks.train, blocks.valid, points)
    return [
        Trial(number, values, float(loss), "complete")
        for number, (values, loss) in enumerate(zip(points, losses, strict=True))
    ]


def trial_rows(mode: Mode, model: str, iteration: int, trials: Sequence[Trial]) -> pd.DataFrame:
    """Trials as the ``trials`` table has them."""
    complete = any(trial.status == "complete" for trial in trials)
    chosen = best(list(trials)).number if complete else None
    rows = [
        (
            mode,
            iteration,
            model,
            trial.number,
            json.dumps(trial.values, sort_keys=True),
            np.nan if trial.loss is None else trial.loss,
            trial.status,
            trial.number == chosen,
            trial.reason,
        )
        for trial in trials
    ]
    columns = ["mode", "iteration", "model", "number", "values", "loss", "status", "chosen", "reason"]
    return pd.DataFrame(rows, columns=columns)


def chosen_values(trials: pd.DataFrame) -> dict[str, Value]:
    """The hyperparameters that won.

    Raises:
        FitError: All trials have failed.
    """
    won = trials.loc[trials["chosen"], "values"]
    if not len(won):
        raise FitError(f"none of {len(trials)} trials of its hyperparameters is complete ({trials['reason'].iloc[0]})")
    found: dict[str, Value] = json.loads(won.iloc[0])
    return found


def forecast_tables(
    sample: Sample, model: str, iteration: int, trials: pd.DataFrame | None, config: BitcoinMixtureConfig
) -> Tables:
    """``forecasts``, ``gates`` and ``estimations`` of a model on one iteration's test rows.

    One that cannot be estimated has no forecasts and the reason: the others are compared without it.

    Args:
        sample: The table in its mode.
        model: Its name.
        iteration: 1 to 6.
        trials: Of its hyperparameters; None takes those of the settings.
        config: The study's settings.
    """
    blocks = rows_of(sample, model, iteration)
    numbers = config.seeds_of(model)
    seeds = seeds_of(config, sample.mode, model, iteration, numbers)
    values: Mapping[str, Value] = config.hyperparameters.get(f"{sample.mode}/{model}/{iteration}", {})
    try:
        values = values if trials is None else chosen_values(trials)
        found = MODELS[model].forecast(sample, blocks.refit, blocks.test, values, seeds)
    except FitError as error:
        lost = np.full((len(numbers), len(blocks.test)), np.nan)
        found = Forecasts(lost, reasons=(str(error),) * len(numbers))
    where = (sample.mode, iteration, model)
    times, realized = sample.table.times[blocks.test], sample.y[blocks.test]
    made = {
        "forecasts": forecast_rows(where, numbers, times, found.forecast, realized),
        "estimations": estimation_rows(where, numbers, found, values, len(blocks.refit)),
    }
    if found.gates is not None:
        made["gates"] = gate_rows(where, times, found)
    return {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in made.items()}


def hybrid_tables(mode: Mode, model: str, iteration: int, parts: Sequence[Frames]) -> Tables:
    """A hybrid's forecasts from those of its two models on the same rows."""
    first, second = (part["forecasts"] for part in parts)
    one, other = (frame.pivot(index="timestamp", columns="seed", values="forecast") for frame in (first, second))
    found = averaged(HYBRIDS[model], Forecasts(one.to_numpy().T), Forecasts(other.to_numpy().T))
    longer = one if one.shape[1] >= other.shape[1] else other
    numbers = [int(seed) for seed in longer.columns]
    realized = first[first["seed"] == first["seed"].iloc[0]].set_index("timestamp")["realized"].loc[one.index]
    times = one.index.to_numpy()
    frame = forecast_rows((mode, iteration, model), numbers, times, found.forecast, realized.to_numpy())
    detail = pd.DataFrame(
        [(mode, iteration, model, numbers[0], "average of", " and ".join(HYBRIDS[model].members))],
        columns=["mode", "iteration", "model", "seed", "detail", "text"],
    )
    made = {"forecasts": frame, "estimations": detail}
    return {name: pa.Table.from_pandas(table, preserve_index=False) for name, table in made.items()}


def forecast_rows(
    where: tuple[str, int, str],
    numbers: Sequence[int],
    times: np.ndarray[tuple[int], np.dtype[np.datetime64]],
    forecast: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    realized: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> pd.DataFrame:
    """Rows of the ``forecasts`` frame; a seed with a forecast that is no number has failed on all of its rows."""
    mode, iteration, model = where
    frames = []
    for number, row in zip(numbers, forecast, strict=True):
        sound = bool(np.isfinite(row).all())
        columns = {
            "mode": mode,
            "iteration": iteration,
            "model": model,
            "seed": number,
            "timestamp": times,
            "forecast": row if sound else np.full(len(row), np.nan),
            "realized": realized,
            "status": "ok" if sound else "failed",
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def gate_rows(
    where: tuple[str, int, str], times: np.ndarray[tuple[int], np.dtype[np.datetime64]], found: Forecasts
) -> pd.DataFrame:
    """Rows of the ``gates`` frame: each component's weight over time, mean and spread over the seeds that are sound."""
    assert found.gates is not None
    mode, iteration, model = where
    sound = found.gates[np.isfinite(found.gates).all(axis=(1, 2))]
    frames = []
    for number, component in enumerate(found.components):
        weights = sound[:, number]
        columns = {
            "mode": mode,
            "iteration": iteration,
            "model": model,
            "timestamp": times,
            "component": component,
            "weight": weights.mean(axis=0) if len(weights) else np.full(len(times), np.nan),
            "spread": weights.std(axis=0, ddof=1) if len(weights) > 1 else np.full(len(times), np.nan),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def estimation_rows(
    where: tuple[str, int, str], numbers: Sequence[int], found: Forecasts, values: Mapping[str, Value], rows: int
) -> pd.DataFrame:
    """Rows of the ``estimations`` frame: what was learnt from, chosen, and why a seed failed."""
    told = {"rows": str(rows)} | {name: str(value) for name, value in values.items()} | found.details
    lines = [(*where, numbers[0], name, text) for name, text in told.items()]
    lines += [
        (*where, number, "failed", reason) for number, reason in zip(numbers, found.reasons, strict=False) if reason
    ]
    return pd.DataFrame(lines, columns=["mode", "iteration", "model", "seed", "detail", "text"])

"""What the units of the rough-transfer study compute: networks, benchmarks, confidence sets, roughness."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cluster.study import Checkpoint
from volforecast.data.parquet import unpack
from volforecast.errors import FitError
from volforecast.evaluation.conformal import calibrate
from volforecast.evaluation.rough_tests import confidence_sets
from volforecast.log_rows import FloatArray, IntArray, LogSeries
from volforecast.models.rough import BENCHMARKS
from volforecast.models.rough.recipe import Recipe
from volforecast.networks.architecture import Architecture, components
from volforecast.networks.jobs import Job, Schedule, Series, Trained
from volforecast.roughness.tables import roughness_tables
from volforecast.seeds import seed_of
from volforecast.studies.rough_config import NetworkSettings, RoughTransferConfig
from volforecast.studies.rough_tasks import Task

PRETRAINING, FINE_TUNING = "pre-training", "fine-tuning"
MEDIAN = 0.5
Weights = dict[str, NDArray[np.float32]]
Tables = dict[str, pa.Table]


class Fits(NamedTuple):
    """One network model at one horizon.

    Attributes:
        model: Its name.
        horizon: Days ahead.
        recipe, architecture, schedule: What it is and how it is trained.
        config: The study's settings.
    """

    model: str
    horizon: int
    recipe: Recipe
    architecture: Architecture
    schedule: Schedule
    config: RoughTransferConfig

    def tables(self, asked: Sequence[tuple[Task, int]], begun: Sequence[bytes], checkpoint: Checkpoint) -> Tables:
        """Train a network for each task and seed, side by side, and forecast the test part.

        Args:
            asked: Tasks and seeds.
            begun: Payloads of the pre-trainings that the model starts from, which hold all of the seeds.
            checkpoint: Where the training keeps its state.

        Returns:
            ``forecasts``, ``curves``, ``estimations`` and, of a model with quantiles, ``quantiles``.
        """
        from volforecast.networks.forecasting import forecast  # torch, which who only asks for a study does not need

        starts = stored_weights(begun)
        shared = {task.series.asset: task.learnt_from(self.recipe.residual) for task, _ in asked}
        jobs = []
        for task, seed in asked:
            asset = task.series.asset
            drawn = seed_of(self.config.seed, self.model, asset, self.horizon, seed)
            jobs.append(Job(shared[asset], drawn, starts[seed] if self.recipe.pretrained else None))
        trained = self._train(jobs, checkpoint)
        rows = [np.concatenate([task.split.validation, task.split.test]) for task, _ in asked]
        sound = [number for number, one in enumerate(trained) if not one.error]
        outputs = dict(
            zip(
                sound,
                forecast(
                    self.architecture,
                    [trained[number].weights for number in sound],
                    [jobs[number].series for number in sound],
                    [rows[number] for number in sound],
                    length=self.schedule.length,
                    device=self.config.device,
                ),
                strict=True,
            )
        )
        forecasts, quantiles, curves, estimations = [], [], [], []
        for number, (task, seed) in enumerate(asked):
            named = (task.series.asset, self.horizon, self.model, seed)
            values = None
            if number in outputs and np.isfinite(outputs[number]).all():
                values = task.forecasts(outputs[number], rows[number], self.recipe.residual)
            forecasts.append(forecast_rows(named, task, self._point(values, task)))
            if self.architecture.levels and values is not None:
                quantiles.append(quantile_rows(named, task, values, self.architecture.levels))
            curves.append(curve_rows((FINE_TUNING, *named), trained[number]))
            estimations.append(self._estimation(named, task, trained[number]))
        made = {"forecasts": _joined(forecasts), "curves": _joined(curves), "estimations": _joined(estimations)}
        return made | ({"quantiles": _joined(quantiles)} if quantiles else {})

    def _train(self, jobs: Sequence[Job], checkpoint: Checkpoint) -> list[Trained]:
        from volforecast.networks.training import train

        return train(
            self.architecture,
            self.schedule,
            jobs,
            device=self.config.device,
            mixed_precision=self.config.mixed_precision,
            checkpoint=checkpoint,
        )

    def _point(self, values: FloatArray | None, task: Task) -> FloatArray | None:
        """Point forecasts of the test rows: of quantiles the median."""
        if values is None:
            return None
        tested = values[len(task.split.validation) :]
        return tested[:, self.architecture.levels.index(MEDIAN)] if self.architecture.levels else tested

    def _estimation(self, named: tuple[str, int, str, int], task: Task, trained: Trained) -> pd.DataFrame:
        epochs = len(trained.curve["epoch"])
        kept = np.flatnonzero(np.asarray(trained.curve["epoch"]) == trained.best_epoch)
        alpha = float(trained.curve["alpha"][kept[0]]) if len(kept) else np.nan
        parts = (len(task.split.training), len(task.split.validation))
        row = (
            *named,
            sum(part.parameters for part in components(self.architecture)),
            trained.best_epoch,
            epochs,
            alpha,
            *parts,
            trained.error,
        )
        return pd.DataFrame([row], columns=ESTIMATION_COLUMNS)


NAMED = ["target", "horizon", "model", "seed"]
ESTIMATION_COLUMNS = [*NAMED, "parameters", "best_epoch", "epochs", "alpha", "train_pairs", "valid_pairs", "reason"]


def pretrained(asked: Fits, merged: Series, name: str, seeds: Sequence[int], checkpoint: Checkpoint) -> Tables:
    """Train networks on the sources: ``weights`` and ``curves``.

    Args:
        asked: The model whose networks these are: what fine-tuned models start from.
        merged: All sources as one.
        name: Their names.
        seeds: Which networks.
        checkpoint: Where the training keeps its state.

    Raises:
        FitError: A training came to nothing; what would start from it is not computed.
    """
    jobs = [Job(merged, seed_of(asked.config.seed, PRETRAINING, asked.model, asked.horizon, s), None) for s in seeds]
    trained = asked._train(jobs, checkpoint)
    curves = []
    for seed, one in zip(seeds, trained, strict=True):
        if one.error:
            raise FitError(f"pre-training of {asked.model} on {name}, seed {seed}: {one.error}")
        curves.append(curve_rows((PRETRAINING, name, asked.horizon, asked.model, seed), one))
    return {"weights": _weights_table(seeds, trained), "curves": _joined(curves)}


def stored_weights(payloads: Iterable[bytes]) -> dict[int, Weights]:
    """Pre-trained weights by seed."""
    found: dict[int, Weights] = {}
    for payload in payloads:
        for row in unpack(payload, "weights")["weights"].to_pylist():
            values = np.asarray(row["values"], dtype=np.float32).reshape(row["shape"])
            found.setdefault(row["seed"], {})[row["name"]] = values
    return found


def _weights_table(seeds: Sequence[int], trained: Sequence[Trained]) -> pa.Table:
    rows = [
        (seed, name, values) for seed, one in zip(seeds, trained, strict=True) for name, values in one.weights.items()
    ]
    return pa.table(
        {
            "seed": pa.array([seed for seed, _, _ in rows], pa.int64()),
            "name": pa.array([name for _, name, _ in rows], pa.string()),
            "shape": pa.array([list(values.shape) for _, _, values in rows], pa.list_(pa.int64())),
            "values": pa.array([values.ravel() for _, _, values in rows], pa.list_(pa.float32())),
        }
    )


def benchmarks(task: Task, horizon: int, models: Sequence[str], network: NetworkSettings) -> Tables:
    """The benchmarks of one target, the same rows as the networks': ``forecasts``, ``estimations``, ``quantiles``."""
    forecasts, quantiles, estimations = [], [], []
    train_rows = task.split.training
    rows = np.concatenate([task.split.validation, task.split.test])
    for model in models:
        named = (task.series.asset, horizon, model, 0)
        values, reason = None, ""
        try:
            X, y = task.features[train_rows], task.labels[train_rows]
            values = BENCHMARKS[model](X, y, task.features[rows], network.levels)
        except FitError as error:
            reason = str(error)
        point = None if values is None else values[len(task.split.validation) :]
        if values is not None and values.ndim == 2:
            quantiles.append(quantile_rows(named, task, values, network.levels))
            point = values[len(task.split.validation) :, network.levels.index(MEDIAN)]
        forecasts.append(forecast_rows(named, task, point))
        parts = (len(train_rows), len(task.split.validation))
        row = (*named, 0 if model == "Moving Average" else 4, 0, 0, np.nan, *parts, reason)
        estimations.append(pd.DataFrame([row], columns=ESTIMATION_COLUMNS))
    made = {"forecasts": _joined(forecasts), "estimations": _joined(estimations)}
    return made | ({"quantiles": _joined(quantiles)} if quantiles else {})


def confidence(target: str, horizon: int, payloads: Iterable[bytes], config: RoughTransferConfig) -> Tables:
    """The confidence set of one target over all its models."""
    parts = [unpack(payload, "forecasts")["forecasts"] for payload in payloads]
    forecasts = pa.concat_tables(parts).to_pandas()
    own = forecasts[forecasts["target"] == target]
    found = confidence_sets(own, seed=config.seed, level=config.confidence, replications=config.replications)
    return {"confidence_sets": pa.Table.from_pandas(found, preserve_index=False)}


def roughness(series: LogSeries, role: str, seed: int, replications: int) -> Tables:
    """Hurst exponents of one asset over all its days, the points behind them, and the series itself."""
    made = roughness_tables(series.asset, role, series.dates, np.exp(series.x), seed, replications)
    made["series"] = _series_rows(series)
    return {name: pa.Table.from_pandas(table, preserve_index=False) for name, table in made.items()}


def forecast_rows(named: tuple[str, int, str, int], task: Task, values: FloatArray | None) -> pd.DataFrame:
    """Published forecasts of the test part; without values they have failed."""
    rows = task.split.test
    forecasts = np.full(len(rows), np.nan) if values is None else values
    usable = np.isfinite(forecasts)
    return pd.DataFrame(
        dict(zip(NAMED, named, strict=True))
        | {
            "date": _label_dates(task, rows, named[1]),
            "forecast": np.where(usable, forecasts, np.nan),
            "realized": task.labels[rows],
            "status": np.where(usable, "ok", "failed"),
        }
    )


def quantile_rows(
    named: tuple[str, int, str, int], task: Task, values: FloatArray, levels: tuple[float, ...]
) -> pd.DataFrame:
    """Quantiles of the test part, as forecast and as calibrated on the validation part.

    Args:
        named: Target, horizon, model, seed.
        task: The target.
        values: Quantiles of validation and test rows, shape (rows, levels).
        levels: Of the quantiles.
    """
    known, rows = task.split.validation, task.split.test
    tested = values[len(known) :]
    calibrated = calibrate(values[: len(known)], task.labels[known], tested, levels)
    wide = dict(zip(NAMED, named, strict=True))
    return pd.DataFrame(
        wide
        | {
            "date": np.repeat(_label_dates(task, rows, named[1]), len(levels)),
            "level": np.tile(levels, len(rows)),
            "quantile": tested.ravel(),
            "calibrated": calibrated.ravel(),
            "realized": np.repeat(task.labels[rows], len(levels)),
        }
    )


def curve_rows(named: tuple[str, str, int, str, int], trained: Trained) -> pd.DataFrame:
    """A network's learning curve."""
    phase, name, horizon, model, seed = named
    curve: Mapping[str, NDArray[np.float64]] = trained.curve
    return pd.DataFrame(
        {"phase": phase, "name": name, "horizon": horizon, "model": model, "seed": seed}
        | {column: curve[column] for column in ("epoch", "train_loss", "valid_loss", "learning_rate", "alpha")}
        | {"best": np.asarray(curve["epoch"]) == trained.best_epoch}
    )


def _label_dates(task: Task, rows: IntArray, horizon: int) -> NDArray[np.datetime64]:
    """The last day of each label."""
    return task.series.dates[rows + horizon].astype("datetime64[ms]")


def _series_rows(series: LogSeries) -> pd.DataFrame:
    return pd.DataFrame({"asset": series.asset, "date": series.dates.astype("datetime64[ms]"), "log_rv": series.x})


def _joined(frames: Sequence[pd.DataFrame]) -> pa.Table:
    return pa.Table.from_pandas(pd.concat(frames, ignore_index=True), preserve_index=False)

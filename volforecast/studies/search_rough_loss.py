"""The loss of a point of the search over networks of log volatility: what training them comes to, beside HAR."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cluster.search.study import Report
from volforecast.errors import FitError
from volforecast.log_rows import FloatArray
from volforecast.networks.architecture import components
from volforecast.networks.jobs import Job, Series, Trained
from volforecast.seeds import seed_of
from volforecast.studies import rough_costs
from volforecast.studies.rough_fits import PRETRAINING, Fits, Weights
from volforecast.studies.rough_tasks import Task


class _Progress:
    """Losses on the way: one for each epoch that a model's schedule has, whether its networks have stopped or not."""

    def __init__(self, report: Report) -> None:
        self.report, self.step = report, 0
        self.before: list[float] = []  # losses of the models that are trained
        self.now = math.nan  # that of the model that is being trained

    def epoch(self, relative: float) -> None:
        self.now, self.step = relative, self.step + 1
        self.report(self.step, self.mean())

    def end(self, epochs: int) -> None:
        """The model is trained; its schedule had so many more epochs."""
        for _ in range(epochs):
            self.epoch(self.now)
        self.before.append(self.now)

    def mean(self) -> float:
        return sum((*self.before, self.now)) / (len(self.before) + 1)


def loss(
    models: Sequence[Fits], tasks: Sequence[Task], begins: Mapping[str, Fits], merged: Series | None, report: Report
) -> float:
    """Train every model for every target and seed, from the seeds that the study would use.

    Args:
        models: The models.
        tasks: The targets.
        begins: By pre-trained model, the one whose networks it starts from.
        merged: All sources as one, where a model is pre-trained.
        report: Called once for each epoch of the models' schedules, pre-training aside, with the mean over the models
            that have begun; a network that has stopped keeps its loss.

    Returns:
        Validation loss of the best epochs relative to HAR's, mean over models, targets and seeds.

    Raises:
        FitError: A training came to nothing, or HAR makes no error.
    """
    progress = _Progress(report)
    started: dict[str, dict[int, Weights]] = {}
    for asked in models:
        seeds, starts = range(1, asked.config.search.seeds + 1), dict[int, Weights]()
        if asked.model in begins and merged is not None:
            first = begins[asked.model]
            if first.model not in started:
                started[first.model] = _pretrained(first, merged, seeds)
            starts = started[first.model]
        jobs, scales = [], []
        for task in tasks:
            series, asset = task.learnt_from(asked.recipe.residual), task.series.asset
            for seed in seeds:
                drawn = seed_of(asked.config.seed, asked.model, asset, asked.horizon, seed)
                jobs.append(Job(series, drawn, starts.get(seed)))
                scales.append(_har_loss(task, series, asked))
        trained = _train(asked, jobs, np.array(scales), progress)
        progress.end(asked.schedule.epochs - max(len(one.curve["epoch"]) for one in trained))
    return sum(progress.before) / len(models)


def seconds(models: Sequence[Fits], lengths: Sequence[int], begins: Mapping[str, Fits], source_rows: int) -> float:
    """Core-seconds of a trial at the configured point.

    Args:
        models: The models.
        lengths: Training rows of each target.
        begins: By pre-trained model, the one whose networks it starts from.
        source_rows: Training rows of all sources.
    """
    firsts = {fits.model: fits for fits in begins.values()}
    asked = [(fits, list(lengths)) for fits in models] + [(fits, [source_rows]) for fits in firsts.values()]
    found = 0.0
    for fits, rows in asked:
        parameters = sum(part.parameters for part in components(fits.architecture))
        each_seed, on_gpu = rows * fits.config.search.seeds, fits.config.device == "cuda"
        found += rough_costs.training_cost(
            fits.recipe, each_seed, fits.schedule.epochs, parameters, on_gpu=on_gpu
        ).seconds
    return found


def _pretrained(first: Fits, merged: Series, seeds: Sequence[int]) -> dict[int, Weights]:
    """Weights by seed."""
    jobs = [Job(merged, seed_of(first.config.seed, PRETRAINING, first.model, first.horizon, s), None) for s in seeds]
    return {seed: one.weights for seed, one in zip(seeds, _train(first, jobs, np.ones(len(jobs))), strict=True)}


def _train(asked: Fits, jobs: Sequence[Job], scales: FloatArray, progress: _Progress | None = None) -> list[Trained]:
    from volforecast.networks.training import train  # torch, which who only asks for a study does not need

    def after(epoch: int, lowest: FloatArray) -> None:
        if not np.isfinite(lowest).all():
            raise FitError(f"{asked.model}: the loss was not finite in epoch {epoch}")
        if progress is not None:
            progress.epoch(float(np.mean(lowest / scales)))

    trained = train(
        asked.architecture,
        asked.schedule,
        jobs,
        device=asked.config.device,
        mixed_precision=asked.config.mixed_precision,
        after=after,
    )
    for one in trained:
        if one.error:
            raise FitError(f"{asked.model}: {one.error}")
    return trained


def _har_loss(task: Task, series: Series, asked: Fits) -> float:
    """HAR's loss on the validation rows, in the units of the network's; of quantiles, HAR stands for all of them."""
    rows = series.valid
    error = series.labels[rows].astype(np.float64)
    if not asked.recipe.residual:  # labels of a network on residuals are what HAR leaves
        error -= series.har[rows]
    if asked.architecture.levels:
        levels = np.array(asked.architecture.levels)[:, None]
        found = float(np.maximum(levels * error, (levels - 1.0) * error).mean())
    else:
        found = float(np.square(error).mean())
    if not (math.isfinite(found) and found > 0.0):
        raise FitError(f"HAR makes no error on the validation part of {task.series.asset}, so nothing compares with it")
    return found

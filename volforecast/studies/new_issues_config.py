"""Settings of the new-issues study; every one is a key of its configuration file."""

from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from volforecast.errors import ConfigError
from volforecast.measured_rows import measures_needed
from volforecast.models import EXTRA
from volforecast.models.fnn import FNN
from volforecast.models.har import HAR
from volforecast.models.har_j import HARJ
from volforecast.models.harq import HARQ
from volforecast.models.log_har import LogHAR
from volforecast.models.protocol import Model
from volforecast.models.shar import SHAR
from volforecast.models.xgb import XGB
from volforecast.predictors import MONTH
from volforecast.studies.model_names import NAIVE, NAIVE_MEAN, ModelName, all_models, extra_models, parse, pick
from volforecast.studies.rolling import Schedule
from volforecast.studies.search_settings import SearchSettings, changed, check_tuned, without_search
from volforecast.transfer.dtw import DTW


def field_of(model_class: str) -> str:
    """The settings' key of a model class: ``har_j`` for HAR-J."""
    return model_class.lower().replace("-", "_")


class NewIssuesConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the study; every one is a key of the configuration file.

    Attributes:
        targets: Targets to forecast; all of the panel's when empty.
        periods: Sample periods s: trading days known at the first origin.
        models: Whole model names or words that narrow them down; the paper's 30 when empty.
        seed: Every random draw is derived from it.
        horizon_days: Days each sample period forecasts.
        refit_every: Days between two estimations.
        block_length: m, rows of a source subsequence and of the query.
        confidence: Level of the model confidence sets.
        replications: Bootstrap replications of a confidence set.
        dtw: How similar subsequences are looked for.
        har, fnn, xgb: Settings of the model classes.
        insanity_filter: Replace forecasts outside the range of the training labels by their mean
            (:mod:`volforecast.models.insanity`).
        har_j, harq, log_har, shar: Settings of the classes beside the paper's.
        tuned: Hyperparameters of single models, by name; they win over those of the model's class.
        search: How ``volforecast search`` judges hyperparameters; a study does not read it.
    """

    targets: tuple[str, ...] = ()
    periods: tuple[int, ...] = (50, 150, 250, 350, 450)
    models: tuple[str, ...] = ()
    seed: int = 1
    horizon_days: int = 100
    refit_every: int = 5
    block_length: int = 22
    confidence: float = 0.95
    replications: int = 5000
    dtw: DTW = DTW()
    har: HAR = HAR()
    fnn: FNN = FNN()
    xgb: XGB = XGB()
    insanity_filter: bool = False
    har_j: HARJ = HARJ()
    harq: HARQ = HARQ()
    log_har: LogHAR = LogHAR()
    shar: SHAR = SHAR()
    tuned: dict[str, dict[str, Any]] = {}
    search: SearchSettings = SearchSettings()

    def checked(self) -> "NewIssuesConfig":
        """The same settings with model names written out.

        Raises:
            ConfigError: A setting is out of range.
        """
        first = MONTH + self.block_length - 1
        for period in self.periods:
            if period < first:
                raise ConfigError(
                    f"periods: {period} is too short; the query needs {self.block_length} rows with a monthly mean, so "
                    f"the first origin is day {first} or later (the first-days study covers the days before)"
                )
        if len(set(self.targets)) != len(self.targets):
            raise ConfigError(f"targets: {', '.join(self.targets)} names one twice; give each target once")
        for name, value in (("horizon_days", self.horizon_days), ("refit_every", self.refit_every)):
            if value < 1:
                raise ConfigError(f"{name}: {value} is not a number of days; give 1 or more")
        if not self.periods or len(set(self.periods)) != len(self.periods):
            raise ConfigError(f"periods: {list(self.periods)} is empty or names one twice; give each period once")
        closest = min(np.diff(sorted(self.periods)), default=self.horizon_days)
        if closest < self.horizon_days:
            raise ConfigError(
                f"periods: {sorted(self.periods)} overlap, as each forecasts {self.horizon_days} days (horizon_days); "
                "a day may be forecast once, so leave at least that many days between them"
            )
        if not 0 < self.confidence < 1 or self.replications < 100 or self.block_length < 1:
            raise ConfigError("confidence lies between 0 and 1, replications is 100 or more, block_length 1 or more")
        self.search.checked()
        check_tuned(self.tuned, {str(name): self._of_class(name) for name in (*all_models(), *extra_models())})
        return msgspec.structs.replace(self, models=pick(self.models), periods=tuple(sorted(self.periods)))

    @property
    def measures(self) -> tuple[str, ...]:
        """The realized measures that the models need, of settings that are checked."""
        return measures_needed(parse(model).predictors for model in self.models)

    def model(self, name: str) -> Model | None:
        """The configured class of a model; None for the naive forecasts."""
        if name in (NAIVE, NAIVE_MEAN):
            return None
        found: Model = changed(self._of_class(parse(name)), self.tuned.get(name, {}), name)
        return found

    def _of_class(self, name: ModelName) -> Any:
        return getattr(self, field_of(name.model_class), None)

    def written(self) -> dict[str, Any]:
        """The settings as a plan holds them.

        Without what is beside the paper and not asked for: the plan of the paper's models is the same for all versions
        that know of more.
        """
        settings: dict[str, Any] = msgspec.to_builtins(self)
        asked = {parse(model).model_class for model in self.models}
        for model_class in EXTRA:
            if model_class not in asked:
                del settings[field_of(model_class)]
        if not self.insanity_filter:
            del settings["insanity_filter"]
        return without_search(settings)

    @property
    def schedule(self) -> Schedule:
        """Origins and forecast days."""
        return Schedule(self.horizon_days, self.refit_every)

"""Settings of the first-days study; every one is a key of its configuration file."""

from typing import Any

import msgspec
from msgspec import Struct

from volforecast.errors import ConfigError
from volforecast.models.fnn import FNN
from volforecast.models.har import HAR
from volforecast.models.protocol import Approach, Model
from volforecast.models.xgb import XGB
from volforecast.predictors import MONTH, REDUCED_SETS, WEEK
from volforecast.studies.model_names import NAIVE, ModelName, all_models, parse, pick
from volforecast.studies.rolling import Schedule
from volforecast.studies.search_settings import SearchSettings, changed, check_tuned, without_search
from volforecast.transfer.dtw import DTW

LAST_DAY = 50
SCHEDULES = {  # of each sample period: re-estimated daily, up to the day on which a larger predictor set exists
    1: Schedule(WEEK - 1, 1),
    WEEK: Schedule(MONTH - WEEK, 1),
    MONTH: Schedule(LAST_DAY - MONTH, 1),
}


class FirstDaysFNN(FNN, frozen=True, forbid_unknown_fields=True):
    """The network with the mini-batches of the first days: one row where only the target is learnt from."""

    batch: dict[Approach, int] = msgspec.field(default_factory=lambda: {"TO": 1, "MTL": 512, "NP": 1024})


class FirstDaysConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the study; every one is a key of the configuration file.

    Attributes:
        targets: Targets to forecast; all of the panel's when empty.
        models: Whole model names, or words that narrow them down (``1``, ``5`` and ``22`` too); all 90 when empty.
        seed: Every random draw is derived from it.
        block_length: Most rows of a source subsequence and of the query.
        confidence: Level of the model confidence sets.
        replications: Bootstrap replications of a confidence set.
        dtw: How similar subsequences are looked for.
        har, fnn, xgb: Settings of the model classes.
        tuned: Hyperparameters of single models, by name; they win over those of the model's class.
        search: How ``volforecast search`` judges hyperparameters; a study does not read it.
    """

    targets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    seed: int = 1
    block_length: int = MONTH
    confidence: float = 0.95
    replications: int = 5000
    dtw: DTW = DTW()
    har: HAR = HAR()
    fnn: FirstDaysFNN = FirstDaysFNN()
    xgb: XGB = XGB()
    tuned: dict[str, dict[str, Any]] = {}
    search: SearchSettings = SearchSettings()

    def checked(self) -> "FirstDaysConfig":
        """The same settings with model names written out.

        Raises:
            ConfigError: A setting is out of range.
        """
        if len(set(self.targets)) != len(self.targets):
            raise ConfigError(f"targets: {', '.join(self.targets)} names one twice; give each target once")
        if not 0 < self.confidence < 1 or self.replications < 100 or self.block_length < 1:
            raise ConfigError("confidence lies between 0 and 1, replications is 100 or more, block_length 1 or more")
        self.search.checked()
        check_tuned(self.tuned, {str(name): self._of_class(name) for name in all_models(tuple(REDUCED_SETS))})
        return msgspec.structs.replace(self, models=pick(self.models, tuple(REDUCED_SETS)))

    def model(self, name: str) -> Model | None:
        """The configured class of a model; None for the naive forecast."""
        if name == NAIVE:
            return None
        found: Model = changed(self._of_class(parse(name)), self.tuned.get(name, {}), name)
        return found

    def written(self) -> dict[str, Any]:
        """The settings as a plan holds them: those of searches are none of a study."""
        settings: dict[str, Any] = msgspec.to_builtins(self)
        return without_search(settings)

    def _of_class(self, name: ModelName) -> Any:
        return getattr(self, name.model_class.lower())

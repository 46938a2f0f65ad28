"""Settings of the new-issues study; every one is a key of its configuration file."""

import msgspec
import numpy as np
from msgspec import Struct

from volforecast.errors import ConfigError
from volforecast.models.fnn import FNN
from volforecast.models.har import HAR
from volforecast.models.xgb import XGB
from volforecast.predictors import MONTH
from volforecast.studies.model_names import pick
from volforecast.studies.rolling import Schedule
from volforecast.transfer.dtw import DTW


class NewIssuesConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the study; every one is a key of the configuration file.

    Attributes:
        targets: Targets to forecast; all of the panel's when empty.
        periods: Sample periods s: trading days known at the first origin.
        models: Whole model names or words that narrow them down; all 30 when empty.
        seed: Every random draw is derived from it.
        horizon_days: Days each sample period forecasts.
        refit_every: Days between two estimations.
        block_length: m, rows of a source subsequence and of the query.
        confidence: Level of the model confidence sets.
        replications: Bootstrap replications of a confidence set.
        dtw: How similar subsequences are looked for.
        har, fnn, xgb: Settings of the model classes.
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
        return msgspec.structs.replace(self, models=pick(self.models), periods=tuple(sorted(self.periods)))

    @property
    def schedule(self) -> Schedule:
        """Origins and forecast days."""
        return Schedule(self.horizon_days, self.refit_every)

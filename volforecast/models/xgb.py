"""Gradient-boosted trees (Chen & Guestrin 2016; Teller et al. 2026, section 4.3 and table 2)."""

from typing import Literal

import numpy as np
import xgboost
from msgspec import Struct

from volforecast.errors import ConfigError, FitError
from volforecast.models.protocol import FloatArray, TrainingSet


class XGB(Struct, frozen=True, forbid_unknown_fields=True):
    """XGBoost regression with the paper's hyperparameters, one thread a fit.

    Attributes:
        tree_method: ``hist`` (binned splits) or ``exact``; a setting, because it changes forecasts a little and time a
            lot.
    """

    trees: int = 40
    depth: int = 5
    learning_rate: float = 0.1
    gamma: float = 0.1
    reg_alpha: float = 0.0
    reg_lambda: float = 1.0
    subsample: float = 0.75
    min_child_weight: float = 1.0
    tree_method: Literal["hist", "exact", "approx"] = "hist"

    def __post_init__(self) -> None:
        if self.trees < 1 or self.depth < 1:
            raise ConfigError(f"XGB: trees = {self.trees} and depth = {self.depth} must be at least 1")
        if not (0.0 < self.learning_rate <= 1.0 and 0.0 < self.subsample <= 1.0):
            shares = f"learning_rate = {self.learning_rate} and subsample = {self.subsample}"
            raise ConfigError(f"XGB: {shares} must lie above 0 and be at most 1")
        if not all(value >= 0.0 for value in (self.gamma, self.reg_alpha, self.reg_lambda, self.min_child_weight)):
            raise ConfigError("XGB: gamma, reg_alpha, reg_lambda and min_child_weight must not be negative")

    def tune(self, first: TrainingSet, seed: int) -> None:
        """Nothing to settle: the paper searches no hyperparameters."""

    def forecast(self, train: TrainingSet, rows: FloatArray, tuned: None, seed: int) -> FloatArray:
        """Forecasts for ``rows``, shape (forecasts,), per cent squared.

        The starting value is the mean label (XGBoost's own choice for squared errors), not the constant 0.5 of its
        early versions, from which 40 steps of 0.1 end a few per cent short of the level.

        Raises:
            FitError: There is no row, or a value is NaN, infinite, or outside the range of float32.
        """
        if not len(train.y):
            raise FitError("boosting needs at least one row; the training set is empty")
        if not all(np.isfinite(values).all() for values in (train.X, train.y, rows)):
            raise FitError("the rows hold NaN or infinite values, which boosting would take for missing ones")
        parameters = {
            "objective": "reg:squarederror",
            "max_depth": self.depth,
            "eta": self.learning_rate,
            "gamma": self.gamma,
            "alpha": self.reg_alpha,
            "lambda": self.reg_lambda,
            "subsample": self.subsample,
            "min_child_weight": self.min_child_weight,
            "tree_method": self.tree_method,
            "base_score": float(train.y.mean()),
            "seed": seed % 2**31,  # the library keeps 31 bits
            "nthread": 1,
            "verbosity": 0,
        }
        try:
            training = xgboost.DMatrix(train.X, label=train.y, nthread=1)
            booster = xgboost.train(parameters, training, num_boost_round=self.trees)
            forecasts = booster.predict(xgboost.DMatrix(rows, nthread=1))
        except xgboost.core.XGBoostError as error:
            raise FitError(f"XGBoost refuses these rows: {' '.join(str(error).split())[:200]}") from error
        return np.asarray(forecasts, dtype=np.float64)

"""Which hyperparameters of a model class are searched, and between which values."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cluster.errors import EngineError
from cluster.search.space import Range, Value, checked_point
from volforecast.models.fnn import FNN
from volforecast.models.protocol import Approach
from volforecast.models.xgb import XGB

Space = dict[str, tuple[Value, ...] | Range]

XGB_SPACE: Final[Space] = {
    "trees": Range(10, 400, log=True, integer=True),
    "depth": Range(1, 8, integer=True),
    "learning_rate": Range(0.01, 0.5, log=True),
    "gamma": Range(0.001, 100.0, log=True),  # per cent to the fourth: the label is a variance in per cent squared
    "reg_lambda": Range(0.01, 100.0, log=True),
    "subsample": Range(0.3, 1.0),
    "min_child_weight": Range(1.0, 64.0, log=True),
}

# layers and their widths are no part of it: the kernel is compiled for 8-4-2
FNN_SPACE: Final[Space] = {
    "learning_rate": Range(1e-4, 0.03, log=True),
    "max_epochs": (100, 250, 500, 1000),
    "patience": (25, 50, 100, 200),
    "holdout": (0.05, 0.1, 0.2, 0.3),
}
BATCHES: Final[dict[Approach, tuple[int, ...]]] = {
    "TO": (1, 2, 4, 8, 16),
    "NP": (64, 128, 256, 512, 1024, 2048),
    "MTL": (64, 128, 256, 512, 1024),
}
WITH_HYPERPARAMETERS = ("FNN", "XGB")


def space_of(settings: Any, approach: Approach) -> Space:
    """The space of a model of this class and approach; empty if the class has no hyperparameters."""
    if isinstance(settings, XGB):
        return XGB_SPACE
    return FNN_SPACE | {"batch": BATCHES[approach]} if isinstance(settings, FNN) else {}


def point_of(settings: Any, approach: Approach) -> dict[str, Value]:
    """Where settings stand in their space; empty if they lie outside of it."""
    space = space_of(settings, approach)
    given = msgspec.to_builtins(settings)
    values = {name: given[name][approach] if name == "batch" else given[name] for name in space}
    try:
        return checked_point(space, values)
    except EngineError:
        return {}


def as_changes(values: Mapping[str, Value], approach: Approach) -> dict[str, Any]:
    """A point as the settings of a class write it: mini-batches are by approach there."""
    return {name: {approach: value} if name == "batch" else value for name, value in values.items()}


def searched_fields(settings: Any) -> tuple[str, ...]:
    """The hyperparameters of a model class by name."""
    return tuple(space_of(settings, "TO"))

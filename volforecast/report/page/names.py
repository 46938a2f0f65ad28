"""What a model's name says: whether it is one of the paper's, its approach, its class."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from volforecast.evaluation.order import NAIVE

APPROACHES: Final = {"TO": "target only", "NP": "naive pooling", "MTL": "transfer learning"}
_PAPER: Final = re.compile(r"(?:\d+-)?(?:TO|NP|MTL-(?:25|50|75)) (?:HAR|FNN|XGB)-(?:STD|EXT)")
_PREFIX: Final = re.compile(r"\d+-(?=(?:TO|NP|MTL)\b)")


def papers_own(table: pd.DataFrame, columns: Sequence[str] = ("model",)) -> pd.DataFrame:
    """The rows about the paper's own models."""
    keep = np.ones(len(table), dtype=bool)
    for column in columns:
        keep &= np.array([is_papers(str(model)) for model in table[column]], dtype=bool)
    return table[keep]


def is_papers(model: str) -> bool:
    """Whether Teller, Pigorsch & Pigorsch (2026) have this model; others never compete with theirs for a mark."""
    return model == NAIVE or _PAPER.fullmatch(model) is not None


def without_prefix(model: str) -> str:
    """``MTL-75 XGB-EXT`` of ``22-MTL-75 XGB-EXT``."""
    return _PREFIX.sub("", model, count=1)


def approach_of(model: str) -> str:
    """``MTL`` of ``MTL-75 XGB-EXT`` and of ``22-MTL-75 XGB-EXT``."""
    return without_prefix(model).partition(" ")[0].partition("-")[0]


def model_class(model: str) -> str:
    """``XGB`` of ``MTL-75 XGB-EXT``; empty for the naive forecast."""
    return model.partition(" ")[2].partition("-")[0]


def predictors_of(model: str) -> str:
    """``EXT`` of ``MTL-75 XGB-EXT``; empty where a name does not say."""
    return model.rpartition("-")[2] if _PAPER.fullmatch(model) else ""

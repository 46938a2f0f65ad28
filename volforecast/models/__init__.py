"""The model classes, by name; a new one is a file and a line here."""

from volforecast.models.fnn import FNN
from volforecast.models.har import HAR
from volforecast.models.har_j import HARJ
from volforecast.models.harq import HARQ
from volforecast.models.log_har import LogHAR
from volforecast.models.protocol import Model
from volforecast.models.shar import SHAR
from volforecast.models.xgb import XGB

MODELS: dict[str, type[Model]] = {"HAR": HAR, "FNN": FNN, "XGB": XGB}
"""Those of the paper; each is run with either predictor set."""

EXTRA: dict[str, type[Model]] = {"HAR-J": HARJ, "HARQ": HARQ, "LOG-HAR": LogHAR, "SHAR": SHAR}
"""Those beside the paper's, run when they are asked for; each has one predictor set (``volforecast.measured_rows``)."""

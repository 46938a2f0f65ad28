"""The model classes, by name; a new one is a file and a line here."""

from volforecast.models.fnn import FNN
from volforecast.models.har import HAR
from volforecast.models.protocol import Model
from volforecast.models.xgb import XGB

MODELS: dict[str, type[Model]] = {"HAR": HAR, "FNN": FNN, "XGB": XGB}

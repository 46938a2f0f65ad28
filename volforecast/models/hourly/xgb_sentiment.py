"""SXGB: XGB with sentiment (Darracq Paries et al. 2025, table 2)."""

from volforecast.models.hourly.xgb import XGB

MODEL = XGB(sentiment=True)

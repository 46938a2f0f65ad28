"""SXGB-GCT: XGB with sentiment and the features that Granger-cause volatility (Darracq Paries et al. 2025, table 2)."""

from volforecast.models.hourly.xgb import XGB

MODEL = XGB(sentiment=True, granger=True)

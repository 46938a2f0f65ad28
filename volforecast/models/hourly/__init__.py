"""The models of hourly volatility (Darracq Paries et al. 2025, tables 1 and 2); a new one is a file and a line here."""

from volforecast.models.hourly import (
    flexible_har,
    flexible_harx,
    garch,
    har,
    harx,
    ig_tm,
    lstm,
    tm_g,
    tm_g_granger,
    tm_sg,
    xgb,
    xgb_both,
    xgb_granger,
    xgb_sentiment,
)
from volforecast.models.hourly.hybrid import HYBRIDS
from volforecast.models.hourly.protocol import HourlyModel

MODELS: dict[str, HourlyModel] = {
    "HAR": har.MODEL,
    "Flexible HAR": flexible_har.MODEL,
    "HARX(10)": harx.MODEL,
    "Flexible HARX(10)": flexible_harx.MODEL,
    "LSTM": lstm.LSTM,
    "GCT TM-G": tm_g_granger.TM_G_GRANGER,
    "TM-SG": tm_sg.TM_SG,
    "TM-G": tm_g.TM_G,
    "IG-TM": ig_tm.IG_TM,
    "GARCH": garch.MODEL,
    "XGB": xgb.MODEL,
    "SXGB": xgb_sentiment.MODEL,
    "XGB-GCT": xgb_granger.MODEL,
    "SXGB-GCT": xgb_both.MODEL,
}
"""Each learns from rows and forecasts others."""

NAMES: tuple[str, ...] = (*MODELS, *HYBRIDS)
"""All, in the order of the paper's tables; hybrids average two that stand before them."""

_SKLEARN, _TORCH, _GRANGER = ("scikit-learn",), ("torch",), ("scipy",)
LIBRARIES: dict[str, tuple[str, ...]] = {
    "Flexible HAR": _SKLEARN,
    "HARX(10)": _SKLEARN,
    "Flexible HARX(10)": _SKLEARN,
    "LSTM": _TORCH,
    "GCT TM-G": _TORCH + _GRANGER,
    "TM-SG": _TORCH,
    "TM-G": _TORCH,
    "IG-TM": _TORCH,
    "GARCH": ("arch", "scipy"),
    "XGB-GCT": _GRANGER,
    "SXGB-GCT": _GRANGER,
}
"""That change a model's numbers, beside those of every study."""

__all__ = ["HYBRIDS", "LIBRARIES", "MODELS", "NAMES", "HourlyModel"]

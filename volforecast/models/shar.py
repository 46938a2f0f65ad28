"""SHAR: a heterogeneous autoregression that tells falls from rises (Patton & Sheppard 2015).

``RV(t+1) = b0 + b- RS-(t) + b+ RS+(t) + b2 RV(t-4:t) + b3 RV(t-21:t) + u(t+1)`` (the Review of Economics and
Statistics 97, pages 683-697): the day's variance is split into its negative and positive realized semivariances, whose
sum it is.
"""

from volforecast.models.har import HAR


class SHAR(HAR, frozen=True, forbid_unknown_fields=True):
    """Least squares on ``rs_neg, rs_pos, rv_w, rv_m``, all in per cent squared."""

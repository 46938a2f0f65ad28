"""HARQ: a heterogeneous autoregression that trusts noisy days less (Bollerslev, Patton & Quaedvlieg 2016).

``RV(t+1) = b0 + [b1 + bq RQ(t)^(1/2)] RV(t) + b2 RV(t-4:t) + b3 RV(t-21:t) + u(t+1)`` (Journal of Econometrics
192, pages 1-18), with RQ the realized quarticity: where a day's variance is measured with a large error, bq
(negative, as a rule) takes weight from it. The paper subtracts its mean from RQ^(1/2) so that b1 can be read as the
weight of an average day; with RV(t) among the predictors this moves b1 and changes no forecast, so nothing is
subtracted here.

The paper replaces forecasts outside the range of the labels by their mean: the study's setting ``insanity_filter``.
"""

from volforecast.models.har import HAR


class HARQ(HAR, frozen=True, forbid_unknown_fields=True):
    """Least squares on ``rv_d, rv_w, rv_m`` (per cent squared) and ``rv_d rq^(1/2)`` (per cent to the fourth)."""

"""HAR-J: a heterogeneous autoregression with a jump component (Andersen, Bollerslev & Diebold 2007).

``RV(t+1) = b0 + b1 RV(t) + b2 RV(t-4:t) + b3 RV(t-21:t) + bj J(t) + u(t+1)`` (the Review of Economics and Statistics
89, pages 701-720), with ``J(t) = max(RV(t) - BV(t), 0)`` and BV the bipower variation, which jumps hardly move.
"""

from volforecast.models.har import HAR


class HARJ(HAR, frozen=True, forbid_unknown_fields=True):
    """Least squares on ``rv_d, rv_w, rv_m, jump``, all in per cent squared."""

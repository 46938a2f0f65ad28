"""IG-TM: the temporal mixture of inverse gammas (Darracq Paries et al. 2025, equations 8 to 10), made stable.

The authors discarded theirs: its mean beta / (alpha - 1) has no bound where alpha comes near one. In clean mode alpha
is at least 2, beta and alpha have bounds, features stay in the range of the training rows, and a component's mean
counts at most twice the largest training label.
"""

from volforecast.models.hourly.mixture import TemporalMixture

IG_TM = TemporalMixture(family="inverse gamma")

"""TM-SG: TM-G with a third component on aggregate sentiment (Darracq Paries et al. 2025, equations 5 to 7)."""

from volforecast.models.hourly.mixture import TemporalMixture

TM_SG = TemporalMixture(sentiment=True)

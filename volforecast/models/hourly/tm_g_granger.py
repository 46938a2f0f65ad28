"""GCT TM-G: TM-G on the features that Granger-cause volatility (Darracq Paries et al. 2025, table 1)."""

from volforecast.models.hourly.mixture import TemporalMixture

TM_G_GRANGER = TemporalMixture(granger=True)

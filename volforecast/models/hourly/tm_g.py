"""TM-G: the Gaussian temporal mixture on volatility and all features (Darracq Paries et al. 2025, equations 1 to 4)."""

from volforecast.models.hourly.mixture import TemporalMixture

TM_G = TemporalMixture()

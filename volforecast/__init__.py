"""Forecast the realized variance of assets with little history by transfer learning from assets with much."""

__version__ = "0.1.0"

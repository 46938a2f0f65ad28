"""Hybrids: the average of two models' forecasts (Darracq Paries et al. 2025, section 2.2, other implementations)."""

from typing import Final

import numpy as np
from msgspec import Struct

from volforecast.models.hourly.protocol import Forecasts


class Hybrid(Struct, frozen=True):
    """Names of the two models that are averaged; nothing is learnt beyond them."""

    first: str
    second: str

    @property
    def members(self) -> tuple[str, str]:
        """Both."""
        return self.first, self.second


HYBRIDS: Final[dict[str, Hybrid]] = {
    "SXGB x GARCH": Hybrid("SXGB", "GARCH"),
    "LSTM x GARCH": Hybrid("LSTM", "GARCH"),
}


def averaged(hybrid: Hybrid, first: Forecasts, second: Forecasts) -> Forecasts:
    """Half of each forecast, seed by seed; a model with one forecast goes with every seed of the other.

    A forecast is NaN where one of the two is, and a seed has the reasons of both. The members' gates stay theirs.

    Args:
        hybrid: Names the two, for details and reasons.
        first: Of ``hybrid.first``.
        second: Of ``hybrid.second``, for the same rows and, where both have several, the same seeds.

    Raises:
        ValueError: The two have other rows, or other numbers of seeds, of which neither is 1.
    """
    (own_seeds, rows), (other_seeds, other_rows) = first.forecast.shape, second.forecast.shape
    seeds = max(own_seeds, other_seeds)
    if rows != other_rows or not {own_seeds, other_seeds} <= {1, seeds}:
        shapes = f"{first.forecast.shape} and {second.forecast.shape}"
        raise ValueError(f"{hybrid.first} and {hybrid.second} cannot be averaged: their forecasts have shapes {shapes}")
    named = ((hybrid.first, first), (hybrid.second, second))
    details = {f"{name}: {what}": text for name, part in named for what, text in part.details.items()}
    reasons = tuple(
        "; ".join(f"{name}: {reason}" for name, part in named if (reason := _reason(part, seed)))
        for seed in range(seeds)
    )
    forecast = np.asarray((first.forecast + second.forecast) / 2.0)
    return Forecasts(forecast, details=details, reasons=reasons if any(reasons) else ())


def _reason(part: Forecasts, seed: int) -> str:
    """Why a seed failed; that of the only one where there is one."""
    place = seed if len(part.forecast) > 1 else 0
    return part.reasons[place] if place < len(part.reasons) else ""

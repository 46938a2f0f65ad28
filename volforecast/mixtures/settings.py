"""What a temporal mixture is: its components, their densities, and what its loss adds to the likelihood.

Source: Darracq Paries et al. (2025), section 2.1, equations (1) to (10).
"""

from typing import Final, Literal

import msgspec

from volforecast.errors import ConfigError

VOL_LAGS: Final = 5  # l_v
SENTIMENT_LAGS: Final = 2  # l_s


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one mixture.

    Attributes:
        family: Density of each component.
        sentiment: Whether there is a third component on sentiment (equations 5 to 7).
        published: The loss and the form of the authors' program, for comparison: the log density is multiplied with
            the gate, nothing has an intercept, and the standard deviation is ``sigma``. Otherwise the likelihood is
            the mixture's own, with intercepts and a standard deviation that each component learns.
        ridge: lambda, on the sum of all squared weights (intercepts and standard deviations are free).
        hinge: alpha, on means below ``least``.
        least: delta, in units of ``vol / 100``.
        sigma: Standard deviation of a published Gaussian component, in units of ``vol / 100``.
        rate: Adam's learning rate.
        epochs: Steps of Adam at most, each on all rows.
    """

    family: Literal["gaussian", "inverse gamma"] = "gaussian"
    sentiment: bool = False
    published: bool = False
    ridge: float = 1.0
    hinge: float = 1.0
    least: float = 0.0
    sigma: float = 1.0
    rate: float = 0.01
    epochs: int = 500

    def __post_init__(self) -> None:
        if self.sentiment and self.family != "gaussian":
            raise ConfigError("mixture: an inverse gamma mixture reads no sentiment (equation 8)")
        if min(self.sigma, self.rate) <= 0.0 or min(self.ridge, self.hinge) < 0.0 or self.epochs < 1:
            raise ConfigError("mixture: sigma, rate and epochs must be positive, ridge and hinge not negative")

    @property
    def components(self) -> tuple[str, ...]:
        """Names, in order: volatility, features, and sentiment where it has a component."""
        return ("volatility", "features", "sentiment") if self.sentiment else ("volatility", "features")

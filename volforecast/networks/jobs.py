"""What networks learn from, how they are trained, and what comes back."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from volforecast.errors import ConfigError
from volforecast.networks.architecture import Architecture, Float32, groups

Rows = NDArray[np.int64] | NDArray[np.int32]


class Series(NamedTuple):
    """What one network learns from and forecasts; the sequence of row t is ``inputs[t - length + 1 : t + 1]``.

    Attributes:
        inputs: Values known at the end of each day, standardised, shape (T, inputs), float32.
        labels: What day t's row is to forecast (known later, in the inputs' unit), shape (T,), float32.
        har: HAR's forecast of the same label, shape (T,), float32; read by the hybrid and the dynamic head.
        features: HAR's predictors, shape (T, 3), float32; read by the dynamic head.
        train: Rows to learn from, shape (n,).
        valid: Rows whose loss decides when to stop and which epoch's weights are kept, shape (m,).
    """

    inputs: Float32
    labels: Float32
    har: Float32
    features: Float32
    train: Rows
    valid: Rows


class Job(NamedTuple):
    """One network: its series (which several may share), its seed, and the weights that it starts from.

    Attributes:
        series: Data and rows.
        seed: Settles fresh weights, row orders and dropout.
        weights: Parameters to start from, those of another network say; what is missing there (another head) starts
            fresh. ``None``: all start fresh.
    """

    series: Series
    seed: int
    weights: Mapping[str, Float32] | None = None


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long and at which rates networks are trained.

    Attributes:
        epochs: Epochs at most.
        batch: Rows of a mini-batch.
        patience: Epochs without a smaller validation loss after which a network stops.
        rates: From which epoch on (the first is 1) which learning rate each group has; a group without one is frozen.
        plateau_factor: What rates are multiplied with on a plateau.
        plateau_patience: Epochs without a validation loss smaller by a ten-thousandth that are not yet a plateau.
        length: Days of a sequence.
    """

    epochs: int
    batch: int
    patience: int
    rates: tuple[tuple[int, dict[str, float]], ...]
    plateau_factor: float = 0.5
    plateau_patience: int = 5
    length: int = 22

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.patience, self.length) < 1 or self.plateau_patience < 0:
            raise ConfigError("network: epochs, batch, patience and length must be at least 1, plateau_patience 0")
        if not 0.0 < self.plateau_factor <= 1.0:
            raise ConfigError(f"network: plateau_factor = {self.plateau_factor} must be above 0 and at most 1")
        firsts = [first for first, _ in self.rates]
        if not firsts or firsts[0] != 1 or sorted(set(firsts)) != firsts:
            raise ConfigError(f"network: rates begin at epochs {firsts}; the first must be 1 and the others ascend")
        if any(not 0.0 < rate < np.inf for _, rates in self.rates for rate in rates.values()):
            raise ConfigError("network: learning rates must be positive numbers")

    def rates_at(self, epoch: int, a: Architecture) -> list[float]:
        """The learning rate of each group in an epoch, 0 where it is frozen; in the order of ``groups``.

        Raises:
            ConfigError: The schedule names a group that the network does not have.
        """
        found: dict[str, float] = next(rates for first, rates in reversed(self.rates) if first <= epoch)
        names = groups(a)
        for name in found:
            if name not in names:
                raise ConfigError(f"network: no group of parameters is called {name!r}; there are {', '.join(names)}")
        return [found.get(name, 0.0) for name in names]


class Trained(NamedTuple):
    """One trained network.

    Attributes:
        weights: Parameters of the best epoch; those it started from where no epoch had a finite validation loss.
        curve: One entry an epoch: ``epoch`` (1, ...), ``train_loss`` (mean over the epoch's rows, with dropout),
            ``valid_loss``, ``learning_rate`` (the head's), ``alpha`` (mean over the validation rows; NaN without one).
        best_epoch: The epoch of the smallest validation loss; 0 if there is none.
        reason: Why training ended: ``patience``, ``epochs`` or ``failed``.
        error: What failed; empty otherwise.
    """

    weights: dict[str, Float32]
    curve: dict[str, NDArray[np.float64]]
    best_epoch: int
    reason: str
    error: str = ""

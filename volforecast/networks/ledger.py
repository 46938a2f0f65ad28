"""The books of a training: each network's losses, best epoch, plateaus, and whether it goes on."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from volforecast.networks.jobs import Job, Schedule

Float64 = NDArray[np.float64]
Numbers = NDArray[np.int64]

GOING, PATIENCE, EPOCHS, FAILED, EMPTY = range(5)
CURVE = ("train_loss", "valid_loss", "learning_rate", "alpha")
THRESHOLD = 1e-4  # a validation loss must fall by this share to end a plateau, as PyTorch's ReduceLROnPlateau has it


class Ledger(NamedTuple):
    """One entry a network, shape (J,), unless said otherwise; written in place.

    Attributes:
        done: Epochs done, shape (1,).
        status: ``GOING``, or why the network stopped.
        lowest: Smallest validation loss.
        best_epoch: Its epoch; 0 before the first.
        plateau: Validation loss that the current plateau is measured by.
        waited: Epochs on the plateau.
        scale: What the schedule's rates are multiplied with.
        length: Epochs that the network was trained for.
        curve: ``CURVE`` of each epoch, shape (J, epochs, 4); NaN beyond the network's length.
    """

    done: Numbers
    status: Numbers
    lowest: Float64
    best_epoch: Numbers
    plateau: Float64
    waited: Numbers
    scale: Float64
    length: Numbers
    curve: Float64

    @classmethod
    def begin(cls, jobs: Sequence[Job], epochs: int) -> "Ledger":
        """Empty books; a network without training or validation rows has stopped already."""
        count = len(jobs)
        empty = [min(len(job.series.train), len(job.series.valid)) == 0 for job in jobs]
        status = np.where(np.array(empty, dtype=bool), EMPTY, GOING).astype(np.int64)
        zeros = [np.zeros(count, dtype=np.int64) for _ in range(3)]
        infinite = [np.full(count, np.inf) for _ in range(2)]
        curve = np.full((count, epochs, len(CURVE)), np.nan)
        done = np.zeros(1, dtype=np.int64)
        return cls(done, status, infinite[0], zeros[0], infinite[1], zeros[1], np.ones(count), zeros[2], curve)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Ledger":
        """The books that ``_asdict`` gave."""
        return cls(*(arrays[name] for name in cls._fields))

    def record(self, places: Numbers, epoch: int, entries: Sequence[Float64], schedule: Schedule) -> NDArray[np.bool_]:
        """Write an epoch of some networks.

        Args:
            places: Their numbers, shape (N,).
            epoch: The epoch, from 1.
            entries: Those of ``CURVE``, each of shape (N,).
            schedule: When a plateau or the training ends.

        Returns:
            Which of them have never been better.
        """
        train, valid = entries[:2]
        self.curve[places, epoch - 1] = np.stack(entries, axis=1)
        self.length[places] = epoch
        finite = np.isfinite(train) & np.isfinite(valid)
        improved: NDArray[np.bool_] = finite & (valid < self.lowest[places])
        self.lowest[places[improved]], self.best_epoch[places[improved]] = valid[improved], epoch
        fell = finite & (valid < self.plateau[places] * (1.0 - THRESHOLD))
        self.plateau[places[fell]] = valid[fell]
        self.waited[places] = np.where(fell, 0, self.waited[places] + 1)
        over = places[self.waited[places] > schedule.plateau_patience]
        self.scale[over] *= schedule.plateau_factor
        self.waited[over] = 0
        status = np.full(len(places), EPOCHS if epoch == schedule.epochs else GOING)
        status[epoch - self.best_epoch[places] >= schedule.patience] = PATIENCE
        status[~finite] = FAILED
        self.status[places] = status
        return improved

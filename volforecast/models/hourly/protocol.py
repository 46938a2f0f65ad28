"""What a model of hourly volatility is: a grid of hyperparameters and a function from rows to forecasts."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.hourly_rows import Sample

Value = bool | int | float | str
Values = Mapping[str, Value]
Report = Callable[[int, float], None]


class Forecasts(NamedTuple):
    """What one model forecasts for the rows of a test block, from each of S seeds.

    Attributes:
        forecast: In units of ``vol / 100``, shape (S, rows); a model without random numbers has S = 1. A seed that
            failed is a row of NaN.
        gates: Weight of each component at each row, shape (S, components, rows); None of a model that has none.
        components: Their names, in order.
        details: What was estimated or chosen, for people: windows kept, window length, features, parameters, epochs.
        reasons: Why a seed failed, in the order of the seeds; empty strings where it did not.
    """

    forecast: FloatArray
    gates: FloatArray | None = None
    components: tuple[str, ...] = ()
    details: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    reasons: tuple[str, ...] = ()


class HourlyModel(Protocol):
    """One model; a module-level object of its file."""

    @property
    def har(self) -> bool:
        """Whether it is of the HAR family (it has rows of its own in paper mode)."""

    @property
    def dropped(self) -> int:
        """Rows by which those of the HAR family are later in paper mode (:meth:`Sample.blocks`)."""

    @property
    def reports(self) -> int:
        """Losses that it reports on its way, at most; 1 of a model without epochs."""

    @property
    def random(self) -> bool:
        """Whether it draws random numbers, so that it is run from several seeds."""

    @property
    def needs(self) -> frozenset[str]:
        """What a table must have for it: some of ``features``, ``sentiment``, ``returns``."""

    @property
    def grid(self) -> Mapping[str, tuple[Value, ...]]:
        """Hyperparameters and the values that the paper (or we, where it names none) tries; empty without any."""

    def forecast(
        self,
        sample: Sample,
        train: IntArray,
        test: IntArray,
        values: Values,
        seeds: Sequence[int],
        report: Report | None = None,
    ) -> Forecasts:
        """Learn from some rows and forecast others.

        Args:
            sample: The table in its mode.
            train: Rows whose labels may be read, ascending; all before the first of ``test``.
            test: Rows to forecast, ascending. Their own labels and later ones must not change a forecast (those of
                earlier test rows are known by then).
            values: A point of ``grid``.
            seeds: From which random numbers are drawn; of a model that is not ``random`` they are not read.
            report: Called with the epoch (from 1) and the loss on ``test`` of the first seed, where there are epochs;
                it may raise to end a trial early.

        Raises:
            FitError: It cannot be estimated on these rows.
        """


def rmse(forecast: FloatArray, realized: FloatArray) -> float:
    """Root of the mean squared error; NaN when a forecast is."""
    return float(np.sqrt(np.mean((forecast - realized) ** 2)))

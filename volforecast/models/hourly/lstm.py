"""LSTM: two LSTMs on 30 hours of volatility and of features, one network a seed (Darracq Paries et al. 2025).

Clean mode: inputs are z-scores of the training rows (features no further than those rows reach), labels are in units
of their training mean, the output is a softplus, and training ends early by the last seventh of the training rows; the
epoch with their smallest RMSE counts, and those rows are not learnt from. Paper mode: the authors' five features, five
epochs on all rows in their order, labels as they are, and a plain ReLU, which may die: then forecasts are zero.

One training takes 0.2 s an epoch with 64 units and 1,000 rows on one core, 3 s with 256; in proportion to rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.errors import FitError
from volforecast.hourly_diagnostics import chosen_features
from volforecast.hourly_rows import LOOKBACK, Sample
from volforecast.mixtures.inputs import cut, scored
from volforecast.models.hourly.protocol import Forecasts, Report, Value, Values, rmse

if TYPE_CHECKING:
    from volforecast.networks.dual import Float32, Seen, Sequences, Settings

HELD: Final = 7  # one in so many training rows, the last ones, ends training
PUBLISHED_EPOCHS: Final = 5  # the authors'
GRID: Final[Mapping[str, tuple[Value, ...]]] = {
    "hidden": (32, 64, 128, 256),
    "dense": (32, 64, 128, 256),
    "rate": (0.0005, 0.001),
    "decay": (0.0001, 0.001),
    "dropout": (0.2, 0.4, 0.6, 0.8),
}


@dataclass(frozen=True)
class DualLSTM:
    """The model.

    Attributes:
        epochs: At most, in clean mode.
        patience: Epochs without a better RMSE on the held-out rows after which training ends.
        device: ``cpu`` or ``cuda``.
    """

    epochs: int = 30
    patience: int = 5
    device: str = "cpu"

    har = False
    dropped = 0
    random = True
    needs: ClassVar[frozenset[str]] = frozenset()
    grid: ClassVar[Mapping[str, tuple[Value, ...]]] = GRID

    @property
    def reports(self) -> int:
        """Reports of a training at most."""
        return self.epochs

    def forecast(
        self,
        sample: Sample,
        train: IntArray,
        test: IntArray,
        values: Values,
        seeds: Sequence[int],
        report: Report | None = None,
    ) -> Forecasts:
        """One network a seed; see :class:`volforecast.models.hourly.protocol.HourlyModel`."""
        from volforecast.networks import dual

        settings = self._settings(sample, values)
        names = chosen_features(sample, train) if sample.mode == "paper" and sample.table.feature_names else None
        everything, unit = _sequences(sample, train, test, names)
        held = len(train) // HELD if settings.patience else 0
        if settings.patience and held == 0:
            raise FitError(
                f"{len(train)} training rows; LSTM needs {HELD} at least, as one in {HELD} ends its training"
            )
        first, checked, wanted = (_part(everything, *ends) for ends in _ends(len(train), held, len(test)))
        found = []
        for place, seed in enumerate(seeds):
            seen = None if report is None or place else _reporting(report, sample.y[test], unit)
            found.append(dual.train(settings, first, checked if held else None, wanted, seed, seen, self.device))
        forecast = np.stack([one.forecast for one in found]).astype(np.float64) * unit
        reasons = tuple(one.reason for one in found)
        forecast[[bool(reason) for reason in reasons]] = np.nan
        details = {
            "features": ", ".join(sample.table.feature_names if names is None else names),
            "epochs": " ".join(f"{one.best_epoch} of {len(one.curve)}" for one in found),
            "training loss": " ".join(f"{unit * one.curve[-1]:.4f}" for one in found),
        }
        if settings.plain:
            details["dead outputs"] = f"{sum(not row.any() for row in forecast)} of {len(found)}"
        return Forecasts(forecast, details=details, reasons=reasons)

    def _settings(self, sample: Sample, values: Values) -> "Settings":
        from volforecast.networks.dual import Settings

        published = sample.mode == "paper"
        return Settings(
            hidden=int(values["hidden"]),
            dense=int(values["dense"]),
            dropout=float(values["dropout"]),
            rate=float(values["rate"]),
            decay=float(values["decay"]),
            epochs=PUBLISHED_EPOCHS if published else self.epochs,
            patience=0 if published else self.patience,
            shuffled=not published,
            plain=published,
        )


LSTM = DualLSTM()


def _sequences(
    sample: Sample, train: IntArray, test: IntArray, names: Sequence[str] | None
) -> tuple["Sequences", float]:
    """Sequences of training rows and of rows to forecast, in this order, and what labels are divided by."""
    from volforecast.networks.dual import Sequences

    rows, learnt = np.concatenate([train, test]), slice(len(train))
    y = sample.y[rows]
    mean, spread = float(y[learnt].mean()), float(y[learnt].std())
    if not mean > 0.0:
        raise FitError("the volatility of all training rows is zero, so there is nothing to learn from")
    vol = (sample.vol_lags(rows, LOOKBACK) - mean) / (spread if spread > 1e-9 * mean else mean)
    features = sample.feature_lags(rows, LOOKBACK, names)
    features = scored(features, features[learnt][:, 0])
    if sample.mode == "clean":
        features = cut(features, features[learnt][:, 0])
    unit = mean if sample.mode == "clean" else 1.0
    parts = (vol[:, ::-1, None], features[:, ::-1], y / unit)
    for name, part in zip(("volatility", "features"), parts[:2], strict=True):
        bad = ~np.isfinite(part.reshape(len(rows), -1)).all(axis=1)
        if bad.any():
            when = sample.table.times[rows[np.argmax(bad)]]
            raise FitError(f"{name} at {when} or just before: not a finite number; leave such rows out")
    return Sequences(*(part.astype(np.float32) for part in parts)), unit


def _ends(train: int, held: int, test: int) -> list[tuple[int, int]]:
    return [(0, train - held), (train - held, train), (train, train + test)]


def _part(rows: "Sequences", begin: int, end: int) -> "Sequences":
    return type(rows)(*(part[begin:end] for part in rows))


def _reporting(report: Report, realized: FloatArray, unit: float) -> "Seen":
    def seen(epoch: int, forecast: "Float32") -> None:
        report(epoch, rmse(unit * forecast.astype(np.float64), realized))

    return seen

"""Temporal mixtures as models of hourly volatility: 20 seeds as one stacked model, the forecast is the mixture's mean.

Source: Darracq Paries et al. (2025), section 2.1; in paper mode the loss, the lags and the constants of the authors'
published program.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from volforecast.data.hourly import FloatArray, IntArray
from volforecast.hourly_diagnostics import chosen_features
from volforecast.hourly_rows import Sample
from volforecast.mixtures.inputs import Prepared, prepare
from volforecast.mixtures.settings import Mixture
from volforecast.models.hourly.protocol import Forecasts, Report, Value, Values, rmse

if TYPE_CHECKING:
    from torch import Tensor

    from volforecast.mixtures.training import Seen

EPOCHS: Final = 300  # clean mode: the loss is flat by then at the grid's larger rate
PUBLISHED_EPOCHS: Final = 2000  # the authors'
SIGMA: Final = 1.0  # paper mode, the authors': ten times the volatility itself
REPORTS: Final = 10  # of a training to those who may end it early

# The paper does not print its values; the authors' program tries lookbacks 5 to 30 and lambda 0.001 to 10 at this rate.
GAUSSIAN_GRID: Final[Mapping[str, tuple[Value, ...]]] = {
    "lookback": (1, 5, 10, 20, 30),
    "ridge": (0.1, 1.0, 10.0, 100.0),
    "hinge": (0.1, 10.0),
    "rate": (0.003, 0.01),
}
INVERSE_GAMMA_GRID: Final[Mapping[str, tuple[Value, ...]]] = {
    "lookback": (1, 5, 10, 20, 30),
    "ridge": (10.0, 30.0, 100.0),
    "rate": (0.003, 0.01),
}


@dataclass(frozen=True)
class TemporalMixture:
    """One of the paper's mixtures.

    Attributes:
        family: Density of its components.
        sentiment: Whether it has a third component on sentiment.
        granger: Whether it reads the features that Granger-cause volatility, rather than all.
    """

    family: Literal["gaussian", "inverse gamma"] = "gaussian"
    sentiment: bool = False
    granger: bool = False

    har = False
    dropped = 0
    random = True
    reports = REPORTS

    @property
    def needs(self) -> frozenset[str]:
        """Features, and sentiment where it has a component."""
        return frozenset({"features", "sentiment"} if self.sentiment else {"features"})

    @property
    def grid(self) -> Mapping[str, tuple[Value, ...]]:
        """Lookback of features, lambda, alpha and the learning rate; one grid for both modes."""
        return GAUSSIAN_GRID if self.family == "gaussian" else INVERSE_GAMMA_GRID

    def forecast(
        self,
        sample: Sample,
        train: IntArray,
        test: IntArray,
        values: Values,
        seeds: Sequence[int],
        report: Report | None = None,
    ) -> Forecasts:
        """The mixtures' means and gates; see :class:`volforecast.models.hourly.protocol.HourlyModel`.

        ``values`` may also name ``sigma`` and ``least`` (delta), which the grid leaves at 1 and 0.
        """
        from volforecast.mixtures import training

        names = chosen_features(sample, train) if self.granger else sample.table.feature_names
        m = self._mixture(sample, values)
        prepared = prepare(
            sample,
            train,
            test,
            names=names,
            lookback=int(values["lookback"]),
            sentiment=self.sentiment,
            centred=self.family == "gaussian",
        )
        seen = None if report is None else _reporting(m, prepared, sample.y[test], report)
        trained = training.train(m, prepared, seeds, seen)
        ran = training.run(m, prepared, trained.rows)
        reasons = tuple(_reason(curve, row) for curve, row in zip(trained.curve.T, ran.forecast, strict=True))
        failed = np.array([bool(reason) for reason in reasons])
        forecast = np.where(failed[:, None], np.nan, ran.forecast)
        gates = np.where(failed[:, None, None], np.nan, ran.gates)
        details = {
            "features": ", ".join(names),
            "mean weight": ", ".join(
                f"{name} {weight:.3f}" for name, weight in zip(m.components, _weights(gates), strict=True)
            ),
            "loss per training row": " ".join(f"{loss:.4f}" for loss in trained.curve[-1]),
        }
        return Forecasts(forecast, gates, m.components, details, reasons)

    def _mixture(self, sample: Sample, values: Values) -> Mixture:
        published = sample.mode == "paper"
        return Mixture(
            family=self.family,
            sentiment=self.sentiment,
            published=published,
            ridge=float(values["ridge"]),
            hinge=float(values.get("hinge", 0.0)),
            least=float(values.get("least", 0.0)),
            sigma=float(values.get("sigma", SIGMA)),
            rate=float(values["rate"]),
            epochs=PUBLISHED_EPOCHS if published else EPOCHS,
        )


def _reporting(m: Mixture, prepared: Prepared, realized: FloatArray, report: Report) -> "Seen":
    from volforecast.mixtures import training

    every = m.epochs // REPORTS

    def seen(epoch: int, rows: "Tensor") -> None:
        if epoch % every == 0:
            report(epoch // every, rmse(training.run(m, prepared, rows[:1]).forecast[0], realized))

    return seen


def _reason(curve: FloatArray, forecast: FloatArray) -> str:
    """Why a seed failed; empty when it did not."""
    if not np.isfinite(curve).all():
        return f"the loss was not finite in step {int(np.argmin(np.isfinite(curve))) + 1} of {len(curve)}"
    return "" if np.isfinite(forecast).all() else "a forecast was not finite"


def _weights(gates: FloatArray) -> FloatArray:
    """Mean weight of each component over the seeds that did not fail; NaN when all did."""
    fine = gates[np.isfinite(gates).all(axis=(1, 2))]
    return np.full(gates.shape[1], np.nan) if len(fine) == 0 else np.asarray(fine.mean(axis=(0, 2)))

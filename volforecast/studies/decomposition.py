"""A HAR forecast taken apart: term by term, and label by label.

Least squares is linear in its labels: a forecast z'b with b = (Z'Z)^+ Z'y is the sum of w(i) y(i) over the training
rows, with the weights w = Z (Z'Z)^+ z. With an intercept the weights add up to 1; some may be negative.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from volforecast.models.har import from_products, least_squares
from volforecast.models.protocol import Model, TrainingSet
from volforecast.studies.rolling import Estimation
from volforecast.transfer.training import in_order

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NO_DIRECTION = 1e-12  # singular values below this share of the largest one are rounding
AGREES = 1e-9  # relative; the same code on another machine may round otherwise


@dataclass(frozen=True)
class Decomposition:
    """How one HAR forecast is made up; per cent squared.

    Attributes:
        model: The model that was asked.
        served: The model that answered: the STD one where a predictor of the day is missing.
        stored: The forecast as the run stored it.
        again: The forecast as it is now, estimated again.
        agrees: Whether these two are equal but for rounding.
        fitted: What least squares says; the sum of ``terms`` and of ``labels``.
        instead: Why ``again`` is not ``fitted``: ``floor`` (the smallest variance so far in place of a negative one),
            ``insanity filter`` (the training labels' mean in place of a value outside their range), or empty.
        terms: ``term, coefficient, value, contribution``, the intercept first.
        labels: By source asset and for the target's own rows: ``asset, own, rows, weight, contribution``; ``weight`` is
            the sum of the weights of its labels, ``contribution`` that of weight times label.
    """

    model: str
    served: str
    stored: float
    again: float
    agrees: bool
    fitted: float
    instead: str
    terms: pd.DataFrame
    labels: pd.DataFrame


def decompose(estimation: Estimation, origin: int, day: int, stored: float) -> Decomposition:
    """Estimate a HAR model again at an origin, as its unit did, and take the forecast of a trading day apart.

    Args:
        estimation: Of the model, target and sample period.
        origin: The origin that served the day.
        day: The number of the forecast day among the target's trading days.
        stored: The run's forecast of it.

    Raises:
        ValueError: There is no such forecast.
    """
    rows = estimation.market.rows
    row = rows.first_row(estimation.target) + day - 2  # the predictors of the day before
    served: list[tuple[Estimation, _Kept, float]] = []

    def only_here(one: Estimation, at: int, days: IntArray) -> FloatArray:
        if at != origin or row not in days:
            return np.zeros(len(days))
        kept = _Kept(one.model)
        fitted = replace(one, model=kept, tuned=[]).estimate(at, days)
        served.append((one, kept, float(fitted[days == row][0])))
        return fitted

    # the run's own way, with its fallback and its floor
    table = estimation.forecasts(only_here)
    if not served:
        raise ValueError(f"{estimation.name} does not forecast day {day} at origin {origin}")
    place = np.flatnonzero(table["origin"].to_numpy() == origin)[day - origin - 1]
    again = float(table["forecast"][int(place)].as_py())
    filtered = "replaced" in table.column_names and table["replaced"][int(place)].as_py()
    one, kept, fitted = served[0]
    x = rows.X[row, : one.width]
    train = kept.train
    return Decomposition(
        model=str(estimation.name),
        served=str(one.name),
        stored=stored,
        again=again,
        agrees=bool(np.isclose(again, stored, rtol=AGREES, atol=0.0)),
        fitted=fitted,
        instead="insanity filter" if filtered else "floor" if fitted < 0 else "",
        terms=_terms(train, x, rows.names[: one.width]),
        labels=_labels(one, train, origin, x),
    )


def label_weights(X: FloatArray, x: FloatArray) -> FloatArray:
    """The weight of each training label in the least-squares forecast for one row, shape (rows,).

    Args:
        X: Predictors of the training rows, shape (rows, predictors).
        x: Predictors of the row that is forecast, shape (predictors,).
    """
    centre = X.mean(axis=0)
    scale = np.sqrt(((X - centre) ** 2).mean(axis=0))
    varies = scale > 1e-12 * np.abs(centre)  # as in models.har: a constant column has a slope of zero
    if not varies.any():
        return np.full(len(X), 1 / len(X))
    Z = (X[:, varies] - centre[varies]) / scale[varies]
    z = (x[varies] - centre[varies]) / scale[varies]
    # the smallest w with Z'w = z is Z (Z'Z)^+ z; centring leaves rounding where there are few rows, and no direction
    return np.asarray(1 / len(X) + np.linalg.lstsq(Z.T, z, rcond=NO_DIRECTION)[0])


@dataclass
class _Kept:
    """A model that keeps the training set it is given."""

    model: Model

    def __post_init__(self) -> None:
        self.train = TrainingSet(np.empty((0, 0)), np.empty(0), "TO")

    def tune(self, first: TrainingSet, seed: int) -> Any:
        return self.model.tune(first, seed)

    def forecast(self, train: TrainingSet, rows: FloatArray, tuned: Any, seed: int) -> FloatArray:
        self.train = train
        return self.model.forecast(train, rows, tuned, seed)


def _terms(train: TrainingSet, x: FloatArray, names: tuple[str, ...]) -> pd.DataFrame:
    solved = from_products(train.products)
    intercept, slopes = least_squares(train.X, train.y) if solved is None else solved
    table = pd.DataFrame({"term": ("intercept", *names), "coefficient": np.append(intercept, slopes)})
    table["value"] = np.append(1.0, x)
    table["contribution"] = table["coefficient"] * table["value"]
    return table


def _labels(estimation: Estimation, train: TrainingSet, origin: int, x: FloatArray) -> pd.DataFrame:
    rows, pool = estimation.market.rows, estimation.market.pool
    chosen = in_order(pool, np.concatenate(estimation.pairs(origin)), estimation.width)
    weight = label_weights(train.X, x)
    owner = np.searchsorted(rows.offsets, chosen, side="right") - 1
    table = pd.DataFrame({"asset": np.array(rows.assets, dtype=object)[owner], "weight": weight})
    table["contribution"] = weight * train.y
    table = table.groupby("asset").agg(
        rows=("weight", "size"), weight=("weight", "sum"), contribution=("contribution", "sum")
    )
    table = table.reset_index()
    table.insert(1, "own", table["asset"] == estimation.target)
    return table.sort_values(["own", "contribution", "asset"], ascending=[False, False, True], ignore_index=True)

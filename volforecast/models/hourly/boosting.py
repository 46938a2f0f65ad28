"""Boosted trees with the exponentially weighted squared error: what is trained how, and a whole grid at its price.

Labels are in per cent (``100 vol / 100``): with decimal ones a gamma of 0.1 forbids every split. Trees are grown by
exact splits: on a thousand rows no slower than binned ones, up to three times faster when deep, and deterministic.

In clean mode boosting starts from the mean label and every tree sees every row and column, so nothing is random. In
paper mode it is the authors' program: start at 0.5, 80 per cent of rows and columns for each tree, drawn from seed 42.
Both learn at a rate of 0.1, theirs; the paper prints none.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import xgboost

from volforecast.data.hourly import FloatArray
from volforecast.errors import FitError
from volforecast.hourly_rows import Mode
from volforecast.models.hourly.exponential_loss import objective
from volforecast.models.hourly.protocol import Value, Values

LEARNING_RATE: Final = 0.1
SHARE: Final = 0.8  # of rows, and of columns, for a tree of the authors'
SEED: Final = 42  # theirs
START: Final = 0.5  # theirs: what the library's versions of the time begin at, per cent

GRID: Final[dict[str, tuple[Value, ...]]] = {
    "depth": (3, 5, 7, 9),
    "rounds": (50, 100, 200),
    "lambda": (0.001, 0.01, 0.1, 1.0),
    "gamma": (0.0, 0.1, 0.5, 1.0),
    "alpha": (0, 3, 5, 7, 10),
}


def boosted(
    X: FloatArray, y: FloatArray, rows: FloatArray, values: Values, mode: Mode, rounds: Sequence[int]
) -> FloatArray:
    """Forecasts after some numbers of rounds of one training, shape (rounds, rows), in the unit of the labels.

    Trees are grown one after the other, so those of a shorter training are the first ones of a longer one.

    Args:
        X: Rows to learn from, shape (n, columns).
        y: Their labels in per cent, shape (n,).
        rows: To forecast from, shape (rows, columns).
        values: A point of ``GRID``; its ``rounds`` are not read.
        mode: Whose program.
        rounds: Numbers of rounds.

    Raises:
        FitError: There is no row, or a value is NaN or infinite.
    """
    if not len(y):
        raise FitError("boosting needs at least one row; there is none to learn from")
    if not all(np.isfinite(part).all() for part in (X, y, rows)):
        raise FitError("the rows hold NaN or infinite values, which boosting would take for missing ones")
    parameters = {
        "max_depth": int(values["depth"]),
        "eta": LEARNING_RATE,
        "lambda": float(values["lambda"]),
        "gamma": float(values["gamma"]),
        "base_score": START if mode == "paper" else float(y.mean()),
        "tree_method": "exact",
        "seed": SEED,
        "nthread": 1,
        "verbosity": 0,
    }
    if mode == "paper":
        parameters |= {"subsample": SHARE, "colsample_bytree": SHARE}
    training, asked = xgboost.DMatrix(X, label=y, nthread=1), xgboost.DMatrix(rows, nthread=1)
    loss = objective(y, float(values["alpha"]))
    try:
        booster = xgboost.train(parameters, training, num_boost_round=max(rounds), obj=loss)
        found = [booster.predict(asked, iteration_range=(0, count)) for count in rounds]
    except xgboost.core.XGBoostError as error:
        raise FitError(f"XGBoost refuses these rows: {' '.join(str(error).split())[:200]}") from error
    return np.asarray(found, dtype=np.float64)

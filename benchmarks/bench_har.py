"""The ten regressions of one forecast origin (TO, NP, MTL-25/50/75, each STD and EXT), and how accurate they are.

    python benchmarks/bench_har.py [--rounds 5]

Ours goes from row numbers to forecasts. Peers are given their gathered rows for nothing and are timed on fit and
predict: statsmodels' OLS (pseudo-inverse, its default) and scikit-learn's LinearRegression. Accuracy is the largest
relative error of the forecasts against a solution in extended precision.
"""

from collections.abc import Callable

import numpy as np
import sample
import statsmodels.api as sm
from bench_origin import DAYS, LENGTH, ORIGIN, estimation, our_selection
from rounds import arguments, interleaved, publish, scaled
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from volforecast.models.har import least_squares
from volforecast.models.protocol import FloatArray
from volforecast.studies.model_names import parse, pick
from volforecast.transfer.subsequences import make_shards
from volforecast.transfer.training import assemble

GOALS = "25, stretch 100"
LIMIT = (
    "Pooled sets read sums that are there already. Under MTL each selected row costs 14 ns (STD) or 23 ns (EXT), "
    "reading it included; the stretch goal would leave about 5 ns."
)
Fit = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def statsmodels(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    fitted = sm.OLS(y, sm.add_constant(X, has_constant="add")).fit()
    return np.asarray(fitted.predict(sm.add_constant(rows, has_constant="add")))


def sklearn(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    return np.asarray(LinearRegression().fit(X, y).predict(rows))


def numpy_lstsq(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    solution = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0]
    return np.asarray(solution[0] + rows @ solution[1:])


def extended(X: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    """Normal equations of the centred design in extended precision, refined from a float64 start."""
    long = np.longdouble
    centre = X.astype(long).mean(axis=0)
    Z, moved = X.astype(long) - centre, y.astype(long) - y.astype(long).mean()
    gram, right = Z.T @ Z, Z.T @ moved
    inverse = np.linalg.inv(gram.astype(np.float64))
    slopes = least_squares(X, y)[1].astype(long)
    for _ in range(6):
        slopes = slopes + inverse @ (right - gram @ slopes).astype(np.float64)
    return np.asarray(y.astype(long).mean() + (rows - centre) @ slopes)


def main() -> None:
    rounds = arguments(__doc__).parse_args().rounds
    data = sample.market()
    (shard,) = make_shards(data.rows, data.sources, 1, LENGTH)
    days = data.rows.first_row(data.targets[0]) + ORIGIN - 1 + np.arange(DAYS)
    table, accuracy = [], []
    total = {"ours": 0.0, "statsmodels": 0.0, "sklearn": 0.0}
    with threadpool_limits(limits=1):
        found = our_selection(data, shard)
        for model in [model for model in pick(()) if "HAR" in model]:
            one = estimation(data, found, parse(model), 0)
            train = assemble(data.rows, data.pool, *one.pairs(ORIGIN), one.width, one.name.approach)
            X, y, rows = train.X, train.y, data.rows.X[days, : one.width]
            took = interleaved(
                {
                    "ours": lambda one=one: one.estimate(ORIGIN, days),
                    "statsmodels": lambda X=X, y=y, rows=rows: statsmodels(X, y, rows),
                    "sklearn": lambda X=X, y=y, rows=rows: sklearn(X, y, rows),
                },
                rounds,
            )
            total = {name: total[name] + took[name] for name in total}
            ratios = [f"{took[peer] / took['ours']:.0f}" for peer in ("statsmodels", "sklearn")]
            table.append([model, f"{train.rows:,}", *(scaled(took[name]) for name in total), *ratios, ""])
            truth = extended(X, y, rows)
            fits: dict[str, FloatArray] = {"ours": one.estimate(ORIGIN, days)}
            fits |= {fit.__name__: fit(X, y, rows) for fit in (statsmodels, sklearn, numpy_lstsq)}
            accuracy.append([model, *(f"{np.abs(fit / truth - 1).max():.0e}" for fit in fits.values())])
    ratios = [f"**{total[peer] / total['ours']:.0f}**" for peer in ("statsmodels", "sklearn")]
    table.append(["all ten", "", *(scaled(seconds) for seconds in total.values()), *ratios, GOALS])
    errors = [LIMIT, "", "Largest relative error of five forecasts:", ""]
    errors += ["| model | ours | statsmodels | sklearn | numpy lstsq |", "|---|---|---|---|---|"]
    errors += ["| " + " | ".join(row) + " |" for row in accuracy]
    header = ["model", "rows", *total, "statsmodels / ours", "sklearn / ours", "goal"]
    publish("har", "Regressions of one forecast origin", header, table, "\n".join(errors))


if __name__ == "__main__":
    main()

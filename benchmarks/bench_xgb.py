"""Forty trees on a pooled training set: XGBoost's exact method, its histograms in several forms, and the study's way.

    python benchmarks/bench_xgb.py [--rounds 3]

``ours`` is the study's function, checks and prediction included. ``shared cuts`` bins later origins by the cuts of an
earlier one: it saves the search for cuts, and would let a fit depend on another one; the study does not do it. The last
column is what gathering the rows costs beside the fit.
"""

import numpy as np
import sample
import xgboost
from bench_origin import ORIGIN
from rounds import arguments, interleaved, publish, scaled
from threadpoolctl import threadpool_limits

from volforecast.models.xgb import XGB
from volforecast.transfer.training import assemble, target_pairs

GOAL = 8
PEERS = ("exact", "hist, DMatrix", "hist, QuantileDMatrix", "hist, shared cuts")


def main() -> None:
    rounds = arguments(__doc__, rounds=3).parse_args().rounds
    data, settings = sample.market(), XGB()
    target = data.targets[0]
    own = target_pairs(data.rows, target, ORIGIN)
    cut = int(data.rows.date[data.rows.first_row(target) + ORIGIN - 1])
    rows = []
    with threadpool_limits(limits=1):
        for width, name in ((3, "STD"), (11, "EXT")):

            def gathered(width: int = width) -> object:
                return assemble(data.rows, data.pool, own, data.pool.known_at(cut), width, "NP").X

            train = assemble(data.rows, data.pool, own, data.pool.known_at(cut), width, "NP")
            X, y = train.X, train.y
            parameters = {
                "max_depth": settings.depth,
                "eta": settings.learning_rate,
                "gamma": settings.gamma,
                "subsample": settings.subsample,
                "base_score": float(y.mean()),
                "nthread": 1,
            }

            def grown(matrix: xgboost.DMatrix, method: str, parameters: dict[str, object] = parameters) -> object:
                return xgboost.train(parameters | {"tree_method": method}, matrix, settings.trees)

            reference = xgboost.QuantileDMatrix(X, label=y, nthread=1)
            took = interleaved(
                {
                    "exact": lambda X=X, y=y: grown(xgboost.DMatrix(X, label=y, nthread=1), "exact"),
                    "hist, DMatrix": lambda X=X, y=y: grown(xgboost.DMatrix(X, label=y, nthread=1), "hist"),
                    "hist, QuantileDMatrix": lambda X=X, y=y: grown(
                        xgboost.QuantileDMatrix(X, label=y, nthread=1), "hist"
                    ),
                    "hist, shared cuts": lambda X=X, y=y, reference=reference: grown(
                        xgboost.QuantileDMatrix(X, label=y, ref=reference, nthread=1), "hist"
                    ),
                    "ours": lambda train=train: settings.forecast(train, train.X[:5], None, 1),
                    "gathering": gathered,
                },
                rounds,
            )
            ratio = f"{took['exact'] / took['ours']:.1f}"
            peers = [scaled(took[peer]) for peer in PEERS]
            share = f"{took['gathering'] / took['ours']:.1%}"
            rows.append([f"{len(y):,} x {width} ({name})", *peers, scaled(took["ours"]), ratio, str(GOAL), share])
            assert np.isfinite(settings.forecast(train, X[:5], None, 1)).all()
    header = ["rows", *PEERS, "ours", "exact / ours", "goal", "gathering / ours"]
    publish("xgb", "Boosted trees on a pooled training set", header, rows)


if __name__ == "__main__":
    main()

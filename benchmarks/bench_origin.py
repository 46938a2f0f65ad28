"""One whole forecast origin both ways: distances to all source blocks, then thirty models estimated and forecast.

    python benchmarks/bench_origin.py [--epochs 500] [--whole]

Naive is what the libraries give at first reach: tslearn's DTW path in a loop, statsmodels' OLS, PyTorch with a
shuffling DataLoader, XGBoost's exact trees. It is given its gathered training sets for nothing. Its networks train two
epochs, whose time is scaled to ``--epochs``, by default the study's most (``--whole`` trains them all). Ours are the
study's own functions, from row numbers to forecasts, on one thread. The tuning of epochs, needed once in twenty origins
both ways, is left out.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sample
import statsmodels.api as sm
import torch
import xgboost
from bench_fnn import loader_epoch
from rounds import publish, scaled
from threadpoolctl import threadpool_limits
from tslearn.metrics import dtw_path_from_metric

from volforecast.models import MODELS
from volforecast.models.fnn import FNN
from volforecast.models.protocol import TrainingSet
from volforecast.models.xgb import XGB
from volforecast.studies.model_names import ModelName, parse, pick
from volforecast.studies.rolling import Estimation, Market, Schedule
from volforecast.transfer.selection import Selection, select
from volforecast.transfer.subsequences import SourceShard, make_shards, measure, queries_at
from volforecast.transfer.training import assemble, block_rows

ORIGIN, LENGTH, DAYS = 545, 22, 5
SCALED = 2  # epochs of the naive networks that are timed
GOAL, STRETCH = 150, 300


def clock(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of a call, and what it returns."""
    began = time.perf_counter()
    value = call()
    return time.perf_counter() - began, value


def our_selection(data: Market, shard: SourceShard) -> Selection:
    queries = queries_at(data.rows, data.targets[0], [ORIGIN], LENGTH)
    return select([measure(shard, queries)[0]])


def naive_selection(data: Market, found: Selection) -> None:
    """The same blocks' distances, one call each."""
    first = data.rows.first_row(data.targets[0])
    query = data.rows.X[first + ORIGIN - LENGTH : first + ORIGIN, :3]
    for start in found.start:
        dtw_path_from_metric(query, data.rows.X[start : start + LENGTH, :3], metric="euclidean")


def estimation(data: Market, found: Selection, name: ModelName, epochs: int) -> Estimation:
    def selected(origin: int) -> Any:
        return block_rows(found.start[found.selected[name.rate or 0]], LENGTH)

    model = MODELS[name.model_class]()
    one = Estimation(data, data.targets[0], ORIGIN, name, model, Schedule(DAYS, DAYS), 1, selected)
    one.tuned.append(epochs if name.model_class == "FNN" else None)
    return one


def naive_fit(name: ModelName, train: TrainingSet, rows: Any, epochs: int) -> float:
    """Seconds of a library's fit and forecast."""
    X, y = train.X, train.y
    if name.model_class == "HAR":
        return clock(lambda: sm.OLS(y, sm.add_constant(X)).fit().predict(sm.add_constant(rows, has_constant="add")))[0]
    if name.model_class == "XGB":
        ours = XGB()
        booster = xgboost.XGBRegressor(
            n_estimators=ours.trees,
            max_depth=ours.depth,
            learning_rate=ours.learning_rate,
            gamma=ours.gamma,
            subsample=ours.subsample,
            tree_method="exact",
            n_jobs=1,
        )
        return clock(lambda: booster.fit(X, y).predict(rows))[0]
    spread = X.std(axis=0)
    epoch = loader_epoch((X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0), y, FNN().batch[train.approach])
    return clock(lambda: [epoch() for _ in range(epochs)])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=500, help="epochs of every network")
    parser.add_argument("--whole", action="store_true", help="train the naive networks for all epochs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = sample.market()
    (shard,) = make_shards(data.rows, data.sources, 1)
    days = data.rows.first_row(data.targets[0]) + ORIGIN - 1 + np.arange(DAYS)
    ours, naive = dict.fromkeys(("DTW", "HAR", "FNN", "XGB"), 0.0), dict.fromkeys(("DTW", "HAR", "FNN", "XGB"), 0.0)
    with threadpool_limits(limits=1):
        our_selection(data, shard)  # compiles
        ours["DTW"], found = clock(lambda: our_selection(data, shard))
        naive["DTW"], _ = clock(lambda: naive_selection(data, found))
        for model in pick(()):
            name = parse(model)
            for epochs in (1, options.epochs):  # the first round compiles
                one = estimation(data, found, name, epochs)
                seconds, _ = clock(lambda one=one: one.estimate(ORIGIN, days))
            ours[name.model_class] += seconds
            train = assemble(data.rows, data.pool, *one.pairs(ORIGIN), one.width, name.approach)
            timed = options.epochs if options.whole else min(SCALED, options.epochs)
            took = naive_fit(name, train, data.rows.X[days, : one.width], timed)
            naive[name.model_class] += took * (options.epochs / timed if name.model_class == "FNN" else 1.0)
            print(f"{model}: {train.rows} rows, ours {scaled(seconds)}, naive {scaled(took)}", flush=True)
    rows = [
        [path, scaled(naive[path]), scaled(ours[path]), f"{naive[path] / ours[path]:.0f}", f"{share:.1%}"]
        for path, share in ((path, ours[path] / sum(ours.values())) for path in ours)
    ]
    total, best = sum(naive.values()), sum(ours.values())
    rows.append(["all", scaled(total), scaled(best), f"**{total / best:.0f}**", "100%"])
    trained = "all epochs" if options.whole else f"{SCALED} epochs, scaled"
    note = (
        f"{len(found.start):,} blocks of {len(data.sources)} sources, {options.epochs} epochs a network. Goal of the "
        f"whole: {GOAL}, stretch {STRETCH}. Naive networks: {trained}."
    )
    publish("origin", "One forecast origin both ways", ["path", "naive", "ours", "ratio", "share of ours"], rows, note)


if __name__ == "__main__":
    main()

"""How fast this machine is beside the one that the costs of ``costs.py`` were measured on.

The probes run the study's own code on made-up rows, in as many processes at once as a run would have workers: cores
that share caches, memory or power are slower together than alone.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from volforecast.models.fnn import FNN
from volforecast.models.xgb import XGB
from volforecast.transfer.dtw import Question, lay_out
from volforecast.transfer.dtw_kernel import distances
from volforecast.transfer.training import TrainingSet

# core-seconds of each probe on the reference machine
REFERENCE = {"selection": 0.033, "FNN": 0.017, "XGB": 0.112}
ROUNDS = 5


def machine_speed(workers: int) -> dict[str, float]:
    """Seconds of each probe over those of the reference machine: 2 is half as fast.

    Args:
        workers: Processes that run the probes at once.
    """
    # fork would copy locks of libraries that have threads
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        taken = list(pool.map(_probes, range(workers)))
    return {path: float(np.mean([one[path] for one in taken])) / seconds for path, seconds in REFERENCE.items()}


def _probes(process: int) -> dict[str, float]:
    """Core-seconds of each probe in this process: the fastest of some rounds."""
    draw = np.random.default_rng(process)
    X = draw.standard_normal((20_000, 11))
    train = TrainingSet(X, X[:, 0] + draw.standard_normal(len(X)), "NP")
    shard = lay_out([draw.lognormal(size=(3000, 3)) for _ in range(20)], 22, 22)
    origins = np.arange(0, 100, 5)
    question = Question(draw.lognormal(size=(122, 3)), origins, np.repeat(2900 + origins[:, None], 20, axis=1))
    work: dict[str, Callable[[], object]] = {
        "selection": lambda: [distances(shard, question) for _ in range(4)],
        "FNN": lambda: FNN().forecast(train, X[:5], 60, 1),
        "XGB": lambda: XGB().forecast(train, X[:5], None, 1),
    }
    best = dict.fromkeys(work, float("inf"))
    for _ in range(ROUNDS + 1):  # the first one compiles
        for path, probe in work.items():
            began = time.process_time()
            probe()
            best[path] = min(best[path], time.process_time() - began)
    return best

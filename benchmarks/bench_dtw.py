"""DTW distances of one target's query rows and 66 sources' windows: 22 x 22 cells, 3 predictors, Euclidean, summed.

python benchmarks/bench_dtw.py [--rounds 5]

Peers: ``tslearn.metrics.dtw_path_from_metric``, one pair after the other, and dtaidistance's fastest routine for
several dimensions, its compiled distance matrix (one thread; the query's row of the matrix only). Ours are timed with
all that a selection does around the kernel: which windows are known at each origin, where they begin, the checks.

The second table measures a slice of a selection at scale (1,000 targets, 5,000 sources, 100 origins) and multiplies.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from dtaidistance import dtw_ndim
from rounds import Call, arguments, interleaved, publish
from sample import market
from tslearn.metrics import dtw_path_from_metric

from volforecast.data.parquet import to_parquet
from volforecast.predictors import STD
from volforecast.studies.selections import selection_table
from volforecast.transfer import dtw_torch
from volforecast.transfer.dtw import DTW, dtw_scalar
from volforecast.transfer.selection import select
from volforecast.transfer.subsequences import Distances, make_shards, measure, queries_at

LENGTH = 22
WEEKLY, DAILY = range(450, 550, 5), range(450, 550)
PAIRS = 300  # that the scalar recursion is timed on
SLOW_PAIRS = 5
TARGETS, SOURCES, ORIGINS, CORES = 1000, 5000, 100, 2


def peers() -> dict[str, tuple[Call, int]]:
    """What others and the recursion written out take: name -> (call, distances)."""
    rows = market().rows
    queries = queries_at(rows, market().targets[0], WEEKLY, LENGTH)
    query = queries.values[:LENGTH]
    found = measure(make_shards(rows, market().sources, 1)[0], queries)[0]
    blocks = np.stack([rows.X[start : start + LENGTH, : len(STD)] for start in found.start])
    series = np.concatenate([query[None], blocks])
    matrix = partial(
        dtw_ndim.distance_matrix_fast,
        series,
        ndim=len(STD),
        block=((0, 1), (1, len(series))),
        compact=True,
        parallel=False,
        inner_dist="euclidean",
    )
    np.testing.assert_allclose(np.asarray(matrix()), found.distance, rtol=1e-10)
    return {
        "tslearn": (
            lambda: [dtw_path_from_metric(query, block, metric="euclidean") for block in blocks[:SLOW_PAIRS]],
            SLOW_PAIRS,
        ),
        "dtaidistance": (matrix, len(blocks)),
        "ours, scalar": (lambda: [dtw_scalar(query, block) for block in blocks[:PAIRS]], PAIRS),
    }


def ours(origins: Sequence[int], dtw: DTW, device: str = "cpu") -> tuple[Call, int]:
    """Distances of all sources at some origins asked for together."""
    rows = market().rows
    shard = make_shards(rows, market().sources, 1, LENGTH, dtw)[0]
    queries = queries_at(rows, market().targets[0], origins, LENGTH)
    return partial(measure, shard, queries, device), sum(len(part.start) for part in measure(shard, queries))


def on_torch_cpu(origins: Sequence[int]) -> tuple[Call, int]:
    """The tensor path on torch's CPU device, which the study never takes: what its tests run on."""
    call, count = ours(origins, DTW())
    whole = dtw_torch.distances

    def run() -> None:
        dtw_torch.distances = lambda layout, question, _: whole(layout, question, "cpu")
        try:
            call.func(*call.args[:2], "cuda")  # type: ignore[attr-defined]
        finally:
            dtw_torch.distances = whole

    return run, count


def compare(rounds: int, note: str) -> None:
    """Publish every path beside its peers."""
    single, overlapping = DTW(precision="float32"), DTW(windows="overlapping")
    both = DTW(windows="overlapping", precision="float32")
    cases = peers() | {
        "ours, one origin": ours(WEEKLY[:1], DTW()),
        "ours, one origin, float32": ours(WEEKLY[:1], single),
        "ours, 20 origins, every 5 days": ours(WEEKLY, DTW()),
        "ours, 20 origins, every 5 days, float32": ours(WEEKLY, single),
        "ours, 100 origins, daily": ours(DAILY, DTW()),
        "ours, 100 origins, daily, float32": ours(DAILY, single),
        "ours, overlapping windows, 20 origins": ours(WEEKLY, overlapping),
        "ours, overlapping windows, 20 origins, float32": ours(WEEKLY, both),
        "ours, torch on the CPU, one origin": on_torch_cpu(WEEKLY[:1]),
    }
    if torch.cuda.is_available():
        cases["ours, GPU, 20 origins"] = ours(WEEKLY, DTW(), "cuda")
        cases["ours, GPU, 100 origins, daily"] = ours(DAILY, DTW(), "cuda")
        cases["ours, GPU, 20 origins, float32"] = ours(WEEKLY, single, "cuda")
    took = interleaved({name: call for name, (call, _) in cases.items()}, rounds)
    each = {name: took[name] / count * 1e6 for name, (_, count) in cases.items()}
    goals = {
        "ours, one origin": "1000 x tslearn, 4 x dtaidistance",
        "ours, 20 origins, every 5 days": "7 x dtaidistance, stretch 10 x",
    }
    rows = [
        [
            name,
            f"{value:.3g}",
            f"{each['tslearn'] / value:.0f}",
            f"{each['dtaidistance'] / value:.1f}",
            goals.get(name, ""),
        ]
        for name, value in each.items()
    ]
    publish("dtw", "DTW 22 x 22 x 3", ["path", "us per DTW", "tslearn / it", "dtaidistance / it", "goal"], rows, note)


def at_scale(rounds: int) -> str:
    """Distances, and quantiles and storage, for the design's target size, from one unit of 20 origins on 66 sources."""
    rows, target = market().rows, market().targets[0]

    def store(answers: Sequence[Distances]) -> bytes:
        return to_parquet(selection_table(rows, target, 450, WEEKLY, [select([part]) for part in answers]))

    exact, count = ours(WEEKLY, DTW())
    rounded, _ = ours(WEEKLY, DTW(precision="float32"))
    calls: dict[str, Call] = {
        "distances, float64": exact,
        "distances, float32": rounded,
        "quantiles and storage": partial(store, exact()),  # type: ignore[arg-type]
    }
    took = interleaved(calls, rounds)
    windows = TARGETS * ORIGINS * SOURCES * count / (len(market().sources) * len(WEEKLY))
    hours = {name: took[name] / count * windows / CORES / 3600 for name in calls}
    lines = [
        f"Selection at scale: {TARGETS:,} targets x {SOURCES:,} sources x {ORIGINS} origins = {windows:.2g} DTWs.\n",
        f"| step | us per DTW | hours on {CORES} cores | goal, hours |\n|---|---|---|---|",
        *(f"| {name} | {took[name] / count * 1e6:.3g} | {hours[name]:.1f} | |" for name in calls),
    ]
    for precision, goal in (("float64", "5"), ("float32", "")):
        both = hours[f"distances, {precision}"] + hours["quantiles and storage"]
        lines.append(f"| both, {precision} | | {both:.1f} | {goal} |")
    return "\n".join(lines)


def main() -> None:
    """Both tables."""
    rounds = arguments(__doc__).parse_args().rounds
    torch.set_num_threads(1)
    compare(rounds, at_scale(rounds))


if __name__ == "__main__":
    main()

"""How a study's cost grows in sources, targets, origins and workers: whole runs on Ray, core-seconds by path.

    python benchmarks/bench_scale.py

Panels are simulated, 1,500 days long. Models: all HAR, NP XGB-STD and MTL-50 XGB-EXT, one sample period. Core-seconds
of units and source stores are those that a run reports of itself.
"""

import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from rounds import arguments, publish

from cluster.driver import run_study
from cluster.usage import Usage
from volforecast.data.panel import Panel
from volforecast.data.simulate import simulate_panel
from volforecast.data.simulate_settings import SimulatorSettings
from volforecast.studies.new_issues import NewIssues
from volforecast.studies.new_issues_config import NewIssuesConfig

MODELS = ("HAR", "NP XGB-STD", "MTL-50 XGB-EXT")
PATHS = ("selection", "HAR", "XGB", "confidence")


class Size(NamedTuple):
    sources: int = 20
    targets: int = 2
    origins: int = 20
    workers: int = min(2, os.cpu_count() or 1)


CURVES = {
    "sources": [Size(sources=n) for n in (10, 20, 40, 80)],
    "targets": [Size(targets=n) for n in (1, 2, 4, 8)],
    "origins": [Size(origins=n) for n in (4, 20, 100)],
    "workers": [Size(sources=40, targets=4, workers=n) for n in (1, 2, 4, 8, 16) if n <= (os.cpu_count() or 1)],
}


def took(size: Size) -> Usage:
    """What a run of this size reports of itself."""
    settings = SimulatorSettings(
        sources=size.sources, targets=size.targets, source_days=1500, target_days=600, listing_gap_days=0
    )
    simulated = simulate_panel(settings, seed=1)
    panel = Panel(simulated.assets, simulated.daily, simulated.market, "simulated")
    config = NewIssuesConfig(periods=(350,), models=MODELS, refit_every=100 // size.origins)
    study = NewIssues(config.checked())
    with tempfile.TemporaryDirectory() as out:
        usage = run_study(study, study.load(panel), f"{out}/results", workers=size.workers, quiet=True).usage
    assert usage is not None
    return usage


def by_path(usage: Usage) -> dict[str, float]:
    """Core-seconds by the code that takes the time."""
    seconds = dict.fromkeys(PATHS, 0.0) | {"selection": usage.scans}
    for group, value in usage.by_group.items():
        for path in PATHS:
            if path in group:
                seconds[path] += value
    return seconds


def rows() -> Iterator[list[str]]:
    for axis, sizes in CURVES.items():
        for size in sizes:
            usage = took(size)
            paths = [f"{seconds:.1f}" for seconds in by_path(usage).values()]
            memory = f"{usage.worker_peak / 2**30:.2f}"
            yield [axis, *map(str, size), *paths, f"{usage.wall:.1f}", f"{usage.busy:.0%}", memory]
            print(" | ".join([axis, *map(str, size), *paths, f"{usage.wall:.1f}"]), flush=True)


def main() -> None:
    arguments(__doc__).parse_args()
    header = ["curve in", *Size._fields, *(f"{path}, core-s" for path in PATHS), "wall, s", "CPUs busy", "worker, GiB"]
    publish("scale", "Cost curves", header, list(rows()))


if __name__ == "__main__":
    main()

"""How every benchmark measures: peers take turns in one process on one thread, and a figure is the median of rounds.

Absolute times are this machine's; ratios travel. A busy machine disturbs the peers of a round alike.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"
SHORT = 0.02  # seconds that one timing lasts at least: quick calls are repeated
SLOW = 5.0  # a peer that takes longer than this is timed in one round only

Call = Callable[[], object]


def arguments(description: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """A parser with the option every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds in which the peers take turns")
    return parser


def seconds(call: Call, repeats: int = 1) -> float:
    """Seconds of one call, averaged over repeats."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def interleaved(calls: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """Median seconds of each call; the calls take turns, and one unmeasured turn goes before (compiling, caches)."""
    first = {name: seconds(call) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    quick = {name: call for name, call in calls.items() if first[name] < SLOW}
    repeats = {name: max(1, int(SHORT / max(seconds(call), 1e-7))) for name, call in quick.items()}
    for turn in range(rounds):
        for name, call in calls.items():
            if name in repeats or turn == 0:
                taken[name].append(seconds(call, repeats.get(name, 1)))
    return {name: median(times) for name, times in taken.items()}


def scaled(value: float) -> str:
    """Seconds in the unit people read them in."""
    if value >= 1000:
        return f"{value:,.0f} s"
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def publish(
    name: str, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", script: str = ""
) -> None:
    """Print a table and write it to ``benchmarks/results/<name>.md``, with the command that made it."""
    lines = [f"# {title}", "", f"    python benchmarks/{script or f'bench_{name}'}.py", ""]
    lines += ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    lines += ["", note.strip()] if note else []
    text = "\n".join(lines) + "\n"
    print(text, flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)


def keep(name: str, figures: Mapping[str, object]) -> None:
    """Write figures that other programs read to ``benchmarks/results/<name>.json``."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")

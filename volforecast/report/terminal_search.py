"""What a search for hyperparameters came to, on the terminal."""

import json
import sys
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cluster.objects import Objects
from cluster.search.driver import Searched
from cluster.search.space import Value
from volforecast.printable import printable

SETTINGS = "best.toml"
SHOWN = 20  # failed trials


def print_searched(out: str, searched: Searched, study: Any) -> None:
    """The best values of each search, beside the median trial and the study's defaults, and what failed.

    Where the study can write its best values as settings and every search has some, they are stored as ``best.toml``.
    """
    table = Table(title="Best values by search (validation loss, lower is better)")
    for heading in ("search", "values"):
        table.add_column(heading, overflow="fold")
    for heading in ("loss", "median trial", "defaults", "trials", "failed", "pruned"):
        table.add_column(heading, justify="right")
    rows = []
    for entry in searched.found:
        counts = Counter(trial.status for trial in entry.trials)
        values = "" if entry.best is None else ", ".join(map(_pair, entry.best.values.items()))
        losses = (None if entry.best is None else entry.best.loss, entry.median, entry.default)
        numbers = [*map(_number, losses), *map(str, (len(entry.trials), counts["failed"], counts["pruned"]))]
        rows.append((printable(entry.name), printable(values), *numbers))
        table.add_row(*map(Text, rows[-1]))
    # a pipe or a file has no width of its own; the table must not be cut to 80 columns there
    width = 80 + max(len(row[0]) + len(row[1]) for row in rows)
    Console(width=None if sys.stdout.isatty() else width).print(table)
    for line in _failed(searched):
        print(line)
    objects = Objects(out, create=False)
    if hasattr(study, "settings") and all(entry.best is not None for entry in searched.found):
        chosen = {entry.name: entry.best.values for entry in searched.found if entry.best is not None}
        objects.replace(SETTINGS, study.settings(chosen).encode())
        print(f"settings: {printable(objects.url)}/{SETTINGS} (for volforecast study {study.name} --config)")
    print(f"trials:   {printable(objects.url)}/tables/trials.csv")
    print(f"{searched.computed} trials computed, {searched.resumed} were there")


def _pair(item: tuple[str, Value]) -> str:
    name, value = item
    return f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"


def _number(loss: float | None) -> str:
    return "n/a" if loss is None else f"{loss:.6g}"


def _failed(searched: Searched) -> list[str]:
    lines = [
        printable(f"failed: {entry.name}/{trial.number} {json.dumps(trial.values)}: {trial.reason}", 300)
        for entry in searched.found
        for trial in entry.trials
        if trial.status == "failed"
    ]
    more = [f"... and {len(lines) - SHOWN} more in tables/trials.csv"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more

"""What ``volforecast plan`` prints."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from volforecast.printable import printable
from volforecast.report.terminal import GIB
from volforecast.studies.costs import Fixed, Outlook


def print_outlook(title: str, lines: Sequence[Outlook], fixed: Fixed, speed: Mapping[str, float], workers: int) -> None:
    """What a study would take.

    Args:
        title: The study and its data, in words.
        lines: Units and costs, by the code that takes the time.
        fixed: What does not depend on the units.
        speed: Seconds of each of these on this machine over those of the machine the costs come from.
        workers: CPUs.
    """
    table = Table(title=Text(printable(title)))  # the panel's address is no markup
    for column in ("", "units", "estimations", "core-seconds here", "stored, MB"):
        table.add_column(column, justify="left" if column == "" else "right")
    here = {line.path: line.seconds * speed.get(line.path, 1.0) for line in lines}
    for line in lines:
        cells = (f"{line.units:,}", f"{line.estimations:,}", f"{here[line.path]:,.0f}", f"{line.stored / 1e6:,.1f}")
        table.add_row(line.path, *cells)
    total, stored = sum(here.values()), fixed.stored + sum(line.stored for line in lines)
    sums = (sum(line.units for line in lines), sum(line.estimations for line in lines))
    table.add_section()
    table.add_row("all", *(f"{n:,}" for n in sums), f"{total:,.0f}", f"{stored / 1e6:,.1f}")
    Console(width=None if sys.stdout.isatty() else 90).print(table)
    longest = max(line.longest * speed.get(line.path, 1.0) for line in lines)
    seconds = fixed.seconds + max(total / workers, longest)
    compared = ", ".join(f"{path} {1 / factor:.2f}" for path, factor in speed.items())
    print(f"{total / 3600:,.2f} core-hours: about {_duration(seconds)} on {workers} CPUs like these.")
    print(f"Speed of this machine, measured now (1 is where the costs come from): {compared}.")
    worker = max(line.memory for line in lines)
    held = fixed.driver + fixed.shared + workers * (worker + fixed.store)
    who = {"each worker": worker, "each source store": fixed.store, "the driver": fixed.driver, "shared": fixed.shared}
    parts = ", ".join(f"{size / GIB:.2f} GiB {'' if name == 'shared' else 'by '}{name}" for name, size in who.items())
    print(f"Memory at most: {parts}; with {workers} workers and as many stores {held / GIB:.1f} GiB in all.")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"

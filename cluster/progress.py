"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cluster.coordinator import Coordinator

SECONDS_BETWEEN_LINES = 10.0


class Display:
    """Shows how far a run is; a context manager, on standard error so that standard output stays for results."""

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self.title = title
        self.quiet = quiet
        self.bar: Progress | None = None
        self._began = time.monotonic()
        self._last_line = float("-inf")
        self._last_state = (-1, 0)
        self._resumed = False

    def __enter__(self) -> "Display":
        self._began = time.monotonic()
        console = Console(stderr=True)
        if console.is_terminal and not self.quiet:
            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("units"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=console,
            )
            self._task = self.bar.add_task(self.title, total=None, note="")
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def stage(self, what: str) -> None:
        """Say on the bar what is done after the units."""
        if self.bar is not None:
            self.bar.update(self._task, description=f"{self.title}: {what}")

    def __call__(self, coordinator: Coordinator, in_flight: int) -> None:
        """Take note of the state of a run."""
        done, failed = coordinator.total - len(coordinator.pending), len(coordinator.failed)
        note = f"[red]{failed} failed" if failed else ""
        if self.bar is not None:
            if not self._resumed:
                # what an earlier run did says nothing about how fast this one is
                self.bar.reset(self._task, total=coordinator.total, completed=done)
                self._resumed = True
            self.bar.update(self._task, description=self.title, total=coordinator.total, completed=done, note=note)
            return
        now = time.monotonic()
        ended = in_flight == 0 and coordinator.finished
        due = ended or now - self._last_line >= SECONDS_BETWEEN_LINES
        if self.quiet or not due or (done, failed) == self._last_state:
            return
        self._last_line, self._last_state = now, (done, failed)
        line = f"{self.title}: {done} of {coordinator.total} units, {now - self._began:.0f} s"
        print(line + (f", {failed} failed" if failed else ""), file=sys.stderr, flush=True)

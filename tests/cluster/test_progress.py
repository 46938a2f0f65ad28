"""What a run shows of itself: a bar on a terminal, now and then a line elsewhere, nothing when quiet."""

import io
import os
import pty
import re
import sys
import threading
from collections.abc import Callable

import pytest

from cluster.coordinator import Coordinator
from cluster.progress import SECONDS_BETWEEN_LINES, Display
from cluster.study import Unit

UNITS = [Unit(f"u{i}", "kind", f"u{i}", {}, cost=9.0) for i in range(5)]


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("cluster.progress.time.monotonic", clock)
    return clock


def five_units(display: Display, tick: Callable[[], None] = lambda: None, fail: str = "") -> None:
    """A run of five units, of which one was done before; each takes a tick."""
    coordinator = Coordinator(UNITS, ["u0"])
    display(coordinator, 0)
    while bundle := coordinator.take():
        display(coordinator, 1)
        tick()
        if bundle[0].key == fail:
            coordinator.rejected(fail, "raised")
        else:
            coordinator.committed(bundle[0].key)
        display(coordinator, 0)


def test_plain_lines_come_seldom_and_at_the_end(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    def tick() -> None:
        clock.now += SECONDS_BETWEEN_LINES * 0.6

    with Display("toy") as display:
        five_units(display, tick)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "toy: 1 of 5 units, 0 s",
        "toy: 3 of 5 units, 12 s",
        "toy: 5 of 5 units, 24 s",
    ]


def test_plain_lines_tell_of_failures_even_at_the_end(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Display("toy") as display:
        five_units(display, fail="u4")
    assert capsys.readouterr().err.splitlines() == ["toy: 1 of 5 units, 0 s", "toy: 4 of 5 units, 0 s, 1 failed"]


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Display("toy", quiet=True) as display:
        five_units(display, fail="u2")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    leader, follower = pty.openpty()
    shown = io.BytesIO()

    def watch() -> None:
        while True:
            try:
                more = os.read(leader, 4096)
            except OSError:  # the terminal is closed
                return
            shown.write(more)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Display("toy", quiet=quiet) as display:
            five_units(display, fail="u3")
            display.stage("tables and report")
    watcher.join(10)
    os.close(leader)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue().decode())
    if quiet:
        assert text == ""
    else:
        assert re.search(r"toy .*4/5 units .*1 failed", text)
        assert re.search(r"toy: tables and report .*4/5 units", text)
        assert "\x1b[?25h" in shown.getvalue().decode(), "the cursor was not given back"

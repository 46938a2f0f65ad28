"""Counting what a run takes."""

import os

import pytest

from cluster.study import Unit
from cluster.usage import Meter, Usage, peak_memory

MIB = 1 << 20


def unit(name: str, memory: int = 0) -> Unit:
    return Unit(name, "kind", name, {}, memory=memory)


def test_units_are_counted_by_the_last_part_of_their_names() -> None:
    usage = Usage(cpus=2, wall=10.0)
    usage.add(unit("KO/50/TO HAR-STD", 5), 1.0, 7)
    usage.add(unit("V/50/TO HAR-STD", 9), 2.0, 6)
    usage.add(unit("V/50/selection"), 3.0, 2)
    usage.scans = 4.0
    assert usage.by_group == {"TO HAR-STD": 3.0, "selection": 3.0}
    assert usage.units == {"TO HAR-STD": 2, "selection": 1}
    assert (usage.worker_peak, usage.stated) == (7, 9)
    assert usage.core_seconds == 10.0
    assert usage.busy == 0.5


def test_two_stretches_of_a_run_join() -> None:
    first, second = Usage(2, 1.0, store_peak=3), Usage(2, 2.0, scans=1.5, worker_peak=4)
    first.add(unit("a/x"), 1.0, 1)
    second.add(unit("b/x"), 2.0, 2)
    second.add(unit("b/y"), 4.0, 2)
    both = first.joined(second)
    assert both == Usage(2, 3.0, {"x": 3.0, "y": 4.0}, both.units, 1.5, 4, 3, 0)
    assert both.units == {"x": 2, "y": 1}
    assert first.by_group == {"x": 1.0}


def test_a_run_that_took_no_time_was_not_busy() -> None:
    assert Usage().busy == 0.0


def test_meter_counts_work_and_not_waiting() -> None:
    meter = Meter()
    before = os.times()
    while sum(os.times()[:2]) - sum(before[:2]) < 0.05:
        pass
    assert meter.seconds() == pytest.approx(0.05, abs=0.04)


def test_peak_memory_sees_what_was_given_back() -> None:
    before = peak_memory()
    held = bytearray(b"x" * (before + 64 * MIB))
    del held
    assert peak_memory() >= before + 64 * MIB

"""What a run takes: core-seconds by kind of work, how busy the CPUs were, and the most memory a process held."""

import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from cluster.study import Unit


@dataclass
class Usage:
    """Sums over the units of one run; parts and commits never hold any of it, or no two runs would be equal.

    Attributes:
        cpus: CPUs of the cluster when the run began.
        wall: Seconds from the first submission to the last settlement.
        by_group: Core-seconds of the units that were computed, by the last part of their names.
        units: How many they were, likewise.
        scans: Core-seconds of the source stores.
        worker_peak: Most bytes that one worker held, shared ones included.
        store_peak: Most bytes that one source store held, likewise.
        stated: Most bytes that a unit had said it would need.
        continued: Units that went on from what a killed attempt had kept.
        unkept: Why a unit's state could not be kept the last time that one could not.
    """

    cpus: int = 1
    wall: float = 0.0
    by_group: dict[str, float] = field(default_factory=dict)
    units: Counter[str] = field(default_factory=Counter)
    scans: float = 0.0
    worker_peak: int = 0
    store_peak: int = 0
    stated: int = 0
    continued: int = 0
    unkept: str = ""

    def add(self, unit: Unit, seconds: float, peak: int) -> None:
        """Count a unit that was computed."""
        group = unit.name.rpartition("/")[2]
        self.by_group[group] = self.by_group.get(group, 0.0) + seconds
        self.units[group] += 1
        self.worker_peak = max(self.worker_peak, peak)
        self.stated = max(self.stated, unit.memory)

    def joined(self, other: "Usage") -> "Usage":
        """Both together, one after the other."""
        return Usage(
            self.cpus,
            self.wall + other.wall,
            {
                group: self.by_group.get(group, 0.0) + other.by_group.get(group, 0.0)
                for group in self.by_group | other.by_group
            },
            self.units + other.units,
            self.scans + other.scans,
            max(self.worker_peak, other.worker_peak),
            max(self.store_peak, other.store_peak),
            max(self.stated, other.stated),
            self.continued + other.continued,
            other.unkept or self.unkept,
        )

    @property
    def core_seconds(self) -> float:
        """Of units and source stores together."""
        return sum(self.by_group.values()) + self.scans

    @property
    def busy(self) -> float:
        """Share of the CPUs' time that went into units and scans; the rest is Ray, the driver, and waiting."""
        return self.core_seconds / (self.wall * self.cpus) if self.wall else 0.0


class Meter:
    """Core-seconds of this process since it was made."""

    def __init__(self) -> None:
        self._began = time.process_time()

    def seconds(self) -> float:
        """All threads together."""
        return time.process_time() - self._began


def peak_memory() -> int:
    """Most bytes this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""What the project does, as functions; the command line calls them and nothing else.

    import volforecast as vf

    panel = vf.read_panel("PANEL")
    study = vf.NewIssues(vf.NewIssuesConfig(models=("HAR",)))
    run = vf.run(study, panel, "RESULTS", workers=2)
    run.tables["table_3"]
    run.plot_forecast("V")

Nothing here imports Ray before :func:`run` has work for it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec
import pandas as pd

from cluster.store import ResultStore
from cluster.study import Study, Unit
from volforecast.config import load_settings
from volforecast.data.frames import make_panel
from volforecast.data.hourly import HourlyTable
from volforecast.data.panel import Panel
from volforecast.data.simulate import SimulatedPanel, SimulatorSettings, simulate_panel, write_simulated
from volforecast.errors import ConfigError
from volforecast.options import HOURS, reads
from volforecast.printable import printable
from volforecast.results import Run
from volforecast.studies import STUDIES
from volforecast.studies.costs import Fixed, Outlook, fixed_costs

GIB = 1 << 30


class KnownStudy(Study, Protocol):
    """What stands in ``volforecast.studies.STUDIES``."""

    settings_type: ClassVar[type[Any]]

    @property
    def config(self) -> Any:
        """Its settings; they have a method ``checked``."""

    def load(self, panel: Any) -> Any:
        """What its units read of a panel, or of a table of hours."""

    def outlook(self, data: Any, units: Iterable[Unit]) -> list[Outlook]:
        """What units will cost, by the code that takes the time."""


class StudyOutlook(NamedTuple):
    """What a study would take; nothing has been computed.

    Attributes:
        study: Its name.
        targets, sources: How many there are.
        size: How large the data are, for people.
        lines: Units and costs, by the code that takes the time, in core-seconds of the reference machine.
        fixed: What does not depend on the units.
        speed: Seconds of each path on this machine over those of the reference machine.
        workers: CPUs it is planned for.
    """

    study: str
    targets: int
    sources: int
    lines: list[Outlook]
    fixed: Fixed
    speed: dict[str, float]
    workers: int
    size: str = ""

    @property
    def units(self) -> int:
        """Pieces of work."""
        return sum(line.units for line in self.lines)

    @property
    def estimations(self) -> int:
        """How often a model is estimated."""
        return sum(line.estimations for line in self.lines)

    @property
    def core_hours(self) -> float:
        """CPU time of the units on machines like this one."""
        return sum(self._seconds(line) for line in self.lines) / 3600

    @property
    def hours(self) -> float:
        """From start to report, on ``workers`` CPUs like these."""
        longest = max(line.longest * self.speed.get(line.path, 1.0) for line in self.lines)
        return (self.fixed.seconds + max(3600 * self.core_hours / self.workers, longest)) / 3600

    @property
    def memory_gib(self) -> float:
        """Most memory held at once by all processes together, with as many source stores as workers."""
        worker = max(line.memory for line in self.lines)
        fixed = self.fixed
        return (fixed.driver + fixed.shared + self.workers * (worker + fixed.store)) / GIB

    @property
    def stored_mb(self) -> float:
        """What the results folder will hold."""
        return (self.fixed.stored + sum(line.stored for line in self.lines)) / 1e6

    @property
    def table(self) -> pd.DataFrame:
        """``path, units, estimations, core_seconds, stored_mb``; core-seconds on machines like this one."""
        rows = [
            (line.path, line.units, line.estimations, self._seconds(line), line.stored / 1e6) for line in self.lines
        ]
        return pd.DataFrame(rows, columns=["path", "units", "estimations", "core_seconds", "stored_mb"])

    def _seconds(self, line: Outlook) -> float:
        return line.seconds * self.speed.get(line.path, 1.0)


def run(
    study: KnownStudy,
    panel: Panel | HourlyTable,
    out: str | Path,
    *,
    address: str | None = None,
    workers: int | None = None,
    quiet: bool = False,
    reuse: Sequence[str] = (),
) -> Run:
    """Compute a study, or what is missing of it, and open its results.

    Args:
        study: The study and its settings, which are checked here. Of its targets only those that the settings name are
            taken, all of the panel's when they name none.
        panel: What :func:`volforecast.read_panel` or :func:`volforecast.make_panel` returned; of the bitcoin-mixture
            study what :func:`volforecast.read_hourly` did.
        out: Results folder, local or ``s3://``. One that holds this run already is gone on with; a finished one is
            opened.
        address: Ray cluster, ``host:port`` or ``auto``; None starts a private Ray on this machine.
        workers: CPUs of the private Ray; all when None.
        quiet: Show no progress (it goes to standard error).
        reuse: Other results folders, local or ``s3://``. What they hold of this study is taken from there and not
            computed again; the outcome is the same, byte for byte.

    Returns:
        The run, with ``summary`` and, where units failed, their names and reasons in ``failures``: a unit that fails
        stops nothing else.

    Raises:
        InputError: A setting or the panel breaks a rule; nothing has been written.
        cluster.errors.EngineError: The folder holds another run (the difference is named), or one of ``reuse`` holds
            none, or folder or cluster cannot be reached, or have gone; what is committed stays, and the same call goes
            on from there.
        KeyboardInterrupt: Likewise.
    """
    from cluster.driver import run_study

    _check_workers(workers)
    if isinstance(reuse, str):
        raise ConfigError(f"reuse: {printable(reuse, 60)} is one address; give a list of them, such as [{reuse!r}]")
    checked, data = _prepared(study, panel)
    summary = run_study(checked, data, str(out), address=address, workers=workers, quiet=quiet, reuse=reuse)
    return Run(ResultStore(str(out), create=False), summary)


def plan(study: KnownStudy, panel: Panel | HourlyTable, *, workers: int | None = None) -> StudyOutlook:
    """Say what a study would take. The speed of this machine is measured, which takes some seconds.

    Args:
        study: As in :func:`run`.
        panel: Likewise.
        workers: CPUs to plan for; all of this machine when None.

    Raises:
        InputError: A setting or the panel breaks a rule.
    """
    _check_workers(workers)
    workers = workers or os.cpu_count() or 1
    checked, data = _prepared(study, panel)
    units = checked.plan(data).units
    lines, fixed = checked.outlook(data, units), fixed_costs(data, len(units))
    targets, sources = len(data.targets), len(data.sources)
    size = getattr(data, "size", f"{targets:,} targets, {sources:,} sources")
    return StudyOutlook(checked.name, targets, sources, lines, fixed, _machine_speed(workers), workers, size)


def simulate(out: str | Path, settings: SimulatorSettings | None = None, *, seed: int = 1) -> SimulatedPanel:
    """Draw a panel and write it as a folder, which :func:`volforecast.read_panel` reads.

    Args:
        out: Folder to write, local or ``s3://``.
        settings: Size and character; 20 sources and 4 new listings over six years when None.
        seed: Equal settings and seeds give equal bytes.

    Raises:
        InputError: A setting is out of range, or the folder holds bars of another panel.
    """
    drawn = simulate_panel(settings or SimulatorSettings(), seed)
    write_simulated(drawn, str(out))
    return drawn


def _prepared(study: KnownStudy, panel: Panel | HourlyTable) -> tuple[Any, Any]:
    """The study with its settings checked, and what it reads of the panel.

    Raises:
        InputError: One of them is something else, or breaks a rule.
    """
    if type(study) not in STUDIES.values():
        known = " or ".join(f"{kind.__name__}({kind.settings_type.__name__}(...))" for kind in STUDIES.values())
        raise ConfigError(f"study: {printable(study, 60)} is no study; give {known}")
    if reads(type(study)) == HOURS:
        if not isinstance(panel, HourlyTable):
            raise ConfigError(f"panel: {printable(panel, 60)} is no table of hours; give what read_hourly returns")
    elif not isinstance(panel, Panel):
        raise ConfigError(f"panel: {printable(panel, 60)} is no panel; give what read_panel or make_panel returns")
    # types are checked where settings are read, not where Python makes them: models="HAR" would be three models
    settings = load_settings(study.settings_type, None, msgspec.to_builtins(study.config))
    checked = type(study)(settings.checked())  # type: ignore[call-arg]
    if isinstance(panel, HourlyTable):
        return checked, checked.load(panel)
    asked, sources = checked.config.targets, getattr(checked.config, "sources", ())
    differ = sources and set(sources) != set(panel.with_role("source"))
    if differ or (asked and set(asked) != set(panel.with_role("target"))):
        # other targets are part of the fingerprint: without them the run is the one that `--targets` makes
        market = panel.market if len(panel.market) else None
        measures = tuple(panel.measures)
        panel = make_panel(
            panel.daily, panel.assets, market, targets=asked, sources=sources, gaps="allow", measures=measures
        )
    return checked, checked.load(panel)


def _check_workers(workers: int | None) -> None:
    if workers is not None and workers < 1:
        raise ConfigError(f"workers: {workers} is not a number of CPUs; give 1 or more")


def _machine_speed(workers: int) -> dict[str, float]:
    """What ``volforecast.studies.speed`` measures, in a process of its own.

    Its processes begin by importing the program that started them, which may be a user's script with this call in it.
    """
    code = "import json; from volforecast.studies.speed import machine_speed; print(json.dumps(machine_speed({})))"
    words = [sys.executable, "-c", code.format(workers)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)  # what goes wrong there is seen here
    measured: dict[str, float] = json.loads(done.stdout)
    return measured

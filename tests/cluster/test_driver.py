"""A driver that is killed, told to stop, or not alone: the same command goes on, and the folder ends the same."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from cluster.driver import ROUNDS, collect, run_study
from cluster.errors import CorruptPartError, PlanMismatchError, StoreError
from cluster.store import ResultStore
from tests.cluster.private_session import family
from tests.cluster.toy_study import ToyStudy, Trouble, files, toy_data, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(150)]

GRACE = 12.0  # seconds a loaded test machine may take for an end that takes two


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A temporary folder below which Ray's sockets fit; pytest's own are too long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def quiet(private_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of a run in which nothing went wrong."""
    out = tmp_path_factory.mktemp("quiet")
    run_study(ToyStudy(), toy_data(), str(out), quiet=True)
    return files(out)


@pytest.fixture
def drivers(short_path: Path) -> "Iterator[Drivers]":
    drivers = Drivers(short_path)
    yield drivers
    for process in drivers.started:
        process.kill()
        process.wait()


class Drivers:
    """Drivers as processes of their own, with their temporary files in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, out: Path, trouble: Trouble) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.toy_driver", str(out), msgspec.json.encode(trouble).decode()],
            env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
            | {"TMPDIR": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process


def wait_half_way(process: "subprocess.Popen[str]", folder: Path) -> None:
    """Until all scans are committed and both CPUs hold a fit that waits, so that nothing is being written."""

    def there() -> bool:
        assert process.poll() is None, process.communicate()
        return len(list(folder.glob("fit-*"))) == 2

    until(there)


def half_way(tmp_path: Path) -> Trouble:
    return Trouble(units={"fit/2": "wait", "fit/3": "wait"}, folder=str(tmp_path))


def works(pid: int) -> bool:
    """Whether a process is there, is more than a zombie, and is not one of Ray's agents, which take a minute to go."""
    try:
        name, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")[::2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state[0] != "Z" and not name.startswith(("ray::DashboardA", "ray::RuntimeEnv"))


def times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("commits/*.json")}


def test_killed_half_way_and_started_again(quiet: dict[str, bytes], drivers: Drivers, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = drivers.start(out, half_way(tmp_path))
    wait_half_way(process, tmp_path)
    committed, relatives = times(out), family(process.pid)
    process.kill()
    process.wait()
    until(lambda: not any(works(pid) for pid in relatives), 30)  # its Ray does not outlive it
    assert times(out) == committed
    summary = run_study(ToyStudy(), toy_data(), str(out), quiet=True)
    assert (summary.resumed, summary.computed) == (len(committed), 9 - len(committed))
    assert files(out) == quiet
    assert committed.items() <= times(out).items(), "what was done was computed again"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop(
    quiet: dict[str, bytes], drivers: Drivers, tmp_path: Path, short_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    process = drivers.start(out, half_way(tmp_path))
    wait_half_way(process, tmp_path)
    committed, relatives = times(out), family(process.pid)
    assert len(committed) >= 4
    began = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=60)
    assert time.monotonic() - began < GRACE
    assert process.returncode == 130, said
    assert said[0] == ""
    assert all(line.startswith("toy: ") for line in said[1].splitlines()), said[1]
    assert list(short_path.iterdir()) == [], "the private Ray's temporary files were left"
    until(lambda: not any(works(pid) for pid in relatives), 30)
    summary = run_study(ToyStudy(), toy_data(), str(out), quiet=True)
    assert (summary.resumed, summary.computed) == (len(committed), 9 - len(committed))
    assert files(out) == quiet


def test_two_at_the_same_time(quiet: dict[str, bytes], drivers: Drivers, tmp_path: Path) -> None:
    """One has begun every scan and holds them; the other does all the work; then the first finds it done."""
    out = tmp_path / "out"
    waiting = Trouble(units={f"scan/{i}": "wait" for i in range(4)}, folder=str(tmp_path))
    first = drivers.start(out, waiting)
    until(lambda: len(list(tmp_path.glob("scan-*"))) == 2)
    assert run_study(ToyStudy(), toy_data(), str(out), quiet=True).complete
    committed = times(out)
    (tmp_path / "go").touch()
    assert first.wait(60) == 0, first.communicate()
    assert times(out) == committed
    assert files(out) == quiet


def test_two_begin_at_the_same_moment(quiet: dict[str, bytes], private_ray: None, tmp_path: Path) -> None:
    """From two threads, which also shows that a driver need not be the main thread."""
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_study, ToyStudy(), toy_data(), str(tmp_path), quiet=True) for _ in range(2)]
        assert all(one.result(100).complete for one in runs)
    assert files(tmp_path) == quiet


def test_other_settings_are_refused_before_anything_runs(private_ray: None, tmp_path: Path) -> None:
    ResultStore(str(tmp_path)).adopt_plan(ToyStudy().plan(toy_data()))
    before = files(tmp_path)
    with pytest.raises(PlanMismatchError, match=r"targets 4 \(yours: 5\)"):
        run_study(ToyStudy(targets=5), toy_data(), str(tmp_path), quiet=True)
    assert files(tmp_path) == before


def test_collecting_an_unfinished_run(quiet: dict[str, bytes], tmp_path: Path) -> None:
    for name, payload in quiet.items():
        if not name.startswith("tables/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(payload)
    total = ToyStudy().plan(toy_data()).units[-1]
    (tmp_path / "commits" / f"{total.key}.json").unlink()
    store = ResultStore(str(tmp_path))
    assert collect(ToyStudy(), store) == {"scan": 4, "fit": 4}
    table = (tmp_path / "tables/units.txt").read_text()
    assert (table.count("settled"), table.count("open")) == (8, 1)


def test_damage_without_end_ends_the_run(
    quiet: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_study(ToyStudy(), toy_data(), str(tmp_path), quiet=True)
    calls = []

    def damaged(*_: object) -> dict[str, int]:
        calls.append(1)
        raise CorruptPartError("key", "damaged")

    monkeypatch.setattr("cluster.driver.collect", damaged)
    with pytest.raises(StoreError, match="keeps being damaged"):
        run_study(ToyStudy(), toy_data(), str(tmp_path), quiet=True)
    assert len(calls) == ROUNDS

"""A search whose driver is killed or told to stop: the same command goes on to the folder of a quiet one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cluster.search.driver import Searched, run_searches
from tests.cluster.private_session import family
from tests.cluster.search.toy_search import ToySearch, toy_rows
from tests.cluster.toy_study import files, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(150)]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A temporary folder below which Ray's sockets fit; pytest's own are too long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def drivers() -> "Iterator[list[subprocess.Popen[str]]]":
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(out: Path, study: ToySearch, temporary: Path, workers: int) -> "subprocess.Popen[str]":
    words = [str(out), msgspec.json.encode(study).decode()]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.search.toy_search_driver", *words],
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        | {"TMPDIR": str(temporary), "TOY_WORKERS": str(workers)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(out: Path) -> Searched:
    return run_searches(ToySearch(), toy_rows(), str(out), ToySearch().asked, quiet=True, early_stopping=False)


def lives(pid: int) -> bool:
    """Whether a process is there, is more than a zombie, and is not one of Ray's agents, which take a minute to go."""
    try:
        name, state = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")[::2]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state[0] != "Z" and not name.startswith(("ray::DashboardA", "ray::RuntimeEnv"))


def times(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in out.glob("commits/*.json")}


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGKILL, 1), (signal.SIGTERM, 2)], ids=["killed, one worker", "told to stop, two"]
)
def test_half_way_and_started_again(
    private_ray: None,
    drivers: "list[subprocess.Popen[str]]",
    tmp_path: Path,
    short_path: Path,
    number: signal.Signals,
    workers: int,
) -> None:
    quiet, out = tmp_path / "quiet", tmp_path / "out"
    found = run(quiet).found
    late = {f"{entry.name}/rate={entry.trials[6].values['rate']}": "wait" for entry in found}  # in the second batch
    process = start(out, ToySearch(trouble=late, folder=str(tmp_path)), short_path, workers)
    drivers.append(process)

    def there() -> bool:
        assert process.poll() is None, process.communicate()
        return len(list(tmp_path.glob("[ab]-*-*"))) == workers and len(times(out)) >= 8

    until(there)
    committed, relatives = times(out), family(process.pid)
    assert len(committed) < 16
    process.send_signal(number)
    said = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL), said
    assert said[0] == ""
    assert all(line.startswith("search:toy: ") for line in said[1].splitlines()), said[1]
    if number == signal.SIGTERM:
        assert list(short_path.iterdir()) == [], "temporary files of Ray or Tune were left"
    until(lambda: not any(lives(pid) for pid in relatives), 30)
    assert times(out) == committed
    assert not (out / "best.json").exists()
    searched = run(out)
    assert (searched.resumed, searched.computed) == (len(committed), 16 - len(committed))
    assert files(out) == files(quiet)
    assert committed.items() <= times(out).items(), "what was done was computed again"

"""Machines, workers, source stores, heads and drivers that die at chosen moments of a run over several machines.

Every run must end with the bytes of a quiet one.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.driver import run_study
from cluster.store import ResultStore
from tests.cluster.toy_study import ToyStudy, Trouble, files, toy_data, until
from tests.faults.machines import Driver, Machines, kill, ledger, several_machines

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with several_machines() as machines:
        yield machines


def test_workers_and_a_source_store_killed_at_chosen_points(
    machines: Machines, quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    """Between computing and writing the part, between part and commit, after the commit; and within a scan."""
    machines.have(2)
    out, points = tmp_path / "out", {"fit/0": "before part", "fit/1": "before commit", "fit/2": "after commit"}
    halts = {name: f"halt {point}" for name, point in points.items()}
    driver = start(out, Trouble(halts, {"scan/3": "stall once"}, str(tmp_path)), machines.address)
    kill(*driver.waits_for(tmp_path / "scan-3"))
    signs = {tmp_path / name.replace("/", "-") for name in points}
    while signs:  # in whichever order the units come to their points
        until(lambda: any(sign.exists() for sign in signs))
        sign = next(sign for sign in signs if sign.exists())
        kill(*driver.waits_for(sign))
        signs.discard(sign)
    code, said = driver.ends()
    assert code == 0, said
    assert files(out, history=False) == quiet
    assert ledger(out) == {"scan/3": 1, "fit/0": 1, "fit/1": 1}, "a unit that had committed was not lost"


def test_a_machine_lost_and_a_zombie(
    machines: Machines, quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    """One machine goes; another's raylet alone dies, and what it had begun writes its results too late."""
    machines.have(2)
    out = tmp_path / "out"
    trouble = Trouble({"fit/0": "halt before part", "fit/1": "halt before part"}, folder=str(tmp_path))
    driver = start(out, trouble, machines.address)
    lost, zombie = driver.waits_for(tmp_path / "fit-0", tmp_path / "fit-1")
    survivor = machines.of(zombie)
    machines.lose(machines.of(lost))
    machines.kill_raylet(survivor)
    (tmp_path / "wake").touch()  # it has two seconds before it finds out and ends
    until((tmp_path / "fit-1.late").exists)
    machines.have(1)
    code, said = driver.ends()
    assert code == 0, said
    assert files(out, history=False) == quiet
    assert ledger(out).items() <= {"fit/0": 1, "fit/1": 1}.items()


def test_all_machines_lost_and_a_new_one_much_later(
    machines: Machines, quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    machines.have(2)
    out = tmp_path / "out"
    driver = start(out, Trouble({"fit/0": "stall once"}, {"scan/3": "stall once"}, str(tmp_path)), machines.address)
    driver.waits_for(tmp_path / "scan-3")
    for worker in machines.workers:
        machines.lose(worker)
    until(lambda: ResultStore(str(out)).committed() or not machines.workers)
    machines.have(1)
    lost = driver.waits_for(tmp_path / "fit-0")
    machines.lose(machines.of(*lost))
    machines.have(1)
    code, said = driver.ends()
    assert code == 0, said
    assert files(out, history=False) == quiet


def test_a_driver_killed_on_a_cluster_that_goes_on(
    machines: Machines, quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    machines.have(2)
    out = tmp_path / "out"
    trouble = Trouble({"fit/2": "wait", "fit/3": "wait"}, folder=str(tmp_path))
    first = start(out, trouble, machines.address)
    workers = first.waits_for(tmp_path / "fit-2", tmp_path / "fit-3")
    first.kill()
    done = {path: path.stat().st_mtime_ns for path in out.glob("commits/*")}
    assert len(done) >= 4
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))  # they go with their driver
    second = start(out, Trouble(), machines.address)
    code, said = second.ends()
    assert code == 0, said
    assert files(out) == quiet
    assert done.items() <= {path: path.stat().st_mtime_ns for path in out.glob("commits/*")}.items()


@pytest.mark.skipif(not Path(FAKETIME).exists(), reason=f"{FAKETIME} is not there; apt-get install libfaketime")
def test_a_driver_whose_clock_is_wrong(
    machines: Machines, quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    """It is a year ago there, and time runs twice as fast; the run was begun with the right clock."""
    machines.have(2)
    out = tmp_path / "out"
    run_study(ToyStudy(), toy_data(), str(out), quiet=True)
    for commit in sorted((out / "commits").iterdir())[::2]:
        commit.unlink()
    wrong = {"LD_PRELOAD": FAKETIME, "FAKETIME": "-400d x2", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    code, said = start(out, Trouble(), machines.address, **wrong).ends()
    assert code == 0, said
    assert files(out) == quiet


def test_a_head_that_dies_ends_the_run_and_a_new_cluster_goes_on(
    machines: Machines, quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    machines.have(2)
    out = tmp_path / "out"
    trouble = Trouble({"fit/2": "wait", "fit/3": "wait"}, folder=str(tmp_path))
    first = start(out, trouble, machines.address, TOY_HEAD_SECONDS="3")
    first.waits_for(tmp_path / "fit-2", tmp_path / "fit-3")
    machines.lose_head()
    code, said = first.ends(40)
    assert code == 3, said
    assert "head has not answered for 3 s; what is committed stays" in said
    done = {path: path.stat().st_mtime_ns for path in out.glob("commits/*")}
    for worker in machines.workers:
        machines.lose(worker)
    machines.start()
    machines.have(1)
    second = start(out, Trouble(), machines.address)
    code, said = second.ends()
    assert code == 0, said
    assert files(out) == quiet
    assert done.items() <= {path: path.stat().st_mtime_ns for path in out.glob("commits/*")}.items()

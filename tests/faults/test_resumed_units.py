"""A long unit is killed in the middle, or its driver is: it goes on from its last state, and nothing shows it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster.driver import Summary, run_study
from cluster.store import ResultStore
from tests.cluster.toy_study import ToyStudy, Trouble, files, toy_data, until
from tests.faults.machines import Driver, kill, ledger

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

FIT = next(unit.key for unit in ToyStudy().plan(toy_data()).units if unit.name == "fit/2")


def run(out: Path, trouble: Trouble) -> Summary:
    return run_study(ToyStudy(trouble=trouble), toy_data(), str(out), quiet=True)


def steps(folder: Path) -> str:
    """The steps of the fit that were taken, one after the other, by all attempts."""
    return (folder / "fit-2.steps").read_text()


@pytest.mark.parametrize("spoilt", [False, True], ids=["its state whole", "its state damaged"])
def test_a_worker_killed_in_the_middle_of_a_unit(
    quiet: dict[str, bytes], private_ray: None, tmp_path: Path, spoilt: bool
) -> None:
    out, sign = tmp_path / "out", tmp_path / "fit-2"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, out, Trouble({"fit/2": "keep, halt once"}, folder=str(tmp_path)))
        until(lambda: sign.exists() or running.done())
        assert steps(tmp_path) == "123"
        kept = out / "checkpoints" / FIT
        if spoilt:
            kept.write_bytes(kept.read_bytes()[:-1])
        kill(int(sign.read_text()))
        summary = running.result(60)
    assert summary.complete, summary.failures
    assert ledger(out) == {"fit/2": 1}
    assert steps(tmp_path) == ("123123456" if spoilt else "123456")
    assert summary.usage is not None
    assert summary.usage.continued == (not spoilt)
    assert files(out, history=False) == quiet
    assert not (out / "checkpoints").exists()


def test_a_driver_killed_in_the_middle_of_a_unit(
    quiet: dict[str, bytes], private_ray: None, start: Callable[..., Driver], tmp_path: Path
) -> None:
    """Its Ray goes with it. The same command finds the state that the unit had kept, and nobody else looks at it."""
    out = tmp_path / "out"
    trouble = Trouble({"fit/2": "keep, halt once"}, folder=str(tmp_path))
    driver = start(out, trouble)
    (worker,) = driver.waits_for(tmp_path / "fit-2")
    driver.kill()
    until(lambda: not _lives(worker), 30)
    assert files(out).keys() > {f"checkpoints/{FIT}"}
    assert ResultStore(str(out), create=False).failures() == {}
    summary = run(out, trouble)
    assert summary.complete, summary.failures
    assert summary.usage is not None
    assert summary.usage.continued == 1
    assert steps(tmp_path) == "123456"
    assert files(out) == quiet
    assert not (out / "checkpoints").exists()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

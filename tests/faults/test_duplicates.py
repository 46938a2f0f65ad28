"""Work that runs twice, is announced to be lost, or stands still: one commit each, and the bytes of a quiet run."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.toy_study import ToyStudy, Trouble, files, toy_data, until
from tests.faults.machines import Driver, ledger, several_machines

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

FITS = [f"fit/{i}" for i in range(4)]
PUSH = "CoreWorkerService.grpc_client.PushTask"
RETURN = "NodeManagerService.grpc_client.ReturnWorkerLease"


@pytest.fixture
def scanned(quiet: dict[str, bytes], tmp_path: Path) -> Path:
    """The folder of a run that has ended with its scans."""
    out = tmp_path / "out"
    scans = {unit.key for unit in ToyStudy().plan(toy_data()).units if unit.kind == "scan"}
    for name, payload in quiet.items():
        if name == "plan.json" or Path(name.split("/")[1] if "/" in name else "").stem in scans:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(payload)
    return out


def failing(**often: str) -> dict[str, str]:
    """Environment in which Ray's own requests fail: which, and ``kind number``, so often in each process."""
    kinds = ("req", "resp", "in_flight")
    rules = {}
    for name, rule in often.items():
        kind, number = rule.split()
        chances = {f"{each}_failure_prob": 100 * (each == kind) for each in kinds}
        rules[{"push": PUSH, "give_back": RETURN}[name]] = {"num_failures": int(number), **chances}
    return {"RAY_testing_rpc_failure": json.dumps(rules)}


class TestRequestsWithinRayThatFail:
    @pytest.mark.chaos
    def test_workers_whose_answers_are_lost(
        self, quiet: dict[str, bytes], scanned: Path, start: Callable[..., Driver], tmp_path: Path
    ) -> None:
        """Each of the first tasks is done and its driver told that its worker crashed: the commit is there."""
        tally = Trouble(dict.fromkeys(FITS, "tally"), folder=str(tmp_path))
        code, said = start(scanned, tally, **failing(push="resp 4")).ends()
        assert code == 0, said
        assert {sign.read_text() for sign in tmp_path.glob("fit-*")} == {"x"}
        assert files(scanned) == quiet

    def test_tasks_that_run_though_they_are_said_to_be_lost(
        self, quiet: dict[str, bytes], scanned: Path, start: Callable[..., Driver], tmp_path: Path
    ) -> None:
        most = 0
        for attempt in range(3):  # on a busy machine a driver may give up a worker before that has begun
            out, signs = tmp_path / f"out-{attempt}", tmp_path / f"signs-{attempt}"
            shutil.copytree(scanned, out)
            signs.mkdir()
            tally = Trouble(dict.fromkeys(FITS, "tally"), folder=str(signs))
            code, said = start(out, tally, **failing(push="in_flight 4", give_back="req 4")).ends()
            assert code == 0, said
            assert files(out, history=False) == quiet
            most = max(len(sign.read_text()) for sign in signs.glob("fit-*"))
            if most > 1:
                break
        assert most > 1, "no unit ran twice"


def test_a_straggler_a_silent_source_store_and_a_slow_one(
    quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    """A second copy goes through; the first one comes later, with the same bytes, and nobody is to blame.

    The scan that is merely slow takes longer than patience lasts at first, and is not begun anew for ever.
    """
    out, units = tmp_path / "out", {"fit/0": "halt before part", "total/0": "wait"}
    trouble = Trouble(units, {"scan/1": "stall once", "scan/2": "linger"}, str(tmp_path))
    driver = start(out, trouble, TOY_LATE_SECONDS="2", TOY_LATE_TIMES="0.1")
    driver.waits_for(tmp_path / "fit-0", tmp_path / "scan-1")
    driver.waits_for(tmp_path / "total-0")
    (tmp_path / "wake").touch()
    until((tmp_path / "fit-0.late").exists)
    (tmp_path / "go").touch()
    code, said = driver.ends()
    assert code == 0, said
    assert files(out) == quiet, "also: nothing in the ledger"


def test_a_machine_that_is_announced_to_go(
    quiet: dict[str, bytes], start: Callable[..., Driver], tmp_path: Path
) -> None:
    """As spot machines are: a notice, nothing new is sent there, and then it is gone."""
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DRAIN_NODE_REASON_PREEMPTION

    out = tmp_path / "out"
    trouble = Trouble({"fit/2": "wait", "fit/3": "wait"}, folder=str(tmp_path))
    with several_machines() as machines:
        machines.have(2)
        driver = start(out, trouble, machines.address)
        doomed = machines.of(driver.waits_for(tmp_path / "fit-2", tmp_path / "fit-3")[0])
        done = {path: path.stat().st_mtime_ns for path in out.glob("commits/*")}
        deadline = int((time.time() + 60) * 1000)
        accepted, why = GcsClient(machines.address).drain_node(
            doomed.node_id, DRAIN_NODE_REASON_PREEMPTION, "spot", deadline
        )
        assert accepted, why
        machines.lose(doomed)
        (tmp_path / "go").touch()
        code, said = driver.ends()
    assert code == 0, said
    assert files(out, history=False) == quiet
    assert ledger(out).items() <= {"fit/2": 1}.items(), "only what was in flight there was lost"
    assert done.items() <= {path: path.stat().st_mtime_ns for path in out.glob("commits/*")}.items()

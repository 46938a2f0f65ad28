"""``volforecast submit`` on a real Ray head, from a folder that holds what a clean checkout does."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.store import ResultStore
from cluster.submission import connect
from tests.cluster.toy_study import files, until
from tests.faults.machines import ROOT
from tests.folders import short_config, small_panel
from volforecast.cli import main

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

CHECKOUT = ("cluster", "jobs", "volforecast", "pyproject.toml", "constraints.txt")
STUDY = ("--periods", "50", "--models", "HAR,TO XGB")
GRACE = 3.0  # seconds Ray gives a job that it stops


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A Ray head that takes jobs, as infra/README.md says to start one."""
    dashboard = free_port()
    with tempfile.TemporaryDirectory(prefix="vf", dir="/tmp") as folder:
        settings = {"PORT": str(free_port()), "DASHBOARD_PORT": str(dashboard), "CPUS": "2", "RAY_TMPDIR": folder}
        # the ray beside this interpreter: its environment need not be the active one
        settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        head = subprocess.Popen(
            [str(ROOT / "infra" / "head.sh")],
            env=os.environ | settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{dashboard}"
            until(lambda: answers(url))
            yield url
        finally:
            head.send_signal(signal.SIGTERM)
            try:
                head.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(head.pid, signal.SIGKILL)
                head.wait()


def answers(url: str) -> bool:
    try:
        connect(url).list_jobs()
    except Exception:
        return False
    return True


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_panel(tmp_path_factory.mktemp("panel"))


@pytest.fixture(scope="module")
def quiet(private_ray: None, panel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of the same study without a cluster."""
    folder = tmp_path_factory.mktemp("quiet")
    words = ["--panel", str(panel), "--out", str(folder / "out"), "--config", str(short_config(folder)), *STUDY]
    assert main(["study", "new-issues", *words, "--quiet"]) == 0
    return files(folder / "out")


def submission(address: str, panel: Path, out: Path, config: Path, *more: str) -> "subprocess.Popen[str]":
    words = ["--address", address, "--panel", str(panel), "--out", str(out), "--config", str(config), *STUDY, *more]
    return subprocess.Popen(
        [sys.executable, "-m", "volforecast", "submit", "new-issues", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_command_from_a_checkout(
    address: str, checkout: Path, panel: Path, quiet: dict[str, bytes], tmp_path: Path
) -> None:
    """Submitted twice at the same time it is one job; and again afterwards it finds everything done."""
    out, config = tmp_path / "out", short_config(checkout)
    options = ("--working-dir", str(checkout))
    both = [submission(address, panel, out, config, *options) for _ in range(2)]
    said = [one.communicate(timeout=150) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert files(out) == quiet
    jobs = [info.submission_id for info in connect(address).list_jobs() if info.submission_id]
    assert len(jobs) == 1
    assert f"submitted as {jobs[0]}" in said[0][1]
    assert f"submitted as {jobs[0]}" in said[1][1]
    total = len(ResultStore(str(out)).plan().units)
    assert f"{total} of {total} units are committed" in said[0][1]


def test_stopped_within_its_grace_and_submitted_again(
    address: str, panel: Path, quiet: dict[str, bytes], tmp_path: Path
) -> None:
    """The job stop of Ray: SIGTERM, and three seconds later the end. Settings travel without a checkout."""
    out, config = tmp_path / "out", short_config(tmp_path)
    first = submission(address, panel, out, config)
    store = tmp_path / "out" / "commits"
    until(lambda: store.is_dir() and len(list(store.iterdir())) >= 2, 100)
    client = connect(address)
    (job,) = (info.submission_id for info in client.list_jobs() if not info.status.is_terminal())
    began = time.monotonic()
    client.stop_job(job)
    until(lambda: client.get_job_info(job).status.is_terminal(), 30)
    took = time.monotonic() - began
    said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    info = client.get_job_info(job)
    assert took < GRACE + 3, f"{info} took {took:.1f} s"
    done = {path: path.stat().st_mtime_ns for path in store.iterdir()}
    second = submission(address, panel, out, config)
    said = second.communicate(timeout=150)
    assert second.returncode == 0, said
    assert f"submitted as {job[:-1]}2" in said[1]
    assert files(out) == quiet
    assert done.items() <= {path: path.stat().st_mtime_ns for path in store.iterdir()}.items()


def test_wrong_input_is_told_and_not_tried_again(address: str, panel: Path, tmp_path: Path) -> None:
    process = submission(address, tmp_path / "nowhere", tmp_path / "out", short_config(tmp_path))
    said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert "nowhere" in said[1]
    assert said[1].count("submitted as") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--panel", "panel", "--out", "/tmp/out"], "--panel: panel would lie in the job's own folder"),
        (["--panel", "/tmp/panel", "--out", "out"], "--out: out would lie in the job's own folder"),
        (["--panel", "/tmp/p", "--out", "/tmp/o", "--working-dir", "/tmp"], "no checkout of volforecast"),
        (["--panel", "/tmp/p", "--out", "/tmp/o", "--models", "LSTM"], "'LSTM' fits no model"),
        (["--panel", "/tmp/p", "--out", "/tmp/o", "--address", "http://127.0.0.1:1"], "no Ray cluster takes jobs"),
    ],
)
def test_what_cannot_run_there_is_not_sent(
    capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(["submit", "new-issues", *words]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1

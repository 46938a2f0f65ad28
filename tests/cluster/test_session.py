"""The private Ray: nobody else can reach it, it says nothing, and nothing is left of it."""

import ipaddress
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.session import LONGEST, THREADS, ray_session, short_folder

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A temporary folder below which Ray's sockets fit; pytest's own are too long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_private_ray(short_path: Path) -> None:
    """In a process of its own, with the settings a user has: none."""
    out = short_path / "found.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.cluster.private_session", str(out)],
        env=environment | {"TMPDIR": str(short_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    found = json.loads(out.read_text())
    assert found["died"], "the worker that dies is what Ray would have talked about"
    assert found["usage statistics"] is False
    assert found["listening"].keys() >= {"gcs_server", "raylet"}
    for name, addresses in found["listening"].items():
        for text in addresses:
            address = ipaddress.ip_address(text)
            inner = getattr(address, "ipv4_mapped", None) or address
            assert inner.is_loopback, f"{name} listens at {text}"
    assert (found["authentication"], found["token"]) == ("token", 64)
    assert found["threads"] == THREADS
    assert found["cpus"] == 1
    assert found["folder"].startswith(str(short_path))
    assert found["folder is left"] is False
    assert found["environment is as before"] is True
    assert found["processes left"] == 0
    assert list(short_path.iterdir()) == [out]


def test_sockets_fit_below_any_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("a" * 80)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with short_folder() as folder:
        assert Path(folder).is_dir()
        assert len(folder) <= LONGEST + 12
    assert not Path(folder).exists()


def test_what_a_killed_driver_left_is_removed_and_nothing_else(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short_path))
    killed = short_path / "vf-killed"
    for folder in (killed / "session", short_path / "vf-not-ours", short_path / "other"):
        folder.mkdir(parents=True)
    (killed / "claim").touch()
    with short_folder() as first, short_folder() as second:
        assert {path.name for path in short_path.iterdir()} == {
            "vf-not-ours",
            "other",
            Path(first).name,
            Path(second).name,
        }
    assert {path.name for path in short_path.iterdir()} == {"vf-not-ours", "other"}


def test_a_cluster_that_is_not_there_is_not_waited_for() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: no other process can answer there
        port = nobody.getsockname()[1]
        script = (
            "from cluster.session import ray_session\nfrom cluster.errors import ClusterError\n"
            f"try:\n with ray_session('127.0.0.1:{port}'): pass\nexcept ClusterError as error: print(error)"
        )
        began = time.monotonic()
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert f"no Ray cluster answers at 127.0.0.1:{port}" in ended.stdout
    assert time.monotonic() - began < 30


def test_a_ray_that_runs_already_is_used_and_left_alone(private_ray: None) -> None:
    import ray

    before = ray.get_runtime_context().get_node_id()
    with ray_session(workers=7):
        assert ray.get_runtime_context().get_node_id() == before
        assert ray.cluster_resources()["CPU"] == 2
    assert ray.is_initialized()


def test_a_private_ray_that_cannot_start_says_so(short_path: Path) -> None:
    script = (
        "from cluster.session import ray_session\nfrom cluster.errors import ClusterError\n"
        "try:\n with ray_session(workers=1, object_store_mib=1): pass\nexcept ClusterError as error: print(error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"TMPDIR": str(short_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "the private Ray did not start" in ended.stdout
    assert list(short_path.iterdir()) == []

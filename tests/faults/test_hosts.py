"""A study over hosts with networks of their own and S3 between them, one of which is cut off."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from cluster.objects import Objects
from tests.cluster.toy_study import Trouble, until
from tests.faults.hosts import Hosts, several_hosts, unable

pytestmark = [pytest.mark.cluster, pytest.mark.s3, pytest.mark.timeout(180)]

BLIP = 2.0  # seconds
GIVEN_UP = {"RAY_health_check_failure_threshold": "10"}  # after five seconds without an answer


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    if missing := unable():
        pytest.skip(f"{missing}; tests/faults/test_machines.py does the same with raylets on one network")
    with several_hosts(**GIVEN_UP) as hosts:
        yield hosts


@pytest.fixture(scope="module")
def bucket(hosts: Hosts) -> Iterator[str]:
    """A bucket on an S3 server that all hosts reach, and this process too."""
    server = ThreadedMotoServer(ip_address=hosts.gateway, port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "nobody")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        boto3.client("s3").create_bucket(Bucket="hosts")
        yield "s3://hosts"
    server.stop()


def objects(url: str) -> dict[str, bytes]:
    """All that a run has left on S3 but the history of its failures."""
    store = Objects(url)
    found = {name: store.read(name) for name in ("plan.json", "study.json")}
    for folder in ("parts", "commits", "tables"):
        found |= {f"{folder}/{name}": store.read(f"{folder}/{name}") for name in store.names(folder)}
    return {name: payload for name, payload in found.items() if payload is not None}


class Run:
    """A toy run driven from the head, with two units that wait, one on each worker."""

    def __init__(self, hosts: Hosts, out: str, folder: Path) -> None:
        self.folder = folder
        trouble = Trouble({"fit/2": "wait", "fit/3": "wait"}, folder=str(folder))
        words = [sys.executable, "-m", "tests.cluster.toy_driver", out, msgspec.json.encode(trouble).decode()]
        s3 = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        self.process = hosts.head.run([*words, hosts.address], **hosts.environment, **s3, S3_REQUEST_TIMEOUT="3")

    def waiting(self) -> list[int]:
        """The processes in which the two units wait."""
        signs = [self.folder / "fit-2", self.folder / "fit-3"]

        def there() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return all(sign.exists() for sign in signs)

        until(there)
        return [int(sign.read_text()) for sign in signs]

    def ends(self) -> None:
        """It must end well."""
        said = self.process.communicate(timeout=90)
        assert self.process.returncode == 0, said

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def test_a_blip_is_survived(hosts: Hosts, bucket: str, quiet: dict[str, bytes], tmp_path: Path) -> None:
    """The link is down for a moment while a unit computes: nothing is lost, and nothing done twice."""
    url = f"{bucket}/blip"
    with Run(hosts, url, tmp_path) as run:
        host = hosts.of(run.waiting()[0])
        host.cut()
        end = time.monotonic() + BLIP
        until(lambda: time.monotonic() > end)
        host.mend()
        (tmp_path / "go").touch()
        run.ends()
    assert objects(url) == quiet
    assert Objects(url).names("failures") == []


def test_a_host_that_is_cut_off_and_comes_back(
    hosts: Hosts, bucket: str, quiet: dict[str, bytes], tmp_path: Path
) -> None:
    """The other host does its work; when the link is back, what the lost one had begun arrives too late."""
    url = f"{bucket}/cut"
    with Run(hosts, url, tmp_path) as run:
        lost = run.waiting()[0]
        host = hosts.of(lost)
        host.cut()
        (tmp_path / "go").touch()
        began = time.monotonic()
        run.ends()
        print(f"finished {time.monotonic() - began:.1f} s after the cut")
    assert objects(url) == quiet
    ledger = [json.loads(Objects(url).read(f"failures/{name}") or b"") for name in Objects(url).names("failures")]
    assert {entry["name"] for entry in ledger} <= {"fit/2", "fit/3"}
    assert all("NodeDiedError" in entry["reason"] for entry in ledger), ledger
    host.mend()
    until(lambda: lost not in host.processes(), 30)  # it commits or gives up, and ends without its raylet
    assert objects(url) == quiet

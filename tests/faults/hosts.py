"""Several hosts on one machine: network namespaces with one Ray each, on a bridge, with links that can be cut.

Needs root and ``ip``; :func:`unable` says what is missing.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster.session import THREADS
from tests.cluster.toy_study import until
from tests.faults.machines import ROOT, SOON

# a call over a link that is cut fails after seconds, or what runs there stays pending long after its host is given up
ALIVE = {f"RAY_grpc_{side}keepalive_{what}_ms": "2000" for side in ("", "client_") for what in ("time", "timeout")}


def unable() -> str:
    """Why there can be no namespaces here, or nothing."""
    if shutil.which("ip") is None:
        return "ip (iproute2) is not installed"
    name = f"vf{os.getpid()}t"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"network namespaces are not allowed here ({made.stderr.strip()})"
    ip("netns", "del", name)
    return ""


def ip(*words: str) -> None:
    """Run ``ip``."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Host:
    """A namespace with an address of its own."""

    def __init__(self, number: int, bridge: str, net: str, folder: Path) -> None:
        self.name, self.link = f"{bridge}h{number}", f"{bridge}v{number}"
        self.address = f"{net}.{number + 2}"
        self.folder = folder / str(number)
        self.folder.mkdir()
        inner = f"{self.link}i"
        ip("netns", "add", self.name)
        ip("link", "add", self.link, "type", "veth", "peer", "name", inner)
        ip("link", "set", inner, "netns", self.name)
        ip("link", "set", self.link, "master", bridge, "up")
        for words in (f"addr add {self.address}/24 dev {inner}", f"link set {inner} up", "link set lo up"):
            ip("-n", self.name, *words.split())

    def run(self, words: list[str], **environment: str) -> "subprocess.Popen[str]":
        """Start a process on this host."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *words],
            env=os.environ | environment | {"RAY_TMPDIR": str(self.folder)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def cut(self) -> None:
        """Take its link down: nothing arrives any more, and nobody is told."""
        ip("link", "set", self.link, "down")

    def mend(self) -> None:
        """Put its link up again."""
        ip("link", "set", self.link, "up")

    def processes(self) -> list[int]:
        """All that runs there."""
        found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return [int(word) for word in found.stdout.split()]

    def end(self) -> None:
        """End everything that runs there, and the host."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not self.processes())
        ip("netns", "del", self.name)  # the link goes with it


class Hosts:
    """A head without CPUs and two workers with one each; S3 would be at ``gateway``."""

    def __init__(self, hosts: list[Host], gateway: str, environment: dict[str, str]) -> None:
        self.head, self.workers = hosts[0], hosts[1:]
        self.gateway = gateway
        self.environment = environment
        self.address = f"{self.head.address}:6379"
        self._start(self.head, "--head", "--port=6379", "--num-cpus=0", "--include-dashboard=false")
        for worker in self.workers:
            self._start(worker, f"--address={self.address}", "--num-cpus=1")

    def _start(self, host: Host, *words: str) -> None:
        ray = str(Path(sys.executable).with_name("ray"))
        common = ["--disable-usage-stats", f"--node-ip-address={host.address}", "--object-store-memory=80000000"]
        process = host.run(
            [ray, "start", *common, "--min-worker-port=0", "--max-worker-port=0", *words], **self.environment
        )
        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said

    def of(self, pid: int) -> Host:
        """The host on which a process runs."""
        return next(host for host in self.workers if pid in host.processes())


@contextmanager
def several_hosts(**environment: str) -> Iterator[Hosts]:
    """Three hosts for as long as the block lasts; all their processes have these variables."""
    bridge, net = f"vf{os.getpid() % 10_000}", f"10.{77 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # several machines, unlike the rest of the tests: 127.0.0.1 would not do
    several = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    everywhere = {**THREADS, **SOON, **ALIVE, **several, "PYTHONPATH": path, **environment}
    hosts: list[Host] = []
    with tempfile.TemporaryDirectory(prefix="vf", dir="/tmp") as folder:
        ip("link", "add", bridge, "type", "bridge")
        try:
            ip("addr", "add", f"{net}.1/24", "dev", bridge)
            ip("link", "set", bridge, "up")
            for number in range(3):
                hosts.append(Host(number, bridge, net, Path(folder)))
            yield Hosts(hosts, f"{net}.1", everywhere)
        finally:
            for host in hosts:
                host.end()
            ip("link", "del", bridge)

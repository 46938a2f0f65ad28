"""Several machines on one: Ray's own test cluster, and drivers beside it as processes of their own."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster.session import ALONE, LOOPBACK, THREADS
from tests.cluster.toy_study import ToyStudy, Trouble, toy_data, until

ROOT = Path(__file__).parent.parent.parent
# a machine counts as dead after two seconds and not fourteen
SOON = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}
STORE = 80 << 20


class Machines:
    """A head without CPUs and workers with one each."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.cluster: Any = None
        self.start()

    def start(self) -> None:
        """A new head, alone."""
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "temp_dir": tempfile.mkdtemp(dir=self.folder), "include_dashboard": False}
        self.cluster = Cluster(True, head_node_args=self._node(**head), shutdown_at_exit=False)

    @property
    def address(self) -> str:
        """Where drivers find it."""
        return str(self.cluster.address)

    @property
    def workers(self) -> list[Any]:
        """The machines beside the head."""
        return list(self.cluster.worker_nodes)

    def have(self, count: int) -> None:
        """Add workers until there are so many that live."""
        for worker in self.workers:
            if worker.dead_processes():
                self.lose(worker)
        while len(self.workers) < count:
            self.cluster.add_node(**self._node(num_cpus=1))

    def lose(self, worker: Any) -> None:
        """A machine is gone from one moment to the next, and all its processes with it."""
        self.cluster.remove_node(worker, allow_graceful=False)

    def lose_head(self) -> None:
        """The head is gone, and with it all that the cluster knew."""
        self.cluster.remove_node(self.cluster.head_node, allow_graceful=False)

    def kill_raylet(self, worker: Any) -> None:
        """A machine's raylet alone dies; the processes it had started live on."""
        process = worker.all_processes["raylet"][0].process
        process.kill()
        process.wait()

    def of(self, pid: int) -> Any:
        """The machine on which a Ray worker process runs."""
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        return next(node for node in self.workers if node.all_processes["raylet"][0].process.pid == parent)

    def end(self) -> None:
        """End everything that was started here."""
        if self.cluster.head_node is not None:
            self.cluster.shutdown()
        else:
            for worker in self.workers:
                self.lose(worker)

    def _node(self, **more: Any) -> dict[str, Any]:
        return {"node_ip_address": LOOPBACK, "object_store_memory": STORE, **more}


@contextmanager
def several_machines(**environment: str) -> Iterator[Machines]:
    """A cluster for as long as the block lasts; all its processes have these variables."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="vf", dir="/tmp") as folder:
        for name, value in {**THREADS, **ALONE, **SOON, "PYTHONPATH": path, **environment}.items():
            patch.setenv(name, value)
        machines = Machines(folder)
        try:
            yield machines
        finally:
            machines.end()


class Driver:
    """A toy run in a process of its own."""

    def __init__(self, out: Path | str, trouble: Trouble, address: str = "", **environment: str) -> None:
        words = [str(out), msgspec.json.encode(trouble).decode(), *([address] if address else [])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cluster.toy_driver", *words],
            env=os.environ | environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def waits_for(self, *signs: Path) -> list[int]:
        """Wait until units have left their signs; the numbers of their processes."""

        def there() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return all(sign.exists() for sign in signs)

        until(there)
        return [int(sign.read_text()) for sign in signs]

    def ends(self, patience: float = 60.0) -> tuple[int, str]:
        """Its exit code and what it said."""
        said = self.process.communicate(timeout=patience)
        return self.process.returncode, "".join(said)

    def kill(self) -> None:
        """End it without a word, if it has not ended."""
        self.process.kill()
        self.process.communicate()


def ledger(out: Path) -> dict[str, int]:
    """How many entries each unit of a toy run has in the ledger, by its name."""
    names = {unit.key: unit.name for unit in ToyStudy().plan(toy_data()).units}
    return {names[folder.name]: len(list(folder.iterdir())) for folder in out.glob("failures/*")}


def kill(pid: int) -> None:
    """End a process from one moment to the next."""
    os.kill(pid, signal.SIGKILL)

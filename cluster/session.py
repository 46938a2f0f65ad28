"""A Ray that is quiet and private unless an address says otherwise."""

import fcntl
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from cluster.errors import ClusterError, ClusterLostError

# every library that starts threads of its own; a unit gets the CPUs it asked for and no more
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
# where s3:// addresses lead: workers must go where the driver goes. Credentials are each machine's own and never travel
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "S3_REQUEST_TIMEOUT")
LOOPBACK = "127.0.0.1"
# with "no cluster of several machines" Ray leaves 127.0.0.1 alone and all its processes listen there only; otherwise it
# rewrites it to the host's public address, and at any other address, 127.0.0.2 too, it listens on all interfaces
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
LONGEST = 30  # characters of a temporary folder's path that leave Ray enough for its sockets
MIB = 1 << 20
ANSWER_SECONDS = 20.0  # a question to a head that is there takes milliseconds; Ray gives up on one that is not after 60
Answer = TypeVar("Answer")
_private_folders: list[str] = []  # of the private Ray, where there is one


@contextmanager
def ray_session(
    address: str | None = None,
    workers: int | None = None,
    object_store_mib: int | None = None,
    gpus: int | None = None,
) -> Iterator[None]:
    """Connect to the cluster at ``address``, or start a private Ray on this machine for as long as the block lasts.

    The private Ray sends no usage statistics, listens on loopback with a token of its own, shows no dashboard, and
    keeps its files in a temporary folder that is removed afterwards. A Ray that this process has already started is
    used as it is.

    Args:
        address: ``host:port``, ``auto``, or ``ray://host:port``; None starts a private Ray.
        workers: CPUs of the private Ray; None takes all of this machine.
        object_store_mib: Memory for shared data in the private Ray.
        gpus: GPUs of the private Ray; None takes those it finds.

    Raises:
        ClusterError: There is no cluster at the address, or the private Ray does not start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Ray prints what it notices (a worker that died) on standard output, which is for results; the ledger has it too
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    # when a run stops at the first error, what its other tasks say has no reader
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # ray reads its settings once, when it is first imported
    with environment(ALONE if address is None else {}):
        import ray

    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    with _private(workers, object_store_mib, gpus) if address is None else _connected(address):
        yield


@contextmanager
def _connected(address: str) -> Iterator[None]:
    import ray
    from ray.exceptions import RayError

    variables = THREADS | {name: os.environ[name] for name in ENDPOINTS if name in os.environ}
    try:
        _knock(address)
        with _sigterm_kept():
            ray.init(address=address, runtime_env={"env_vars": variables}, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError, RayError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ClusterError(f"no Ray cluster answers at {address} ({reason}); check --address") from error
    try:
        yield
    except ClusterLostError:
        with suppress(ClusterLostError):
            in_time(ray.shutdown)
        raise
    except BaseException:
        ray.shutdown()
        raise
    ray.shutdown()


def _knock(address: str) -> None:
    """Raise if nobody listens at ``host:port``: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _private(workers: int | None, object_store_mib: int | None, gpus: int | None) -> Iterator[None]:
    import ray

    with short_folder() as folder:
        _check_disk(folder)  # Ray would try for half a minute
        try:
            try:
                # inherited by the workers: cheaper than a runtime environment
                with environment(THREADS | ALONE), _sigterm_kept():
                    ray.init(
                        address="local",
                        num_cpus=workers,
                        num_gpus=gpus,
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level="ERROR",
                        object_store_memory=None if object_store_mib is None else object_store_mib * MIB,
                        _node_ip_address=LOOPBACK,
                        _temp_dir=folder,
                    )
            except Exception as error:  # Ray raises it bare where its processes do not come up
                _check_disk(folder)
                reason = " ".join(str(error).split())[:200]
                raise ClusterError(f"the private Ray did not start ({type(error).__name__}: {reason})") from error
            _private_folders.append(folder)
            yield
        finally:
            _private_folders.clear()
            ray.shutdown()


def check_disk() -> None:
    """Look at the disk below the private Ray's temporary folder: without it workers die and say nothing of why.

    Raises:
        ClusterLostError: It is full.
    """
    for folder in _private_folders:
        _check_disk(folder)


def _check_disk(folder: str) -> None:
    if shutil.disk_usage(folder).free < MIB:
        raise ClusterLostError(
            f"the disk below {folder} is full, and Ray can start no worker then; make room there or set TMPDIR to "
            "another disk, and run the same command again: what is committed stays"
        )


@contextmanager
def short_folder() -> Iterator[str]:
    """A temporary folder below which Ray can put its sockets, whose paths may have 107 characters.

    Folders of drivers that were killed before they could remove them are removed first: spilled data may fill a disk.
    """
    usual = Path(tempfile.gettempdir())
    parent = usual if len(str(usual)) <= LONGEST else Path("/tmp")
    for claim in parent.glob("vf-*/claim"):
        with suppress(OSError), open(claim, opener=_of_ours) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by its driver for as long as that lives
            shutil.rmtree(claim.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="vf-", dir=parent))
    try:
        with (folder / "claimed-soon").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            (folder / "claimed-soon").rename(folder / "claim")  # nobody sees it before it is held
            yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _of_ours(path: str, flags: int) -> int:
    """Open a file of this user's; a pipe or a link that another put there must not be waited for or followed."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
    if os.fstat(descriptor).st_uid != os.getuid():
        os.close(descriptor)
        raise PermissionError(f"{path} is another user's")
    return descriptor


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for as long as the block lasts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Give SIGTERM back to the driver that had it: Ray takes it for itself when it starts, and would exit with 1."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        # while an interruption is under way it is ignored, and stays so
        if main and callable(before) and signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, before)


def in_time(question: Callable[[], Answer]) -> Answer:
    """What Ray answers, who waits for a head that has gone until it ends the whole process, without a word.

    Raises:
        ClusterLostError: It has taken too long.
    """
    answers: list[Answer] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            answers.append(question())
        except Exception as error:
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    if errors:
        raise errors[0]
    if not answers:
        raise ClusterLostError(
            f"the cluster's head has not answered for {ANSWER_SECONDS:.0f} s; what is committed stays: run the same "
            "command again when there is a cluster"
        )
    return answers[0]


def cpus() -> int:
    """CPUs of the connected cluster, now (it may grow); 1 where there is none yet."""
    return max(1, cpus_alive())


def cpus_alive() -> int:
    """CPUs of the machines that are alive, now."""
    import ray

    return int(in_time(ray.cluster_resources).get("CPU", 0))


def machines() -> set[str]:
    """Names of the machines that are alive, now."""
    import ray

    return {node["NodeID"] for node in in_time(ray.nodes) if node["Alive"]}


def head() -> Callable[[], bool]:
    """A question: does somebody listen at the address of the cluster's head?"""
    import ray

    if ray.util.client.ray.is_connected():
        return lambda: True  # a proxy that goes away ends the connection with an error of its own
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")

    def answers() -> bool:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        except OSError:
            return False
        return True

    return answers


def memory() -> float | None:
    """Bytes for tasks on the largest machine of the cluster that runs any; None where there is none yet."""
    import ray

    able = [node["Resources"] for node in in_time(ray.nodes) if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    return max((float(resources.get("memory", 0.0)) for resources in able), default=None)


def shared_memory() -> tuple[float, int]:
    """Bytes of shared memory on the machine that has the least, of those that run tasks, and how many they are."""
    import ray

    able = [node["Resources"] for node in in_time(ray.nodes) if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
    return min((float(has["object_store_memory"]) for has in able), default=float("inf")), max(1, len(able))


def object_sizes(refs: list[Any]) -> list[int]:
    """Bytes of shared memory that objects of this driver take; 0 for small ones, and behind a client's proxy."""
    import ray
    from ray.experimental import get_object_locations

    if ray.util.client.ray.is_connected():
        return [0] * len(refs)
    found = get_object_locations(refs)
    return [found[ref].get("object_size") or 0 for ref in refs]


def gpus() -> float:
    """GPUs of the connected cluster, now."""
    import ray

    return float(in_time(ray.cluster_resources).get("GPU", 0.0))

"""A Ray that is quiet and private unless an address says otherwise."""

import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# every library that starts threads of its own; a unit gets the CPUs it asked for and no more
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
LOOPBACK = "127.0.0.2"  # Ray rewrites 127.0.0.1 to the host's public address
MIB = 1 << 20


@contextmanager
def ray_session(
    address: str | None = None, workers: int | None = None, object_store_mib: int | None = None
) -> Iterator[None]:
    """Connect to the cluster at ``address``, or start a private Ray on this machine for as long as the block lasts.

    The private Ray sends no usage statistics, listens on loopback with a token of its own, shows no dashboard, and
    keeps its files in a temporary folder that is removed afterwards. A Ray that this process has already started is
    used as it is.

    Args:
        address: ``host:port``, ``auto``, or ``ray://host:port``; None starts a private Ray.
        workers: CPUs of the private Ray; None takes all of this machine.
        object_store_mib: Memory for shared data in the private Ray.

    Raises:
        ClusterError: There is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        # read once, when ray is first imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    from cluster.errors import ClusterError

    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray").setLevel(logging.ERROR)
    runtime_env = {"env_vars": THREADS}
    if address is not None:
        try:
            ray.init(address=address, runtime_env=runtime_env, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ClusterError(f"no Ray cluster answers at {address} ({reason}); check --address") from error
        try:
            yield
        finally:
            ray.shutdown()
        return
    folder = tempfile.mkdtemp(prefix="vf-")  # short: Ray puts sockets below it, whose paths may have 107 characters
    try:
        os.environ.update(THREADS)  # inherited by the workers: cheaper than a runtime environment
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            object_store_memory=None if object_store_mib is None else object_store_mib * MIB,
            _node_ip_address=LOOPBACK,
            _temp_dir=folder,
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def cpus() -> int:
    """CPUs of the connected cluster, now (it may grow)."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def gpus() -> float:
    """GPUs of the connected cluster, now."""
    import ray

    return float(ray.cluster_resources().get("GPU", 0.0))

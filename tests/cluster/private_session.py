"""A process that starts the private Ray and writes what it finds: ``python -m tests.cluster.private_session OUT``."""

import ipaddress
import json
import os
import sys
from pathlib import Path

from cluster.session import ALONE, THREADS, ray_session

LISTENS = "0A"


def family(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def listening(pids: list[int]) -> dict[str, list[str]]:
    """Addresses at which processes listen, by the name of the process."""
    addresses: dict[str, str] = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS:
                # the kernel writes 32-bit words as the machine stores them
                raw = bytes.fromhex(words[1].split(":")[0])
                address = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
                addresses[words[9]] = str(ipaddress.ip_address(address))
    found: dict[str, list[str]] = {}
    for pid in pids:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(descriptor)
            except FileNotFoundError:
                continue
            inode = target.removeprefix("socket:[").removesuffix("]")
            if target.startswith("socket:[") and inode in addresses:
                found.setdefault(name, []).append(addresses[inode])
    return found


def main(out: str) -> None:
    names = [*THREADS, *ALONE]
    before = [os.environ.get(name) for name in names]
    with ray_session(workers=1, object_store_mib=100):
        import ray
        from ray._common.usage.usage_lib import usage_stats_enabled

        @ray.remote(max_retries=0)
        def work() -> dict[str, str | None]:
            print("a worker prints")
            print("a worker complains", file=sys.stderr)
            return {name: os.environ.get(name) for name in THREADS}

        @ray.remote(max_retries=0)
        def die() -> None:
            os._exit(1)

        threads = ray.get(work.remote())
        died = isinstance(ray.get(ray.remote(_outcome).remote([die.remote()])), str)
        context = ray.get_runtime_context()
        found = {
            "usage statistics": usage_stats_enabled(),
            "listening": listening(family(os.getpid())),
            "gcs": context.gcs_address,
            "authentication": os.environ["RAY_AUTH_MODE"],
            "token": len(os.environ["RAY_AUTH_TOKEN"]),
            "threads": threads,
            "died": died,
            "folder": ray._private.worker._global_node.get_temp_dir_path(),
            "cpus": ray.cluster_resources()["CPU"],
        }
        assert Path(found["folder"]).is_dir()
    found["folder is left"] = Path(found["folder"]).exists()
    found["environment is as before"] = before == [os.environ.get(name) for name in names]
    found["processes left"] = len(family(os.getpid())) - 1
    Path(out).write_text(json.dumps(found))


def _outcome(refs: list[object]) -> str:
    import ray

    try:
        ray.get(refs[0])
    except ray.exceptions.WorkerCrashedError as error:
        return str(error)
    raise AssertionError("it did not die")


if __name__ == "__main__":
    main(*sys.argv[1:])

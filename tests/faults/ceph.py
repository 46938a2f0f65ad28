"""A real S3 server for tests: Ceph's gateway with a monitor and one store in memory, on loopback, gone afterwards.

Debian and Ubuntu have it: :data:`INSTALL`. It is up in 12 s, takes 200 MB and leaves nothing behind.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

INSTALL = "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common"
PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "monmaptool")
ACCESS_KEY, SECRET_KEY = "nobody", "a-secret-for-tests-only"
PATIENCE = 120.0  # seconds to come up; usually fifteen

SETTINGS = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{monitor}
auth cluster required = none
auth service required = none
auth client required = none
# in the clear, or the messengers ask for keys of their own
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/keyring
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
run dir = {folder}
crash dir = {folder}
osd objectstore = memstore
memstore device bytes = 1073741824
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default pg autoscale mode = off
rgw frontends = beast endpoint=127.0.0.1:{gateway}
"""


def missing_programs() -> list[str]:
    """Programs of Ceph that are not installed here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def ceph() -> Iterator[str]:
    """A running gateway with one user, :data:`ACCESS_KEY`, in a temporary folder; gives its address.

    Raises:
        RuntimeError: It did not come up; the message has the ends of the logs.
    """
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory(prefix="ceph-")))
        monitor, gateway = _free_ports(2)
        fsid = str(uuid4())
        settings = SETTINGS.format(fsid=fsid, folder=folder, monitor=monitor, gateway=gateway)
        (folder / "ceph.conf").write_text(settings)
        (folder / "keyring").touch()  # asked for even where nobody signs
        for name in ("mon", "osd"):
            (folder / name).mkdir()
        mon = ("-i", "a", "--mon-data", f"{folder}/mon")
        osd = ("-i", "0", "--osd-data", f"{folder}/osd", "--osd-uuid", uuid := str(uuid4()))
        monitors = ("--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{monitor}]", f"{folder}/monmap")
        _call(folder, "monmaptool", "--create", *monitors)
        _call(folder, "ceph-mon", "--mkfs", *mon, "--monmap", f"{folder}/monmap")
        running.enter_context(_process(folder, "ceph-mon", *mon))
        _call(folder, "ceph", "osd", "new", uuid)
        _call(folder, "ceph-osd", "--mkfs", *osd)
        # a store that speaks before it has learnt the monitor's fsid is turned away and ends: it may try again
        if not any(_is_up(folder, running.enter_context(_process(folder, "ceph-osd", *osd))) for _ in range(10)):
            raise RuntimeError(f"ceph-osd: ended ten times\n{_logs(folder)}")
        user = ("--uid=tests", "--display-name=tests", f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}")
        _call(folder, "radosgw-admin", "user", "create", *user)
        running.enter_context(_process(folder, "radosgw", "-n", "client.gateway"))
        url = f"http://127.0.0.1:{gateway}"
        _await_answer(folder, url)
        yield url


@contextmanager
def _process(folder: Path, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{program}.out").open("wb") as out:
        command = [program, "--foreground", *arguments]
        process = subprocess.Popen(command, stdout=out, stderr=out, env=_environment(folder))
        try:
            yield process
        finally:
            process.kill()  # nothing of it is to be kept
            process.wait()


def _is_up(folder: Path, store: subprocess.Popen[bytes]) -> bool:
    """Wait for a store that has just been started; False if it ends instead."""
    end = time.monotonic() + PATIENCE
    while store.poll() is None:
        if "1 up" in _call(folder, "ceph", "osd", "stat"):
            return True
        if time.monotonic() > end:
            raise RuntimeError(f"ceph-osd: not up in {PATIENCE:g} s\n{_logs(folder)}")
    return False


def _call(folder: Path, *command: str) -> str:
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=PATIENCE, env=_environment(folder)
        )
        return done.stdout
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{' '.join(command)}: {error.stderr[-2000:]}") from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{' '.join(command)}: no end in {PATIENCE:g} s\n{_logs(folder)}") from error


def _await_answer(folder: Path, url: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # whatever it says, it speaks
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url}: no answer in {PATIENCE:g} s\n{_logs(folder)}")


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "CEPH_CONF": str(folder / "ceph.conf")}


def _logs(folder: Path) -> str:
    return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in folder.glob("*.[lo]*"))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]

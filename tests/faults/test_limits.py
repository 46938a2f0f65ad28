"""Memory, shared memory and disks that run out: the unit or the disk is named, and with room the same command goes on.

A unit that devours memory runs in a memory cgroup, so that nothing outside it is in danger.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import pytest

from cluster.driver import Summary, run_study
from cluster.errors import ClusterError, StoreLostError
from cluster.session import MIB
from cluster.store import ResultStore
from tests.cluster.toy_study import ToyStudy, Trouble, files, toy_data, until
from tests.faults.machines import ROOT, Driver, kill

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

PAGE = os.sysconf("SC_PAGE_SIZE")
GROUPS = Path("/sys/fs/cgroup")
LIMIT = 2560 * MIB  # a private Ray takes 0.7 GiB, its workers 0.1 each; the rest is there to be devoured
# joins the group $0 and sees it in the place $1 of the machine's memory, as in a container
INSIDE = 'echo $$ > "$0/cgroup.procs" && mount --bind "$0" "$1" && shift && exec "$@"'
SMALLEST = 76 * MIB  # the least shared memory that Ray accepts
LARGE = 1_300_000  # rows that are a little more than that


def run(out: Path, trouble: Trouble | None = None, rows: int | None = None) -> Summary:
    data = toy_data() if rows is None else toy_data(rows)
    return run_study(ToyStudy(trouble=trouble or Trouble()), data, str(out), quiet=True)


@pytest.fixture
def disk() -> Iterator[Callable[[int], Path]]:
    """Disks of few bytes; the same size again, or another, for one that is there."""
    folders: list[Path] = []

    def disk(size: int) -> Path:
        folder = Path(mkdtemp(prefix="vf", dir="/tmp"))  # short enough for Ray's sockets
        folders.append(folder)
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
        return folder

    yield disk
    for folder in folders:
        if folder.is_mount():  # Ray's processes leave a moment after their driver
            until(lambda folder=folder: not subprocess.run(["umount", str(folder)], capture_output=True).returncode, 30)
        folder.rmdir()


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory cgroup below this process's own."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = {name: path for _, names, path in lines for name in names.split(",")}
    first = "memory" in own  # the older kind has a tree for each resource
    above = (GROUPS / "memory" if first else GROUPS) / own["memory" if first else ""].lstrip("/")
    settings = {"memory.limit_in_bytes": LIMIT, "memory.memsw.limit_in_bytes": LIMIT}
    settings = settings if first else {"memory.max": LIMIT, "memory.swap.max": 0}
    group = above / f"volforecast-{os.getpid()}"
    try:
        group.mkdir()
        for name, value in settings.items():
            if "sw" not in name or (group / name).exists():
                (group / name).write_text(str(value))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"no memory cgroup can be made here: {error}")
    yield group

    def empty() -> bool:
        with suppress(OSError):
            group.rmdir()
        return not group.exists()

    until(empty, 30)


class Confined(Driver):
    """A toy run, and its private Ray, in a memory cgroup."""

    def __init__(self, group: Path, out: Path, trouble: Trouble, **environment: str) -> None:
        words = [sys.executable, "-m", "tests.cluster.toy_driver", str(out), msgspec.json.encode(trouble).decode()]
        seen = GROUPS / "memory" if (GROUPS / "memory").is_dir() else GROUPS
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", INSIDE, str(group), str(seen), *words],
            env=os.environ | environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"RAY_memory_monitor_refresh_ms": "0"},
            "WorkerCrashedError: .* killed from outside, as the kernel does when memory runs out",
        ),
        pytest.param(
            {"RAY_memory_monitor_refresh_ms": "50", "RAY_memory_usage_threshold": "0.75"},
            "OutOfMemoryError: .* killed due to the node running low on memory",
            marks=pytest.mark.chaos,
        ),
    ],
    ids=["killed by the kernel", "killed by Ray"],
)
def test_a_unit_that_takes_all_memory_is_given_up_and_the_others_are_not(
    quiet: dict[str, bytes],
    start: Callable[..., Driver],
    group: Path,
    tmp_path: Path,
    settings: dict[str, str],
    reason: str,
) -> None:
    out = tmp_path / "out"
    trouble = Trouble({"fit/1": "devour"}, folder=str(tmp_path))
    code, said = start(group, out, trouble, kind=Confined, **settings).ends(100)
    assert code == 1, said
    assert "7 of 9 units" in said, "all others but the one that needs it"
    assert (tmp_path / "fit-1").read_text() == "xxx"
    ledger = {failure.name: (attempts, failure) for attempts, failure in ResultStore(str(out)).failures().values()}
    attempts, failure = ledger.pop("fit/1")
    assert (attempts, ledger) == (3, {})
    assert re.match(reason, failure.reason), failure.reason
    assert run(out).complete
    assert files(out, history=False) == quiet


class TestSharedMemory:
    @pytest.mark.chaos
    def test_full_and_the_disk_behind_it_too(
        self, start: Callable[..., Driver], disk: Callable[[int], Path], tmp_path: Path
    ) -> None:
        out, where = tmp_path / "out", disk(60 * MIB)
        driver = start(
            out,
            Trouble(),
            TMPDIR=str(where),
            TOY_ROWS=str(LARGE),
            RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES=str(SMALLEST),
        )
        code, said = driver.ends()
        assert code == 3, said
        assert "shared memory for the data is full, and so is the disk below Ray's temporary folder" in said
        assert "Traceback" not in said
        for folder in (out, tmp_path / "other"):
            code, said = start(folder, Trouble(), TOY_ROWS=str(LARGE)).ends()
            assert code == 0, said
        assert files(out) == files(tmp_path / "other")

    def test_data_that_do_not_fit_are_not_waited_for(self, private_ray: None, tmp_path: Path) -> None:
        with pytest.raises(ClusterError, match=r"data take 85 MiB .* stores 85 MiB more, and 160 MiB of one's 200 can"):
            run(tmp_path, rows=1_400_000)


class TestTheTemporaryDisk:
    def test_full_from_the_start(
        self, start: Callable[..., Driver], disk: Callable[[int], Path], tmp_path: Path
    ) -> None:
        where = disk(MIB // 2)
        code, said = start(tmp_path / "out", Trouble(), TMPDIR=str(where)).ends(30)
        assert code == 3, said
        assert f"the disk below {where}/vf-" in said
        assert len(said.splitlines()) == 1

    @pytest.mark.chaos
    def test_full_in_the_middle(
        self, quiet: dict[str, bytes], start: Callable[..., Driver], disk: Callable[[int], Path], tmp_path: Path
    ) -> None:
        """Workers that are killed then cannot be replaced; no unit is to blame."""
        out, where = tmp_path / "out", disk(20 * MIB)
        trouble = Trouble({"fit/2": "wait", "fit/3": "wait"}, folder=str(tmp_path))
        driver = start(out, trouble, TMPDIR=str(where))
        workers = driver.waits_for(tmp_path / "fit-2", tmp_path / "fit-3")
        with suppress(OSError), (where / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"x" * PAGE):
                pass
        for worker in workers:
            kill(worker)
        code, said = driver.ends(30)
        assert code == 3, said
        assert f"the disk below {where}/vf-" in said
        assert not (out / "failures").exists()
        assert run(out).complete
        assert files(out) == quiet


class TestTheResultsDisk:
    @pytest.mark.parametrize("pages", [1, 3, 12, 20])
    def test_full_at_some_point(self, quiet: dict[str, bytes], disk: Callable[[int], Path], pages: int) -> None:
        """After the plan, between a part and its commit, in the middle, before the tables; nothing is half written."""
        out = disk(pages * PAGE)
        with pytest.raises(StoreLostError, match=f"^{out}: cannot .*: the disk is full; make room"):
            run(out)
        assert files(out).items() < quiet.items()
        subprocess.run(["mount", "-o", f"remount,size={MIB}", str(out)], check=True)
        assert run(out).complete
        assert files(out) == quiet

    @pytest.mark.chaos
    def test_the_command_says_so(
        self, quiet: dict[str, bytes], start: Callable[..., Driver], disk: Callable[[int], Path]
    ) -> None:
        out = disk(6 * PAGE)
        code, said = start(out, Trouble()).ends()
        assert code == 3, said
        assert said.splitlines()[-1].startswith(f"{out}: cannot create")
        assert "the disk is full" in said
        assert "Traceback" not in said
        assert files(out).items() < quiet.items()

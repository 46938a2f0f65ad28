"""Everything at once, at random: runs over several machines whose results lie on an S3 that fails, and a killer.

``python -m tests.faults.chaos OUT STUDY [ADDRESS]`` is a driver (STUDY is JSON). It ends with 0 if all is done, 2 if
there is no such cluster, 3 if the cluster or the store was lost, 4 if some units failed; SIGUSR1 makes it tell where it
is.
"""

import faulthandler
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import boto3
import msgspec
from msgspec import Struct

from cluster import watch
from cluster.driver import run_study
from cluster.errors import ClusterError, ClusterLostError, StoreLostError
from tests.cluster.private_session import family
from tests.cluster.toy_study import ToyStudy, toy_data, until
from tests.faults.machines import ROOT, Machines, kill
from tests.faults.proxy import Proxy, Rule

BACKGROUND = (
    Rule("PutObject*", "lose", every=7),
    Rule("PutObject*", "reset", every=17),
    Rule("GetObject", "truncate", every=11),
    Rule("GetObject", "reset", every=13),
    Rule("ListObjectsV2*", "truncate", every=5),
    Rule("*", "answer", every=23),
)
OUTAGE = (Rule("*", "answer", first=1, last=1_000_000),)
# percent of these messages between Ray's processes that get lost on their way there, back, or while they are answered
MISHAPS = {"num_failures": -1, "req_failure_prob": 1, "resp_failure_prob": 1, "in_flight_failure_prob": 1}
MESSAGES = (
    "CoreWorkerService.grpc_client.PushTask",
    "CoreWorkerService.grpc_client.GetObjectStatus",
    "NodeManagerService.grpc_client.RequestWorkerLease",
    "NodeManagerService.grpc_client.ReturnWorkerLease",
)
RPC_CHAOS = {"RAY_testing_rpc_failure": msgspec.json.encode(dict.fromkeys(MESSAGES, MISHAPS)).decode()}
# how often each happens, beside the others
STRIKES = {
    "worker killed": 6.0,
    "source store killed": 3.0,
    "raylet killed": 2.0,
    "machine lost": 2.0,
    "worker frozen": 1.5,
    "raylet frozen": 1.5,
    "S3 outage": 1.0,
    "second driver": 0.8,
    "driver killed": 0.8,
    "head lost": 0.3,
}
PAUSE = (0.5, 6.0)  # seconds between two strikes
FROZEN = (0.5, 6.0)
MOST = 3  # machines that compute
HEAD_PATIENCE = 45.0  # within which drivers must have seen that the head has gone
STALLED = 150.0  # seconds without a commit or the driver's end are a hang
FINE, NO_CLUSTER, LOST, SOME_FAILED = 0, 2, 3, 4


class Figures(Struct):
    """What a session of chaos came to.

    ``detection`` is the longest time from a fault of a kind to the next commit or the driver's end, in seconds;
    ``lost`` counts commits that were there and went away; ``oddities`` are ends of drivers that nothing explains.
    """

    seed: int
    minutes: float = 0.0
    faults: Counter[str] = Counter()
    s3_faults: Counter[str] = Counter()
    runs: int = 0
    identical: int = 0
    units: int = 0
    entries: int = 0  # in the ledgers
    drivers: int = 0
    ends: Counter[str] = Counter()
    detection: dict[str, float] = {}
    seconds: list[float] = []
    lost: int = 0
    oddities: list[str] = []

    def table(self) -> str:
        """For people."""
        longest = ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in sorted(self.detection.items()))
        rows = {
            "seed": self.seed,
            "minutes": f"{self.minutes:.1f}",
            "faults": f"{self.faults.total()}: {_counted(self.faults)}",
            "S3 requests failed": f"{self.s3_faults.total()}: {_counted(self.s3_faults)}",
            "runs": self.runs,
            "byte-identical": self.identical,
            "units committed": self.units,
            "failed attempts in the ledgers": self.entries,
            "drivers started": self.drivers,
            "how they ended": _counted(self.ends),
            "slowest run, seconds": f"{max(self.seconds, default=0.0):.1f}",
            "longest time to the next progress, seconds": longest,
            "objects lost": self.lost,
        }
        return "\n".join(f"{name:44s}{value}" for name, value in rows.items())


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


class ChaosDriver:
    """A driver in a process of its own, that writes what it says into a file."""

    def __init__(self, log: Path, out: str, study: ToyStudy, address: str = "") -> None:
        self.log = log
        self.file: IO[bytes] = log.open("wb")
        words = [out, msgspec.json.encode(study).decode(), *([address] if address else [])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.chaos", *words], cwd=ROOT, stdout=self.file, stderr=subprocess.STDOUT
        )

    @property
    def code(self) -> int | None:
        """Its exit code, if it has ended."""
        return self.process.poll()

    def kill(self) -> None:
        """End it without a word, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self.file.close()

    def said(self, lines: int = 25) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def where(self) -> str:
        """Where it is, in every thread, and what it said before."""
        before = self.said(5)
        self.process.send_signal(signal.SIGUSR1)
        with suppress(TimeoutError):
            until(lambda: self.said(5) != before, 5)
        return before + "\n" + self.said(80)


class Chaos:
    """Runs, one after the other, and what happens to them.

    Args:
        seed: Of everything that is drawn; what comes of it depends on the machine's moods, too.
        machines: A cluster.
        proxy: In front of the S3 server, at ``upstream``; workers and drivers know only the proxy.
        folder: For what the drivers say.
        quiet: Every file of a run in which nothing went wrong.
    """

    def __init__(
        self,
        seed: int,
        study: ToyStudy,
        machines: Machines,
        proxy: Proxy,
        upstream: str,
        folder: Path,
        quiet: dict[str, bytes],
    ) -> None:
        self.dice = random.Random(seed)
        self.figures = Figures(seed)
        self.study, self.machines, self.proxy, self.folder, self.quiet = study, machines, proxy, folder, quiet
        self.s3 = boto3.client("s3", endpoint_url=upstream)
        self.rules: tuple[Rule, ...] = ()
        self.drivers: list[ChaosDriver] = []
        self.later: list[tuple[float, Any]] = []  # what is to be done, and when
        self.open: list[tuple[str, float]] = []  # faults after which nothing has moved on yet
        self.prefix = ""
        self.done: set[str] = set()
        self.moved = 0.0

    def go_on(self, minutes: float) -> Figures:
        """Runs for so long; the last one comes to its end.

        Raises:
            AssertionError: A run hangs, or its files are not those of a quiet one.
        """
        began = time.monotonic()
        self.use(*BACKGROUND)
        try:
            while time.monotonic() - began < 60 * minutes:
                self.one_run(self.figures.runs)
        finally:
            self.figures.minutes = (time.monotonic() - began) / 60
            self.use()
            for _, doing in self.later:
                doing()  # nothing stays frozen
            for driver in self.drivers:
                driver.kill()
        return self.figures

    def one_run(self, number: int) -> None:
        began = self.moved = time.monotonic()
        self.prefix, self.done, self.open = f"chaos/{self.figures.seed}/{number}", set(), []
        self.figures.runs += 1
        self.machines.have(2)
        self.start_driver()
        strike = began + self.dice.uniform(*PAUSE)
        while self.drivers:
            self.watch_commits()
            self.watch_drivers()
            now = time.monotonic()
            for entry in [entry for entry in self.later if entry[0] <= now]:
                self.later.remove(entry)
                entry[1]()
            if now >= strike and self.drivers:
                self.strike(self.dice.choices(list(STRIKES), list(STRIKES.values()))[0])
                strike = time.monotonic() + self.dice.uniform(*PAUSE)
            if now - self.moved > STALLED:
                where = "\n".join(driver.where() for driver in self.drivers)
                raise AssertionError(f"run {number} hangs; {len(self.done)} units are done\n{where}")
            time.sleep(0.1)
        self.figures.seconds.append(time.monotonic() - began)
        self.compare()

    def compare(self) -> None:
        """Whether the run ended as a quiet one."""
        files = dict(self.objects(""))
        history = {name for name in files if name.startswith(("failures/", "quarantine/"))}
        self.figures.entries += sum(name.startswith("failures/") for name in history)
        ours = {name: files[name] for name in files.keys() - history}
        apart = {name for name in ours.keys() | self.quiet.keys() if ours.get(name) != self.quiet.get(name)}
        assert not apart, f"run {self.prefix} differs from a quiet one in {sorted(apart)}"
        self.figures.identical += 1
        self.figures.units += len(self.done)

    def objects(self, below: str) -> Iterator[tuple[str, bytes]]:
        """Names below the run's folder and contents, as they are on S3."""
        for name in self.names(below):
            yield name, self.s3.get_object(Bucket="tests", Key=f"{self.prefix}/{name}")["Body"].read()

    def names(self, below: str) -> list[str]:
        listing = self.s3.list_objects_v2(Bucket="tests", Prefix=f"{self.prefix}/{below}")
        assert not listing["IsTruncated"]
        return [entry["Key"].removeprefix(f"{self.prefix}/") for entry in listing.get("Contents", [])]

    def watch_commits(self) -> None:
        done = set(self.names("commits/"))
        self.figures.lost += len(self.done - done)
        if done != self.done:
            self.done = done
            self.progress()

    def watch_drivers(self) -> None:
        """Who ends before all is done is started again."""
        for driver in [driver for driver in self.drivers if driver.code is not None]:
            self.ended(driver)
            if driver.code != FINE and not self.drivers:
                self.start_driver()

    def ended(self, driver: ChaosDriver) -> None:
        self.drivers.remove(driver)
        code = driver.process.wait()
        self.figures.ends[str(code)] += 1
        if code not in (FINE, NO_CLUSTER, LOST, SOME_FAILED, -signal.SIGKILL):
            self.figures.oddities.append(f"run {self.prefix}: a driver ended with {code}: {driver.said()}")
        driver.file.close()
        if code != -signal.SIGKILL:  # its death is no progress
            self.progress()

    def progress(self) -> None:
        self.moved = time.monotonic()
        for kind, since in self.open:
            self.figures.detection[kind] = max(self.figures.detection.get(kind, 0.0), self.moved - since)
        self.open = []

    def start_driver(self) -> None:
        log = self.folder / f"driver-{self.figures.drivers}.log"
        self.figures.drivers += 1
        self.drivers.append(ChaosDriver(log, f"s3://tests/{self.prefix}", self.study, self.machines.address))

    def use(self, *rules: Rule) -> None:
        """Other faults of S3 from now on."""
        for rule, hits in zip(self.rules, self.proxy.hits(), strict=True):
            self.figures.s3_faults[f"{rule.operation} {rule.action}"] += hits
        self.rules = rules
        self.proxy.use(*rules)

    # -- faults

    def strike(self, kind: str) -> None:
        """Let one happen, if there is whom it may happen to."""
        since = time.monotonic()
        match kind:
            case "worker killed":
                struck = self.end_one("ray::run_bundle", signal.SIGKILL)
            case "source store killed":
                struck = self.end_one("ray::SourceStore", signal.SIGKILL)
            case "worker frozen":
                struck = self.end_one("ray::run_bundle", signal.SIGSTOP)
            case "raylet frozen":
                struck = self.freeze(self.raylet(self.dice.choice(self.machines.workers)))
            case "raylet killed":
                struck = self.a_machine(self.machines.kill_raylet)
            case "machine lost":
                struck = self.a_machine(self.machines.lose)
            case "S3 outage":
                struck = self.outage()
            case "second driver":
                struck = len(self.drivers) == 1
                if struck:
                    self.start_driver()
            case "driver killed":
                struck = self.kill_driver()
            case "head lost":
                struck = self.lose_head()
            case _:
                raise ValueError(kind)
        if struck:
            self.figures.faults[kind] += 1
            if kind != "second driver":
                self.open.append((kind, since))

    def end_one(self, title: str, number: signal.Signals) -> bool:
        """Signal one of Ray's workers of this kind."""
        found = []
        for machine in self.machines.workers:
            for pid in family(self.raylet(machine))[1:]:
                with suppress(FileNotFoundError, ProcessLookupError):
                    if Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").startswith(title):
                        found.append(pid)
        if not found:
            return False
        pid = self.dice.choice(sorted(found))
        with suppress(ProcessLookupError):
            if number is signal.SIGSTOP:
                return self.freeze(pid)
            kill(pid)
            return True
        return False

    def freeze(self, pid: int) -> bool:
        """Stop a process for a while: its machine may take it for dead."""

        def thaw() -> None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        os.kill(pid, signal.SIGSTOP)
        self.later.append((time.monotonic() + self.dice.uniform(*FROZEN), thaw))
        return True

    def raylet(self, machine: Any) -> int:
        return int(machine.all_processes["raylet"][0].process.pid)

    def a_machine(self, doing: Any) -> bool:
        """Do it to one that lives; some time later there are two or three again."""
        alive = [machine for machine in self.machines.workers if not machine.dead_processes()]
        if not alive:
            return False
        doing(self.dice.choice(sorted(alive, key=self.raylet)))
        count = self.dice.randint(2, MOST)
        self.later.append((time.monotonic() + self.dice.uniform(0.0, 6.0), lambda: self.machines.have(count)))
        return True

    def outage(self) -> bool:
        if self.rules == OUTAGE:
            return False
        self.use(*OUTAGE)
        self.later.append((time.monotonic() + self.dice.uniform(0.5, 6.0), lambda: self.use(*BACKGROUND)))
        return True

    def kill_driver(self) -> bool:
        driver = self.dice.choice(self.drivers)
        if driver.code is not None:
            return False
        driver.kill()
        return True

    def lose_head(self) -> bool:
        """The drivers find out and end; a new cluster comes, and a new driver."""
        self.machines.lose_head()
        end = time.monotonic() + HEAD_PATIENCE
        for driver in self.drivers:
            while driver.code is None and time.monotonic() < end:
                time.sleep(0.1)
            if driver.code is None:
                self.figures.oddities.append(
                    f"{self.prefix}: a driver does not see that the head has gone {driver.where()}"
                )
                driver.kill()
        for _, doing in self.later:
            if doing.__name__ == "thaw":
                doing()
        self.later = [(when, doing) for when, doing in self.later if doing.__name__ != "thaw"]
        for machine in self.machines.workers:
            self.machines.lose(machine)
        self.machines.start()
        self.machines.have(2)
        return True


def main(out: str, study: str, address: str | None = None) -> int:
    """Run as a program."""
    faulthandler.register(signal.SIGUSR1)
    watch.HEAD_SECONDS, watch.LATE_SECONDS = 5.0, 20.0
    try:
        summary = run_study(
            msgspec.json.decode(study, type=ToyStudy), toy_data(), out, address=address, workers=None if address else 2
        )
    except (ClusterLostError, StoreLostError) as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(LOST)  # as the command does
    except ClusterError as error:
        print(error, file=sys.stderr)
        return NO_CLUSTER
    for attempts, failure in summary.failures:
        print(f"{failure.name} failed {attempts} times: {failure.reason}", file=sys.stderr)
    return FINE if summary.complete else SOME_FAILED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Runs a driver as a job on a Ray cluster and brings it to its end: submitted once, watched, submitted again when lost.

How far a run is, is read from its results folder. The Jobs API is asked for a job's fate only: after the loss of a head
it may call a run failed that is done, or running that is dead.
"""

import hashlib
import shlex
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

from cluster.errors import ClusterError, ClusterLostError, EngineError

POLL_SECONDS = 2.0
SILENT_SECONDS = 120.0  # how long the Jobs API may say nothing
DONE, SOME_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
FINAL = {DONE, SOME_FAILED, WRONG_INPUT, INTERRUPTED}  # exit codes after which another attempt would end the same


class JobClient(Protocol):
    """What is used of ``ray.job_submission.JobSubmissionClient``."""

    def submit_job(self, *, entrypoint: str, submission_id: str, runtime_env: dict[str, Any]) -> str: ...

    def list_jobs(self) -> Sequence[Any]: ...

    def get_job_info(self, job_id: str) -> Any: ...

    def stop_job(self, job_id: str) -> bool: ...


class Standing(NamedTuple):
    """How far a run is, as its results folder says; nothing at all before its driver has planned it."""

    done: int
    units: int

    @property
    def complete(self) -> bool:
        """Whether every unit is committed."""
        return 0 < self.units == self.done


class Job(NamedTuple):
    """What runs on the cluster.

    Attributes:
        words: The command; the same words are the same job, however often they are submitted.
        runtime_env: Where it finds its files, as Ray wants to be told.
        standing: Asks the results folder.
    """

    words: tuple[str, ...]
    runtime_env: dict[str, Any]
    standing: Callable[[], Standing]

    @property
    def name(self) -> str:
        """The beginning of its submission ids; an attempt's number follows."""
        return f"volforecast-{hashlib.sha256(shlex.join(self.words).encode()).hexdigest()[:16]}"


def connect(address: str) -> JobClient:
    """The Jobs API at ``http://host:port``.

    Raises:
        ClusterError: Nobody answers there, or not to us.
    """
    from ray.exceptions import RayError
    from ray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)  # type: ignore[no-any-return]
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ClusterError(f"no Ray cluster takes jobs at {address} ({reason}); check --address") from error


def submit(client: JobClient, job: Job, say: Callable[[str], None], given_up: Collection[str] = ()) -> str:
    """Submit a job, unless it is on its way already; its submission id.

    Args:
        client: The Jobs API.
        job: What to run.
        say: Takes a line about it.
        given_up: Attempts that do not count as on their way, whatever the Jobs API says of them.

    Raises:
        ClusterError: The cluster does not take it.
    """
    attempts = {info.submission_id: info for info in client.list_jobs() if _is_attempt(info.submission_id, job.name)}
    number = len(attempts) + 1
    running = [name for name, info in attempts.items() if not info.status.is_terminal() and name not in given_up]
    if running:
        say(f"already submitted as {running[0]}")
        return str(running[0])
    name = f"{job.name}-{number}"
    try:
        client.submit_job(entrypoint=shlex.join(job.words), submission_id=name, runtime_env=job.runtime_env)
    except RuntimeError as error:
        if "already" not in str(error):
            raise ClusterError(f"the cluster does not take the job ({' '.join(str(error).split())[:300]})") from error
        say(f"already submitted as {name}")  # by another submitter, a moment ago
    else:
        say(f"submitted as {name}")
    return name


def bring_to_end(
    client: JobClient,
    job: Job,
    say: Callable[[str], None],
    *,
    attempts: int = 3,
    stalled_after: float = 7200.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Submit a job and wait for it, again when it was lost; the exit code of its driver.

    Args:
        client: The Jobs API.
        job: What to run.
        say: Takes lines about how it goes.
        attempts: How often it is submitted at most.
        stalled_after: Seconds without a new commit after which a job that is said to run is stopped and tried again.
        sleep: Waits.
        clock: Seconds that only go forward.

    Raises:
        ClusterError: The cluster does not take it.
        ClusterLostError: It was lost every time, or the Jobs API has gone; what is committed stays.
    """
    lost: list[str] = []
    for _ in range(attempts):
        name = submit(client, job, say, lost)
        code, message = _Watch(client, job, say, sleep, clock).until_it_ends(name, stalled_after)
        if code in FINAL:
            if code == WRONG_INPUT:
                say(message)
            return code
        say(f"{name} was lost ({message})")
        lost.append(name)
    standing = job.standing()
    if standing.complete:
        say(f"all {standing.units} units are committed; volforecast report makes their tables")
        return DONE
    raise ClusterLostError(
        f"the job was lost {attempts} times, with {standing.done} of {standing.units} units committed; they stay: "
        "submit it again when the cluster is well"
    )


class _Watch:
    """Waits for one attempt."""

    def __init__(
        self,
        client: JobClient,
        job: Job,
        say: Callable[[str], None],
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.client, self.job, self.say, self.sleep, self.clock = client, job, say, sleep, clock
        self.standing = Standing(0, 0)
        self.heard = self.moved = clock()

    def until_it_ends(self, name: str, stalled_after: float) -> tuple[int | None, str]:
        """The driver's exit code, None if it was lost, and the cluster's words on it."""
        while True:
            info = self._asked(name)
            self._look_at_results()
            if info is not None and info.status.is_terminal():
                return _fate(info)
            if self.clock() - self.heard > SILENT_SECONDS:
                if self.standing.complete:
                    return DONE, ""
                raise ClusterLostError(
                    f"the cluster's Jobs API has not answered for {SILENT_SECONDS:.0f} s, with {self.standing.done} of "
                    f"{self.standing.units} units committed; they stay: submit again when there is a cluster"
                )
            if self.clock() - self.moved > stalled_after:
                self.client.stop_job(name)
                return None, f"nothing was committed for {stalled_after / 60:.0f} minutes"
            self.sleep(POLL_SECONDS)

    def _asked(self, name: str) -> Any | None:
        try:
            info = self.client.get_job_info(name)
        except (ConnectionError, OSError, RuntimeError):  # it restarts, or the link is down
            return None
        self.heard = self.clock()
        return info

    def _look_at_results(self) -> None:
        try:
            standing = self.job.standing()
        except EngineError:  # not planned yet, or S3 is out of breath; the job says what is wrong if it stays so
            return
        if standing != self.standing:
            self.standing, self.moved = standing, self.clock()
            self.say(f"{standing.done} of {standing.units} units are committed")


def _fate(info: Any) -> tuple[int | None, str]:
    words = " ".join((info.message or "").split())
    match str(info.status.value):
        case "SUCCEEDED":
            return DONE, words
        case "STOPPED":
            return INTERRUPTED, words
        case _:
            return info.driver_exit_code, words[-300:]


def _is_attempt(submission_id: str | None, name: str) -> bool:
    stem, _, number = (submission_id or "").rpartition("-")
    return stem == name and number.isdecimal()

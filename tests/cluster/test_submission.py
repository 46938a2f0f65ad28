"""A job is brought to its end by what its results folder says, whatever the Jobs API says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ray.job_submission import JobStatus

from cluster.errors import ClusterError, ClusterLostError, StoreError
from cluster.submission import POLL_SECONDS, SILENT_SECONDS, Job, Standing, bring_to_end, submit

UNITS = 9
WORDS = ("python", "-m", "jobs.new_issues", "--out", "s3://bucket/run 1")


@dataclass
class Info:
    """What the Jobs API says of a job."""

    submission_id: str
    status: JobStatus
    driver_exit_code: int | None = None
    message: str = ""


@dataclass
class FakeCluster:
    """A Jobs API whose jobs end as they are told to: each submission takes the next of ``fates``.

    A fate is called at every poll with the number of polls so far; it may commit units and says how the job is.
    """

    fates: list[Callable[["FakeCluster", int], Info]] = field(default_factory=list)
    jobs: dict[str, Info] = field(default_factory=dict)
    done: int = 0
    planned: bool = True
    time: float = 0.0
    submitted: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    polls: int = 0
    said: list[str] = field(default_factory=list)

    def submit_job(self, *, entrypoint: str, submission_id: str, runtime_env: dict[str, Any]) -> str:
        if submission_id in self.jobs:
            raise RuntimeError(f"Job with submission_id {submission_id} already exists")
        assert entrypoint == "python -m jobs.new_issues --out 's3://bucket/run 1'"
        self.submitted.append(submission_id)
        self.jobs[submission_id] = Info(submission_id, JobStatus.PENDING)
        self.polls = 0
        return submission_id

    def list_jobs(self) -> list[Info]:
        return [Info("someone-elses-1", JobStatus.RUNNING), *self.jobs.values()]

    def get_job_info(self, job_id: str) -> Info:
        self.polls += 1
        info = self.fates[len(self.submitted) - 1](self, self.polls)
        self.jobs[job_id] = Info(job_id, info.status, info.driver_exit_code, info.message)
        return self.jobs[job_id]

    def stop_job(self, job_id: str) -> bool:
        self.stopped.append(job_id)
        return True

    def standing(self) -> Standing:
        if not self.planned:
            raise StoreError("no plan.json")
        return Standing(self.done, UNITS)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    @property
    def job(self) -> Job:
        return Job(WORDS, {}, self.standing)

    def bring_to_end(self, **settings: Any) -> int:
        return bring_to_end(self, self.job, self.said.append, sleep=self.sleep, clock=lambda: self.time, **settings)


def ends(status: str, code: int | None = None, *, done: int = UNITS, message: str = "", after: int = 3) -> Any:
    """A fate: it runs for some polls, then has committed so many units and ends."""

    def fate(cluster: FakeCluster, polls: int) -> Info:
        if polls <= after:
            return Info("", JobStatus.RUNNING)
        cluster.done = max(cluster.done, done)
        return Info("", JobStatus(status), code, message)

    return fate


def test_a_job_that_succeeds() -> None:
    cluster = FakeCluster([ends("SUCCEEDED", 0)])
    assert cluster.bring_to_end() == 0
    assert len(cluster.submitted) == 1
    assert cluster.said[-1] == "9 of 9 units are committed"


@pytest.mark.parametrize(("code", "words"), [(1, ""), (2, "volforecast: --targets: NOPE is not in daily.parquet")])
def test_exit_codes_that_would_be_the_same_again_are_final(code: int, words: str) -> None:
    cluster = FakeCluster([ends("FAILED", code, done=5, message=words)])
    assert cluster.bring_to_end() == code
    assert len(cluster.submitted) == 1
    assert words in cluster.said[-1]


def test_a_job_that_was_stopped_is_not_started_again() -> None:
    cluster = FakeCluster([ends("STOPPED", done=5)])
    assert cluster.bring_to_end() == 130
    assert len(cluster.submitted) == 1


@pytest.mark.parametrize("code", [None, 3, 137, -9])
def test_a_lost_job_is_submitted_again_under_the_next_number(code: int | None) -> None:
    cluster = FakeCluster([ends("FAILED", code, done=5, message="node died"), ends("SUCCEEDED", 0)])
    assert cluster.bring_to_end() == 0
    assert [name.rpartition("-")[2] for name in cluster.submitted] == ["1", "2"]
    assert f"{cluster.submitted[0]} was lost (node died)" in cluster.said


def test_lost_each_time_ends_with_what_is_done() -> None:
    cluster = FakeCluster([ends("FAILED", None, done=4)] * 3)
    with pytest.raises(ClusterLostError, match="lost 3 times, with 4 of 9 units committed; they stay"):
        cluster.bring_to_end(attempts=3)
    assert len(cluster.submitted) == 3


def test_said_to_have_failed_though_done() -> None:
    cluster = FakeCluster([ends("FAILED", None, done=UNITS)])
    assert cluster.bring_to_end(attempts=1) == 0
    assert "all 9 units are committed" in cluster.said[-1]


def test_said_to_run_though_dead() -> None:
    """Nothing is committed any more: it is stopped and another takes its place."""

    def dead(cluster: FakeCluster, polls: int) -> Info:
        cluster.done = min(polls, 4)
        return Info("", JobStatus.RUNNING)

    cluster = FakeCluster([dead, ends("SUCCEEDED", 0)])
    assert cluster.bring_to_end(stalled_after=100.0) == 0
    assert cluster.stopped == cluster.submitted[:1]
    assert cluster.time < 200.0


def test_a_jobs_api_that_is_away_for_a_moment_is_waited_for() -> None:
    def away(cluster: FakeCluster, polls: int) -> Info:
        if 3 < polls < 3 + SILENT_SECONDS / POLL_SECONDS / 2:
            raise ConnectionError("refused")
        return ends("SUCCEEDED", 0, after=100)(cluster, polls)

    assert FakeCluster([away]).bring_to_end() == 0


@pytest.mark.parametrize("done", [4, UNITS])
def test_a_jobs_api_that_is_gone(done: int) -> None:
    def gone(cluster: FakeCluster, polls: int) -> Info:
        cluster.done = done
        raise ConnectionError("refused")

    cluster = FakeCluster([gone])
    if done == UNITS:
        assert cluster.bring_to_end() == 0
    else:
        with pytest.raises(ClusterLostError, match="4 of 9 units committed; they stay"):
            cluster.bring_to_end()
    assert SILENT_SECONDS < cluster.time < SILENT_SECONDS + 5 * POLL_SECONDS


def test_one_that_is_on_its_way_is_not_submitted_again() -> None:
    cluster = FakeCluster()
    first = submit(cluster, cluster.job, cluster.said.append)
    assert submit(cluster, cluster.job, cluster.said.append) == first
    assert cluster.submitted == [first]
    assert cluster.said == [f"submitted as {first}", f"already submitted as {first}"]


def test_two_submitters_at_the_same_moment() -> None:
    """The other's submission arrives after this one has looked and before it submits."""
    cluster = FakeCluster()
    list_jobs = cluster.list_jobs

    def late() -> list[Info]:
        found = list_jobs()
        name = f"{cluster.job.name}-1"
        cluster.jobs.setdefault(name, Info(name, JobStatus.PENDING))
        return found

    cluster.list_jobs = late  # type: ignore[method-assign]
    assert submit(cluster, cluster.job, cluster.said.append) == f"{cluster.job.name}-1"
    assert cluster.submitted == []


def test_other_words_are_another_job() -> None:
    names = {Job((*WORDS, *more), {}, lambda: Standing(0, 0)).name for more in ((), ("--seed", "2"), ("--seed", "3"))}
    assert len(names) == 3


def test_a_cluster_that_does_not_take_it() -> None:
    cluster = FakeCluster()

    def refuse(**_: Any) -> str:
        raise RuntimeError("Request failed with status code 500: no disk")

    cluster.submit_job = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(ClusterError, match=r"does not take the job .*no disk"):
        cluster.bring_to_end()


def test_progress_waits_for_a_plan() -> None:
    cluster = FakeCluster([ends("FAILED", 2, done=0, message="wrong")], planned=False)
    assert cluster.bring_to_end() == 2
    assert not any("units are committed" in line for line in cluster.said)

"""The engine on a real Ray: the same bytes as a plain loop, whatever happens on the way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.coordinator import Coordinator
from cluster.driver import Summary, run_study
from cluster.errors import ClusterError, StoreError
from cluster.objects import Objects
from cluster.store import ResultStore
from tests.cluster.toy_study import ProbeStudy, ToyStudy, Trouble, files, plain_loop, toy_data, until

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("private_ray"), pytest.mark.timeout(120)]

DATA = toy_data()
CPUS = 2


def run(out: Path | str, trouble: Trouble | None = None, **settings: Any) -> Summary:
    return run_study(ToyStudy(trouble=trouble or Trouble(), **settings), DATA, str(out), quiet=True)


def execute_toy(
    out: Path, study: ToyStudy, report: Callable[[Coordinator, int], None], *, forget: bool = False
) -> Coordinator:
    """Execution alone, watched after every step; it may ``forget`` to look for what is committed."""
    from cluster.execution import execute

    plan = study.plan(DATA)
    store = ResultStore(str(out))
    store.adopt_plan(plan)
    coordinator = Coordinator(plan.units, () if forget else store.committed())
    execute(study, DATA, store, coordinator, report)
    return coordinator


def key_of(name: str) -> str:
    return next(unit.key for unit in ToyStudy().plan(DATA).units if unit.name == name)


@pytest.fixture(scope="module")
def quiet(private_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of a run in which nothing went wrong."""
    out = tmp_path_factory.mktemp("quiet")
    summary = run(out)
    assert summary.complete
    assert (summary.computed, summary.resumed, summary.counts) == (9, 0, {"scan": 4, "fit": 4, "total": 1})
    return files(out)


def without_history(quiet: dict[str, bytes], out: Path) -> bool:
    return files(out, history=False) == quiet


class TestTheSameBytes:
    @pytest.mark.parametrize("shards", [1, 2, 7])
    def test_as_a_plain_loop(self, quiet: dict[str, bytes], shards: int) -> None:
        parts = {name.split("/")[1]: payload for name, payload in quiet.items() if name.startswith("parts/")}
        assert parts == plain_loop(ToyStudy(), DATA, shards)

    def test_in_bundles_and_one_by_one(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        """The estimated cost is part of the plan and of nothing else."""
        assert run(tmp_path, cost=0.1).complete
        ours = files(tmp_path)
        assert ours.keys() == quiet.keys()
        assert {name for name in ours if ours[name] != quiet[name]} == {"plan.json"}

    def test_with_one_bundle_at_a_time(
        self, quiet: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cluster.execution.QUEUED", 0.5)
        assert run(tmp_path).complete
        assert files(tmp_path) == quiet

    @pytest.mark.s3
    def test_on_s3(self, quiet: dict[str, bytes], s3_url: str) -> None:
        assert run(s3_url).complete
        objects = Objects(s3_url)
        folders = ("parts", "commits", "tables")
        found = {
            f"{folder}/{name}": objects.read(f"{folder}/{name}") for folder in folders for name in objects.names(folder)
        }
        assert found == {name: payload for name, payload in quiet.items() if "/" in name}

    def test_again_computes_nothing_and_needs_no_ray(
        self, quiet: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(tmp_path)
        monkeypatch.setattr("cluster.driver.ray_session", None)
        summary = run(tmp_path)
        assert (summary.computed, summary.resumed, summary.complete) == (0, 9, True)
        assert files(tmp_path) == quiet


class TestFailingUnits:
    @pytest.mark.parametrize(
        ("trouble", "cost"),
        [
            (Trouble(units={"scan/1": "raise"}), 2.0),
            (Trouble(scans={"scan/1": "raise"}), 2.0),
            (Trouble(scans={"scan/1 query": "raise"}), 0.1),
        ],
        ids=["run", "source store", "query"],
    )
    def test_raising_is_recorded_once_and_stops_only_what_needs_it(
        self, quiet: dict[str, bytes], tmp_path: Path, trouble: Trouble, cost: float
    ) -> None:
        summary = run(tmp_path, trouble, cost=cost)
        assert not summary.complete
        ((attempts, failure),) = summary.failures
        assert (attempts, failure.name) == (1, "scan/1")
        assert failure.reason == "ArithmeticError: scan/1 was told to fail"
        assert "strike" in failure.detail, "the ledger does not show where it happened"
        assert [(one.unit.name, one.because.name) for one in summary.blocked] == [
            ("fit/1", "scan/1"),
            ("total/0", "scan/1"),
        ]
        assert summary.computed == 6
        assert (tmp_path / "tables/units.txt").read_text().count("settled") == 9
        again = run(tmp_path, cost=cost)
        assert (again.complete, again.computed, again.resumed, again.failures) == (True, 3, 6, [])
        assert {n: p for n, p in files(tmp_path, history=False).items() if n != "plan.json"} == {
            n: p for n, p in quiet.items() if n != "plan.json"
        }

    @pytest.mark.parametrize("death", ["die", "segfault"])
    def test_one_that_always_kills_its_worker_is_given_up_after_three_attempts(
        self, tmp_path: Path, death: str
    ) -> None:
        trouble = Trouble(units={"fit/2": death}, folder=str(tmp_path))
        summary = run(tmp_path / "out", trouble, cost=0.4)  # several units a bundle
        ((attempts, failure),) = summary.failures
        assert (attempts, failure.name) == (3, "fit/2")
        assert "WorkerCrashed" in failure.reason
        assert [one.unit.name for one in summary.blocked] == ["total/0"]
        assert summary.computed == 7, "siblings of its bundle were not finished"
        if death == "die":
            assert (tmp_path / "fit-2").read_text() == "xxx"


class TestLostProcesses:
    def test_a_worker_killed_once(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        summary = run(
            tmp_path / "out", Trouble(units={"fit/2": "die once", "total/0": "die once"}, folder=str(tmp_path))
        )
        assert summary.complete
        assert summary.failures == []
        assert without_history(quiet, tmp_path / "out")

    def test_a_worker_killed_between_its_commit_and_its_answer(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        run(tmp_path / "out")
        study = ToyStudy(trouble=Trouble(units={"fit/2": "die"}, folder=str(tmp_path)))
        coordinator = execute_toy(tmp_path / "out", study, lambda *_: None, forget=True)
        assert (tmp_path / "fit-2").read_text() == "x"
        assert not coordinator.pending
        assert files(tmp_path / "out") == quiet

    def test_a_source_store_killed_once(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        summary = run(tmp_path / "out", Trouble(scans={"scan/0": "die once"}, folder=str(tmp_path)))
        assert summary.complete
        assert without_history(quiet, tmp_path / "out")

    def test_a_question_that_always_kills_the_source_stores(self, tmp_path: Path) -> None:
        """Those that stand in its queue each time keep their attempts: the ledger does not know them."""
        summary = run(tmp_path, Trouble(scans={"scan/0": "die late"}))
        assert [(attempts, failure.name) for attempts, failure in summary.failures] == [(3, "scan/0")]
        assert [path.name for path in (tmp_path / "failures").iterdir()] == [key_of("scan/0")]
        assert {one.unit.name for one in summary.blocked} == {"fit/0", "total/0"}
        assert summary.computed == 6


class TestDamage:
    @pytest.mark.parametrize("harm", ["cut", "gone"])
    def test_a_damaged_need_is_computed_again(self, quiet: dict[str, bytes], tmp_path: Path, harm: str) -> None:
        run(tmp_path, Trouble(units={"fit/3": "raise"}))
        (part,) = (tmp_path / "parts" / key_of("scan/3")).iterdir()
        if harm == "cut":
            part.write_bytes(part.read_bytes()[:-1])
        else:
            part.unlink()
        assert run(tmp_path).complete
        assert without_history(quiet, tmp_path)
        assert len(list(tmp_path.glob("quarantine/*/*"))) == (harm == "cut")

    def test_damaged_results_are_computed_again_before_they_are_collected(
        self, quiet: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cluster.driver.ROUNDS", 2)  # all of them in one go
        run(tmp_path)
        for name in ("scan/1", "fit/2", "total/0"):
            (part,) = (tmp_path / "parts" / key_of(name)).iterdir()
            part.write_bytes(b"?")
        (tmp_path / "commits" / f"{key_of('fit/0')}.json").write_bytes(b"{")
        assert run(tmp_path).complete
        assert without_history(quiet, tmp_path)

    def test_a_store_that_cannot_be_written_stops_the_run_and_leaves_it_resumable(
        self, quiet: dict[str, bytes], tmp_path: Path
    ) -> None:
        (tmp_path / "out").mkdir()
        run(tmp_path / "out", Trouble(units={"scan/0": "raise", "scan/1": "raise"}))
        commits = tmp_path / "out" / "commits"
        commits.rename(tmp_path / "elsewhere")
        commits.touch()  # a file where a folder must be: nothing can be created below it, by root neither
        with pytest.raises(StoreError, match="out"):
            run(tmp_path / "out")
        commits.unlink()
        (tmp_path / "elsewhere").rename(commits)
        assert run(tmp_path / "out").complete
        assert without_history(quiet, tmp_path / "out")

    def test_an_outage_seen_by_workers_only(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        (tmp_path / "parts").touch()
        store = ResultStore(str(tmp_path / "out"))
        store.adopt_plan(ToyStudy().plan(DATA))
        (tmp_path / "out" / "parts").touch()
        with pytest.raises(StoreError, match="cannot create parts"):
            run(tmp_path / "out")
        (tmp_path / "out" / "parts").unlink()
        assert run(tmp_path / "out").complete
        assert without_history(quiet, tmp_path / "out")

    def test_workers_that_do_not_see_the_folder_say_so(self) -> None:
        with pytest.raises(StoreError, match="cannot be seen from"):
            run("memory://of-the-driver")


class TestInterruption:
    @pytest.mark.parametrize("after", [0, 3, 6])
    def test_interrupted_and_run_again(self, quiet: dict[str, bytes], tmp_path: Path, after: int) -> None:
        def interrupt(coordinator: Coordinator, in_flight: int) -> None:
            if coordinator.total - len(coordinator.pending) >= after and in_flight:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            execute_toy(tmp_path, ToyStudy(), interrupt)
        summary = run(tmp_path)
        assert summary.complete
        assert summary.resumed >= after
        # cancelling may still take a worker from the second run on this Ray, which the ledger then tells
        assert without_history(quiet, tmp_path)

    def test_what_is_in_flight_is_neither_lost_nor_in_the_way(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        """On a Ray that outlives the run, tasks that have begun commit; the next run finds it and the same results."""
        out = tmp_path / "out"
        trouble = Trouble(units={f"scan/{i}": "wait" for i in range(4)}, folder=str(tmp_path))

        def interrupt(coordinator: Coordinator, in_flight: int) -> None:
            if len(list(tmp_path.glob("scan-*"))) == CPUS:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            execute_toy(out, ToyStudy(trouble=trouble), interrupt)
        assert ResultStore(str(out)).committed() == set()
        (tmp_path / "go").touch()
        until(lambda: len(ResultStore(str(out)).committed()) >= CPUS)
        summary = run(out)
        assert summary.complete
        assert summary.resumed >= CPUS
        assert without_history(quiet, out)


class TestSubmission:
    def test_is_bounded(self, tmp_path: Path) -> None:
        seen: list[int] = []
        coordinator = execute_toy(tmp_path, ToyStudy(targets=10), lambda _, in_flight: seen.append(in_flight))
        assert not coordinator.pending
        assert max(seen) == 2 * CPUS
        assert seen[-1] == 0

    def test_leaves_nothing_behind_in_ray(self, tmp_path: Path) -> None:
        import ray

        def free() -> float:
            return float(ray.available_resources().get("object_store_memory", 0.0))

        run(tmp_path / "first")
        before = free()
        for name in ("second", "third"):
            run(tmp_path / name)
        until(lambda: free() >= before - DATA.nbytes / 2, 20)

    def test_gpus_that_are_not_there_are_not_waited_for(self, tmp_path: Path) -> None:
        with pytest.raises(ClusterError, match="GPU"):
            run_study(ProbeStudy(gpus=1000.0), DATA, str(tmp_path), quiet=True)


class TestResources:
    def test_no_more_units_at_once_than_there_is_memory_for(self, tmp_path: Path) -> None:
        import ray

        half = int(0.6 * ray.cluster_resources()["memory"])
        trouble = Trouble(units={f"fit/{i}": "alone" for i in range(4)}, folder=str(tmp_path))
        summary = run(tmp_path / "out", trouble, memory=half)
        assert summary.complete, summary.failures

    def test_memory_that_no_machine_has_is_not_waited_for(self, tmp_path: Path) -> None:
        with pytest.raises(ClusterError, match=r"scan/0 needs 1048576\.0 GiB and the largest machine has"):
            run(tmp_path, memory=1 << 50)

    @pytest.mark.parametrize("gpus", [1.0, 0.5])
    def test_source_stores_get_the_gpus_of_their_units(
        self, quiet: dict[str, bytes], tmp_path: Path, gpus: float
    ) -> None:
        trouble = Trouble(scans={f"scan/{i}": "with a GPU" for i in range(4)})
        summary = run(tmp_path, trouble, gpus=gpus)
        assert summary.complete, summary.failures
        ours = files(tmp_path)
        assert {name for name in quiet if ours[name] != quiet[name]} == {"plan.json"}

    def test_without_one_the_scan_fails(self, tmp_path: Path) -> None:
        summary = run(tmp_path, Trouble(scans={"scan/0": "with a GPU"}))
        assert [failure.reason for _, failure in summary.failures] == ["LookupError: no GPU was given"]

    def test_a_run_tells_what_it_took(self, tmp_path: Path) -> None:
        usage = run(tmp_path, memory=1 << 20).usage
        assert usage is not None
        assert usage.units == {"0": 3, "1": 2, "2": 2, "3": 2}
        assert usage.by_group.keys() == usage.units.keys()
        assert usage.cpus == CPUS
        assert 0.0 < usage.core_seconds < usage.wall * CPUS
        assert 0.0 < usage.busy < 1.0
        assert usage.scans > 0.0
        assert min(usage.worker_peak, usage.store_peak) > 50 << 20, "a worker holds at least its libraries"
        assert usage.stated == 1 << 20
        assert run(tmp_path, memory=1 << 20).usage is None


def test_inside_a_task(tmp_path: Path) -> None:
    """One thread in every library, and data that lie in shared memory, unwriteable and not copied."""
    assert run_study(ProbeStudy(), DATA, str(tmp_path), quiet=True).complete
    (part,) = tmp_path.glob("parts/*/*")
    found = json.loads(part.read_bytes())
    pools = found.pop("pools")
    assert "openblas" in pools
    assert set(pools.values()) == {1}
    assert found == {
        "torch": 1,
        "numba": 1,
        "numba at most": 1,
        "writeable": False,
        "own memory": False,
        "shared memory": True,
    }

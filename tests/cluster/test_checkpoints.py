"""What units keep of their state: trusted when whole, harmless when not, gone when the unit is done."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import checkpoints, s3
from cluster.checkpoints import Kept, remove_leftovers
from cluster.driver import Summary, run_study
from cluster.errors import StoreError, StoreLostError
from cluster.objects import Objects
from cluster.store import ResultStore
from cluster.study import NOTHING_KEPT, Output, Unit
from tests.cluster.toy_study import ToyStudy, Trouble, files, toy_data

KEY, OTHER = "0" * 31 + "a", "0" * 31 + "b"
UNIT = Unit(KEY, "fit", "fit/0", {})
STATE = b"epoch 7\nof 50\n" + bytes(range(256))
_numbers = itertools.count()


@pytest.fixture(params=["memory", "local", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ResultStore:
    match request.param:
        case "memory":
            return ResultStore(f"memory://checkpoints-{next(_numbers)}")
        case "local":
            return ResultStore(str(tmp_path / "out"))
        case _:
            return ResultStore(str(request.getfixturevalue("s3_url")))


@pytest.fixture
def local(tmp_path: Path) -> ResultStore:
    return ResultStore(str(tmp_path))


class TestState:
    @pytest.mark.parametrize("state", [STATE, b"", b"\n"], ids=["some", "empty", "a line's end"])
    def test_comes_back_to_the_next_attempt(self, store: ResultStore, state: bytes) -> None:
        first, second = Kept(store, UNIT), Kept(store, UNIT)
        assert first.load() is None
        assert not first.continued
        first.save(b"an earlier one, and longer than what comes after it" * 9)
        first.save(state)
        assert second.load() == state
        assert second.continued
        assert first.unkept == second.unkept == ""
        assert store.objects.names("checkpoints") == [KEY]

    def test_of_two_attempts_at_the_same_time_the_last_one_stays(self, store: ResultStore) -> None:
        first, second = Kept(store, UNIT), Kept(store, UNIT)
        first.save(b"first")
        second.save(b"second")
        assert first.load() == second.load() == b"second"

    def test_of_one_unit_is_no_other_ones(self, store: ResultStore) -> None:
        Kept(store, UNIT).save(STATE)
        whole = store.objects.read(f"checkpoints/{KEY}")
        assert whole is not None
        store.objects.write(f"checkpoints/{OTHER}", whole)
        assert Kept(store, Unit(OTHER, "fit", "fit/1", {})).load() is None

    @pytest.mark.parametrize("harm", ["cut", "half", "empty", "flipped", "longer", "headless", "older"])
    def test_that_is_damaged_counts_as_none_and_is_replaced(self, store: ResultStore, harm: str) -> None:
        Kept(store, UNIT).save(STATE)
        path = f"checkpoints/{KEY}"
        whole = store.objects.read(path) or b""
        harmed = {
            "cut": whole[:-1],
            "half": whole[: len(whole) // 2],
            "empty": b"",
            "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
            "longer": whole + b"\n",
            "headless": STATE,
            "older": whole.replace(b"checkpoint 1", b"checkpoint 0", 1),
        }
        store.objects.write(path, harmed[harm])
        kept = Kept(store, UNIT)
        assert kept.load() is None
        assert not kept.continued
        kept.save(STATE)
        assert Kept(store, UNIT).load() == STATE

    def test_is_removed_by_whom_it_concerns_only(self, store: ResultStore) -> None:
        Kept(store, UNIT).save(STATE)
        Kept(store, UNIT).remove()  # has neither looked for one nor kept one: no request for most units
        assert store.objects.names("checkpoints") == [KEY]
        kept = Kept(store, UNIT)
        kept.load()
        kept.remove()
        assert not kept.continued
        assert store.objects.names("checkpoints") == []

    def test_of_a_unit_that_is_done_is_not_kept(self, store: ResultStore) -> None:
        """By an attempt that comes late and does not know."""
        late = Kept(store, UNIT)
        store.commit(KEY, Output(b"done", 1))
        late.save(STATE)
        assert store.objects.names("checkpoints") == []
        assert late.unkept == ""

    def test_nothing_is_kept_where_a_unit_is_run_by_hand(self) -> None:
        NOTHING_KEPT.save(STATE)
        assert NOTHING_KEPT.load() is None
        assert not NOTHING_KEPT.due()


class TestSize:
    def test_is_bounded_by_the_units_memory(self, store: ResultStore) -> None:
        roomy, narrow = Unit(KEY, "fit", "fit/0", {}, memory=len(STATE)), Unit(KEY, "fit", "fit/0", {}, memory=100)
        Kept(store, roomy).save(STATE)
        assert Kept(store, roomy).load() == STATE
        assert Kept(store, narrow).load() is None
        kept = Kept(store, narrow)
        kept.save(STATE)
        assert kept.unkept == "270 bytes are more than the 100 that its memory allows"
        assert Kept(store, roomy).load() == STATE, "the last one that fitted has gone"

    def test_a_giant_file_is_not_read(self, local: ResultStore) -> None:
        """A terabyte without content: reading it would kill the worker, three times, and so the unit."""
        Kept(local, UNIT).save(STATE)
        os.truncate(Path(local.url, "checkpoints", KEY), 1 << 40)
        kept = Kept(local, UNIT)
        assert kept.load() is None
        kept.save(STATE)
        assert Kept(local, UNIT).load() == STATE

    @pytest.mark.parametrize("kind", ["pipe", "folder", "link to nowhere"])
    def test_what_is_no_file_is_not_waited_for(self, local: ResultStore, kind: str) -> None:
        place = Path(local.url, "checkpoints", KEY)
        place.parent.mkdir()
        match kind:
            case "pipe":
                os.mkfifo(place)
            case "folder":
                (place / "below").mkdir(parents=True)
            case _:
                place.symlink_to(place.parent / "nowhere")
        kept = Kept(local, UNIT)
        assert kept.load() is None
        kept.save(STATE)
        assert (kept.unkept == "") is (kind != "folder")
        kept.remove()


class Hours:
    """A clock that is set by hand; every write takes ``write`` seconds."""

    def __init__(self, patch: pytest.MonkeyPatch, write: float) -> None:
        self.now = 100.0
        original = Objects.write

        def slow(objects: Objects, path: str, payload: bytes) -> None:
            self.now += write
            original(objects, path, payload)

        patch.setattr("cluster.checkpoints.time", SimpleNamespace(monotonic=lambda: self.now))
        patch.setattr(Objects, "write", slow)


class TestDue:
    @pytest.mark.parametrize(("write", "wait"), [(0.5, 20.0), (3.0, 60.0)], ids=["quick", "slow"])
    def test_some_time_after_the_last_one_and_a_small_share_of_the_time(
        self, local: ResultStore, monkeypatch: pytest.MonkeyPatch, write: float, wait: float
    ) -> None:
        clock = Hours(monkeypatch, write)
        kept = Kept(local, UNIT)
        for expected in (20.0, wait, wait):
            assert not kept.due()
            clock.now += expected - 0.1
            assert not kept.due()
            clock.now += 0.2
            assert kept.due()
            kept.save(STATE)

    def test_a_store_that_keeps_one_waiting_is_left_alone_for_as_much_longer(
        self, local: ResultStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Hours(monkeypatch, 0.0)

        def lost(objects: Objects, path: str, payload: bytes) -> None:
            clock.now += 35.0
            raise StoreLostError("no answer")

        monkeypatch.setattr(Objects, "write", lost)
        kept = Kept(local, UNIT)
        kept.save(STATE)
        assert kept.unkept == "no answer"
        clock.now += 20 * 35.0 - 1.0
        assert not kept.due()
        clock.now += 2.0
        assert kept.due()


class TestTheStore:
    @pytest.mark.s3
    def test_is_not_asked_for_long_while_a_unit_waits(self, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        store = ResultStore(s3_url)
        store.objects.names("commits")
        asked: list[float] = []
        persist = s3.persist

        def persisting(doing: Callable[[], Any], patience: float) -> Any:
            asked.append(patience)
            return persist(doing, patience)

        monkeypatch.setattr(s3, "persist", persisting)
        kept = Kept(store, UNIT)
        kept.save(STATE)
        kept.remove()
        assert asked == [checkpoints.PATIENCE] * 3
        Kept(store, UNIT).load()
        assert asked[3:] == [s3.PATIENCE]

    def test_that_is_silent_when_a_state_is_read_has_gone(
        self, local: ResultStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To begin at the beginning would replace the state that the same command is to go on from."""
        Kept(local, UNIT).save(STATE)

        def silent(*_: object, **__: object) -> bytes:
            raise StoreLostError("no answer")

        monkeypatch.setattr(Objects, "read", silent)
        with pytest.raises(StoreLostError):
            Kept(local, UNIT).load()

    def test_that_refuses_is_no_reason_to_stop(self, local: ResultStore, monkeypatch: pytest.MonkeyPatch) -> None:
        def refused(*_: object, **__: object) -> Any:
            raise StoreError("403")

        for name in ("read", "write", "delete", "names"):
            monkeypatch.setattr(Objects, name, refused)
        kept = Kept(local, UNIT)
        assert kept.load() is None
        kept.save(STATE)
        assert kept.unkept == "403"
        kept.remove()
        monkeypatch.undo()
        Kept(local, UNIT).save(STATE)
        assert kept.load() is None, "what was to be removed, because the unit failed on it, comes back"
        monkeypatch.setattr(Objects, "names", refused)
        remove_leftovers(local, {KEY})


class TestLeftovers:
    def test_of_these_units_go_and_others_stay(self, store: ResultStore) -> None:
        for key in (KEY, OTHER):
            Kept(store, Unit(key, "fit", "fit", {})).save(STATE)
        remove_leftovers(store, {KEY})
        assert store.objects.names("checkpoints") == [OTHER]
        remove_leftovers(store, {KEY, OTHER})
        assert store.objects.names("checkpoints") == []

    def test_nothing_is_left_on_disk(self, local: ResultStore) -> None:
        """Of interrupted writes either, which no listing shows."""
        Kept(local, UNIT).save(STATE)
        folder = Path(local.url, "checkpoints")
        for draft in (f"{KEY}#1", f"{KEY}#12", f"{OTHER}#1"):
            (folder / draft).write_bytes(STATE[:9])
        remove_leftovers(local, {KEY})
        assert [path.name for path in folder.iterdir()] == [f"{OTHER}#1"]
        remove_leftovers(local, {KEY, OTHER})
        assert list(Path(local.url).iterdir()) == []
        remove_leftovers(local, {KEY, OTHER})

    def test_what_nobody_here_has_kept_is_left_alone(self, local: ResultStore, tmp_path: Path) -> None:
        private = tmp_path / "private"
        private.mkdir()
        (private / "letter").write_text("dear")
        (private / f"{KEY}#1").write_text("dear")
        Path(local.url, "checkpoints").symlink_to(private)
        remove_leftovers(local, {KEY})
        assert {path.name for path in private.iterdir()} == {"letter", f"{KEY}#1"}


@pytest.fixture(scope="module")
def quiet(private_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of a run in which nothing went wrong."""
    out = tmp_path_factory.mktemp("quiet")
    run_study(ToyStudy(), toy_data(), str(out), quiet=True)
    return files(out)


@pytest.mark.cluster
@pytest.mark.timeout(120)
@pytest.mark.usefixtures("private_ray")
class TestRuns:
    def run(self, folder: Path, **units: str) -> Summary:
        trouble = Trouble(
            {name.replace("_", "/", 1).replace("_", " "): do for name, do in units.items()}, {}, str(folder)
        )
        return run_study(ToyStudy(trouble=trouble), toy_data(), str(folder / "out"), quiet=True)

    def test_a_killed_worker_and_units_that_cannot_go_on(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        """One goes on where it was; one fails on its state, and one dies of it: those begin at the beginning."""
        summary = self.run(
            tmp_path,
            fit_0="keep",
            fit_1="keep, die once",
            fit_2="keep, die once",
            fit_2_again="raise",
            fit_3="keep, die once",
            fit_3_again="die",
        )
        assert summary.complete, summary.failures
        steps = {path.stem: path.read_text() for path in tmp_path.glob("*.steps")}
        assert steps == {"fit-0": "123456", "fit-1": "123456", "fit-2": "123123456", "fit-3": "123123456"}
        assert summary.usage is not None
        assert (summary.usage.continued, summary.usage.unkept) == (1, "")
        assert files(tmp_path / "out", history=False) == quiet
        assert not (tmp_path / "out" / "checkpoints").exists()

    def test_a_folder_that_keeps_nothing(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        """A file lies where checkpoints would: units are none the worse for it, and the run says so."""
        out = tmp_path / "out"
        ResultStore(str(out)).adopt_plan(ToyStudy().plan(toy_data()))
        (out / "checkpoints").touch()
        summary = self.run(tmp_path, fit_1="keep, die once")
        assert summary.complete, summary.failures
        assert (tmp_path / "fit-1.steps").read_text() == "123123456"
        assert summary.usage is not None
        assert "cannot write checkpoints" in summary.usage.unkept
        assert files(out, history=False) == quiet | {"checkpoints": b""}

    def test_what_an_earlier_run_has_left_of_a_done_unit_goes(self, quiet: dict[str, bytes], tmp_path: Path) -> None:
        self.run(tmp_path)
        store = ResultStore(str(tmp_path / "out"))
        for key in [*store.committed(), OTHER]:
            store.objects.write(f"checkpoints/{key}", b"left")
        assert self.run(tmp_path).computed == 0
        assert store.objects.names("checkpoints") == [OTHER], "nobody knows whose it is"
        store.objects.delete(f"checkpoints/{OTHER}")
        self.run(tmp_path)
        assert files(tmp_path / "out") == quiet
        assert not (tmp_path / "out" / "checkpoints").exists()

    def test_a_unit_that_raises_leaves_no_state(self, tmp_path: Path) -> None:
        """The same computation would raise again; and what is left of a run must not tell when states were due."""
        summary = self.run(tmp_path, fit_1="keep, raise")
        assert [failure.name for _, failure in summary.failures] == ["fit/1"]
        assert (tmp_path / "fit-1.steps").read_text() == "123"
        assert not (tmp_path / "out" / "checkpoints").exists()

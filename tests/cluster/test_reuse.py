"""Units that another results folder holds: taken over as they are, verified, and nothing else."""

import shutil
from pathlib import Path

import msgspec
import pytest

from cluster.driver import Summary, run_study
from cluster.errors import StoreError, StoreLostError
from cluster.objects import Objects
from cluster.reuse import reusable, take_over, verified
from cluster.store import ResultStore
from cluster.study import Output
from tests.cluster.toy_study import ToyStudy, Trouble, files, toy_data

DATA = toy_data()
NAMES = {unit.key: unit.name for unit in ToyStudy().plan(DATA).units}
KEYS = {name: key for key, name in NAMES.items()}

pytestmark = pytest.mark.timeout(120)


def run(out: Path | str, *reuse: Path | str, targets: int = 4, trouble: Trouble | None = None) -> Summary:
    study = ToyStudy(targets=targets, trouble=trouble or Trouble())
    return run_study(study, DATA, str(out), quiet=True, reuse=[str(url) for url in reuse])


@pytest.fixture(scope="module")
def done(private_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder in which nothing went wrong."""
    out = tmp_path_factory.mktemp("done")
    assert run(out).complete
    return out


@pytest.fixture
def other(done: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(done, tmp_path / "other"))


def on_s3(folder: Path, url: str) -> str:
    objects = Objects(url)
    for name, payload in files(folder).items():
        objects.create(name, payload)
    return url


def part_of(folder: Path, name: str) -> Path:
    (part,) = (folder / "parts" / KEYS[name]).iterdir()
    return part


@pytest.mark.cluster
class TestRuns:
    def test_all_of_a_run_needs_no_ray(self, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cluster.driver.ray_session", None)
        before = files(done)
        summary = run(tmp_path / "out", done)
        assert (summary.reused, summary.computed, summary.resumed, summary.complete) == (9, 0, 0, True)
        assert files(tmp_path / "out") == before
        assert files(done) == before
        again = run(tmp_path / "out", done)
        assert (again.reused, again.computed, again.resumed, again.complete) == (0, 0, 9, True)

    def test_of_another_run_what_is_the_same(self, done: Path, tmp_path: Path) -> None:
        """Two targets of four: their total is another unit. Nothing of the other two is taken."""
        summary = run(tmp_path / "out", done, targets=2)
        assert (summary.reused, summary.computed, summary.complete) == (4, 1, True)
        run(tmp_path / "alone", targets=2)
        assert files(tmp_path / "out") == files(tmp_path / "alone")

    def test_what_is_damaged_or_missing_there_is_computed_here(self, done: Path, other: Path, tmp_path: Path) -> None:
        part_of(other, "scan/0").write_bytes(part_of(other, "scan/0").read_bytes()[:-1])
        part_of(other, "scan/1").unlink()
        (other / "commits" / f"{KEYS['fit/2']}.json").write_bytes(b'{"part"')
        (other / "commits" / f"{KEYS['total/0']}.json").unlink()
        before = files(other)
        summary = run(tmp_path / "out", other)
        assert (summary.reused, summary.computed, summary.complete) == (5, 4, True)
        assert files(tmp_path / "out") == files(done)
        assert files(other) == before, "the other folder was written to"

    def test_of_several_folders_each_gives_what_it_has(self, done: Path, other: Path, tmp_path: Path) -> None:
        part_of(other, "scan/0").unlink()
        run(tmp_path / "two", targets=2)
        summary = run(tmp_path / "out", other, tmp_path / "two")
        assert (summary.reused, summary.computed) == (9, 0)
        assert files(tmp_path / "out") == files(done)

    def test_what_is_damaged_here_afterwards_is_computed(self, done: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        run(out, done)
        part_of(out, "fit/1").write_bytes(b"?")
        summary = run(out, done)
        assert summary.complete
        assert files(out, history=False) == files(done)

    @pytest.mark.s3
    def test_from_a_folder_to_s3_and_back(self, done: Path, s3_url: str, tmp_path: Path) -> None:
        assert run(f"{s3_url}/out", done).reused == 9
        assert run(tmp_path / "back", f"{s3_url}/out").reused == 9
        assert files(tmp_path / "back") == files(done)

    @pytest.mark.s3
    def test_damaged_on_s3(self, done: Path, other: Path, s3_url: str, tmp_path: Path) -> None:
        part_of(other, "scan/3").write_bytes(b"?")
        assert run(tmp_path / "out", on_s3(other, s3_url)).reused == 8
        assert files(tmp_path / "out") == files(done)


class TestFolders:
    def test_that_are_none_stop_everything_before_it_begins(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        for url, said in (
            (tmp_path / "nowhere", "--reuse: .*nowhere: there is no such folder"),
            (tmp_path / "empty", "--reuse: .*empty: no plan.json, so it is no results folder"),
            ("gopher://somewhere", "--reuse: .*not known"),
        ):
            with pytest.raises(StoreError, match=said):
                run(tmp_path / "out", url)
        assert not (tmp_path / "out").exists()
        assert list((tmp_path / "empty").iterdir()) == []

    @pytest.mark.s3
    def test_no_such_bucket(self, s3_server: str, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"--reuse: s3://no-such-bucket/run.*no such bucket"):
            run(tmp_path / "out", "s3://no-such-bucket/run")
        assert not (tmp_path / "out").exists()

    def test_that_have_gone_are_lost_and_not_wrong(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def silent(_: ResultStore) -> bool:
            raise StoreLostError("no answer")

        monkeypatch.setattr(ResultStore, "has_plan", silent)
        with pytest.raises(StoreLostError, match="--reuse: no answer"):
            reusable([str(tmp_path)])


class TestForeignFolders:
    """A folder that anybody may have written."""

    KEY = "0" * 32

    @pytest.fixture
    def source(self, tmp_path: Path) -> ResultStore:
        source = ResultStore(str(tmp_path / "foreign"))
        source.commit(self.KEY, Output(b"some bytes", 3, {"fallback": 1}))
        return source

    def test_a_whole_unit(self, source: ResultStore, tmp_path: Path) -> None:
        assert verified(source, self.KEY) == Output(b"some bytes", 3, {"fallback": 1})
        here = ResultStore(str(tmp_path / "here"))
        assert take_over(here, [source], {self.KEY, "1" * 32}) == {self.KEY}
        assert files(tmp_path / "here") == files(tmp_path / "foreign")

    @pytest.mark.parametrize(
        "changed",
        [
            {"part": f"parts/{'1' * 32}/{'2' * 32}"},
            {"part": "../secret"},
            {"sha256": "../../secret", "part": f"parts/{KEY}/../../secret"},
            {"sha256": "3" * 64},
            {"size": 9},
            {"size": -1},
            {"size": "ten"},
            {"rows": None},
            {"surprise": 1},
        ],
        ids=str,
    )
    def test_a_commit_that_does_not_fit_its_part(
        self, source: ResultStore, tmp_path: Path, changed: dict[str, object]
    ) -> None:
        path = f"commits/{self.KEY}.json"
        commit = msgspec.json.decode(source.objects.read(path) or b"")
        source.objects.replace(path, msgspec.json.encode(commit | changed))
        assert verified(source, self.KEY) is None
        here = ResultStore(str(tmp_path / "here"))
        assert take_over(here, [source], {self.KEY}) == set()
        assert files(tmp_path / "here") == {}

    @pytest.mark.parametrize("text", [b"", b"null", b"\xff", b"[" * 100_000, b" " * (2 << 20)], ids=len)
    def test_a_commit_that_is_none(self, source: ResultStore, text: bytes) -> None:
        source.objects.replace(f"commits/{self.KEY}.json", text)
        assert verified(source, self.KEY) is None

    def test_a_giant_part_is_not_read(self, source: ResultStore, tmp_path: Path) -> None:
        (part,) = (tmp_path / "foreign" / "parts" / self.KEY).iterdir()
        with part.open("r+b") as file:
            file.truncate(1 << 40)
        assert verified(source, self.KEY) is None

"""The commit protocol, the same for a store in memory, in a local folder and on S3."""

import errno
import itertools
import os
from pathlib import Path

import obstore
import pytest

from cluster.errors import StoreError, StoreLostError
from cluster.objects import Objects
from cluster.store import ResultStore
from tests.cluster.conformance import KEY, StoreConformance, a_plan

_numbers = itertools.count()


class TestStore(StoreConformance):
    @pytest.fixture(params=["memory", "local", pytest.param("s3", marks=pytest.mark.s3)])
    def url(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        match request.param:
            case "memory":
                return f"memory://{next(_numbers)}"
            case "local":
                return str(tmp_path / "out")
            case _:
                return str(request.getfixturevalue("s3_url"))


def test_replace_leaves_the_same_bytes_alone(tmp_path: Path) -> None:
    objects = Objects(str(tmp_path))
    objects.replace("a", b"content")
    before = (tmp_path / "a").stat().st_ino
    objects.replace("a", b"content")
    assert (tmp_path / "a").stat().st_ino == before
    objects.replace("a", b"CONTENT")
    assert (tmp_path / "a").read_bytes() == b"CONTENT"


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the quota on the disk is used up")]
)
def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    """A lost store, not a wrong one: the same command goes on when there is room. Root has no quotas to run into."""

    def put(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    objects = Objects(str(tmp_path))
    monkeypatch.setattr(obstore, "put", put)
    with pytest.raises(StoreLostError, match=f"cannot create a: {said}; make room"):
        objects.create("a", b"content")


class TestAddresses:
    def test_reading_commands_make_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="no such folder"):
            ResultStore(str(tmp_path / "typo"), create=False)
        assert not (tmp_path / "typo").exists()

    def test_a_file_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for path in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(StoreError, match=r"file.*--out"):
                ResultStore(str(path))

    def test_unknown_kinds(self) -> None:
        with pytest.raises(StoreError, match="not known"):
            ResultStore("gopher://somewhere")

    def test_what_an_interrupted_write_leaves_is_not_an_object(self, tmp_path: Path) -> None:
        objects = Objects(str(tmp_path))
        (tmp_path / "commits").mkdir()
        (tmp_path / "commits" / f"{KEY}.json#1").write_bytes(b"half")
        assert objects.names("commits") == []
        assert objects.create(f"commits/{KEY}.json", b"whole")
        assert objects.read(f"commits/{KEY}.json") == b"whole"

    @pytest.mark.s3
    def test_a_bucket_that_is_not_there_is_named_at_once(self, s3_server: str) -> None:
        store = ResultStore("s3://no-such-bucket/run")
        with pytest.raises(StoreError, match="no-such-bucket"):
            store.adopt_plan(a_plan())
        with pytest.raises(StoreError, match="no-such-bucket"):
            store.committed()

    def test_no_credentials(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        with pytest.raises(StoreError, match="no AWS credentials"):
            ResultStore("s3://bucket/run")

"""The store on a real S3 server, which checks signatures and has its own mind about conditional writes."""

import itertools
import time
from collections.abc import Callable, Iterator

import boto3
import pytest

from cluster.errors import StoreError
from cluster.objects import Objects
from tests.cluster import test_race
from tests.cluster.conformance import StoreConformance
from tests.faults.ceph import ACCESS_KEY, INSTALL, SECRET_KEY, ceph, missing_programs
from tests.faults.proxy import Rule, proxy

pytestmark = [
    pytest.mark.ceph,
    pytest.mark.skipif(bool(missing_programs()), reason=f"needs {', '.join(missing_programs())}: {INSTALL}"),
]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """The address of a running server with a bucket; this process and those it starts find it in their environment."""
    with ceph() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_PROFILE", raising=False)
        # named, for boto3 remembers the first ones that it found in this process
        boto3.client("s3", aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY).create_bucket(Bucket="tests")
        yield address


@pytest.fixture
def url(gateway: str) -> str:
    return f"s3://tests/{next(_numbers)}"


class TestStoreOnCeph(StoreConformance):
    """All of the store's tests, a listing of more than a thousand objects among them."""


@pytest.mark.parametrize(
    "race",
    [
        test_race.test_one_creator,
        test_race.test_one_commit,
        test_race.test_two_answers_raise_an_alarm_for_all_who_lose_with_the_other,
        test_race.test_one_creator_among_processes,
    ],
)
def test_races(race: Callable[[str], None], url: str) -> None:
    race(url)


def test_answers_lost_on_the_way_from_it(gateway: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed requests pass the proxy; sixteen writers of whom every third never hears of what it wrote."""
    with proxy(gateway, Rule("PutObject-create", "lose", every=3)) as bad:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bad.url)
        test_race.test_one_creator(url)
        assert bad.hits()[0] > 100


def test_a_wrong_secret_is_told_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    begin = time.monotonic()
    with pytest.raises(StoreError, match=rf"{url}: cannot create a: 403 SignatureDoesNotMatch.*credentials") as caught:
        Objects(url).create("a", b"")
    assert time.monotonic() - begin < 5
    assert "a-wrong-secret" not in str(caught.value)


def test_a_bucket_that_is_not_there(gateway: str) -> None:
    objects = Objects("s3://no-such-bucket/run")
    for act in (objects.read, objects.exists, objects.delete, objects.names, lambda path: objects.create(path, b"")):
        with pytest.raises(StoreError, match=r"s3://no-such-bucket/run: cannot .* a: .*no such bucket"):
            act("a")


def test_an_unknown_access_key(gateway: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Objects(url).create("a", b"")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
    objects = Objects(url)
    for act in (objects.read, objects.exists, objects.delete, objects.names, lambda path: objects.create(path, b"")):
        with pytest.raises(StoreError, match=rf"{url}: cannot .* a: 403.*credentials may not"):
            act("a")

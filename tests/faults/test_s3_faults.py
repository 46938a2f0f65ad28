"""An S3 that fails in every way: what passes is waited out, what lasts is told at once, and nothing is half done."""

import itertools
import json
import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from cluster import s3
from cluster.errors import CorruptPartError, StoreError, StoreLostError
from cluster.objects import Objects
from cluster.store import Failure, ResultStore
from tests.cluster import test_race
from tests.cluster.conformance import KEY, OUTPUT, StoreConformance
from tests.faults.proxy import RULES, Proxy, Rule, proxy

pytestmark = pytest.mark.s3
FOR_EVER = 1_000_000
BODY = bytes(range(256)) * 40
SECRET, TOKEN = "wJalr/a+secret", "FwoG/a+token"
PAGED = 1003  # objects: two pages of a listing

_numbers = itertools.count()

# every operation on a folder with one object `there`: what it does, and what it comes to
ACTIONS: dict[str, tuple[Callable[[Objects], object], object]] = {
    "create": (lambda objects: (objects.create("new", BODY), objects.read("new")), (True, BODY)),
    "write": (lambda objects: (objects.replace("there", b"other"), objects.read("there")), (None, b"other")),
    "read": (lambda objects: objects.read("there"), BODY),
    "look for": (lambda objects: objects.exists("there"), True),
    "delete": (lambda objects: (objects.delete("there"), objects.exists("there")), (None, False)),
    "list": (lambda objects: objects.names("folder"), ["1"]),
    "find empty": (lambda objects: objects.empty(), False),
}


@pytest.fixture
def bad(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the S3 server, at first without rules; everything in this test goes through it."""
    monkeypatch.setattr(s3, "FIRST", 0.02)  # many faults, little time
    with proxy(s3_server) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


@pytest.fixture
def url(bad: Proxy) -> str:
    return f"s3://tests/bad/{next(_numbers)}"


@pytest.fixture
def objects(url: str) -> Objects:
    """A folder with two objects."""
    objects = Objects(url)
    for path in ("there", "folder/1"):
        assert objects.create(path, BODY)
    return objects


@pytest.fixture
def store(url: str) -> ResultStore:
    return ResultStore(url)


class TestStoreOnABadDay(StoreConformance):
    """All of the store's tests, through a steady background of faults."""

    MANY = 103  # see TestListings for more than a page of them
    RULES = (
        Rule("GetObject", "truncate", every=11),
        Rule("GetObject", "reset", every=13),
        Rule("PutObject*", "lose", every=7),
        Rule("PutObject*", "reset", every=9),
        Rule("DeleteObjects", "lose", every=2),
        Rule("ListObjectsV2*", "truncate", every=3),
        Rule("*", "answer", every=5),
    )

    @pytest.fixture
    def url(self, bad: Proxy) -> Iterator[str]:
        bad.use(*self.RULES)
        yield f"s3://tests/bad/{next(_numbers)}"
        assert sum(bad.hits()) > 0 or bad.seen.total() < 5


WITH_BODY = [action for action in ACTIONS if action != "look for"]  # whose answers have a body that can be spoilt


class TestWhatPasses:
    @pytest.mark.parametrize("action", ACTIONS)
    @pytest.mark.parametrize("status", [500, 503])
    def test_a_burst_of_refusals(self, bad: Proxy, objects: Objects, action: str, status: int) -> None:
        bad.use(Rule("*", "answer", status=status, first=1, last=4))
        do, outcome = ACTIONS[action]
        assert do(objects) == outcome
        assert bad.hits() == [4]

    @pytest.mark.parametrize(
        ("action", "fault"),
        [*itertools.product(ACTIONS, ["reset", "lose"]), *itertools.product(WITH_BODY, ["truncate"])],
    )
    def test_broken_connections(self, bad: Proxy, objects: Objects, action: str, fault: str) -> None:
        """``lose``: what was written before the answer was lost is known again as ours."""
        bad.use(Rule("*", fault, first=1, last=2))  # type: ignore[arg-type]
        do, outcome = ACTIONS[action]
        assert do(objects) == outcome
        assert bad.hits() == [2]

    @pytest.mark.parametrize(
        ("action", "fault"),
        [*itertools.product(ACTIONS, ["delay"]), *itertools.product(WITH_BODY, ["stall"])],
    )
    def test_no_answer_in_time(
        self, bad: Proxy, url: str, objects: Objects, monkeypatch: pytest.MonkeyPatch, action: str, fault: str
    ) -> None:
        """Slower than a request may take; nothing of it is waited for longer."""
        monkeypatch.setenv(s3.TIMEOUT, "0.2")
        bad.use(Rule("*", fault, seconds=0.4, first=1, last=1))  # type: ignore[arg-type]
        do, outcome = ACTIONS[action]
        begin = time.monotonic()
        assert do(Objects(url)) == outcome
        assert time.monotonic() - begin < 5
        assert bad.hits() == [1]


class TestPatience:
    def test_waits_double_up_to_an_end_and_are_drawn(
        self, bad: Proxy, objects: Objects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr("cluster.s3.time.sleep", waits.append)
        bad.use(Rule("GetObject", "answer", first=1, last=12))
        assert objects.read("there") == BODY
        assert len(waits) == 12
        ends = [min(s3.LONGEST, s3.FIRST * 2**attempt) for attempt in range(12)]
        assert all(0 <= wait <= end for wait, end in zip(waits, ends, strict=True))
        shares = [wait / end for wait, end in zip(waits, ends, strict=True)]
        assert max(shares) - min(shares) > 0.2, "all turned away together would come back together"

    @pytest.mark.parametrize(
        ("action", "fault"),
        [
            *itertools.product(["create", "read", "delete", "list"], ["answer", "reset", "lose"]),
            *itertools.product(["read", "delete", "list"], ["truncate"]),
        ],
    )
    def test_it_ends(
        self, bad: Proxy, objects: Objects, monkeypatch: pytest.MonkeyPatch, action: str, fault: str
    ) -> None:
        monkeypatch.setattr(s3, "PATIENCE", 0.3)
        monkeypatch.setattr(s3, "FIRST_PATIENCE", 0.3)
        bad.use(Rule("*", fault, first=1, last=FOR_EVER))  # type: ignore[arg-type]
        begin = time.monotonic()
        with pytest.raises(StoreError, match=rf"{objects.url}: cannot {action} .*given up after 0\.3 s.*goes on from"):
            ACTIONS[action][0](objects)
        assert time.monotonic() - begin < 5
        assert 2 <= bad.hits()[0] < 30

    def test_it_tells_what_to_do_about_slowness(
        self, bad: Proxy, objects: Objects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3, "PATIENCE", 0.1)
        monkeypatch.setattr(s3, "FIRST_PATIENCE", 0.1)
        monkeypatch.setenv(s3.TIMEOUT, "0.2")
        bad.use(Rule("GetObject", "stall", first=1, last=FOR_EVER))
        with pytest.raises(StoreError, match=rf"no answer in 0\.2 s; {s3.TIMEOUT}"):
            Objects(objects.url).read("there")

    def test_a_request_may_take_half_a_minute_unless_told_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert s3.request_timeout() == 30
        for text in ("soon", "0", "-1", "nan", "inf"):
            monkeypatch.setenv(s3.TIMEOUT, text)
            with pytest.raises(StoreError, match=f"{s3.TIMEOUT}={text}"):
                s3.request_timeout()

    def test_a_conflict_of_two_writes_is_no_object(self, bad: Proxy, objects: Objects) -> None:
        bad.use(Rule("PutObject-create", "answer", status=409, first=1, last=2))
        assert objects.create("new", BODY)
        assert bad.hits() == [2]


class TestWhatLasts:
    @pytest.mark.parametrize(
        ("status", "words"),
        [(403, "403 AccessDenied.*allow them s3:GetObject"), (404, "404 NoSuchBucket.*check the address")],
    )
    @pytest.mark.parametrize("action", ACTIONS)
    def test_it_is_told_at_once(self, bad: Proxy, objects: Objects, action: str, status: int, words: str) -> None:
        bad.use(Rule("*", "answer", status=status, first=1, last=FOR_EVER))
        begin = time.monotonic()
        named = {"find empty": "list", "write": "look for"}.get(action, action)
        if status == 403 and named == "look for":
            words = "403.*allow them s3:GetObject"  # S3 answers this request with nothing but the number
        with pytest.raises(StoreError, match=rf"{objects.url}: cannot {named} (there|new|folder|it): {words}"):
            ACTIONS[action][0](objects)
        assert time.monotonic() - begin < 5
        assert bad.hits()[0] <= 2

    def test_no_such_address(self, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://no-such-host.invalid")
        begin = time.monotonic()
        with pytest.raises(StoreError, match=r"s3://tests/a: cannot read b: .*AWS_ENDPOINT_URL"):
            Objects("s3://tests/a").read("b")
        assert time.monotonic() - begin < 5

    def test_a_bucket_that_is_not_there_is_no_missing_object(self, bad: Proxy) -> None:
        for action in (*ACTIONS, "missing"):
            objects = Objects("s3://no-such-bucket/run")
            with pytest.raises(StoreError, match=r"s3://no-such-bucket/run: cannot .*no such bucket"):
                ACTIONS.get(action, (lambda objects: objects.exists("missing"), None))[0](objects)

    @pytest.mark.parametrize("fault", ["answer", "reset"])
    @pytest.mark.parametrize("status", [403, 503])
    def test_no_credentials_in_what_is_said(
        self,
        bad: Proxy,
        url: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        fault: str,
        status: int,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        monkeypatch.setattr(s3, "PATIENCE", 0.1)
        monkeypatch.setattr(s3, "FIRST_PATIENCE", 0.1)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
        objects = Objects(url)
        bad.use(Rule("*", fault, status=status, first=1, last=FOR_EVER))  # type: ignore[arg-type]
        for do, _ in ACTIONS.values():
            with pytest.raises(StoreError) as caught:
                do(objects)
            said = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(objects.__dict__)
            assert SECRET not in said
            assert TOKEN not in said


class TestLostAnswers:
    def test_one_winner_of_sixteen(self, bad: Proxy, url: str) -> None:
        bad.use(Rule("PutObject-create", "lose", every=3))
        objects = Objects(url)
        for i in range(8):
            path = f"commits/{i}"
            won = test_race.at_once(lambda writer, path=path: objects.create(path, b"%d" % writer))  # type: ignore[misc]
            assert won.count(True) == 1
            assert objects.read(path) == b"%d" % won.index(True)
        assert bad.hits()[0] > 40

    def test_a_unit_is_committed_by_who_committed_it(self, bad: Proxy, store: ResultStore) -> None:
        bad.use(Rule("PutObject-create", "lose", key="*/parts/*", first=1, last=1),
                Rule("PutObject-create", "lose", key="*/commits/*", first=1, last=1))  # fmt: skip
        assert store.commit(KEY, OUTPUT)
        assert not store.commit(KEY, OUTPUT)
        assert store.load(KEY) == OUTPUT.payload
        assert bad.hits() == [1, 1]

    def test_a_failure_counts_once(self, bad: Proxy, store: ResultStore) -> None:
        bad.use(Rule("PutObject-create", "lose", every=2))
        failure = Failure(KEY, "fit", "KO/50/HAR", "reason")
        assert [store.record_failure(failure) for _ in range(3)] == [1, 2, 3]
        assert store.failures()[KEY][0] == 3
        assert bad.hits()[0] >= 2


class TestFlippedBits:
    @pytest.mark.parametrize("what", ["parts", "commits"])
    def test_on_the_way_destroy_nothing(self, bad: Proxy, store: ResultStore, what: str) -> None:
        store.commit(KEY, OUTPUT)
        before = store.objects.names("parts"), store.objects.names("commits")
        bad.use(Rule("GetObject", "flip", key=f"*/{what}/*", first=1, last=1))
        assert store.load(KEY) == OUTPUT.payload
        assert bad.hits() == [1]
        assert (store.objects.names("parts"), store.objects.names("commits")) == before
        assert store.objects.names("quarantine") == []

    def test_that_stay_are_damage(self, bad: Proxy, store: ResultStore) -> None:
        store.commit(KEY, OUTPUT)
        bad.use(Rule("GetObject", "flip", key="*/parts/*", first=1, last=FOR_EVER))
        with pytest.raises(CorruptPartError, match="damaged"):
            store.load(KEY)
        assert bad.hits()[0] >= 2
        assert store.committed() == set()
        assert len(store.objects.names("quarantine")) == 1
        bad.use()
        assert store.commit(KEY, OUTPUT)
        assert store.load(KEY) == OUTPUT.payload


@pytest.fixture(scope="module")
def many(s3_server: str) -> str:
    """A folder of two pages."""
    client = boto3.client("s3", endpoint_url=s3_server)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: client.put_object(Bucket="tests", Key=f"paged/many/{i:04d}", Body=b""), range(PAGED)))
    return "s3://tests/paged"


class TestListings:
    @pytest.mark.parametrize("fault", ["answer", "reset", "lose", "truncate", "stall"])
    def test_second_page_fails_for_a_while(
        self, bad: Proxy, many: str, monkeypatch: pytest.MonkeyPatch, fault: str
    ) -> None:
        monkeypatch.setenv(s3.TIMEOUT, "1")
        bad.use(Rule("ListObjectsV2-next", fault, first=1, last=1))  # type: ignore[arg-type]
        assert Objects(many).names("many") == [f"{i:04d}" for i in range(PAGED)]
        assert bad.hits() == [1]
        assert bad.seen["ListObjectsV2"] == 2, "goes on after the last name"

    @pytest.mark.parametrize(("fault", "status"), [("answer", 403), ("answer", 503), ("truncate", 0)])
    def test_second_page_fails_for_good(
        self, bad: Proxy, many: str, monkeypatch: pytest.MonkeyPatch, fault: str, status: int
    ) -> None:
        """The thousand names of the first page are no answer."""
        monkeypatch.setattr(s3, "PATIENCE", 0.3)
        monkeypatch.setattr(s3, "FIRST_PATIENCE", 0.3)
        # after the first failure the rest is asked for as a first page of its own
        bad.use(Rule("ListObjectsV2-next", fault, status=status, first=1, last=FOR_EVER),  # type: ignore[arg-type]
                Rule("ListObjectsV2", fault, status=status, first=2, last=FOR_EVER))  # type: ignore[arg-type]  # fmt: skip
        with pytest.raises(StoreError, match=f"{many}: cannot list many"):
            Objects(many).names("many")
        assert bad.hits()[0] == 1
        assert bad.hits()[1] >= 1


def test_proxy_of_another_process(s3_server: str, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules as JSON, for who wants the faults in a process of their own."""
    rules = json.dumps([{"operation": "GetObject", "action": "answer", "status": 403, "every": 2}])
    command = [sys.executable, "-m", "tests.faults.proxy", s3_server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, RULES: rules}) as process:
        try:
            assert process.stdout is not None
            monkeypatch.setenv("AWS_ENDPOINT_URL", process.stdout.readline().strip())
            again = Objects(objects.url)
            assert again.read("there") == BODY
            with pytest.raises(StoreError, match="403"):
                again.read("there")
        finally:
            process.kill()


class TestWhoIsToBlame:
    """A submitter tries again what S3 is to blame for, and not what was asked wrongly."""

    @pytest.mark.parametrize(
        ("status", "lost"), [(503, True), (500, True), (403, False), (404, False)], ids=["503", "500", "403", "404"]
    )
    def test_answers(
        self, bad: Proxy, objects: Objects, monkeypatch: pytest.MonkeyPatch, status: int, lost: bool
    ) -> None:
        monkeypatch.setattr(s3, "FIRST_PATIENCE", 0.1)
        bad.use(Rule("GetObject", "answer", status=status, first=1, last=FOR_EVER))
        with pytest.raises(StoreError) as caught:
            Objects(objects.url).read("there")
        assert isinstance(caught.value, StoreLostError) is lost

    @pytest.mark.parametrize("reached", [True, False])
    def test_silence(self, bad: Proxy, objects: Objects, monkeypatch: pytest.MonkeyPatch, reached: bool) -> None:
        monkeypatch.setattr(s3, "FIRST_PATIENCE", 0.1)
        monkeypatch.setattr(s3, "PATIENCE", 0.1)
        objects = Objects(objects.url)
        if reached:
            assert objects.read("there") == BODY
        bad.use(Rule("*", "reset", first=1, last=FOR_EVER))
        with pytest.raises(StoreError) as caught:
            objects.read("there")
        assert isinstance(caught.value, StoreLostError) is reached

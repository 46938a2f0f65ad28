"""Many writers, one key: exactly one creates it, whatever the store."""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from cluster.errors import NondeterminismError
from cluster.objects import Objects
from cluster.store import ResultStore
from cluster.study import Output

WRITERS = 16
ROUNDS = 30
PROCESSES = 4
BIG = 200_000  # bytes: long enough to be seen half written, if that could be


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "out") if request.param == "local" else str(request.getfixturevalue("s3_url"))


def at_once(doing: Callable[[int], object]) -> list[object]:
    """What sixteen threads come to that begin together."""
    barrier = threading.Barrier(WRITERS)

    def one(i: int) -> object:
        barrier.wait()
        return doing(i)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(one, range(WRITERS)))


def test_one_creator(url: str) -> None:
    objects = Objects(url)
    for i in range(ROUNDS):
        path = f"commits/{i}"
        won = at_once(lambda writer, path=path: objects.create(path, b"%d" % writer))  # type: ignore[misc]
        assert won.count(True) == 1
        assert objects.read(path) == b"%d" % won.index(True)


def test_one_commit(url: str) -> None:
    store = ResultStore(url)
    for i in range(ROUNDS):
        key = f"{i:032d}"
        output = Output(key.encode() * 8, 1)
        won = at_once(lambda _, key=key, output=output: store.commit(key, output))  # type: ignore[misc]
        assert won.count(True) == 1
        assert store.load(key) == output.payload
        assert len(store.objects.names(f"parts/{key}")) == 1


def test_two_answers_raise_an_alarm_for_all_who_lose_with_the_other(url: str) -> None:
    store = ResultStore(url)

    def commit(writer: int) -> str:
        try:
            return "won" if store.commit("key", Output(b"%d" % (writer % 2), 1)) else "agreed"
        except NondeterminismError:
            return "alarm"

    ends = at_once(commit)
    assert ends.count("won") == 1
    side = ends.index("won") % 2
    assert all((end == "alarm") == (writer % 2 != side) for writer, end in enumerate(ends))


def test_nobody_sees_half_an_object(tmp_path: Path) -> None:
    objects = Objects(str(tmp_path))
    for i in range(ROUNDS):
        path = f"parts/{i}"

        def write_or_read(who: int, path: str = path) -> bytes | None:
            if who % 2:
                objects.create(path, b"%x" % who * BIG)
            return objects.read(path)

        for seen in at_once(write_or_read):
            assert seen is None or (isinstance(seen, bytes) and len(seen) == BIG and len(set(seen)) == 1)
    assert list(tmp_path.rglob("*#*")) == []


def _create_all(url: str, barrier: Barrier, who: int) -> list[bool]:
    objects = Objects(url)
    won = []
    for i in range(ROUNDS):
        barrier.wait(60)
        won.append(objects.create(f"commits/{i}", b"%d" % who))
    return won


def test_one_creator_among_processes(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(PROCESSES) as pool:
        barrier = manager.Barrier(PROCESSES)
        work = [(url, barrier, who) for who in range(PROCESSES)]
        won = pool.starmap_async(_create_all, work, chunksize=1).get(120)
    objects = Objects(url)
    for i, of_round in enumerate(zip(*won, strict=True)):
        assert of_round.count(True) == 1
        assert objects.read(f"commits/{i}") == b"%d" % of_round.index(True)

"""A machine that cannot fail proves nothing: each of these breaks the protocol, and the machine must find it."""

from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from cluster import driver
from cluster.checkpoints import Kept
from cluster.coordinator import Coordinator
from cluster.keys import encode
from cluster.objects import Objects
from cluster.store import Commit, Failure, ResultStore
from cluster.study import Output, Unit
from tests.faults.steps import Chain
from tests.faults.test_protocol import Protocol


def _overwritten(objects: Objects, path: str, payload: bytes) -> bool:
    objects.replace(path, payload)
    return True


def _unchecked(store: ResultStore, key: str) -> bytes | None:
    commit = store.read_commit(key)
    return None if commit is None else store.objects.read(commit.part)


def _commit_first(store: ResultStore, key: str, output: Output) -> bool:
    digest = sha256(output.payload).hexdigest()
    mine = Commit(f"parts/{key}/{digest[:32]}", digest, len(output.payload), output.rows, output.counts)
    created = store.objects.create(f"commits/{key}.json", encode(msgspec.to_builtins(mine)))
    store.objects.create(mine.part, output.payload)
    return created


def _counted_twice(store: ResultStore, failure: Failure) -> int:
    number = len(store.objects.names(f"failures/{failure.key}")) + 1
    payload = encode(msgspec.to_builtins(msgspec.structs.replace(failure, attempt=uuid4().hex)))
    while not store.objects.create(f"failures/{failure.key}/{number:03d}.json", payload):
        number += 1
    return number


def _forgotten(coordinator: Coordinator, key: str, reason: str, *, displaced: bool = False) -> bool:
    coordinator._running.discard(key)
    return True


def _by_chance(study: Chain, unit: Unit, *_: Any) -> Output:
    return Output(uuid4().bytes, 1)


def _believed(kept: Kept) -> bytes | None:
    stored = kept._store.objects.read(kept._path)
    kept._touched = True
    return None if stored is None else stored.partition(b"\n")[2]


def _left(store: ResultStore, keys: Collection[str]) -> None:
    pass


@pytest.mark.parametrize(
    ("troubles", "where", "name", "broken"),
    [
        (["second driver", "unit lost"], Objects, "create", _overwritten),
        (["damage"], ResultStore, "load", _unchecked),
        (["die"], ResultStore, "commit", _commit_first),
        (["lose", "unit lost"], ResultStore, "record_failure", _counted_twice),
        (["worker lost"], Coordinator, "lost", _forgotten),
        (["late"], Chain, "run", _by_chance),
        (["die", "damage"], Kept, "load", _believed),
        (["die"], driver, "remove_leftovers", _left),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_machine_finds(
    monkeypatch: pytest.MonkeyPatch, troubles: list[str], where: Any, name: str, broken: Callable[..., Any]
) -> None:
    monkeypatch.setattr(where, name, broken)
    machine = type("Broken", (Protocol,), {"only": tuple(troubles)})
    once = settings(max_examples=1000, stateful_step_count=40, phases=[Phase.generate], derandomize=True, database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=once)

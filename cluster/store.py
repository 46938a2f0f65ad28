"""The results store: where truth lives, because Ray may run a task twice and a lost worker may still finish.

    plan.json               created once; a resumed run must match it
    parts/<key>/<sha256>    deterministic bytes of one unit, named by their content
    commits/<key>.json      created once, after the part: the unit is done, and this is its part
    failures/<key>/<n>.json one entry for each failed attempt
    quarantine/...          parts whose bytes no longer match their commit

Naming a part by its content makes every attempt at a unit write the same object, so a results folder is the same, file
by file, whatever happened on the way; only the failures and the quarantine tell of it. Readers go through commits and
verify the checksum.
"""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cluster.errors import CorruptPartError, NondeterminismError, PlanMismatchError, StoreError
from cluster.keys import canonical, encode
from cluster.objects import Objects
from cluster.study import Output, Plan

DEEPEST = 20  # settings within settings
READERS = 32  # requests at a time where many small objects are read


class Commit(Struct, frozen=True, forbid_unknown_fields=True):
    """A unit is done: the part that holds it, its checksum and size, and what the unit counted."""

    part: str
    sha256: str
    size: int
    rows: int
    counts: dict[str, int]
    status: str = "done"


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """One failed attempt at a unit: which one, in the study's words, and why.

    ``attempt`` tells entries apart that say the same; the store gives it.
    """

    key: str
    kind: str
    name: str
    reason: str
    detail: str = ""
    coordinates: dict[str, str | int] = {}
    attempt: str = ""


class ResultStore:
    """The results folder of one run, local or on S3."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        self.objects = Objects(url, create=create)
        self.url = self.objects.url

    def adopt_plan(self, plan: Plan) -> Plan:
        """Store the plan, or check that the stored one is the same.

        What it says ``about`` the data may differ, and what its units are expected to take: a run whose numbers are the
        same is the same run.

        Returns:
            The plan, with what the stored one says about the data.

        Raises:
            PlanMismatchError: The folder holds another run; the message shows what differs.
        """
        payload = msgspec.json.encode(plan, order="deterministic")
        # in this order: a run that starts at this moment creates its plan before anything else
        if not self.objects.empty() and not self.has_plan():
            raise StoreError(
                f"{self.url}: not empty, and no plan.json says that a run was started here; choose another --out"
            )
        if self.objects.create("plan.json", payload):
            return plan
        stored = self.plan()
        if _essence(stored) != _essence(plan):
            raise PlanMismatchError(
                f"{self.url} holds another run: {_difference(stored, plan)}; use the same settings to continue it, or "
                "another --out"
            )
        return replace(plan, about=stored.about)

    def has_plan(self) -> bool:
        """Whether a run was started here."""
        return self.objects.exists("plan.json")

    def plan(self) -> Plan:
        """The stored plan.

        Raises:
            StoreError: There is none, or it cannot be understood.
        """
        payload = self.objects.read("plan.json")
        if payload is None:
            raise StoreError(f"{self.url}: no plan.json, so no run was started here; check the address")
        return _decoded(payload, Plan, f"{self.url}/plan.json")

    def commit(self, key: str, output: Output) -> bool:
        """Store a unit's part, then its commit; False if another attempt was first (its bytes are the same).

        Raises:
            NondeterminismError: Another attempt committed different bytes.
        """
        digest = hashlib.sha256(output.payload).hexdigest()
        part = f"parts/{key}/{digest[:32]}"
        if not self.objects.create(part, output.payload):
            # the same content by name: only a damaged object differs, and then these bytes repair it
            self.objects.replace(part, output.payload)
        mine = Commit(part, digest, len(output.payload), output.rows, dict(sorted(output.counts.items())))
        if self.objects.create(f"commits/{key}.json", encode(msgspec.to_builtins(mine))):
            return True
        try:
            theirs = self.read_commit(key)
        except CorruptPartError:  # it has been set aside
            return self.commit(key, output)
        if theirs is not None and theirs.sha256 != digest:
            raise NondeterminismError(
                f"{self.url}: two attempts at unit {key} gave different bytes ({theirs.sha256[:12]} was committed, now "
                f"{digest[:12]}); the first one stands, but its numbers depend on something outside its key"
            )
        return False

    def committed(self) -> set[str]:
        """Keys of all units that are done."""
        return {name.removesuffix(".json") for name in self.objects.names("commits")}

    def is_committed(self, key: str) -> bool:
        """Whether a unit is done."""
        return self.objects.exists(f"commits/{key}.json")

    def read_commit(self, key: str) -> Commit | None:
        """A unit's commit, or None if it is not done.

        Raises:
            CorruptPartError: It was cut short (a machine that lost power). It has been set aside and the unit must be
                computed again.
            StoreError: It is whole but not a commit of this version.
        """
        path = f"commits/{key}.json"
        for last in (False, True):  # see load
            payload = self.objects.read(path)
            if payload is None:
                return None
            try:
                commit = _decoded(payload, Commit, f"{self.url}/{path}")
            except _DamagedError as error:
                if last:
                    self._set_aside(key, path, payload)
                    raise CorruptPartError(key, f"{error}; set aside, its unit is computed again") from error
            else:
                break
        if commit.part != f"parts/{key}/{commit.sha256[:32]}":
            raise StoreError(f"{self.url}/{path} names {commit.part!r}, no part of this unit: changed by hand?")
        return commit

    def commits(self, keys: Iterable[str]) -> dict[str, Commit]:
        """The commits of those units that are done, many read at a time: one by one would take hours on S3.

        Raises:
            CorruptPartError: See :meth:`read_commit`.
        """
        wanted = list(keys)
        with ThreadPoolExecutor(READERS) as pool:
            found = zip(wanted, pool.map(self.read_commit, wanted), strict=True)
            return {key: commit for key, commit in found if commit is not None}

    def load(self, key: str) -> bytes | None:
        """A done unit's payload, verified; None if it is not done.

        Raises:
            CorruptPartError: The part is missing or damaged. It has been set aside and the unit must be computed again.
        """
        commit = self.read_commit(key)
        if commit is None:
            return None
        # read twice before it is believed to be damaged: bytes may change on their way, too
        for _ in range(2):
            payload = self.objects.read(commit.part)
            if payload is not None and hashlib.sha256(payload).hexdigest() == commit.sha256:
                return payload
        if payload is not None:
            self._set_aside(key, commit.part, payload)
        self.objects.delete(f"commits/{key}.json")
        state = "missing" if payload is None else f"damaged ({len(payload)} bytes, {commit.size} were committed)"
        raise CorruptPartError(key, f"{self.url}/{commit.part} is {state}; set aside, its unit is computed again")

    def set_damaged_aside(self, keys: Iterable[str]) -> list[str]:
        """Verify the parts of units; returns the damaged ones, which have been set aside."""

        def damaged(key: str) -> bool:
            try:
                self.load(key)
            except CorruptPartError:
                return True
            return False

        wanted = list(keys)
        with ThreadPoolExecutor(READERS) as pool:
            return [key for key, bad in zip(wanted, pool.map(damaged, wanted), strict=True) if bad]

    def _set_aside(self, key: str, path: str, payload: bytes) -> None:
        found = hashlib.sha256(payload).hexdigest()
        self.objects.create(f"quarantine/{key}/{found[:32]}", payload)
        self.objects.delete(path)

    def record_failure(self, failure: Failure) -> int:
        """Add an entry to the ledger; returns how many this unit has now."""
        number = len(self.objects.names(f"failures/{failure.key}")) + 1
        payload = encode(msgspec.to_builtins(msgspec.structs.replace(failure, attempt=uuid4().hex)))
        while True:
            path = f"failures/{failure.key}/{number:03d}.json"
            # one that is there may be ours, whose acknowledgement was lost: it must not count twice
            if self.objects.create(path, payload) or self.objects.read(path) == payload:
                return number
            number += 1

    def failures(self) -> dict[str, tuple[int, Failure]]:
        """For each unit that has failed and is not done: how often, and the last failure."""
        done = self.committed()
        latest: dict[str, tuple[int, str]] = {}
        for name in self.objects.names("failures"):
            key = name.split("/")[0]
            if key not in done:
                latest[key] = (latest.get(key, (0, ""))[0] + 1, name)
        entries = {}
        for key, (count, name) in latest.items():
            payload = self.objects.read(f"failures/{name}")
            if payload is None:
                continue
            try:
                failure = _decoded(payload, Failure, f"{self.url}/failures/{name}")
                entries[key] = (count, msgspec.structs.replace(failure, attempt=""))
            except _DamagedError as error:  # a ledger entry that was cut short must not stop its readers
                entries[key] = (count, Failure(key, "", key, str(error)))
        return entries


Stored = TypeVar("Stored", Plan, Commit, Failure)


class _DamagedError(StoreError):
    """An object is not even JSON."""


def _decoded(payload: bytes, kind: type[Stored], where: str) -> Stored:
    try:
        decoded = msgspec.json.decode(payload, type=kind)
        if isinstance(decoded, Plan) and _deeper(decoded.config, DEEPEST):
            raise StoreError(f"{where} cannot be understood: its settings are nested more than {DEEPEST} deep")
        return decoded
    except RecursionError as error:
        raise StoreError(f"{where} cannot be understood: nested without end") from error
    except msgspec.ValidationError as error:
        raise StoreError(f"{where} cannot be understood ({error}): written by another version or program") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _DamagedError(f"{where} is damaged ({error})") from error


def _deeper(value: Any, levels: int) -> bool:
    """Whether dicts and lists are nested deeper than that."""
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(item, levels - 1) for item in items)


def _essence(plan: Plan) -> bytes:
    """A plan without what does not change numbers."""
    units = tuple(replace(unit, cost=1.0, memory=0) for unit in plan.units)
    return msgspec.json.encode(replace(plan, units=units, about={}), order="deterministic")


def _difference(stored: Plan, wanted: Plan) -> str:
    """The first differences between two plans, in words."""
    found = []
    if stored.study != wanted.study:
        found.append(f"study {stored.study} (yours: {wanted.study})")
    for label in ("config", "versions"):
        old, new = _flat(getattr(stored, label)), _flat(getattr(wanted, label))
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                found.append(f"{name} {_apart(old.get(name), new.get(name))}")
    if stored.data != wanted.data:
        found.append(f"data {stored.data[:12]} (yours: {wanted.data[:12]})")
    return "; ".join(found) or "its units differ"


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Settings within settings as ``fnn.epochs``, so that a difference is named and not cut off."""
    flat: dict[str, Any] = {}
    for name, value in canonical(settings).items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {above + name: value}
    return flat


def _apart(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        # what both hold would fill the line before the difference
        old_only, new_only = [item for item in old if item not in new], [item for item in new if item not in old]
        if old_only or new_only:
            return f"{len(old)} with {_short(old_only)} (yours: {len(new)} with {_short(new_only)})"
    return f"{_short(old)} (yours: {_short(new)})"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."

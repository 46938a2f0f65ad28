"""What units of minutes keep of their state while they run, so that a killed attempt is gone on with.

    checkpoints/<key>       the state one unit kept last; gone as soon as the unit is committed

A convenience beside the protocol of :mod:`cluster.store`: a state says itself what it is and what its checksum is, and
one that is damaged, half written, too large or another unit's counts as none. Two attempts at a unit may keep theirs in
turn; each is a valid one, and the last stays.

Losing a state loses time and nothing else, so nothing that happens to one stops its unit: a folder that takes none is
left alone for a while (and the run says so), and when it has really gone the unit's commit finds that out. Only where
the store has fallen silent as a state is to be read does the run end as it does at any other read: to begin at the
beginning would throw the state away that the same command goes on from when the store is back.
"""

import hashlib
import os
import re
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from cluster.errors import StoreError, StoreLostError
from cluster.store import ResultStore
from cluster.study import Unit

FOLDER = "checkpoints"
SECONDS = 20.0  # between two states of a unit, at least
SHARE = 20.0  # times what the last one took to be kept; keeping them is to be no large part of a unit's time
LARGEST = 2 << 30  # bytes of a state whose unit does not say how much memory it needs
PATIENCE = 5.0  # seconds for which S3 is asked again to keep or to remove one, while its unit waits


class Kept:
    """The checkpoint of one attempt at a unit (:class:`cluster.study.Checkpoint`), in the results store.

    Attributes:
        continued: Whether the attempt went on from a state.
        unkept: Why a state could not be kept, if one could not.
    """

    def __init__(self, store: ResultStore, unit: Unit) -> None:
        self.continued = False
        self.unkept = ""
        self._store = store
        self._hurried = store.objects.hurried(PATIENCE)
        self._unit = unit
        self._path = f"{FOLDER}/{unit.key}"
        self._most = min(unit.memory or LARGEST, LARGEST)
        self._touched = False
        self._removed = False
        self._next = time.monotonic() + SECONDS

    def load(self) -> bytes | None:
        """The state that was kept last, verified; None if there is none, or none that can be trusted.

        Raises:
            StoreLostError: The store has stopped answering; a state may be there.
        """
        if self._removed:  # or is to be, where the store refuses
            return None
        self._touched = True
        if "://" not in self._store.url and not Path(self._store.url, self._path).is_file():
            return None  # a pipe would be waited for
        try:
            stored = self._store.objects.read(self._path, most=self._most + len(self._head(b"")))
        except StoreLostError:
            raise
        except StoreError:
            return None
        head, _, payload = (stored or b"").partition(b"\n")
        if head + b"\n" != self._head(payload):
            return None
        self.continued = True
        return payload

    def due(self) -> bool:
        """Whether it is time to keep the state."""
        return time.monotonic() >= self._next

    def save(self, payload: bytes) -> None:
        """Keep a state in place of the last one, unless the unit is done already (a late attempt has no use for it)."""
        began = time.monotonic()
        try:
            if len(payload) > self._most:
                self.unkept = f"{len(payload):,} bytes are more than the {self._most:,} that its memory allows"
            elif not self._hurried.exists(f"commits/{self._unit.key}.json"):
                self._touched = True
                self._hurried.write(self._path, self._head(payload) + payload)
                self._removed = False
        except StoreError as error:
            self.unkept = str(error)
        now = time.monotonic()
        self._next = now + max(SECONDS, SHARE * (now - began))

    def remove(self) -> None:
        """Leave nothing, where this attempt has kept or looked for anything; what cannot be removed stays."""
        self.continued, self._removed = False, True
        if self._touched:
            with suppress(StoreError):
                self._hurried.delete(self._path)

    def _head(self, payload: bytes) -> bytes:
        return f"checkpoint 1 {self._unit.key} {hashlib.sha256(payload).hexdigest()}\n".encode()


def remove_leftovers(store: ResultStore, keys: Collection[str]) -> None:
    """Remove what is left of these units: of attempts that were killed between commit and removal, or came late.

    What cannot be removed stays: no reader looks at it.
    """
    with suppress(StoreError):
        for name in store.objects.names(FOLDER):
            if name in keys:
                store.objects.delete(f"{FOLDER}/{name}")
    if "://" not in store.url:
        with suppress(OSError):
            _remove_drafts(Path(store.url) / FOLDER, keys)


def _remove_drafts(folder: Path, keys: Collection[str]) -> None:
    """On disk: what interrupted writes have left, which is no object yet, and the folder when nothing else is there."""
    if folder.is_symlink():
        return
    for entry in list(os.scandir(folder)):
        draft = re.fullmatch(r"([0-9a-f]+)#\d+", entry.name)
        if draft and draft[1] in keys:
            os.unlink(entry.path)
    folder.rmdir()

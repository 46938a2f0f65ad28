"""Objects in a local folder, in memory, or on S3, behind the few operations the results store needs.

`obstore` writes each object whole (a temporary file and a rename on disk, one request on S3) and creates conditionally
(a hard link on disk, ``If-None-Match: *`` on S3): of any number of concurrent creators exactly one wins.
"""

import copy
import errno
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore

from cluster import s3
from cluster.errors import StoreError, StoreLostError

MISSING = (NotFoundError, FileNotFoundError)
NO_ROOM = {os.strerror(errno.ENOSPC): "the disk is full", os.strerror(errno.EDQUOT): "the quota on the disk is used up"}
WRITER = "writer"  # metadata of an object on S3: who created it
Result = TypeVar("Result")


class Objects:
    """A folder of objects at ``url``: a local path, ``memory://``, or ``s3://bucket/prefix``.

    Args:
        url: Where it lies.
        create: Whether to make a local folder that is not there; reading commands must not.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self.url = url.rstrip("/") if "://" in url else str(Path(url).absolute())
        if not create and "://" not in self.url and not Path(self.url).is_dir():
            raise StoreError(f"{self.url}: there is no such folder; check the path")
        self._on_s3 = self.url.startswith("s3://")
        self._bucket_seen = False
        self._reached = False  # whether S3 has answered at all
        self._patience: float | None = None  # the usual one
        self._store = _backend(self.url)

    def hurried(self, patience: float) -> "Objects":
        """The same folder, for requests that S3 is asked again for so many seconds only."""
        same = copy.copy(self)
        same._patience = patience
        return same

    def create(self, path: str, payload: bytes) -> bool:
        """Write an object that must not exist yet; False if it does.

        True to exactly one of any number of creators, also where S3 wrote the object and its answer was lost: each
        signs what it writes.
        """
        writer = uuid4().hex
        attempts = itertools.count(1)

        def put() -> bool:
            again = next(attempts) > 1
            try:
                obstore.put(
                    self._store,
                    _checked(path),
                    payload,
                    mode="create",
                    use_multipart=False,
                    attributes={WRITER: writer} if self._on_s3 else None,
                )
            except AlreadyExistsError as error:
                if not s3.exists_already(error):  # two requests at a time, and neither was let through
                    raise
                return again and self._writer(path) == writer
            return True

        return self._done("create", path, put)

    def _writer(self, path: str) -> str | None:
        try:
            return obstore.get(self._store, path, options={"head": True}).attributes.get(WRITER)
        except MISSING:
            return None

    def replace(self, path: str, payload: bytes) -> None:
        """Write an object whole, in place of whatever is there; nothing happens if the bytes are the same."""
        if self._size(path) == len(payload) and self.read(path) == payload:
            return
        self.write(path, payload)

    def write(self, path: str, payload: bytes) -> None:
        """Write an object whole, in place of whatever is there."""
        self._done(
            "write",
            path,
            lambda: obstore.put(self._store, _checked(path), payload, mode="overwrite", use_multipart=False),
        )

    def read(self, path: str, most: int | None = None) -> bytes | None:
        """The object's bytes, or None if there is none.

        With ``most``, one that has more bytes is not read and counts as none.
        """

        def get() -> bytes | None:
            try:
                found = obstore.get(self._store, _checked(path))
                return None if most is not None and found.meta["size"] > most else bytes(found.bytes())
            except MISSING as error:
                if s3.no_bucket(error):
                    raise
                return None

        return self._done("read", path, get)

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        return self._size(path) is not None

    def _size(self, path: str) -> int | None:
        def head() -> int | None:
            try:
                return obstore.head(self._store, _checked(path))["size"]
            except MISSING:
                if self._on_s3 and not self._bucket_seen:  # S3 answers this request with no word about what is missing
                    next(iter(obstore.list(self._store, prefix=path)), None)
                    self._bucket_seen = True
                return None

        return self._done("look for", path, head)

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens if there is none."""

        def remove() -> None:
            try:
                obstore.delete(self._store, _checked(path))
            except MISSING as error:
                if s3.no_bucket(error):
                    raise

        self._done("delete", path, remove)

    def names(self, folder: str) -> list[str]:
        """Paths of all objects below a folder, relative to it, sorted; complete or an error, never a part of them."""
        prefix = _checked(folder)
        found: list[str] = []

        def to_the_end() -> bool:
            before = len(found)
            try:
                for batch in obstore.list(self._store, prefix=prefix, offset=found[-1] if found else None):
                    found.extend(meta["path"] for meta in batch)
            except (BaseError, OSError):
                if not self._on_s3 or len(found) == before:
                    raise
                return False  # S3 lists in order, so the next request goes on after the last name
            return True

        while not self._done("list", folder, to_the_end):
            pass
        return sorted(path[len(prefix) + 1 :] for path in found)

    def empty(self) -> bool:
        """Whether there is no object at all, apart from a plan that another run may be creating at this moment."""

        def look() -> bool:
            batches = obstore.list(self._store, chunk_size=50)
            return not any(meta["path"] != "plan.json" for batch in batches for meta in batch)

        return self._done("list", "it", look)

    def _done(self, action: str, path: str, doing: Callable[[], Result]) -> Result:
        """What an operation comes to; on S3 tried again for a while."""
        usual = s3.PATIENCE if self._reached else s3.FIRST_PATIENCE
        patience = usual if self._patience is None else min(usual, self._patience)
        try:
            result = s3.persist(doing, patience) if self._on_s3 else doing()
        except (BaseError, OSError) as error:
            if self._on_s3:
                # one that has never said a word is more likely a wrong address
                lost = s3.passes(error) and (self._reached or s3.answered(error))
                kind = StoreLostError if lost else StoreError
                # not `from error`: S3's whole answer is in its text, and may repeat a session token
                raise kind(f"{self.url}: cannot {action} {path}: {s3.explain(error, patience)}") from None
            reason = " ".join(str(error).split())[:300]
            for words, full in NO_ROOM.items():
                if words in reason:
                    raise StoreLostError(
                        f"{self.url}: cannot {action} {path}: {full}; make room, and the same command goes on from "
                        "what is committed"
                    ) from error
            raise StoreError(f"{self.url}: cannot {action} {path} ({type(error).__name__}: {reason})") from error
        self._reached = True
        return result


_memory: dict[str, MemoryStore] = {}


def _backend(url: str) -> ObjectStore:
    if url.startswith("memory://"):
        return _memory.setdefault(url, MemoryStore())
    if url.startswith("s3://"):
        address = urlsplit(url)
        return s3.backend(address.netloc, address.path.strip("/"))
    if "://" in url:
        raise StoreError(f"{url}: this kind of address is not known; give a local folder or s3://bucket/prefix")
    try:
        return LocalStore(prefix=url, mkdir=True)
    except (BaseError, OSError) as error:
        raise StoreError(f"{url}: not a folder that can be written to ({error}); choose another --out") from error


def _checked(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise StoreError(f"{path!r} is not a path below the results folder")
    return path

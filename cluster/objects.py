"""Objects in a local folder, in memory, or on S3, behind the few operations the results store needs.

`obstore` writes each object whole (a temporary file and a rename on disk, one request on S3) and creates conditionally
(a hard link on disk, ``If-None-Match: *`` on S3): of any number of concurrent creators exactly one wins.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store

if TYPE_CHECKING:
    from obstore.store import S3Credential

from cluster.errors import StoreError


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
        self._store = _backend(self.url)

    def create(self, path: str, payload: bytes) -> bool:
        """Write an object that must not exist yet; False if it does."""
        try:
            obstore.put(self._store, _checked(path), payload, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._failed("create", path, error) from error
        return True

    def replace(self, path: str, payload: bytes) -> None:
        """Write an object whole, in place of whatever is there; nothing happens if the bytes are the same."""
        if self._size(path) == len(payload) and self.read(path) == payload:
            return
        try:
            obstore.put(self._store, _checked(path), payload, mode="overwrite", use_multipart=False)
        except (BaseError, OSError) as error:
            raise self._failed("write", path, error) from error

    def read(self, path: str) -> bytes | None:
        """The object's bytes, or None if there is none."""
        try:
            return bytes(obstore.get(self._store, _checked(path)).bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise self._failed("read", path, error) from error

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        return self._size(path) is not None

    def _size(self, path: str) -> int | None:
        try:
            return obstore.head(self._store, _checked(path))["size"]
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise self._failed("look for", path, error) from error

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens if there is none."""
        try:
            obstore.delete(self._store, _checked(path))
        except (NotFoundError, FileNotFoundError):
            pass
        except (BaseError, OSError) as error:
            raise self._failed("delete", path, error) from error

    def names(self, folder: str) -> list[str]:
        """Paths of all objects below a folder, relative to it, sorted; complete or an error, never a part of them."""
        prefix = _checked(folder)
        try:
            found = [meta["path"] for batch in obstore.list(self._store, prefix=prefix) for meta in batch]
        except (BaseError, OSError) as error:
            raise self._failed("list", folder, error) from error
        return sorted(path[len(prefix) + 1 :] for path in found)

    def empty(self) -> bool:
        """Whether there is no object at all, apart from a plan that another run may be creating at this moment."""
        try:
            return not any(
                meta["path"] != "plan.json" for batch in obstore.list(self._store, chunk_size=50) for meta in batch
            )
        except (BaseError, OSError) as error:
            raise self._failed("list", "it", error) from error

    def _failed(self, action: str, path: str, error: Exception) -> StoreError:
        reason = " ".join(str(error).split())[:300]
        return StoreError(f"{self.url}: cannot {action} {path} ({type(error).__name__}: {reason})")


_memory: dict[str, MemoryStore] = {}


def _backend(url: str) -> ObjectStore:
    if url.startswith("memory://"):
        return _memory.setdefault(url, MemoryStore())
    if url.startswith("s3://"):
        address = urlsplit(url)
        return _s3(address.netloc, address.path.strip("/"))
    if "://" in url:
        raise StoreError(f"{url}: this kind of address is not known; give a local folder or s3://bucket/prefix")
    try:
        return LocalStore(prefix=url, mkdir=True)
    except (BaseError, OSError) as error:
        raise StoreError(f"{url}: not a folder that can be written to ({error}); choose another --out") from error


def _s3(bucket: str, prefix: str) -> S3Store:
    """An S3 store with the credentials of the usual AWS chain (environment, profile, instance role)."""
    from botocore.session import Session

    session = Session()
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    credentials = session.get_credentials()
    if credentials is None:
        raise StoreError(
            f"s3://{bucket}: no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )

    def current() -> "S3Credential":
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            # botocore renews them itself; asking again every few minutes is how the renewed ones arrive here
            "expires_at": datetime.now(UTC) + timedelta(minutes=10),
        }

    return S3Store(
        bucket,
        prefix=prefix or None,
        region=session.get_config_variable("region") or "us-east-1",
        endpoint=endpoint,
        credential_provider=current,
        client_options={"allow_http": (endpoint or "").startswith("http://"), "timeout": timedelta(seconds=60)},
        retry_config={"max_retries": 8, "retry_timeout": timedelta(seconds=90)},
    )


def _checked(path: str) -> str:
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise StoreError(f"{path!r} is not a path below the results folder")
    return path

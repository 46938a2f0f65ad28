"""The state of a training as bytes, and back: arrays only, checked by a digest, tied to the very same jobs."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from volforecast.networks.architecture import Architecture
from volforecast.networks.jobs import Job, Schedule

Arrays = dict[str, NDArray[Any]]

_FORMAT = b"volforecast networks 1\n"
_DIGEST = 32  # bytes


class Checkpoint(Protocol):
    """Where a training keeps its state, so that one that is killed goes on where it was."""

    def load(self) -> bytes | None:
        """What was saved last; None if nothing was."""

    def due(self) -> bool:
        """Whether to save now; asked after each epoch."""

    def save(self, state: bytes) -> None:
        """Keep this state in place of the last one."""


def identity(a: Architecture, schedule: Schedule, jobs: Sequence[Job], mixed: bool) -> bytes:
    """A digest of all that a training's result depends on."""
    digest = hashlib.sha256(msgspec.json.encode([a, schedule, mixed, len(jobs)]))
    seen: dict[int, bytes] = {}
    for job in jobs:
        if id(job.series) not in seen:
            seen[id(job.series)] = _of_arrays(job.series._asdict())
        digest.update(seen[id(job.series)])
        digest.update(msgspec.json.encode([job.seed, job.weights is None]))
        digest.update(_of_arrays(job.weights or {}))
    return digest.digest()


def pack(arrays: Mapping[str, NDArray[Any]], belongs_to: bytes) -> bytes:
    """The arrays as bytes."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    body = content.getvalue()
    return _FORMAT + belongs_to + hashlib.sha256(body).digest() + body


def unpack(state: bytes | None, belongs_to: bytes) -> Arrays | None:
    """The arrays; None if there is no state, or it is damaged or that of other jobs, and training starts over."""
    head = _FORMAT + belongs_to
    if state is None or not state.startswith(head):
        return None
    check, body = state[len(head) : len(head) + _DIGEST], state[len(head) + _DIGEST :]
    if hashlib.sha256(body).digest() != check:
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _of_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.data)
    return digest.digest()

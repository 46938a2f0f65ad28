"""Units that another results folder holds already: taken over from there instead of computed.

A unit's key hashes everything that changes its numbers, so what is committed under the same key anywhere is what would
be computed here: a network that is trained once serves any number of runs. Whoever names a folder trusts it as much as
the one the results go to, and its parts are verified as those are. Nothing is written there.
"""

import hashlib
import re
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from cluster.errors import StoreError, StoreLostError
from cluster.store import READERS, Commit, ResultStore
from cluster.study import Output

LARGEST_COMMIT = 1 << 20  # bytes; one has a few hundred


def reusable(urls: Sequence[str]) -> list[ResultStore]:
    """The results folders at these addresses, opened.

    Raises:
        StoreError: One cannot be reached, or no run was started there.
    """
    opened = []
    for url in urls:
        try:
            store = ResultStore(url, create=False)
            if not store.has_plan():
                raise StoreError(f"{store.url}: no plan.json, so it is no results folder")
        except StoreLostError as error:
            raise StoreLostError(f"--reuse: {error}") from error
        except StoreError as error:
            raise StoreError(f"--reuse: {error}") from error
        opened.append(store)
    return opened


def take_over(store: ResultStore, sources: Sequence[ResultStore], pending: Collection[str]) -> set[str]:
    """Commit here those of the pending units that one of the sources holds whole; the first that does is taken.

    Returns:
        Their keys. The others are missing there, or damaged, and have to be computed.

    Raises:
        StoreError: A folder cannot be reached.
        NondeterminismError: Another driver has committed other bytes for one of them meanwhile.
    """
    taken: set[str] = set()
    for source in sources:
        wanted = sorted((source.committed() & set(pending)) - taken)

        def one(key: str, source: ResultStore = source) -> bool:
            output = verified(source, key)
            if output is not None:
                store.commit(key, output)
            return output is not None

        with ThreadPoolExecutor(READERS) as pool:
            taken.update(key for key, whole in zip(wanted, pool.map(one, wanted), strict=True) if whole)
    return taken


def verified(source: ResultStore, key: str) -> Output | None:
    """What a folder holds of a unit, if its commit can be read and its part has the bytes that were committed.

    Unlike :meth:`cluster.store.ResultStore.load` it leaves what is damaged where it is: the folder is another run's.
    """
    written = source.objects.read(f"commits/{key}.json", most=LARGEST_COMMIT)
    try:
        commit = msgspec.json.decode(written or b"", type=Commit)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not re.fullmatch("[0-9a-f]{64}", commit.sha256) or commit.part != f"parts/{key}/{commit.sha256[:32]}":
        return None
    payload = source.objects.read(commit.part, most=commit.size)
    if payload is None or hashlib.sha256(payload).hexdigest() != commit.sha256:
        return None
    return Output(payload, commit.rows, commit.counts)

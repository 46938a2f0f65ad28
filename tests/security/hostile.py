"""What an attacker or a broken disk would put into files, and a watch over what reading them does."""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

# names for assets, columns, objects, folders
NAMES = (
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "..",
    ".",
    "",
    " ",
    "~",
    "$(id)",
    "`id`",
    "a;b",
    "a\\b",
    "%2e%2e%2f",
    "C:\\x",
    "-rf",
    "--out",
    "NUL\0",
    "line\nbreak",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "\r",
    "\u202eevil",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg/onload=alert(1)>",
    "{{ 7*7 }}",
    "[red]x[/red]",
    "[/]",
    "=1+1",
    "x" * 300,
    "ü" * 40,
    "\N{PILE OF POO}",
    "nan",
    "None",
    "{0.__class__}",
    "%s%n",
)


@st.composite
def damaged(draw: st.DrawFn, payload: bytes) -> bytes:
    """The bytes with a few flipped, filled, inserted, taken out, or with the end cut off."""
    changed = bytearray(payload)
    for _ in range(draw(st.integers(1, 4))):
        # half of them near the end, where Parquet keeps its footer
        at = draw(st.integers(0, len(changed)) | st.integers(max(0, len(changed) - 1500), len(changed)))
        what = draw(st.sampled_from(["flip", "flip", "fill", "insert", "delete", "truncate"]))
        if what == "flip" and at < len(changed):
            changed[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "fill":
            changed[at : at + 8] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f"])) * 8
        elif what == "insert":
            changed[at:at] = draw(st.binary(min_size=1, max_size=40))
        elif what == "delete":
            del changed[at : at + draw(st.integers(1, 40))]
        elif what == "truncate":
            del changed[at:]
    return bytes(changed)


_events: list[tuple[str, str]] = []
_watching: list[Path] = []
_DEEDS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect", "pickle.find_class")
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")


def _heard(event: str, details: tuple[Any, ...]) -> None:
    if not _watching:
        return
    if event in _DEEDS:
        _events.append((event, str(details[:1])))
    elif event in _CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & _WRITING):
        path = details[0]
        if isinstance(path, (str, bytes)) and not _inside(Path(os.fsdecode(path))):
            _events.append((event, os.fsdecode(path)))


def _inside(path: Path) -> bool:
    place = Path(os.path.abspath(path))
    return place == Path(os.devnull) or "__pycache__" in place.parts or any(map(place.is_relative_to, _watching))


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
sys.addaudithook(_heard)  # for good: Python has no way to take one out


@contextmanager
def harmless(*folders: Path) -> Iterator[None]:
    """Fail if what is done here starts a process, connects, unpickles, or writes outside of the folders."""
    _events.clear()
    _watching.extend(folder.absolute() for folder in folders)
    try:
        yield
        assert not _events, list(_events)
    finally:
        _watching.clear()


@contextmanager
def little_memory(gibibytes: float = 2.0) -> Iterator[None]:
    """Let this process have so much more memory than it has now, and no more."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + int(gibibytes * 2**30), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# the second is more than a JSON number may be, the third deeper than any parser's stack
BOMBS = (b"[" * 100_000, b"1" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b"1e999999", b"\xff\xfe")
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(NAMES)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def rewritten(draw: st.DrawFn, value: Any) -> Any:
    """The JSON value with one place in it replaced, taken out, doubled, or added to."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        return value | {name: draw(rewritten(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(rewritten(value[at])), *value[at + 1 :]]
    what = draw(st.sampled_from(["replace", "replace", "shrink", "grow"]))
    if isinstance(value, dict) and value and what == "shrink":
        gone = draw(st.sampled_from(sorted(value)))
        return {name: item for name, item in value.items() if name != gone}
    if isinstance(value, dict) and what == "grow":
        return value | {draw(st.sampled_from(NAMES)): draw(JSON)}
    if isinstance(value, list) and value and what in ("shrink", "grow"):
        at = draw(st.integers(0, len(value) - 1))
        return value[:at] + value[at + 1 :] if what == "shrink" else [*value, value[at]]
    return draw(JSON)

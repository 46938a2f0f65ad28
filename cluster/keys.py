"""Names of units: a hash of everything that changes a unit's numbers."""

import hashlib
import json
import math
from typing import Any


def canonical(value: Any) -> Any:
    """The value itself if it has exactly one JSON text; anything else raises.

    Raises:
        TypeError: Not text, a bool, an integer, a finite float, None, or a list or string-keyed dict of those. A numpy
            scalar or a set has no text that is the same everywhere, and a key built on it would silently change.
    """
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise TypeError(f"{value} has no JSON text; a unit key needs finite numbers")
        return value
    if type(value) in (list, tuple):
        return [canonical(item) for item in value]
    if type(value) is dict:
        if not all(type(name) is str for name in value):
            raise TypeError(f"keys of {value!r} are not all text; a unit key needs named parts")
        return {name: canonical(value[name]) for name in sorted(value)}
    raise TypeError(f"{type(value).__name__} cannot be part of a unit key: {value!r}; convert it to text or a number")


def encode(value: Any) -> bytes:
    """The one JSON text of a value: sorted names, no spaces, UTF-8."""
    return json.dumps(canonical(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def unit_key(parts: dict[str, Any]) -> str:
    """32 hexadecimal digits naming a unit by everything that changes its numbers."""
    return hashlib.sha256(encode(parts)).hexdigest()[:32]

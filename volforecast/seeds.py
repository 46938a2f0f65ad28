"""Random numbers that depend on what is computed, never on where or in which order."""

import hashlib

import numpy as np


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed derived from the named parts of a unit of work.

    Args:
        parts: The study seed and everything that names the draw (target, period, origin, model, ...), in a fixed order.

    Returns:
        A non-negative integer below 2**63, equal on every machine for equal parts.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: str | int) -> np.random.Generator:
    """A PCG64 generator seeded by :func:`seed_of`."""
    return np.random.Generator(np.random.PCG64(seed_of(*parts)))

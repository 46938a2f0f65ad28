"""Which networks a unit trains side by side, as one coordinate of the unit."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec


class Network(NamedTuple):
    """One network: the asset it forecasts and which of the seeds it has, from 1."""

    target: str
    seed: int


def stacks(targets: Sequence[str], seeds: int, size: int) -> list[tuple[Network, ...]]:
    """All networks of a model, so many a unit.

    Args:
        targets: In the order in which they share units; those of equal length waste least beside each other.
        seeds: Networks of a target.
        size: Most networks of a unit.
    """
    networks = [Network(target, seed) for target in targets for seed in range(1, seeds + 1)]
    return [tuple(networks[begin : begin + size]) for begin in range(0, len(networks), size)]


def written(stack: Sequence[Network]) -> str:
    """The networks of a unit as one coordinate."""
    return msgspec.json.encode([[network.target, network.seed] for network in stack]).decode()


def read(text: str) -> list[Network]:
    """The inverse of :func:`written`."""
    return [Network(target, seed) for target, seed in msgspec.json.decode(text, type=list[tuple[str, int]])]


def called(stack: Sequence[Network]) -> str:
    """What people call it: ``BTC 1..5``, ``A 1..C 5``."""
    first, last = stack[0], stack[-1]
    if first == last:
        return f"{first.target} {first.seed}"
    return f"{first.target} {first.seed}..{'' if first.target == last.target else f'{last.target} '}{last.seed}"

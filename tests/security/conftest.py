"""How many inputs the tests of this folder tried, and what became of them; ``pytest -s tests/security`` prints it."""

from collections import Counter
from collections.abc import Iterator

import pytest

Tally = Counter[tuple[str, str]]


@pytest.fixture(scope="session")
def tally() -> Iterator[Tally]:
    """A count for each kind of input and outcome."""
    counts: Tally = Counter()
    yield counts
    kinds = sorted({kind for kind, _ in counts})
    width = max(map(len, kinds), default=0)
    print(f"\n{'inputs tried':{width}}  {sum(counts.values()):6,}")
    for kind in kinds:
        outcomes = {outcome: n for (of, outcome), n in sorted(counts.items()) if of == kind}
        print(f"{kind:{width}}  {sum(outcomes.values()):6,}  {', '.join(f'{n:,} {o}' for o, n in outcomes.items())}")

"""How many examples hypothesis draws: more of them in chaos than in an ordinary run."""

import os
from typing import Any

from hypothesis import settings

TIMES = int(os.environ.get("EXAMPLES", "1"))


def examples(count: int, **more: Any) -> settings:
    """So many examples, times the environment variable ``EXAMPLES``; ``more`` are hypothesis' other settings."""
    return settings(max_examples=count * TIMES, **more)

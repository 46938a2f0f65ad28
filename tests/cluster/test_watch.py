"""When a cluster counts as lost: after a while without a head or a CPU, and not because of a moment."""

import pytest

from cluster.errors import ClusterLostError
from cluster.watch import CPU_SECONDS, HEAD_SECONDS, Watch


class Surroundings:
    def __init__(self) -> None:
        self.time, self.head, self.cpus = 0.0, True, 4
        self.watch = Watch(lambda: self.head, lambda: self.cpus, lambda: self.time)

    def look(self, seconds: float = 1.0) -> int:
        self.time += seconds
        return self.watch.look()


def test_a_healthy_cluster_tells_its_cpus() -> None:
    around = Surroundings()
    assert around.look() == 4
    around.cpus = 7
    assert around.look(1e6) == 7


@pytest.mark.parametrize(("what", "seconds"), [("head", HEAD_SECONDS), ("cpus", CPU_SECONDS)])
def test_what_is_away_too_long_is_lost(what: str, seconds: float) -> None:
    around = Surroundings()
    around.look()
    setattr(around, what, 0)
    assert around.look() == 0
    assert around.look(seconds - 1) == 0
    with pytest.raises(ClusterLostError, match="what is committed stays"):
        around.look()


@pytest.mark.parametrize(("what", "seconds"), [("head", HEAD_SECONDS), ("cpus", CPU_SECONDS)])
def test_what_comes_back_starts_anew(what: str, seconds: float) -> None:
    around = Surroundings()
    there = getattr(around, what)
    for _ in range(5):
        setattr(around, what, 0)
        assert around.look() == 0
        assert around.look(0.9 * seconds) == 0
        setattr(around, what, there)
        assert around.look() == 4


def test_a_head_that_is_away_is_not_asked_for_its_cpus() -> None:
    """The question itself would wait, and then end the process."""

    def ask() -> int:
        raise AssertionError("it was asked")

    assert Watch(lambda: False, ask, lambda: 0.0).look() == 0

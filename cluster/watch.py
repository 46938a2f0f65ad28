"""Is the cluster still there? Asked all the time, because Ray waits for ever, or ends the process without a word."""

import time
from collections.abc import Callable

from cluster.errors import ClusterLostError

HEAD_SECONDS = 20.0  # a head that restarts with its state (a cloud's load balancer, KubeRay) is back within seconds
LATE_SECONDS = 60.0  # what a bundle may take beyond what its cost lets expect, before a second copy is sent
LATE_TIMES = 4.0  # and how much slower than the others it may be
CPU_SECONDS = 1800.0  # spot machines come back when there are some; a fixed cluster that lost all its CPUs never does


class Watch:
    """Raises when a cluster has been without a head, or without a CPU, for too long.

    Args:
        head_answers: Whether somebody listens at the head's address.
        cpus: CPUs of the machines that are alive.
        clock: Seconds that only go forward.
    """

    def __init__(
        self, head_answers: Callable[[], bool], cpus: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._head_answers = head_answers
        self._cpus = cpus
        self._clock = clock
        self._silent_since: float | None = None
        self._idle_since: float | None = None

    def look(self) -> int:
        """CPUs that are there now; 0 while the head does not answer.

        Raises:
            ClusterLostError: It has lasted too long.
        """
        now = self._clock()
        if not self._head_answers():
            self._silent_since = now if self._silent_since is None else self._silent_since
            if now - self._silent_since >= HEAD_SECONDS:
                raise ClusterLostError(
                    f"the cluster's head has not answered for {HEAD_SECONDS:.0f} s; what is committed stays: run the "
                    "same command again when there is a cluster"
                )
            return 0
        self._silent_since = None
        cpus = self._cpus()
        if cpus > 0:
            self._idle_since = None
            return cpus
        self._idle_since = now if self._idle_since is None else self._idle_since
        if now - self._idle_since >= CPU_SECONDS:
            raise ClusterLostError(
                f"the cluster has had no CPU for {CPU_SECONDS / 60:.0f} minutes; what is committed stays: run the same "
                "command again when it has some"
            )
        return 0

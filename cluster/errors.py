"""What can go wrong in the engine, drawn once.

EngineError
├── PlanMismatchError    a results folder holds another run: different settings, data or code
├── StoreError           the results store cannot be reached, or what it holds cannot be understood
│   └── StoreLostError   it has stopped answering, or has no room: nothing is wrong with the request
├── ClusterError         Ray cannot do what was asked: no such address, no GPU, too little memory
│   └── ClusterLostError the cluster has gone in the middle of a run: nothing is wrong with the request
├── CorruptPartError     a stored part does not have the bytes that were committed
├── SearchError          a search cannot be made as asked, or none of its trials came to anything (cluster.search)
└── NondeterminismError  two attempts at one unit gave different bytes: a defect, never to be ignored
"""


class EngineError(Exception):
    """Anything the engine raises on purpose."""


class PlanMismatchError(EngineError):
    """The results folder belongs to a run with other settings, data or code; the message shows the difference."""


class StoreError(EngineError):
    """The results store cannot be reached or read; the message names the address."""


class StoreLostError(StoreError):
    """The results store does not answer, or has no room left; the same command goes on when it has."""


class ClusterError(EngineError):
    """Ray cannot do what was asked of it."""


class ClusterLostError(ClusterError):
    """The cluster has gone in the middle of a run; the same command goes on where that ended."""


class CorruptPartError(EngineError):
    """A part's bytes do not match its commit; :attr:`key` names the unit, whose part has been set aside."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key

    def __reduce__(self) -> tuple[type["CorruptPartError"], tuple[str, str]]:
        return type(self), (self.key, str(self))


class NondeterminismError(EngineError):
    """Two attempts at one unit gave different bytes."""

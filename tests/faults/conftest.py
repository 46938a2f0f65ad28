"""What most of the fault tests compare with, and how they start drivers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.driver import run_study
from tests.cluster.toy_study import ToyStudy, files, toy_data
from tests.faults.machines import Driver


@pytest.fixture(scope="session")
def quiet(private_ray: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of a run in which nothing went wrong."""
    out = tmp_path_factory.mktemp("quiet")
    run_study(ToyStudy(), toy_data(), str(out), quiet=True)
    return files(out)


@pytest.fixture
def start() -> Iterator[Callable[..., Driver]]:
    """Start drivers that end with the test."""
    drivers: list[Driver] = []

    def start(*words: Any, kind: type[Driver] = Driver, **environment: str) -> Driver:
        drivers.append(kind(*words, **environment))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()

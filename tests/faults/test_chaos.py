"""Minutes of runs to which everything happens that may; each must end with the bytes of a quiet one.

``CHAOS_MINUTES`` (3) and ``CHAOS_SEED`` (1) in the environment; ``CHAOS_OUT`` names a file for the figures, as JSON.
"""

import os
from pathlib import Path

import msgspec
import pytest

from tests.cluster.toy_study import ToyStudy, files
from tests.faults.chaos import BACKGROUND, RPC_CHAOS, Chaos, ChaosDriver
from tests.faults.machines import several_machines
from tests.faults.proxy import proxy

MINUTES = float(os.environ.get("CHAOS_MINUTES", "3"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
STUDY = ToyStudy(targets=20, seconds=0.3)

pytestmark = [pytest.mark.chaos, pytest.mark.cluster, pytest.mark.s3, pytest.mark.timeout(60 * MINUTES + 900)]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every file of a run in which nothing went wrong."""
    folder = tmp_path_factory.mktemp("quiet")
    driver = ChaosDriver(folder / "log", str(folder / "out"), ToyStudy(targets=STUDY.targets))
    assert driver.process.wait(120) == 0, driver.said()
    driver.file.close()
    return files(folder / "out")


def test_everything_at_once(
    quiet: dict[str, bytes], s3_server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with proxy(s3_server) as bad, several_machines(AWS_ENDPOINT_URL=bad.url, **RPC_CHAOS) as machines:
        chaos = Chaos(SEED, STUDY, machines, bad, s3_server, tmp_path, quiet)
        try:
            chaos.go_on(MINUTES)
        finally:
            figures = chaos.figures
            with capsys.disabled():
                print("\n" + figures.table())
            if "CHAOS_OUT" in os.environ:
                Path(os.environ["CHAOS_OUT"]).write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))
    assert figures.identical == figures.runs > 0
    assert figures.lost == 0
    assert not figures.oddities, "\n\n".join(figures.oddities)
    assert figures.faults.total() > 5 * MINUTES
    assert figures.s3_faults.total() > len(BACKGROUND)

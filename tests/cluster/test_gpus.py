"""Units that ask for a share of a GPU, on a Ray that only counts GPUs: enough to see who gets which, and when."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster import session
from cluster.driver import run_study
from cluster.errors import ClusterError
from tests.cluster.shares import Shares

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

ROOT = Path(__file__).parent.parent.parent


def test_four_quarters_run_side_by_side_on_one(tmp_path: Path) -> None:
    """Each waits for the three others, and all are told the same device."""
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "CUDA_"))}
    words = [sys.executable, "-m", "tests.cluster.shares", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/tables/devices.json").read_bytes()) == [[0.25, "0"]] * 4
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["complete"]
    assert found["refused"] == [
        "share/0 asks for 1.5 GPUs; Ray gives a share of one, or whole ones",
        "scans and units ask for 2 GPUs at once and the cluster has 1; connect to one that has them, or ask for none",
        "share/1 asks for 1.25 GPUs; Ray gives a share of one, or whole ones",
    ]


def test_units_that_wait_for_a_gpu_do_not_keep_cpus_from_the_others(private_ray: None, tmp_path: Path) -> None:
    """Ten want both GPUs, one at a time, and leave first; the one that has them waits until all others have begun."""
    study = Shares(str(tmp_path), (2.0,) * 10, cpus=8, waits_for=9)
    summary = run_study(study, None, str(tmp_path.with_name("out")), quiet=True)
    assert summary.complete, summary.failures
    devices = json.loads((tmp_path.with_name("out") / "tables/devices.json").read_bytes())
    assert devices[:10] == [[2.0, "0,1"]] * 10


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_share_of_none_is_not_waited_for(
    private_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(session, "gpus", lambda: 0.0)
    with pytest.raises(ClusterError, match=f"ask for {share:g} GPUs at once and the cluster has 0"):
        run_study(Shares(str(tmp_path), (share,)), None, str(tmp_path / "out"), quiet=True)

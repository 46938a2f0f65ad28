"""The tensor path against the kernel: on torch's CPU device everywhere, on a GPU where there is one."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.transfer.test_dtw import LENGTH, ask, sequences
from volforecast.errors import ConfigError
from volforecast.predictors import build_rows
from volforecast.transfer import dtw_kernel, dtw_torch
from volforecast.transfer.dtw import lay_out
from volforecast.transfer.selection import INCLUSION_RATES, select
from volforecast.transfer.subsequences import make_shards, measure, queries_at

HAS_GPU = torch.cuda.is_available()
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not HAS_GPU, reason="needs a GPU that torch sees"))]


def rounded_root(squares: torch.Tensor) -> torch.Tensor:
    """The root as IEEE 754 settles it; torch's CPU device takes one that may differ in the last digit."""
    return torch.from_numpy(np.sqrt(squares.numpy()))


@settings(max_examples=40)
@given(
    m=st.integers(1, 9),
    days=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    origins=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 15)), min_size=1, max_size=4),
    windows=st.sampled_from(["blocks", "overlapping"]),
    precision=st.sampled_from(["float64", "float32"]),
    memory=st.sampled_from([1, 100_000, dtw_torch.MEMORY]),
    ties=st.booleans(),
)
def test_the_same_operations_give_the_same_bytes(
    m: int,
    days: list[int],
    origins: list[tuple[int, int]],
    windows: str,
    precision: str,
    memory: int,
    ties: bool,
) -> None:
    """With a correctly rounded root nothing but the order of operations could differ, and it does not."""
    draw = np.random.default_rng(m)

    def values(rows: int) -> np.ndarray:
        return draw.integers(0, 3, (rows, 3)).astype(float) if ties else draw.lognormal(size=(rows, 3))

    layout = lay_out([values(rows) for rows in days], m, 1 if windows == "overlapping" else m, precision)
    question = ask(layout, values(30 + m), *zip(*origins, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dtw_torch, "_root", rounded_root)
        found = dtw_torch.distances(layout, question, "cpu", memory)
    assert found.tobytes() == dtw_kernel.distances(layout, question).tobytes()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("step", [1, LENGTH])
def test_distances_agree_with_the_kernel(device: str, precision: str, step: int) -> None:
    layout = lay_out([sequences(rows, rows) for rows in (900, 10, 333)], LENGTH, step, precision)
    layout.values.flags.writeable = False  # as in shared memory
    question = ask(layout, sequences(60, 1), [0, 5, 38], [40, 35, 0])
    fast, ours = dtw_torch.distances(layout, question, device), dtw_kernel.distances(layout, question)
    np.testing.assert_allclose(fast, ours, rtol=1e-14 if precision == "float64" else 1e-6)
    if device == "cuda":
        assert fast.tobytes() == ours.tobytes()  # its roots are rounded correctly


@pytest.mark.parametrize("device", DEVICES)
def test_selections_on_real_data_are_the_kernels(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dtw_torch.distances
    monkeypatch.setattr(dtw_torch, "distances", lambda layout, question, _: whole(layout, question, device))
    panel = naive.dj30()
    rows = build_rows(panel)
    shard = make_shards(rows, panel.with_role("source"), 1)[0]
    for target, origins in (("CRM", range(50, 61, 5)), ("DOW", (445,))):
        queries = queries_at(rows, target, origins, LENGTH)
        for ours, theirs in zip(measure(shard, queries), measure(shard, queries, "cuda"), strict=True):
            np.testing.assert_allclose(theirs.distance, ours.distance, rtol=1e-14)
            one, other = select([ours]), select([theirs])
            assert one.start.tolist() == other.start.tolist()
            assert all(one.selected[rate].tolist() == other.selected[rate].tolist() for rate in INCLUSION_RATES)


@pytest.mark.skipif(HAS_GPU, reason="needs a machine without a GPU")
def test_a_missing_gpu_is_an_error_and_no_fallback() -> None:
    layout = lay_out([sequences(60)], LENGTH, LENGTH)
    with pytest.raises(ConfigError, match='device = "cuda", and torch sees no GPU'):
        dtw_torch.distances(layout, ask(layout, sequences(LENGTH)), "cuda")


def test_workers_without_a_gpu_do_not_import_torch() -> None:
    code = "import sys, volforecast.studies.new_issues; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The example notebook runs from beginning to end, and is kept without what a run of it prints."""

import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs/examples/first-run.ipynb"


class ThisPython(KernelSpecManager):  # type: ignore[misc, unused-ignore]
    """The kernel is the interpreter of the tests, whatever kernels this machine has installed."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Of any name."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


@pytest.fixture(scope="module")
def stored() -> nbformat.NotebookNode:
    read: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call, unused-ignore]
    return read


def test_it_is_stored_without_outputs(stored: nbformat.NotebookNode) -> None:
    nbformat.validate(stored)
    for cell in stored.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.cluster
@pytest.mark.timeout(600)
def test_it_runs_and_shows_tables_and_plots(
    stored: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    root = str(NOTEBOOK.parents[2])
    monkeypatch.setenv("PYTHONPATH", root)
    kernel = AsyncKernelManager(kernel_spec_manager=ThisPython())
    client = NotebookClient(stored, km=kernel, timeout=580, resources={"metadata": {"path": str(tmp_path)}})
    done = client.execute()
    kinds = [kind for cell in done.cells for output in cell.get("outputs", []) for kind in output.get("data", {})]
    assert kinds.count("image/png") == 3
    assert kinds.count("text/html") == 5  # assets, costs, the run, table 3, shares
    printed = "".join(output.get("text", "") for cell in done.cells for output in cell.get("outputs", []))
    assert "minutes on two cores" in printed
    assert "Traceback" not in printed

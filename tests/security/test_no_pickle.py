"""Nothing that this project reads can run code: no module uses a format or a call that could."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.session import short_folder
from tests.security.hostile import harmless
from volforecast.data.panel import read_panel
from volforecast.data.parquet import from_parquet
from volforecast.errors import PanelError

ROOT = Path(__file__).parents[2]
PACKAGES = ("volforecast", "cluster", "jobs")
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "joblib", "marshal", "jsonpickle", "pty"}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
MEASURES = "volforecast/studies/costs.py"
TUNE = "cluster/search/tune.py"
ATTRIBUTES = {"read_pickle", "to_pickle", "getoutput", "getstatusoutput", "popen", "import_string"}


def dangers(source: str) -> Iterator[str]:
    """What a module does that could run code out of data, with its line."""
    for node in ast.walk(ast.parse(source)):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names if MODULES & set(alias.name.split("."))]
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            found = [f"from {node.module}" for _ in [0] if MODULES & {*(node.module or "").split("."), *names}]
            found += sorted(names & ATTRIBUTES)
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES | MODULES:
            found = [node.attr]
        elif isinstance(node, ast.Call):
            found = list(_call(node))
        yield from (f"line {getattr(node, 'lineno', 0)}: {what}" for what in found)


def _call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    keywords = {word.arg: word.value for word in node.keywords}
    owner, _, last = called.rpartition(".")

    def is_plainly(name: str, value: object) -> bool:
        given = keywords.get(name)
        return isinstance(given, ast.Constant) and given.value is value

    if called in CALLS or called in {f"builtins.{name}" for name in CALLS} or called == "os.system":
        yield called
    if last in ("load", "load_all", "full_load", "unsafe_load") and "yaml" in owner:
        loader = keywords.get("Loader") or (node.args[1] if len(node.args) > 1 else None)
        if loader is None or not ast.unparse(loader).endswith("SafeLoader"):
            yield called
    if owner.endswith("torch") and last == "load" and not is_plainly("weights_only", True):
        yield called
    if last in ("load", "read_array") and "allow_pickle" in keywords and not is_plainly("allow_pickle", False):
        yield called
    if "shell" in keywords and not is_plainly("shell", False):
        yield f"{called}(shell)"


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import pickle as p",
        "import os, cloudpickle",
        "from dill import loads",
        "from ray import cloudpickle",
        "import ray.cloudpickle",
        "import ray; ray.cloudpickle.loads(b'')",
        "import shelve",
        "import joblib",
        "from marshal import loads",
        "def f():\n    import pickle",
        "eval('1')",
        "exec('1')",
        "compile('1', '', 'eval')",
        "__import__('os')",
        "import builtins; builtins.eval('1')",
        "import yaml; yaml.load(stream)",
        "import yaml; yaml.load(stream, Loader=yaml.Loader)",
        "import yaml; yaml.unsafe_load(stream)",
        "import torch; torch.load(path)",
        "import torch; torch.load(path, weights_only=False)",
        "import torch; torch.load(path, weights_only=safe)",
        "import numpy as np; np.load(path, allow_pickle=True)",
        "import numpy as np; np.load(path, allow_pickle=trusted)",
        "import numpy as np; np.lib.format.read_array(stream, allow_pickle=True)",
        "import pandas as pd; pd.read_pickle(path)",
        "from pandas import read_pickle",
        "import subprocess; subprocess.run(words, shell=True)",
        "import subprocess; subprocess.Popen(words, shell=quick)",
        "import subprocess; subprocess.getoutput('id')",
        "import os; os.system('id')",
        "import os; os.popen('id')",
    ],
)
def test_the_search_finds_what_is_planted(line: str) -> None:
    assert list(dangers(f"x = 1\n{line}\ny = 2"))


@pytest.mark.parametrize(
    "line",
    [
        "import json, re; re.compile('a')",
        "import yaml; yaml.load(stream, Loader=yaml.SafeLoader)",
        "import yaml; yaml.safe_load(stream)",
        "import torch; torch.load(path, weights_only=True)",
        "import numpy as np; np.load(path)",
        "import numpy as np; np.load(path, allow_pickle=False)",
        "import subprocess; subprocess.run(words)",
        "model.eval()",
        "# pickle, eval(1)",
        "text = 'import pickle'",
    ],
)
def test_the_search_leaves_the_rest_alone(line: str) -> None:
    assert not list(dangers(line))


def test_no_module_could_run_code_out_of_data() -> None:
    modules = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(modules) > 60
    found = {
        str(path.relative_to(ROOT)): dangerous
        for path in modules
        if (dangerous := list(dangers(path.read_text(encoding="utf-8"))))
    }
    assert set(found) <= {MEASURES, TUNE}, found


def test_tunes_own_errors_are_all_that_is_unpickled() -> None:
    """Ray Tune hands a failed trial's error over as a file, which it has written in this run's private folder."""
    tree = ast.parse((ROOT / TUNE).read_text(encoding="utf-8"))
    users = [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any(isinstance(node, ast.Name) and node.id == "pickle" for node in ast.walk(function))
    ]
    assert users == ["_error_of"]
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {call for call in used if "pickle." in call} == {"pickle.loads(Path(trial.pickled_error_file).read_bytes())"}
    with short_folder() as folder:
        assert Path(folder).stat().st_mode & 0o077 == 0


def test_the_one_module_that_pickles_only_measures_with_it() -> None:
    """It asks how many bytes Ray will send; nothing is read back."""
    names = ast.walk(ast.parse((ROOT / MEASURES).read_text(encoding="utf-8")))
    used = {ast.unparse(node) for node in names if isinstance(node, ast.Attribute)}
    assert {name for name in used if name.startswith("pickle.")} <= {"pickle.dumps"}


# ----------------------------------------------------------------------------------- what is embedded in Parquet


class Booby(pa.ExtensionType):
    """An Arrow extension type that says when it is brought to life."""

    woken = 0

    def __init__(self) -> None:
        super().__init__(pa.float64(), "tests.booby")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"payload"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> "Booby":
        cls.woken += 1
        return cls()


def panel_with(folder: Path, metadata: dict[bytes, bytes], rv: pa.Array) -> Path:
    days = pd.bdate_range("2020-01-01", periods=len(rv) // 2)
    daily = pa.table({"asset": ["A", "B"] * len(days), "date": days.repeat(2).to_numpy(), "rv": rv})
    pq.write_table(daily.replace_schema_metadata(metadata), folder / "daily.parquet")
    pq.write_table(pa.table({"asset": ["A", "B"], "role": ["source", "target"]}), folder / "assets.parquet")
    return folder


def test_a_type_of_somebody_s_own_is_not_brought_to_life(tmp_path: Path) -> None:
    """Such a type was once unpickled on reading (CVE-2023-47248). Here nobody has registered one, and none is needed:
    the column is of its storage's type."""
    payload = b"cos\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR."
    plain = pa.field(
        "rv",
        pa.float64(),
        metadata={
            b"ARROW:extension:name": b"arrow.py_extension_type",
            b"ARROW:extension:metadata": payload,
        },
    )
    panel_with(tmp_path, {}, pa.array([1e-4] * 60))
    table = pq.read_table(tmp_path / "daily.parquet")
    schema = table.schema.set(2, plain)
    pq.write_table(pa.table(table.columns, schema=schema), tmp_path / "daily.parquet")
    assert b"cos\nsystem" in (tmp_path / "daily.parquet").read_bytes() or _schema_holds(tmp_path, payload)
    with harmless(tmp_path):
        assert len(read_panel(str(tmp_path)).daily) == 60
        assert from_parquet((tmp_path / "daily.parquet").read_bytes()).num_rows == 60
    assert not (tmp_path / "owned").exists()
    assert not hasattr(pa, "PyExtensionType")


def _schema_holds(folder: Path, payload: bytes) -> bool:
    """Whether the payload is in the file, whose schema is stored as base64."""
    field = pq.read_schema(folder / "daily.parquet").field("rv")
    return (field.metadata or {}).get(b"ARROW:extension:metadata") == payload


def test_a_registered_type_is_refused(tmp_path: Path) -> None:
    """Even a type whose class is known here is no number."""
    pa.register_extension_type(Booby())
    try:
        array = pa.ExtensionArray.from_storage(Booby(), pa.array([1e-4] * 60))
        with pytest.raises(PanelError, match=r"daily\.parquet: column rv holds .*booby.*; store text"):
            read_panel(str(panel_with(tmp_path, {}, array)))
    finally:
        pa.unregister_extension_type("tests.booby")


def test_what_pandas_wrote_about_the_table_is_not_read(tmp_path: Path) -> None:
    """pandas' metadata name types to build and an index to make; nonsense there changes nothing."""
    nonsense = {
        "index_columns": [{"kind": "range", "name": None, "start": 0, "stop": 10**18, "step": 1}, "rv"],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": "object", "numpy_type": numpy_type, "metadata": None}
            for name, numpy_type in (("asset", "__import__('os').system('id')"), ("rv", "object"), ("date", "M8[Y]"))
        ],
        "column_indexes": [
            {"name": "x", "pandas_type": "unicode", "numpy_type": "object", "metadata": {"encoding": 1}}
        ],
        "pandas_version": "0.0.0",
    }
    for text in (json.dumps(nonsense).encode(), b"\xff{", b"[" * 100_000):
        folder = panel_with(tmp_path, {b"pandas": text}, pa.array([1e-4] * 60))
        with harmless(tmp_path):
            daily = read_panel(str(folder)).daily
        assert list(daily.columns) == ["asset", "date", "rv"]
        assert len(daily) == 60

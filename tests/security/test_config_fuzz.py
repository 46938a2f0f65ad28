"""Configuration files, options and names at random: an exit code, one line at most, nothing outside of --out."""

import string
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.conftest import Tally
from tests.security.folders import hostile_panel, new_issues_run
from tests.security.hostile import NAMES, damaged, harmless
from volforecast.cli import main

GOOD = b"""seed = 7
periods = [50]
models = ["HAR"]
horizon_days = 20
[xgb]
trees = 5
[fnn]
max_epochs = 4
[dtw]
precision = "float32"
"""
KEYS = ("seed", "periods", "models", "targets", "horizon_days", "xgb", "fnn.max_epochs", "dtw.windows", "confidence")
VALUES = (
    "1",
    "-1",
    "0",
    "1e999",
    "nan",
    "-inf",
    "9" * 5000,
    "0x" + "f" * 300,
    "true",
    "1979-05-27T07:32:00Z",
    "[]",
    "{}",
    "[" * 2000 + "]" * 2000,
    "[50, 50]",
    "[9223372036854775807]",
    "[-1]",
    "['HAR', 3]",
    '"""\\n"""',
    '"\\u001b[2J\\u0007"',
    "'../../x'",
    "'\x1b[2J'",
    "[['a']]",
)


class Command:
    """``volforecast study new-issues`` on a panel that is not there, which stops it before it computes anything."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def stops(self, *words: str) -> str:
        """Run it; it must end with exit code 2 and, unless argparse says how to call it, in one line."""
        out = self.folder / "out"
        with harmless(self.folder):
            try:
                code = main(["study", "new-issues", "--panel", str(self.folder), "--out", str(out), *words])
            except SystemExit as stop:
                code = int(str(stop.code)) if self.capsys.readouterr().err.startswith("usage:") else -1
                return "" if code == 2 else pytest.fail(f"argparse ended with {code}")
        printed = self.capsys.readouterr()
        assert code == 2
        assert printed.out == ""
        assert printed.err.count("\n") == 1, ascii(printed.err)
        assert not out.exists()
        return printed.err


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_panel(tmp_path_factory.mktemp("panel"), ("NEW00001", "NEW00002"))


@pytest.fixture
def empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(tmp_path, capsys)


def fixed(**options: int) -> settings:
    from hypothesis import HealthCheck

    # the folder and what is printed are the same for all examples, and each example leaves both as it found them
    return settings(suppress_health_check=[HealthCheck.function_scoped_fixture], **options)


@fixed(max_examples=150)
@given(payload=damaged(GOOD))
def test_damaged_configuration_files(empty: Command, tally: Tally, payload: bytes) -> None:
    path = empty.folder / "study.toml"
    path.write_bytes(payload)
    error = empty.stops("--config", str(path))
    # a file that is still right lets the command go on to the panel
    tally["configuration: damaged bytes", "read" if "no daily.parquet" in error else "rejected"] += 1


@fixed(max_examples=150)
@given(lines=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), min_size=1, max_size=3))
def test_strange_settings(empty: Command, tally: Tally, lines: list[tuple[str, str]]) -> None:
    path = empty.folder / "study.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in lines), encoding="utf-8")
    error = empty.stops("--config", str(path))
    tally["configuration: strange settings", "read" if "no daily.parquet" in error else "rejected"] += 1


@pytest.mark.parametrize("name", [name for name in NAMES if not {"\0", "\n"} & set(name)], ids=ascii)
def test_hostile_keys(empty: Command, tally: Tally, name: str) -> None:
    path = empty.folder / "study.toml"
    quoted = "".join(f"\\U{ord(c):08x}" for c in name)
    for text in (f'"{quoted}" = 1', f'[xgb]\n"{quoted}" = 1', f'targets = ["{quoted}", "{quoted}"]'):
        path.write_text(text)
        assert "no daily.parquet" not in empty.stops("--config", str(path))
        tally["configuration: hostile keys", "rejected"] += 1


OPTIONS = ("--targets", "--periods", "--models", "--columns", "--seed", "--workers", "--profile", "--gaps", "--config")
TEXT = (
    st.sampled_from([name for name in NAMES if "\n" not in name])
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
    | st.text(string.digits + ",-= ", max_size=12)
)


@fixed(max_examples=200)
@given(option=st.sampled_from(OPTIONS), texts=st.lists(TEXT, min_size=1, max_size=3))
def test_strange_options(empty: Command, tally: Tally, option: str, texts: list[str]) -> None:
    value = ",".join(texts).replace("\0", "")  # no argument of a process holds a NUL
    if option == "--config" and value and Path(value).is_file():
        value = "nowhere"
    error = empty.stops(f"{option}={value}")
    tally["options: strange", "read" if "no daily.parquet" in error else "rejected"] += 1


@pytest.mark.parametrize(
    "words", [("--targets=a\nb,a\nb",), ("--targets=\x1b[2J,\x1b[2J",), ("--config=a\nb",)], ids=ascii
)
def test_options_with_control_characters(empty: Command, words: tuple[str, ...]) -> None:
    assert empty.stops(*words)[:-1].isprintable()


@pytest.mark.parametrize("name", [name for name in NAMES if name and "\0" not in name], ids=ascii)
def test_targets_that_are_not_there(
    panel: Path, tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / "out"
    words = ["study", "new-issues", "--panel", str(panel), "--out", str(out), "--periods", "50", f"--targets={name}"]
    code = main([*words, "--models", "TO HAR-STD" if name.strip(" ,") else "none"])
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert not out.exists()
    tally["options: targets", "rejected"] += 1


# -------------------------------------------------------------------------------------------- results with such names

EVIL = (
    "<img src=x onerror=alert(1)>",
    "../../etc/passwd",
    "a/b",
    "{{ 7*7 }}",
    "..",
    "%2e%2e%2f",
    "</title><script>",
    "=1+1",
)


@pytest.mark.parametrize("names", [EVIL[i : i + 2] for i in range(0, len(EVIL), 2)])
def test_names_of_targets_lead_nowhere_and_inject_nothing(
    tmp_path: Path, tally: Tally, capsys: pytest.CaptureFixture[str], names: tuple[str, str]
) -> None:
    out = tmp_path / "results" / "of" / "a run"
    new_issues_run(hostile_panel(tmp_path / "panel", names), out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["panel", "results"]
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["of"]
    assert [path.name for path in (tmp_path / "results" / "of").iterdir()] == ["a run"]
    for kind in ("forecasts", "selections"):
        stored = sorted((out / kind).iterdir())
        assert len(stored) == 2
        assert all(path.is_file() for path in stored)
        assert {name for path in stored for name in pd.read_parquet(path)["target"].unique()} == set(names)
    page = (out / "report.html").read_text()
    assert "<img" not in page
    assert "<script" not in page
    for name in names:
        if set(name) & set("<>"):
            assert name not in page
            assert name.replace("<", "&lt;").replace(">", "&gt;") in page
    assert page.count("<title>") == page.count("</title>")
    assert ">49<" not in page
    assert main(["report", str(out)]) == 0
    assert main(["status", str(out)]) == 0
    capsys.readouterr()
    tally["results: names of targets", "stored below --out"] += 2

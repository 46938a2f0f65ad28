"""Results folders that are damaged or hostile: one line and an exit code, or results that match their commits."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.driver import collect
from cluster.errors import CorruptPartError, EngineError
from cluster.store import ResultStore
from cluster.study import Plan
from tests.security.conftest import Tally
from tests.security.folders import TOY, hostile_panel, new_issues_run, toy_run
from tests.security.hostile import BOMBS, NAMES, damaged, rewritten
from volforecast.cli import main

LEDGER = ("plan.json", "commits", "failures", "parts")


class Run:
    """A finished run, of which every example gets a copy to damage."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.copy = folder.with_name(folder.name + " copy") / "out"
        files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        self.ledger = [str(path) for path in files if path.parts[0] in LEDGER]

    def again(self) -> Path:
        shutil.rmtree(self.copy.parent, ignore_errors=True)
        shutil.copytree(self.folder, self.copy)
        return self.copy

    def nothing_beside(self) -> None:
        """All that was written lies in the copy."""
        assert [path.name for path in self.copy.parent.iterdir()] == ["out"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("toy") / "run"
    return Run(folder, toy_run(folder))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("study")
    panel = hostile_panel(folder / "panel", ("NEW00001", "NEW00002"))
    return Run(folder / "run", new_issues_run(panel, folder / "run"))


@st.composite
def attacks(draw: st.DrawFn, run: Run) -> tuple[str, bytes]:
    """A file of the ledger with other content, or a file more."""
    what = draw(st.sampled_from(["bytes", "JSON", "JSON", "JSON", "bomb", "extra"]))
    kind = draw(st.sampled_from(LEDGER if what == "bytes" else LEDGER[:-1]))
    files = [name for name in run.ledger if name.split("/")[0] == kind] or ["plan.json"]
    name = draw(st.sampled_from(files))
    payload = (run.folder / name).read_bytes()
    if what == "bytes":
        return name, draw(damaged(payload))
    if what == "JSON":
        text = json.dumps(draw(rewritten(json.loads(payload))), ensure_ascii=draw(st.booleans()))
        return name, text.encode("utf-8", "surrogatepass")
    if what == "bomb":
        return name, draw(st.sampled_from(BOMBS))
    odd = draw(st.sampled_from([n for n in NAMES if n not in ("", ".", "..") and not {"\0", "/"} & set(n)]))
    folder = draw(st.sampled_from(["commits", "failures", "parts", "quarantine", "tables", "failures/x", "commits/x"]))
    return f"{folder}/{odd[:80]}", draw(st.sampled_from([b"{}", b"", b"null", b"[]"]))


def put(folder: Path, name: str, payload: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(payload)


def said(error: Exception) -> str:
    message = str(error)
    assert "\n" not in message, message
    return message


@settings(max_examples=150)
@given(st.data())
def test_a_toy_run(toy: Run, tally: Tally, data: st.DataObject) -> None:
    """Whatever is collected is right: a part's bytes are those of its unit's commit."""
    folder = toy.again()
    name, payload = data.draw(attacks(toy))
    put(folder, name, payload)
    store = ResultStore(str(folder), create=False)
    outcome = "collected"
    try:
        collect(TOY, store, toy.plan)
    except EngineError as error:
        said(error)
        outcome = "set aside" if isinstance(error, CorruptPartError) else "rejected"
    else:
        honest = (toy.folder / "tables" / "units.txt").read_text().splitlines()
        for line, true in zip((folder / "tables" / "units.txt").read_text().splitlines(), honest, strict=True):
            assert line == true or "{" not in line, line  # a unit may be undone, but never another result
    for check in (
        lambda: store.adopt_plan(toy.plan),
        store.failures,
        lambda: store.set_damaged_aside([u.key for u in toy.plan.units]),
    ):
        try:
            check()
        except EngineError as error:
            said(error)
    toy.nothing_beside()
    tally["folder: toy run", outcome] += 1


@settings(max_examples=60)
@given(st.data())
def test_the_commands_on_a_study(study: Run, tally: Tally, data: st.DataObject) -> None:
    folder = study.again()
    put(folder, *data.draw(attacks(study)))
    assert main(["status", str(folder)]) in (0, 1, 2)
    code = main(["report", str(folder)])
    assert code in (0, 1, 2)
    if code == 0:
        for commit in (folder / "commits").glob("*.json"):
            part = folder / json.loads(commit.read_bytes())["part"]
            assert hashlib.sha256(part.read_bytes()).hexdigest() == json.loads(commit.read_bytes())["sha256"]
    study.nothing_beside()
    tally["folder: status and report", f"exit code {code}"] += 1


def commit_of(folder: Path, key: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "commits" / f"{key}.json").read_bytes())
    return content


def recommit(folder: Path, key: str, **changes: Any) -> None:
    put(folder, f"commits/{key}.json", json.dumps(commit_of(folder, key) | changes).encode())


@pytest.mark.parametrize("where", ["../../secret", "../secret", "/etc/hostname", "parts/../../secret", "", ".", "a//b"])
def test_a_commit_that_points_out_of_the_folder(toy: Run, tally: Tally, where: str) -> None:
    """The checksum is right, so only the path can be refused."""
    folder, key = toy.again(), toy.plan.units[1].key
    secret = b"of another folder"
    (folder.parent / "secret").write_bytes(secret)
    recommit(folder, key, part=where, sha256=hashlib.sha256(secret).hexdigest(), size=len(secret))
    with pytest.raises(EngineError) as error:
        ResultStore(str(folder), create=False).load(key)
    said(error.value)
    assert (folder.parent / "secret").read_bytes() == secret
    tally["folder: commits", "rejected"] += 1


@pytest.mark.parametrize("sign", ["part", "commit"])
def test_a_commit_that_takes_the_part_of_another_unit(toy: Run, tally: Tally, sign: str) -> None:
    folder = toy.again()
    mine, other = toy.plan.units[1].key, toy.plan.units[3].key
    changes = commit_of(folder, other) if sign == "commit" else {"part": commit_of(folder, other)["part"]}
    recommit(folder, mine, **changes)
    with pytest.raises(EngineError) as error:
        ResultStore(str(folder), create=False).load(mine)
    said(error.value)
    assert ResultStore(str(folder), create=False).load(other), "the other unit keeps its part"
    tally["folder: commits", "rejected"] += 1


@pytest.mark.parametrize("levels", [100, 500, 900, 100_000])
def test_settings_within_settings_without_end(toy: Run, tally: Tally, levels: int) -> None:
    folder = toy.again()
    deep = "[" * levels + "]" * levels
    text = (folder / "plan.json").read_text().replace('"config":{', f'"config":{{"seed":{deep},', 1)
    put(folder, "plan.json", text.encode())
    store = ResultStore(str(folder), create=False)
    with pytest.raises(EngineError) as error:
        store.adopt_plan(toy.plan)
    said(error.value)
    assert main(["status", str(folder)]) in (1, 2)
    tally["folder: bombs", "rejected"] += 1


def forged(run: Run, folder: Path, payload: bytes) -> None:
    """A forecast unit's part and commit, consistent with each other."""
    key = next(unit.key for unit in run.plan.units if unit.kind == "forecast")
    digest = hashlib.sha256(payload).hexdigest()
    part = f"parts/{key}/{digest[:32]}"
    put(folder, part, payload)
    recommit(folder, key, part=part, sha256=digest, size=len(payload))


@pytest.mark.parametrize("content", ["no table", "another table", "a published table"])
def test_forged_parts_are_one_line(study: Run, tally: Tally, capsys: pytest.CaptureFixture[str], content: str) -> None:
    """The checksum holds, and still it is not what the study writes."""
    folder = study.again()
    published = {"another table": "tables/table_4.parquet", "a published table": "tables/mean_losses.parquet"}
    forged(study, folder, b"PAR1 none" if content == "no table" else (folder / published[content]).read_bytes())
    assert main(["report", str(folder)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    tally["folder: forged parts", "rejected"] += 1


@pytest.mark.parametrize(
    ("kind", "coordinates"),
    [
        pytest.param("forecast", {}),
        pytest.param("forecast", {"target": "T", "period": "fifty", "model": "NF"}),
        ("selection", {"target": 5, "period": 10**30}),
        pytest.param("confidence", {"target": "../../x"}),
    ],
)
def test_a_plan_of_other_units_is_one_line(
    study: Run, tally: Tally, capsys: pytest.CaptureFixture[str], kind: str, coordinates: dict[str, Any]
) -> None:
    folder = study.again()
    plan = json.loads((folder / "plan.json").read_bytes())
    plan["units"][1] |= {"kind": kind, "coordinates": coordinates}
    put(folder, "plan.json", json.dumps(plan).encode())
    assert main(["report", str(folder)]) in (0, 1, 2)
    assert capsys.readouterr().err.count("\n") <= 1
    study.nothing_beside()
    tally["folder: forged plans", "answered"] += 1


def test_what_is_printed_cannot_command_the_terminal(
    toy: Run, tally: Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reasons, names and settings come from files; an escape sequence in them must not reach the screen."""
    folder = toy.again()
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\rfine\u202e"
    plan = json.loads((folder / "plan.json").read_bytes())
    plan["study"], plan["config"], plan["data"] = evil, {"seed": evil}, evil
    plan["units"][0] |= {"kind": evil, "name": evil}
    put(folder, "plan.json", json.dumps(plan).encode())
    total = toy.plan.units[-1]
    failure = {"key": total.key, "kind": evil, "name": evil, "reason": evil, "detail": evil}
    put(folder, f"failures/{total.key}/002.json", json.dumps(failure).encode())
    assert main(["status", str(folder)]) == 1
    assert main(["report", str(folder)]) == 2
    put(folder, "plan.json", json.dumps(plan | {evil: 1}).encode())
    assert main(["status", str(folder)]) == 2
    printed = capsys.readouterr()
    for line in (*printed.out.split("\n"), *printed.err.split("\n")):
        assert line.isprintable(), ascii(line)
    assert printed.err.count("\n") == 2
    tally["folder: terminal", "printed"] += 3

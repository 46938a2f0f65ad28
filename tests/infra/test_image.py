"""The container image: linted, small, not root, and with everything that is run in it."""

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.infra.reading import INFRA, ROOT, project, python_version

HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"
DOCKERFILE = INFRA / "image" / "Dockerfile"


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, without comments and broken lines."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in joined.split("\n")) if name
    ]


def lint(text: str) -> str:
    """What hadolint has to say."""
    done = subprocess.run([HADOLINT, "--no-color", "-"], input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, each from its FROM on; those before the first FROM come first."""
    found: list[list[tuple[str, str]]] = [[]]
    for name, rest in instructions(DOCKERFILE.read_text()):
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def test_hadolint_finds_nothing() -> None:
    text = DOCKERFILE.read_text()
    assert lint(text) == ""
    assert "DL3007" in lint(text.replace("FROM ${BASE}\n", "FROM python:latest\n"))  # it does look


def test_base_is_the_python_of_the_constraints(stages: list[list[tuple[str, str]]]) -> None:
    (base,) = [rest for name, rest in stages[0] if name == "ARG"]
    assert base == f"BASE=python:{python_version()}-slim-bookworm"
    assert [stage[0][1].split()[0] for stage in stages[1:]] == ["${BASE}"] * 2


def test_versions_are_pinned_and_nothing_is_cached(stages: list[list[tuple[str, str]]]) -> None:
    build = stages[1]
    installs = [rest for name, rest in build if name == "RUN" and "pip install" in rest]
    assert installs
    assert all("-c constraints.txt" in install for install in installs)
    # the other index serves PyTorch and nothing that PyTorch asks for
    (torch,) = [install for install in installs if "--index-url" in install]
    assert "--no-deps" in torch
    assert torch.endswith(" torch")
    assert '"${TORCH_INDEX}"' in torch
    assert ("ARG", "TORCH_INDEX=https://download.pytorch.org/whl/cpu") in build
    assert any(name == "ENV" and "PIP_NO_CACHE_DIR=1" in rest for name, rest in build)
    for name, rest in stages[2]:
        assert name != "RUN" or "pip" not in rest
        assert name != "RUN" or "apt-get install" not in rest or "rm -rf /var/lib/apt/lists/*" in rest


def test_everything_that_is_copied_is_there_and_let_in(stages: list[list[tuple[str, str]]]) -> None:
    copied = {
        source
        for stage in stages
        for name, rest in stage
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    metadata = {project()["readme"], *project()["license-files"], "pyproject.toml", "constraints.txt"}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert copied == metadata | packages


def test_it_is_run_by_a_numbered_user_who_is_not_root(stages: list[list[tuple[str, str]]]) -> None:
    runtime = stages[2]
    (user,) = [rest for name, rest in runtime if name == "USER"]
    uid, gid = map(int, user.split(":"))
    assert uid > 0
    assert gid > 0
    made = " ".join(rest for name, rest in runtime if name == "RUN")
    assert re.search(rf"useradd .*--uid {uid} --gid {gid} .*--create-home", made)
    assert runtime.index(("USER", user)) > max(i for i, (name, _) in enumerate(runtime) if name in ("RUN", "COPY"))


def test_the_package_is_on_the_path(stages: list[list[tuple[str, str]]]) -> None:
    runtime = stages[2]
    (copied,) = [rest for name, rest in runtime if name == "COPY"]
    _, source, target = copied.split()
    assert source == target  # the scripts of a virtual environment name the folder in which it was made
    environment = " ".join(rest for name, rest in runtime if name == "ENV")
    assert f"PATH={target}/bin:$PATH" in environment
    assert "RAY_USAGE_STATS_ENABLED=0" in environment

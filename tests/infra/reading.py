"""What the files under ``infra/`` say, in the forms in which tests compare it with the code and with each other."""

import argparse
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from cluster.session import THREADS

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"

# what every Ray process needs beside THREADS: how soon a machine that is cut off is given up, and no news to others
HEALTH = {"initial_delay_ms", "period_ms", "timeout_ms", "failure_threshold"}
KEEPALIVE = {f"{side}_{what}_ms" for side in ("keepalive", "client_keepalive") for what in ("time", "timeout")}
VARIABLES = {f"RAY_health_check_{name}" for name in HEALTH} | {f"RAY_grpc_{name}" for name in KEEPALIVE}

# what results stores and panels ask of S3, as test_aws.py shows; conditional writes are puts, and heads are gets
S3_ACTIONS = {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}


def documents(path: str) -> list[Any]:
    """The YAML documents of a file under ``infra/``."""
    return list(yaml.safe_load_all((INFRA / path).read_text()))


def pinned(package: str) -> str:
    """The version of a package in ``constraints.txt``."""
    found = re.search(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found, f"{package} is not pinned"
    return found[1]


def project() -> dict[str, Any]:
    """The table ``[project]`` of ``pyproject.toml``."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def image_name() -> str:
    """What the image is called everywhere: it has the version of the package."""
    return f"REGISTRY/{project()['name']}:{project()['version']}"


def python_version() -> str:
    """The version of Python, ``major.minor``, for which ``constraints.txt`` was written."""
    found = re.search(r"Python (\d+\.\d+)", (ROOT / "constraints.txt").read_text().splitlines()[0])
    assert found
    assert Version(found[1]) in SpecifierSet(project()["requires-python"])
    return found[1]


def words(value: object) -> list[str]:
    """A policy's or a manifest's value that may be one word or a list of them."""
    return [str(word) for word in value] if isinstance(value, list) else [str(value)]


def check_variables(variables: dict[str, str]) -> None:
    """That a Ray process with these variables has the threads, the patience and the silence it needs."""
    assert THREADS.items() <= variables.items()
    assert variables["RAY_USAGE_STATS_ENABLED"] == "0"
    assert {name for name in variables if "health_check" in name or "keepalive" in name} == VARIABLES
    values = {name: int(variables[name]) for name in VARIABLES}
    # a machine that answers nothing: each check runs into its timeout
    checks = values["RAY_health_check_failure_threshold"] * (
        values["RAY_health_check_timeout_ms"] + values["RAY_health_check_period_ms"]
    )
    for side in ("keepalive", "client_keepalive"):
        pause, patience = values[f"RAY_grpc_{side}_time_ms"], values[f"RAY_grpc_{side}_timeout_ms"]
        assert pause + patience <= checks, "tasks would stay pending on a machine that was declared dead"
        assert patience >= 2000, "a saturated machine would be taken for a dead one"


def check_s3_policy(statements: list[dict[str, Any]], bucket: object, prefix: str) -> None:
    """That a policy allows what the code needs of S3, below one prefix of one bucket, and nothing else.

    Args:
        statements: Of the policy.
        bucket: The bucket's name as the policy writes it (its ARN ends with it).
        prefix: Likewise the prefix.
    """
    assert {action for statement in statements for action in words(statement["Action"])} == S3_ACTIONS
    for statement in statements:
        assert statement["Effect"] == "Allow"
        assert not {"NotAction", "NotResource"} & set(statement)
        actions, (resource,) = set(words(statement["Action"])), words(statement["Resource"])
        if actions == {"s3:ListBucket"}:
            assert resource.endswith(f":s3:::{bucket}")
            assert statement["Condition"] == {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}}
        else:
            assert "s3:ListBucket" not in actions
            assert resource.endswith(f":s3:::{bucket}/{prefix}/*")


def commands(readme: Path) -> list[str]:
    """The lines of the one fenced block of a README."""
    blocks = re.findall(r"^```\n(.*?)^```$", readme.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, f"{readme} has {len(blocks)} blocks of commands"
    return str(blocks[0]).splitlines()


def ours(command: list[str]) -> list[list[str]]:
    """The commands of this project in a line of shell: on its own, between others, and in what ``sh -c`` is given."""
    found, current = [], list[str]()
    for word in [*command, "&&"]:
        if word in ("&&", "&", "|"):
            if "sh" in current and "-c" in current:
                found += ours(shlex.split(current[-1]))
            elif current and (current[0] == "volforecast" or current[:2] == ["python", "-m"]):
                found.append(current)
            current = []
        else:
            current.append(word)
    return found


def parsed(command: list[str]) -> argparse.Namespace:
    """What ``volforecast`` or ``python -m jobs.NAME`` understands by a command line, without doing it."""
    real, seen = argparse.ArgumentParser.parse_args, []

    def parse(parser: argparse.ArgumentParser, *given: Any) -> argparse.Namespace:
        found = real(parser, *given)
        seen.append(argparse.Namespace(**vars(found)))
        found.command = lambda _: 0
        return found

    module, arguments = (command[2], command[3:]) if command[0] == "python" else ("volforecast", command[1:])
    main = f"{module}.__main__" if module == "volforecast" else module
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, main, raising=False)  # another test may have imported what runs here
        patch.setattr(argparse.ArgumentParser, "parse_args", parse)
        patch.setattr(sys, "argv", [module, *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert end.value.code == 0, f"{shlex.join(command)} is not understood"
    return seen[0]

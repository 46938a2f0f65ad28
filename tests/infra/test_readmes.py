"""Every README under ``infra/`` says its commands in one block, and all commands of ours in it are understood."""

import re
import shlex
from pathlib import Path

import pytest

from tests.infra.reading import INFRA, ROOT, commands, image_name, ours, parsed

# the first words of the commands, in their order
SAID = {
    "aws": ["ray up", "ray dashboard", "volforecast submit", "volforecast status", "ray down"],
    "kuberay": ["kubectl apply", "volforecast status", "kubectl delete"],
    "image": ["docker build", "docker run", "docker push"],
    "batch": ["aws cloudformation", "aws batch", "volforecast status"],
}


def readme(room: str) -> Path:
    return INFRA / room / "README.md"


def prose(room: str) -> list[str]:
    """The commands of ours in the text, options and all."""
    text = re.sub(r"^```\n.*?^```$", "", readme(room).read_text(), flags=re.MULTILINE | re.DOTALL)
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text))
    return [span for span in spans if span.startswith("volforecast ") and " --" in span]


def test_every_folder_has_a_readme() -> None:
    assert {path.parent.name for path in INFRA.glob("*/README.md")} == SAID.keys()
    assert {path.name for path in INFRA.iterdir() if path.is_dir()} == SAID.keys()


@pytest.mark.parametrize("room", SAID)
def test_it_says_its_commands(room: str) -> None:
    lines = [shlex.split(line) for line in commands(readme(room))]
    assert [" ".join(line[:2]) for line in lines] == SAID[room]


@pytest.mark.parametrize("room", SAID)
def test_our_commands_are_understood(room: str) -> None:
    lines = [command for line in [*commands(readme(room)), *prose(room)] for command in ours(shlex.split(line))]
    assert lines
    for command in lines:
        if command[1] == "submit":
            # what is sent to a cluster is what runs there
            parsed(["volforecast", "study", *command[2:]])
        found = parsed(command)
        for option in ("panel", "out"):
            value = getattr(found, option, None)
            assert value is None or value.startswith(("s3://BUCKET/PREFIX/", "/tmp/")), command


@pytest.mark.parametrize("room", SAID)
def test_named_files_exist(room: str) -> None:
    text = readme(room).read_text()
    for path in re.findall(r"infra/[\w./-]+\.\w+", text):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"\]\(([^)]+)\)", text):
        assert (INFRA / room / path).is_file(), path
    given = {word for line in commands(readme(room)) for word in shlex.split(line) if "://" not in word}
    for path in (word for word in given if word.endswith((".yaml", ".json")) or word.startswith("infra/")):
        assert (ROOT / path).is_file(), path


def test_the_image_has_one_name() -> None:
    for room in SAID:
        assert set(re.findall(r"REGISTRY/\S+:[\w.]+", readme(room).read_text())) <= {image_name()}
    build, attempt, push = (shlex.split(line) for line in commands(readme("image")))
    assert build[build.index("-t") + 1] == push[-1] == image_name()
    assert image_name() in attempt

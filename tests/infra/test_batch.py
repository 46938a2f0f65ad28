"""The AWS Batch template: linted by cfn-lint, and what it says beside what the code needs."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from cfnlint import decode
from cfnlint.api import lint

from tests.infra.reading import INFRA, check_s3_policy, commands, image_name, parsed
from tests.infra.test_image import DOCKERFILE, instructions
from volforecast.cli import SOME_FAILED, WRONG_INPUT

TEMPLATE = INFRA / "batch" / "job-definition.yaml"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    found, errors = decode.decode(str(TEMPLATE))
    assert not errors
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


@pytest.fixture(scope="module")
def study(template: dict[str, Any]) -> dict[str, Any]:
    """The properties of the job definition."""
    properties: dict[str, Any] = template["Resources"]["Study"]["Properties"]
    return properties


@pytest.fixture(scope="module")
def container(study: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = study["ContainerProperties"]
    return properties


def options(words: list[str], name: str) -> dict[str, str]:
    """The ``A=x B=y`` (or ``A=x,B=y``) that follow an option of the AWS CLI."""
    rest = words[words.index(name) + 1 :]
    given = rest[: next((i for i, word in enumerate(rest) if word.startswith("--")), len(rest))]
    pairs = given[0].split(",") if len(given) == 1 else given
    return dict(pair.split("=", 1) for pair in pairs)


def test_cfn_lint_finds_nothing() -> None:
    text = TEMPLATE.read_text()
    assert [str(match) for match in lint(text)] == []
    assert lint(text.replace("MinvCpus", "MinimumCpus"))  # it does look


def test_the_job_may_touch_one_prefix_and_nothing_else(template: dict[str, Any], container: dict[str, Any]) -> None:
    assert container["JobRoleArn"] == {"Fn::GetAtt": ["JobRole", "Arn"]}
    role = template["Resources"]["JobRole"]["Properties"]
    assert "ManagedPolicyArns" not in role
    (policy,) = role["Policies"]
    text = json.dumps(policy["PolicyDocument"]["Statement"])
    plain = text.replace('{"Fn::Sub": "${Prefix}/*"}', '"${Prefix}/*"').replace('{"Ref": "Prefix"}', '"${Prefix}"')
    statements = json.loads(plain)
    for statement in statements:
        statement["Resource"] = statement["Resource"]["Fn::Sub"]
    check_s3_policy(statements, "${Bucket}", "${Prefix}")


def test_lost_machines_are_tried_again_and_wrong_input_is_not(study: dict[str, Any]) -> None:
    strategy = study["RetryStrategy"]
    assert strategy["Attempts"] == 3
    rules = strategy["EvaluateOnExit"]
    assert len(rules) <= 5  # all that AWS Batch takes
    # the first that fits counts, and a machine's end may come with any exit code
    assert rules[0] == {"Action": "RETRY", "OnStatusReason": "Host EC2*"}
    final = {rule["OnExitCode"] for rule in rules if rule["Action"] == "EXIT" and "OnExitCode" in rule}
    assert final == {str(SOME_FAILED), str(WRONG_INPUT)}
    assert study["Timeout"] == {"AttemptDurationSeconds": {"Ref": "TimeoutSeconds"}}


def test_the_command_is_understood(study: dict[str, Any], container: dict[str, Any]) -> None:
    values = {f"Ref::{name}": value["Fn::Sub"] for name, value in study["Parameters"].items()}
    found = parsed([values.get(word, word) for word in container["Command"]])
    assert found.study == "new-issues"
    assert (found.panel, found.out) == (values["Ref::panel"], values["Ref::out"])
    assert found.address is None  # a private Ray


def test_the_container_is_that_of_the_image(container: dict[str, Any]) -> None:
    (user,) = [rest for name, rest in instructions(DOCKERFILE.read_text()) if name == "USER"]
    assert container["User"] == user.split(":")[0]
    assert container["Privileged"] is False
    assert container["Image"] == {"Ref": "Image"}


def test_memory_leaves_room_for_rays_object_store(template: dict[str, Any], container: dict[str, Any]) -> None:
    defaults = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    assert container["LinuxParameters"]["SharedMemorySize"] == {"Ref": "SharedMemoryMiB"}
    assert 0.3 <= defaults["SharedMemoryMiB"] / defaults["MemoryMiB"] <= 0.35
    asked = {entry["Type"]: entry["Value"]["Ref"] for entry in container["ResourceRequirements"]}
    assert asked == {"VCPU": "Vcpus", "MEMORY": "MemoryMiB"}
    assert defaults["MaxVcpus"] >= defaults["Vcpus"]


def test_machines_are_spot_and_keep_their_credentials(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    machines = resources["Machines"]["Properties"]
    assert machines["Type"] == "MANAGED"
    assert machines["ComputeResources"]["Type"] == "SPOT"
    assert machines["ComputeResources"]["MinvCpus"] == 0
    data = resources["Machine"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])
    assert "SecurityGroupIngress" not in resources["Network"]["Properties"]
    assert resources["Logs"]["Properties"]["RetentionInDays"] > 0


def test_what_the_readme_deploys_and_submits(template: dict[str, Any], study: dict[str, Any]) -> None:
    deploy, submit, status = (shlex.split(line) for line in commands(INFRA / "batch" / "README.md"))
    assert Path(deploy[deploy.index("--template-file") + 1]).name == TEMPLATE.name
    given = options(deploy, "--parameter-overrides")
    assert given.keys() == {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}
    assert given["Image"] == image_name()
    assert submit[submit.index("--job-queue") + 1] == template["Resources"]["Queue"]["Properties"]["JobQueueName"]
    assert submit[submit.index("--job-definition") + 1] == study["JobDefinitionName"]
    asked = options(submit, "--parameters")
    assert asked.keys() == study["Parameters"].keys()
    assert status[-1] == asked["out"]
    assert all(url.startswith(f"s3://{given['Bucket']}/{given['Prefix']}/") for url in asked.values())

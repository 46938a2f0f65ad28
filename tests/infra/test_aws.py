"""The cluster launcher's file and the policies: read by Ray itself, tried on a simulated EC2 and S3, field by field."""

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.tags import TAG_RAY_CLUSTER_NAME
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from s3fs import S3FileSystem

from cluster.errors import StoreError
from cluster.objects import Objects
from tests.infra.reading import (
    INFRA,
    S3_ACTIONS,
    check_s3_policy,
    check_variables,
    documents,
    python_version,
    words,
)
from volforecast.data.panel import read_panel
from volforecast.data.simulate import SimulatorSettings, simulate_panel, write_simulated

AWS = INFRA / "aws"
WORKERS = ("cpu", "gpu")
DENIED = "AccessDenied|Forbidden|403"


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """``cluster.yaml`` as it stands."""
    (found,) = documents("aws/cluster.yaml")
    return dict(found)


@pytest.fixture(scope="module")
def config(said: dict[str, Any]) -> dict[str, Any]:
    """``cluster.yaml`` with what Ray adds."""
    prepared: dict[str, Any] = prepare_config(copy.deepcopy(said))
    return prepared


def machine(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = config["available_node_types"][name]["node_config"]
    return found


def policy(name: str) -> list[dict[str, Any]]:
    document = json.loads((AWS / name).read_text())
    assert document["Version"] == "2012-10-17"
    statements: list[dict[str, Any]] = document["Statement"]
    return statements


def test_ray_accepts_it(config: dict[str, Any]) -> None:
    validate_config(config)
    with pytest.raises(Exception, match="idle_timeout"):
        validate_config(config | {"idle_timeout": 5})  # it does look


def test_no_unit_runs_on_the_head(config: dict[str, Any]) -> None:
    assert config["head_node_type"] == "head"
    assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}
    assert config["available_node_types"]["head"]["max_workers"] == 0
    assert "--num-cpus=0" in config["head_start_ray_commands"][-1]
    assert "InstanceMarketOptions" not in machine(config, "head")  # its loss would end every run


def test_workers_are_spot_and_go_when_idle(config: dict[str, Any]) -> None:
    types = config["available_node_types"]
    assert set(types) == {"head", *WORKERS}
    assert all(machine(config, name)["InstanceMarketOptions"] == {"MarketType": "spot"} for name in WORKERS)
    assert 0 < types["cpu"]["min_workers"] < types["cpu"]["max_workers"] <= config["max_workers"]
    assert (types["gpu"]["min_workers"], types["gpu"]["max_workers"]) == (0, 0)
    assert 0 < config["idle_timeout_minutes"] <= 15
    assert config["provider"]["cache_stopped_nodes"] is False


def test_machines_keep_their_credentials_and_encrypt_their_disks(config: dict[str, Any]) -> None:
    for name in config["available_node_types"]:
        node = machine(config, name)
        options = node["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
        assert all(disk["Ebs"]["Encrypted"] for disk in node["BlockDeviceMappings"])
        role = "volforecast-head" if name == "head" else "volforecast-worker"
        assert node["IamInstanceProfile"] == {"Name": role}


def test_every_machine_installs_the_pinned_versions(said: dict[str, Any], config: dict[str, Any]) -> None:
    workers = AutoscalingConfig(copy.deepcopy(said), skip_content_hash=True)
    setup = {name: workers.get_worker_setup_commands(name) for name in WORKERS}
    setup["head"] = config["head_setup_commands"]
    for name, lines in setup.items():
        installs = [line for line in lines if "pip install" in line]
        assert all("-c constraints.txt" in line for line in installs)
        assert any(line.endswith("-c constraints.txt .") for line in installs)
        assert any(f"--python {python_version()} " in line for line in lines)
        torch = [line for line in installs if line.endswith(" torch")]
        assert len(torch) == (name != "gpu")
        assert all("--no-deps" in line and line.split("--index-url ")[1].endswith("/whl/cpu torch") for line in torch)
    assert any(line.endswith(" boto3") for line in setup["head"])


def test_everything_is_started_with_the_variables(config: dict[str, Any]) -> None:
    head, worker = config["head_start_ray_commands"][-1], config["worker_start_ray_commands"][-1]
    for line in (head, worker):
        assert line.index("/infra/aws/environment.sh &&") < line.index("ray start")
    assert config["file_mounts"]["~/volforecast"] == "."
    shell = ["env", "-i", "bash", "-ec", ". infra/aws/environment.sh && exec /usr/bin/env -0"]
    done = subprocess.run(shell, cwd=INFRA.parent, capture_output=True, text=True, check=True)
    variables = dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)
    check_variables(variables)
    assert variables["AWS_DEFAULT_REGION"] == config["provider"]["region"]


def test_nobody_gets_in_without_key_and_token(config: dict[str, Any]) -> None:
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert "export RAY_AUTH_MODE=token\n" in (AWS / "environment.sh").read_text()
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "IpPermissions" not in config["provider"]["security_group"]  # nothing beside Ray's two rules


def test_the_s3_policy_says_no_more_than_needed() -> None:
    check_s3_policy(policy("iam-policy.json"), "BUCKET", "PREFIX")


def test_the_head_may_only_touch_its_own_workers(config: dict[str, Any]) -> None:
    statements = policy("iam-head-policy.json")
    region = config["provider"]["region"]
    own = {f"{place}/{TAG_RAY_CLUSTER_NAME}": config["cluster_name"] for place in ("aws:RequestTag", "aws:ResourceTag")}
    for statement in statements:
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in words(statement["Action"]))
        conditions = {key: value for test in statement.get("Condition", {}).values() for key, value in test.items()}
        if words(statement["Action"]) == ["ec2:DescribeInstances"]:  # EC2 knows no narrower resource for it
            assert conditions == {"aws:RequestedRegion": region}
            continue
        for resource in words(statement["Resource"]):
            assert resource.startswith((f"arn:aws:ec2:{region}:", f"arn:aws:ssm:{region}:", "arn:aws:iam::ACCOUNT:"))
            if ":instance/" in resource:
                assert own.items() & conditions.items(), statement["Sid"]
    by_name = {statement["Sid"]: statement for statement in statements}
    (passed,) = [statement for statement in statements if "iam:PassRole" in words(statement["Action"])]
    assert passed["Resource"].endswith(":role/" + machine(config, "cpu")["IamInstanceProfile"]["Name"])
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    started = by_name["StartSpotWorkersOfThisCluster"]["Condition"]["StringEquals"]
    assert (started["ec2:InstanceMarketType"], started["ec2:MetadataHttpTokens"]) == ("spot", "required")
    images = [machine(config, name)["ImageId"].removeprefix("resolve:ssm:") for name in WORKERS]
    allowed = [pattern.split(":parameter", 1)[1] for pattern in by_name["LookUpImages"]["Resource"]]
    assert all(any(image.startswith(pattern.rstrip("*")) for pattern in allowed) for image in images)


@pytest.fixture
def simulated_ec2(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An account with the two instance profiles, and a home for the SSH key that Ray makes."""
    monkeypatch.setenv("HOME", str(tmp_path))
    iam = boto3.client("iam")
    for name in ("volforecast-head", "volforecast-worker"):
        iam.create_instance_profile(InstanceProfileName=name)
    return s3_server


@pytest.mark.s3
@pytest.mark.usefixtures("simulated_ec2")
def test_ray_starts_and_ends_machines_as_they_are_described(config: dict[str, Any]) -> None:
    kinds = {name: machine(config, name)["InstanceType"] for name in config["available_node_types"]}
    ec2 = boto3.client("ec2")
    sizes = {
        name: ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"][0] for name, kind in kinds.items()
    }
    assert sizes["cpu"]["VCpuInfo"]["DefaultVCpus"] >= 8
    assert [name for name, size in sizes.items() if "GpuInfo" in size] == ["gpu"]
    launched = AWSNodeProvider.bootstrap_config(copy.deepcopy(config))
    provider = AWSNodeProvider(launched["provider"], launched["cluster_name"])
    asked = set[str]()
    for resource in (provider.ec2, provider.ec2_fail_fast):
        resource.meta.client.meta.events.register("before-call.ec2", lambda model, **_: asked.add(f"ec2:{model.name}"))
    for name in launched["available_node_types"]:
        (number,) = provider.create_node(machine(launched, name), {"ray-node-kind": "worker"}, 1)
        assert provider.non_terminated_nodes({}) == [number]
        provider.set_node_tags(number, {"ray-node-status": "up-to-date"})
        (made,) = ec2.describe_instances(InstanceIds=[number])["Reservations"][0]["Instances"]
        assert {"Key": TAG_RAY_CLUSTER_NAME, "Value": config["cluster_name"]} in made["Tags"]
        assert made["MetadataOptions"]["HttpTokens"] == "required"
        assert (made.get("InstanceLifecycle") == "spot") == (name != "head")
        assert made["IamInstanceProfile"]["Arn"].endswith(machine(config, name)["IamInstanceProfile"]["Name"])
        disks = [disk["Ebs"]["VolumeId"] for disk in made["BlockDeviceMappings"]]
        assert all(disk["Encrypted"] for disk in ec2.describe_volumes(VolumeIds=disks)["Volumes"])
        provider.terminate_node(number)
        (gone,) = ec2.describe_instances(InstanceIds=[number])["Reservations"][0]["Instances"]
        assert gone["State"]["Name"] in ("shutting-down", "terminated")
    assert provider.non_terminated_nodes({}) == []
    here = [{"Name": "group-name", "Values": [config["provider"]["security_group"]["GroupName"]]}]
    (group,) = ec2.describe_security_groups(Filters=here)["SecurityGroups"]
    inside, ssh = sorted(group["IpPermissions"], key=lambda rule: str(rule["IpProtocol"]))
    assert ([pair["GroupId"] for pair in inside["UserIdGroupPairs"]], inside["IpRanges"]) == ([group["GroupId"]], [])
    assert (ssh["IpProtocol"], ssh["FromPort"], ssh["ToPort"]) == ("tcp", 22, 22)
    allowed = {action for statement in policy("iam-head-policy.json") for action in words(statement["Action"])}
    assert {action for action in allowed if action.startswith("ec2:")} == asked


def enforce(server: str, after: str) -> None:
    """Let the simulation check permissions after so many requests (``inf``: never)."""
    headers = {"Content-Type": "text/plain"}
    urlopen(Request(f"{server}/moto-api/reset-auth", data=after.encode(), headers=headers, method="POST")).close()


@pytest.fixture
def checked(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that makes this process a user with some S3 actions on some prefix, on a server that checks them."""
    iam, number = boto3.client("iam"), iter(range(99))

    def become(statements: list[dict[str, Any]]) -> None:
        S3FileSystem.clear_instance_cache()
        enforce(s3_server, "inf")
        name = f"quant-{next(number)}-{id(statements)}"
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="one-prefix", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        enforce(s3_server, "0")

    yield become
    enforce(s3_server, "inf")
    S3FileSystem.clear_instance_cache()


def use(url: str) -> None:
    """Everything that runs do with S3 in a results folder."""
    objects = Objects(url)
    assert objects.empty()
    assert objects.create("a/b", b"1")
    assert not objects.create("a/b", b"2")
    objects.replace("a/b", b"3")
    assert objects.read("a/b") == b"3"
    assert objects.read("a/c") is None
    assert objects.names("a") == ["b"]
    objects.delete("a/b")
    assert not objects.exists("a/b")


@pytest.mark.s3
def test_the_s3_policy_is_enough_and_every_action_is_needed(checked: Any, s3_url: str) -> None:
    bucket, prefix = s3_url.removeprefix("s3://").split("/", 1)
    text = json.dumps(policy("iam-policy.json")).replace("BUCKET", bucket).replace("PREFIX", prefix)
    # the simulation does not know S3's conditions, and would refuse what has one; and where several objects are deleted
    # by one request it asks for the right to it on the bucket, S3 on each object
    statements = [{key: value for key, value in each.items() if key != "Condition"} for each in json.loads(text)]
    for each in statements:
        each["Resource"] = (
            [each["Resource"], f"arn:aws:s3:::{bucket}"] if "s3:DeleteObject" in each["Action"] else each["Resource"]
        )
    panel = simulate_panel(SimulatorSettings(sources=2, targets=1, source_days=330, target_days=100), 1)
    write_simulated(panel, f"{s3_url}/panel")

    checked(statements)
    use(f"{s3_url}/run-1")
    assert len(read_panel(f"{s3_url}/panel").assets) == 3
    with pytest.raises(StoreError, match=DENIED):
        use(f"s3://{bucket}/another-prefix/run-1")
    for number, action in enumerate(sorted(S3_ACTIONS)):
        fewer = [each | {"Action": [word for word in words(each["Action"]) if word != action]} for each in statements]
        checked([each for each in fewer if each["Action"]])
        with pytest.raises(StoreError, match=DENIED):
            use(f"{s3_url}/without-{number}")

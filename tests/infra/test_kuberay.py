"""The KubeRay manifests, field by field, beside what the code and the image need."""

import json
import shlex
from typing import Any

import pytest
import ray._raylet
import yaml

from tests.infra.reading import INFRA, VARIABLES, check_variables, commands, documents, image_name, ours, parsed, pinned
from tests.infra.test_image import DOCKERFILE, instructions

UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}


def quantity(text: str) -> float:
    """Kubernetes' way of writing a number: 3, 500m, 14Gi."""
    if text.endswith("m"):
        return float(text[:-1]) / 1000
    return float(text[:-2]) * UNITS[text[-2:]] if text[-2:] in UNITS else float(text)


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    """The specification of the standing cluster."""
    (found,) = documents("kuberay/raycluster.yaml")
    assert (found["apiVersion"], found["kind"]) == ("ray.io/v1", "RayCluster")
    spec: dict[str, Any] = found["spec"]
    return spec


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """The specification of the job."""
    (found,) = documents("kuberay/rayjob.yaml")
    assert (found["apiVersion"], found["kind"]) == ("ray.io/v1", "RayJob")
    spec: dict[str, Any] = found["spec"]
    return spec


@pytest.fixture(scope="module")
def groups(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Head and worker groups by name."""
    return {"head": cluster["headGroupSpec"]} | {group["groupName"]: group for group in cluster["workerGroupSpecs"]}


@pytest.fixture(scope="module")
def pods(groups: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods' specifications by the group's name."""
    return {name: group["template"]["spec"] for name, group in groups.items()}


@pytest.fixture(scope="module")
def containers(pods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each pod's only container."""
    assert all(len(pod["containers"]) == 1 for pod in pods.values())
    return {name: pod["containers"][0] for name, pod in pods.items()}


def test_the_job_makes_the_standing_cluster(cluster: dict[str, Any], job: dict[str, Any]) -> None:
    assert job["rayClusterSpec"] == cluster


def test_the_entrypoint_is_understood(job: dict[str, Any]) -> None:
    (command,) = ours(shlex.split(job["entrypoint"]))
    found = parsed(command)
    assert found.study == "new-issues"
    assert found.panel.startswith("s3://")
    assert found.out.startswith("s3://")
    assert found.out in " ".join(commands(INFRA / "kuberay" / "README.md"))


def test_the_job_is_tried_again_and_its_cluster_goes(job: dict[str, Any]) -> None:
    assert job["submissionMode"] == "K8sJobMode"
    assert job["backoffLimit"] > 0
    assert job["submitterConfig"]["backoffLimit"] > 0
    assert job["shutdownAfterJobFinishes"] is True
    assert job["ttlSecondsAfterFinished"] > 0
    assert job["submitterPodTemplate"]["spec"]["restartPolicy"] == "Never"  # or KubeRay refuses it


def test_one_image_with_the_pinned_ray(
    cluster: dict[str, Any], job: dict[str, Any], containers: dict[str, dict[str, Any]]
) -> None:
    assert cluster["rayVersion"] == pinned("ray")
    submitter = job["submitterPodTemplate"]["spec"]["containers"][0]
    assert {container["image"] for container in [*containers.values(), submitter]} == {image_name()}


def test_nobody_gets_in_without_a_token(cluster: dict[str, Any]) -> None:
    assert cluster["authOptions"] == {"mode": "token"}


def test_pods_are_not_root_and_cannot_become_it(
    cluster: dict[str, Any], job: dict[str, Any], pods: dict[str, dict[str, Any]]
) -> None:
    (user,) = [rest for name, rest in instructions(DOCKERFILE.read_text()) if name == "USER"]
    for pod in [*pods.values(), job["submitterPodTemplate"]["spec"]]:
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    inner = [container["securityContext"] for pod in pods.values() for container in pod["containers"]]
    inner += [job["submitterPodTemplate"]["spec"]["containers"][0]["securityContext"]]
    for context in [*inner, cluster["autoscalerOptions"]["securityContext"]]:
        assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_only_the_head_may_ask_kubernetes_for_anything(pods: dict[str, dict[str, Any]], job: dict[str, Any]) -> None:
    accounts = {account["metadata"]["name"]: account for account in documents("kuberay/service-accounts.yaml")}
    assert {pod["serviceAccountName"] for pod in pods.values()} == accounts.keys()
    for account in accounts.values():
        assert account["kind"] == "ServiceAccount"
        assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::ACCOUNT:role/")
    head = pods["head"]["serviceAccountName"]
    assert accounts[head].get("automountServiceAccountToken", True)  # the autoscaler beside it needs one
    workers = [pod for name, pod in pods.items() if name != "head"]
    for pod in [*workers, job["submitterPodTemplate"]["spec"]]:
        assert pod.get("serviceAccountName") != head
        assert pod["automountServiceAccountToken"] is False


def test_no_keys(cluster: dict[str, Any], job: dict[str, Any]) -> None:
    text = json.dumps([cluster, job, documents("kuberay/service-accounts.yaml")])
    assert "AWS_ACCESS_KEY_ID" not in text
    assert "AWS_SECRET_ACCESS_KEY" not in text
    assert "AWS_DEFAULT_REGION" in text  # without it the results store looks for the bucket in us-east-1


def test_variables(containers: dict[str, dict[str, Any]]) -> None:
    environments = [{entry["name"]: entry["value"] for entry in each["env"]} for each in containers.values()]
    check_variables(environments[0])
    assert all(environment == environments[0] for environment in environments)


def test_ray_knows_the_variables() -> None:
    with open(ray._raylet.__file__, "rb") as file:
        compiled = file.read()
    assert {name for name in VARIABLES if name.encode() not in compiled} == set()


def test_no_unit_runs_on_the_head(groups: dict[str, dict[str, Any]]) -> None:
    assert groups["head"]["rayStartParams"]["num-cpus"] == "0"
    assert all("num-cpus" not in group["rayStartParams"] for name, group in groups.items() if name != "head")


def test_workers_come_and_go(cluster: dict[str, Any], groups: dict[str, dict[str, Any]]) -> None:
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["autoscalerOptions"]["idleTimeoutSeconds"] > 0
    cpu, gpu = groups["cpu"], groups["gpu"]
    assert 0 < cpu["minReplicas"] == cpu["replicas"] < cpu["maxReplicas"]
    assert (gpu["minReplicas"], gpu["replicas"], gpu["maxReplicas"]) == (0, 0, 0)


def test_only_gpu_workers_have_a_gpu(pods: dict[str, dict[str, Any]], containers: dict[str, dict[str, Any]]) -> None:
    having = {name for name, each in containers.items() if "nvidia.com/gpu" in each["resources"]["limits"]}
    assert having == {"gpu"}
    (toleration,) = pods["gpu"]["tolerations"]
    assert (toleration["key"], toleration["operator"]) == ("nvidia.com/gpu", "Exists")
    assert "tolerations" not in pods["cpu"]


def test_ray_sees_the_memory_that_a_pod_has(
    groups: dict[str, dict[str, Any]], pods: dict[str, dict[str, Any]], containers: dict[str, dict[str, Any]]
) -> None:
    for name, container in containers.items():
        assert container["resources"]["requests"] == container["resources"]["limits"]
        (volume,) = pods[name]["volumes"]
        assert volume["emptyDir"]["medium"] == "Memory"
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/dev/shm"}]
        memory = quantity(container["resources"]["limits"]["memory"])
        store = int(groups[name]["rayStartParams"]["object-store-memory"])
        assert store < quantity(volume["emptyDir"]["sizeLimit"]) < 0.4 * memory
        assert store > 0.25 * memory


def test_pods_have_time_to_end(pods: dict[str, dict[str, Any]]) -> None:
    assert all(30 <= pod["terminationGracePeriodSeconds"] <= 60 for pod in pods.values())


def test_what_the_probes_run_is_in_the_image(containers: dict[str, dict[str, Any]]) -> None:
    # where a manifest says nothing KubeRay puts probes of its own into the pods: bash, grep (both in Debian) and wget
    assert not any({"livenessProbe", "readinessProbe"} & set(container) for container in containers.values())
    made = [rest for name, rest in instructions(DOCKERFILE.read_text()) if name == "RUN" and "apt-get install" in rest]
    assert " wget " in made[-1]


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml", "service-accounts.yaml"])
def test_nothing_is_said_twice(name: str) -> None:
    """PyYAML takes the last of two equal keys; Kubernetes refuses them."""

    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            assert len(keys) == len(set(keys)), keys
            return super().construct_mapping(node, deep)

    list(yaml.load_all((INFRA / "kuberay" / name).read_text(), Loader=Strict))

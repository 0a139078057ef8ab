"""The manifests for Kubernetes: each is what its API's schema says, and all of them belong together.

Checked offline, by models that are generated from the APIs' own schemas; no cluster was there to try them on.
"""

import importlib
import re
from typing import Any, Final

import pytest
import sqlalchemy as sa
import yaml

from gateway.settings import GatewaySettings
from gateway.store.database import Database
from services.common.settings import REPOSITORY
from services.reasoning.settings import ReasoningSettings
from services.talkinghead.settings import TalkingHeadSettings

FOLDER: Final = REPOSITORY / "deploy/kubernetes"
MODELS: Final = {
    "v1": "kubernetes.core.v1",
    "apps/v1": "kubernetes.apps.v1",
    "policy/v1": "kubernetes.policy.v1",
    "networking.k8s.io/v1": "kubernetes.networking.v1",
    "keda.sh/v1alpha1": "keda.v1alpha1",
}
KUSTOMIZATION: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
THINGS: Final[list[dict[str, Any]]] = [
    thing for name in KUSTOMIZATION["resources"] for thing in yaml.safe_load_all((FOLDER / name).read_text())
]
PORTS: Final = {"gateway": 8000, "perception": 8001, "reasoning": 8002, "talkinghead": 8003}


def name_of(thing: dict[str, Any]) -> str:
    return f"{thing['kind']} {thing['metadata']['name']}"


def things(kind: str) -> dict[str, dict[str, Any]]:
    """By name."""
    return {thing["metadata"]["name"]: thing for thing in THINGS if thing["kind"] == kind}


DEPLOYMENTS: Final = things("Deployment")
deployments = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS)


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod(deployment)["containers"]
    return dict(only)


def test_every_file_is_listed():
    assert {path.name for path in FOLDER.glob("*.yaml")} == {*KUSTOMIZATION["resources"], "kustomization.yaml"}


@pytest.mark.parametrize("thing", THINGS, ids=name_of)
def test_each_is_what_its_schema_says_and_has_no_field_that_it_does_not_know(thing: dict[str, Any]):
    module = importlib.import_module(f"cloudcoil.models.{MODELS[thing['apiVersion']]}")
    model = getattr(module, thing["kind"])

    understood = model.model_validate(thing).model_dump(by_alias=True, exclude_unset=True, mode="json")

    assert understood == thing


def test_a_field_that_no_schema_knows_would_be_found():
    """``exclude_unset`` leaves out what was not understood."""
    module = importlib.import_module("cloudcoil.models.keda.v1alpha1")
    thing = things("ScaledObject")["worker"]
    wrong = thing | {"spec": thing["spec"] | {"maxReplicas": 3}}

    assert module.ScaledObject.model_validate(wrong).model_dump(by_alias=True, exclude_unset=True, mode="json") != wrong


@deployments
def test_a_pod_may_do_nothing_but_its_work(deployment: dict[str, Any]):
    spec, inside = pod(deployment), container(deployment)["securityContext"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001  # the Dockerfiles'
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert inside["readOnlyRootFilesystem"] is True
    assert inside["allowPrivilegeEscalation"] is False
    assert inside["capabilities"] == {"drop": ["ALL"]}


@deployments
def test_a_pod_is_probed_bounded_and_found_by_its_labels(deployment: dict[str, Any]):
    only, labels = container(deployment), deployment["spec"]["template"]["metadata"]["labels"]

    assert "livenessProbe" in only
    assert set(only["resources"]["requests"]) >= {"cpu", "memory"}
    assert "memory" in only["resources"]["limits"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert labels["app.kubernetes.io/component"] == deployment["metadata"]["name"]
    mounted = {mount["name"] for mount in only["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod(deployment)["volumes"]}


@pytest.mark.parametrize(("name", "port"), PORTS.items())
def test_a_service_listens_where_its_image_does(name: str, port: int):
    only, service = container(DEPLOYMENTS[name]), things("Service")[name]["spec"]
    folder = "gateway" if name == "gateway" else f"services/{name}"
    dockerfile = (REPOSITORY / folder / "Dockerfile").read_text()

    assert f"EXPOSE {port}" in dockerfile
    assert [told["containerPort"] for told in only["ports"]] == [port]
    assert [(told["port"], told["targetPort"]) for told in service["ports"]] == [(port, port)]
    assert service["selector"] == DEPLOYMENTS[name]["spec"]["selector"]["matchLabels"]
    assert only["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port}
    assert only["livenessProbe"]["httpGet"] == {"path": "/livez", "port": port}
    if name != "gateway":
        told = things("ConfigMap")["raconteur"]["data"][f"RACONTEUR_{name.upper()}_URL"]
        assert told == f"http://{name}:{port}"


def test_images_are_those_that_compose_builds():
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
    built = {service["image"] for service in compose.values() if "build" in service}

    assert {container(deployment)["image"] for deployment in DEPLOYMENTS.values()} == built
    assert {image["name"] for image in KUSTOMIZATION["images"]} == built


def test_the_worker_runs_the_command_of_compose():
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]

    assert container(DEPLOYMENTS["worker"])["command"] == compose["worker"]["command"]


def test_settings_that_are_set_exist():
    told = {
        setting["name"] for deployment in DEPLOYMENTS.values() for setting in container(deployment).get("env", [])
    } | set(things("ConfigMap")["raconteur"]["data"])
    known = {
        f"RACONTEUR_{field.upper()}"
        for settings in (GatewaySettings, ReasoningSettings, TalkingHeadSettings)
        for field in settings.model_fields
    }

    assert {name for name in told if name.startswith("RACONTEUR_")} <= known


def test_every_secret_that_is_read_is_told_in_the_docs():
    docs = (REPOSITORY / "docs/operations.md").read_text()
    read = {
        setting["valueFrom"]["secretKeyRef"]["key"]
        for deployment in DEPLOYMENTS.values()
        for setting in container(deployment).get("env", [])
        if "valueFrom" in setting
    } | {
        reference["key"]
        for authentication in things("TriggerAuthentication").values()
        for reference in authentication["spec"]["secretTargetRef"]
    }

    assert read == set(re.findall(r"--from-literal=([a-z-]+)=", docs))


def test_a_talking_head_gets_a_gpu_of_its_own():
    resources = container(DEPLOYMENTS["talkinghead"])["resources"]

    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert DEPLOYMENTS["talkinghead"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_nobody_is_reached_but_by_a_rule_and_every_rule_is_for_pods_that_exist():
    policies = things("NetworkPolicy")
    denied = policies.pop("nobody")["spec"]
    assert (denied["podSelector"], denied["policyTypes"]) == ({}, ["Ingress", "Egress"])

    named = set(re.findall(r"component: ([a-z]+)", (FOLDER / "network.yaml").read_text()))
    for listed in re.findall(r"values: \[([a-z, ]+)\]", (FOLDER / "network.yaml").read_text()):
        named |= set(listed.split(", "))
    assert named == set(DEPLOYMENTS)


def test_services_have_no_way_out():
    ways_out = [policy["spec"] for policy in things("NetworkPolicy").values() if "egress" in policy["spec"]]
    reached = [spec["podSelector"] for spec in ways_out]

    assert all(component not in str(reached) for component in ("perception", "reasoning", "talkinghead"))


def test_scaling_follows_the_jobs_of_the_database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    database.create_schema()
    queries = {
        trigger["metadata"]["query"]
        for scaled in things("ScaledObject").values()
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "postgresql"
    }
    (query,) = queries
    statuses = ("queued", "running", "running", "succeeded", "failed", "canceled")
    with database._engine.begin() as sql:
        for number, status in enumerate(statuses):
            sql.execute(
                sa.text(
                    "INSERT INTO jobs (id, kind, status, stage, progress, steps_done, steps_total, attempt, fence, "
                    "version, cancel_requested, created_at, input, warnings, fingerprint) VALUES (:id, 'video', "
                    ":status, '', 0, 0, 0, 0, 0, 1, 0, 0, '{}', '[]', '')"
                ),
                {"id": str(number), "status": status},
            )
        assert sql.execute(sa.text(query)).scalar() == 3
    database.close()


@pytest.mark.parametrize("scaled", things("ScaledObject").values(), ids=name_of)
def test_what_is_scaled_exists_and_has_no_number_of_its_own(scaled: dict[str, Any]):
    deployment = DEPLOYMENTS[scaled["spec"]["scaleTargetRef"]["name"]]

    assert "replicas" not in deployment["spec"]
    assert scaled["spec"]["minReplicaCount"] >= 1
    authentications = things("TriggerAuthentication")
    for trigger in scaled["spec"]["triggers"]:
        if "authenticationRef" in trigger:
            assert trigger["authenticationRef"]["name"] in authentications
        if trigger["type"] == "cpu":
            assert "cpu" in container(deployment)["resources"]["requests"]

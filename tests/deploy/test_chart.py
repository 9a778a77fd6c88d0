"""The Helm chart: what it renders is valid for Kubernetes, and safe."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.config.options import read_options
from tests.parts.cache import REPOSITORY
from tests.parts.helm import Helm
from tests.parts.needed import needed

CHART = REPOSITORY / "deploy" / "helm" / "perdure"
VERSIONS = ("1.25", "1.37")  # the oldest that the chart allows, and a new one
KAFKA = {"settings": {"kafka_bootstrap": "kafka:9092"}}
EVERYTHING: dict[str, Any] = {
    "settings": {
        "kafka_bootstrap": "a:9092,b:9092",
        "partitions": 1024,
        "cluster": "shop",
        "disable_eager_state": True,
        "services_ca_file": "/etc/perdure/authority/ca.pem",
    },
    "secretSettings": {"kafka_options": "sasl.username=me,sasl.password=x"},
    "existingSecret": "mine",
    "secretFiles": ["authority", "identity"],
    "adminHosts": ["perdure.example.com"],
    "imagePullSecrets": [{"name": "registry"}],
    "persistence": {"storageClass": "fast", "size": "50Gi"},
    "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "orders"},
}

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("helm")]


@pytest.fixture(scope="module")
def helm() -> Iterator[Helm]:
    with needed("Helm", lambda: Helm(CHART, VERSIONS)) as made:
        yield made


def one(resources: list[dict[str, Any]], kind: str, name: str = "live-perdure") -> Any:
    (found,) = [r for r in resources if r["kind"] == kind and r["metadata"]["name"] == name]
    return found


def container(resources: list[dict[str, Any]]) -> Any:
    (found,) = one(resources, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    return found


# Texts that YAML would take for something else, and names as long, or with dots, as they may be.
ODD: dict[str, Any] = {
    "nameOverride": "1e3",
    "fullnameOverride": "1",
    "settings": {"kafka_bootstrap": "kafka:9092", "cluster": "true", "payload_max": 10**9},
    "secretSettings": {"kafka_options": 'sasl.password=a"b\\c: {{ x }} #\n\u00e9'},
    "existingSecret": "123",
    "secretFiles": ["on", "my.own.secret", "x" * 200],
    "persistence": {"storageClass": "null", "size": "10"},
    "serviceMonitor": {"enabled": True, "labels": {"a": "yes"}, "interval": "30"},
    "podLabels": {"version": "1.0"},
    "terminationGracePeriodSeconds": 1_000_000,
    "startupSeconds": 2_000_000,
}


def test_odd_values_stay_what_they_are(helm: Helm) -> None:
    resources = helm.resources(ODD, "0x1f")
    secret = one(resources, "Secret", "1")["stringData"]["PERDURE_KAFKA_OPTIONS"]
    assert secret == ODD["secretSettings"]["kafka_options"]
    stateful = one(resources, "StatefulSet", "1")
    assert stateful["metadata"]["labels"]["app.kubernetes.io/instance"] == "0x1f"
    spec = stateful["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 1_000_000
    named = [one["secret"]["secretName"] for one in spec["volumes"] if "secret" in one]
    assert named == ODD["secretFiles"]
    assert all("." not in one["name"] for one in spec["volumes"])
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "null"
    variables = one(resources, "ConfigMap", "1")["data"]
    assert variables["PERDURE_CLUSTER"] == "true"
    assert variables["PERDURE_PAYLOAD_MAX"] == "1000000000"


@pytest.mark.parametrize("values", [{}, KAFKA, EVERYTHING])
def test_helm_finds_nothing_wrong(helm: Helm, values: dict[str, Any]) -> None:
    assert helm.lint(values) == []


def test_what_is_rendered_by_default(helm: Helm) -> None:
    kinds = sorted(resource["kind"] for resource in helm.resources(KAFKA))
    assert kinds == ["ConfigMap", "PodDisruptionBudget", *["Service"] * 3, "StatefulSet"]


def test_everything_at_once_is_valid(helm: Helm) -> None:
    resources = helm.resources(EVERYTHING)
    secret = one(resources, "Secret")["stringData"]
    assert secret == {"PERDURE_KAFKA_OPTIONS": "sasl.username=me,sasl.password=x"}
    assert "password" not in str(one(resources, "ConfigMap"))
    monitored = one(resources, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    service = one(resources, "Service", "live-perdure-admin")
    assert monitored.items() <= service["metadata"]["labels"].items()
    sources = [next(iter(s.values()))["name"] for s in container(resources)["envFrom"]]
    assert sources == ["live-perdure", "live-perdure", "mine"]
    mounts = {mount["mountPath"] for mount in container(resources)["volumeMounts"]}
    assert {"/etc/perdure/authority", "/etc/perdure/identity"} <= mounts


def test_the_server_takes_the_variables(helm: Helm) -> None:
    """Each name and value is one that `perdure serve` knows; numbers stay whole."""
    resources = helm.resources(EVERYTHING)
    env = {**one(resources, "ConfigMap")["data"], **one(resources, "Secret")["stringData"]}
    env.pop("PERDURE_SERVICES_CA_FILE")  # the file is there in the pod only
    options = read_options([], env)
    assert options.log.kind == "kafka" and options.log.partitions == 1024
    assert options.server.cluster == "shop"
    hosts = env["PERDURE_ADMIN_HOSTS"].split(",")
    assert "live-perdure-admin.production.svc" in hosts and hosts[-1] == "perdure.example.com"


def test_the_pod_has_no_rights_it_does_not_need(helm: Helm) -> None:
    spec = one(helm.resources(KAFKA), "StatefulSet")["spec"]
    pod = spec["template"]["spec"]
    assert spec["replicas"] == 1
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    # Variables like PERDURE_PORT would be settings that the server does not know.
    assert pod["enableServiceLinks"] is False
    (server,) = pod["containers"]
    context = server["securityContext"]
    assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    written = {mount["mountPath"] for mount in server["volumeMounts"]}
    assert written == {"/var/lib/perdure", "/tmp"}


def test_services_and_budget_choose_the_pods(helm: Helm) -> None:
    resources = helm.resources(KAFKA)
    stateful = one(resources, "StatefulSet")["spec"]
    labels = stateful["template"]["metadata"]["labels"]
    chosen = [r["spec"]["selector"] for r in resources if r["kind"] == "Service"]
    budget = one(resources, "PodDisruptionBudget")["spec"]
    chosen += [stateful["selector"]["matchLabels"], budget["selector"]["matchLabels"]]
    assert all(selector.items() <= labels.items() for selector in chosen)
    assert budget["maxUnavailable"] == 1
    names = {r["metadata"]["name"] for r in resources if r["kind"] == "Service"}
    assert stateful["serviceName"] in names


def test_probes_ask_ports_that_the_container_has(helm: Helm) -> None:
    server = container(helm.resources({**KAFKA, "startupSeconds": 600}))
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert ports == {"ingress": 8080, "admin": 9070}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server[probe]["httpGet"]["port"] in ports
    startup = server["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] == 600


def test_a_changed_setting_starts_the_node_again(helm: Helm) -> None:
    def annotations(**settings: str) -> Any:
        values = {"settings": {"kafka_bootstrap": "a:9092", **settings}}
        spec = one(helm.resources(values), "StatefulSet")["spec"]
        return spec["template"]["metadata"]["annotations"]

    assert annotations() == annotations() != annotations(cluster="other")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "settings.kafka_bootstrap is needed"),
        ({"settings": {"log": "embedded"}, "persistence": {"enabled": False}}, "loses the log"),
        ({"settings": {"admin": "0.0.0.0:1"}}, "admin"),
        ({"replicas": 2}, "replicas"),
        ({"podLabels": {"on": True}}, "podLabels"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    ],
)
def test_values_that_cannot_work_are_refused(helm: Helm, values: dict[str, Any], said: str) -> None:
    assert said in helm.refusal(values)


def test_a_cache_may_go_with_the_pod_if_the_log_is_on_kafka(helm: Helm) -> None:
    resources = helm.resources({**KAFKA, "persistence": {"enabled": False}})
    spec = one(resources, "StatefulSet")["spec"]
    assert "volumeClaimTemplates" not in spec
    assert {"name": "data", "emptyDir": {}} in spec["template"]["spec"]["volumes"]


def test_the_chart_is_of_this_version() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    lines = (CHART / "Chart.yaml").read_text().splitlines()
    assert f"version: {version}" in lines and f"appVersion: {version}" in lines

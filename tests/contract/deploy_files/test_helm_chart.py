"""The Helm chart, rendered by Helm, beside the schemas of Kubernetes and the server's settings."""

import base64
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from components.userapi.settings import UserApiSettings
from matrix.signing import SigningKey
from tests.contract.deploy_files.chart import (
    CHART,
    KUBERNETES,
    LEAST,
    Chart,
    containers_of,
    helm_template,
    labels_of,
    render,
)
from tests.contract.deploy_files.declared import (
    COMPONENTS,
    accepted_settings,
    assert_is_a_command,
    read_yaml,
)

# The first of them builds Helm.
pytestmark = pytest.mark.timeout(1800)

# Kinds whose schemas Kubernetes does not bring along.
CUSTOM = {"ScaledObject", "HTTPRoute", "PodMonitor"}
DECODED = {"XYLEM_DATABASE__URL": "postgresql://x@y/z", "XYLEM_INTERNAL__SECRET": "0" * 40}


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_accepts_every_manifest(chart: Chart, version: str) -> None:
    assert chart.manifests
    for manifest in chart.manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES)
def test_it_renders_for_the_kubernetes_that_it_promises(helm: Path, version: str) -> None:
    assert helm_template(helm, LEAST, version=f"{version}.0").returncode == 0


def test_helm_finds_nothing_to_complain_about(helm: Path) -> None:
    said = subprocess.run(
        [helm, "lint", "--strict", CHART, "--values", LEAST],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stdout


def test_every_component_is_a_deployment(chart: Chart) -> None:
    deployed = {labels_of(one)["app.kubernetes.io/component"] for one in chart.all("Deployment")}

    assert deployed - {"proxy"} == COMPONENTS
    for component in COMPONENTS:
        (container,) = containers_of(chart, component)
        assert container["args"] == ["run", component]


def test_every_command_exists(chart: Chart) -> None:
    for _, template in chart.pods():
        spec = template["spec"]
        for container in spec["containers"] + spec.get("initContainers", []):
            if container["name"] != "nginx":
                assert_is_a_command(container["args"])


def test_the_settings_are_settings(chart: Chart, tmp_path: Path) -> None:
    settings = accepted_settings(chart.settings(), DECODED, tmp_path)

    assert settings.server_name == "example.org"
    assert settings.signing_key_path == "/run/secrets/xylem/signing.key"
    assert settings.log.kafka is not None
    listeners = {api: one.port for one in settings.listeners for api in one.apis}
    assert listeners == {"client": 8008, "internal": 8009, "health": 9090, "metrics": 9090}
    for component in COMPONENTS:
        url = getattr(settings.internal.urls, component)
        host, port = url.removeprefix("http://").split(":")
        ports = {one["port"]: one for one in chart.one("Service", host)["spec"]["ports"]}
        assert ports[int(port)]["name"] == "internal"


def test_other_settings_win_over_those_of_the_chart(everything: Chart, tmp_path: Path) -> None:
    settings = accepted_settings(everything.settings(), DECODED, tmp_path)

    assert settings.http.max_body_bytes == 104857600
    assert settings.section(UserApiSettings).registration == "closed"
    assert settings.section(UserApiSettings).public_base_url == "https://matrix.example.org"
    assert settings.log.kafka is not None
    assert settings.log.kafka.security_protocol == "SASL_SSL"
    assert settings.log.kafka.topic_prefix == "chat."


def test_databases_are_migrated_by_the_job_or_else_at_start(
    least: Chart, own_secret: Chart, tmp_path: Path
) -> None:
    assert not accepted_settings(least.settings(), DECODED, tmp_path).database.migrate_at_start
    assert accepted_settings(own_secret.settings(), DECODED, tmp_path).database.migrate_at_start
    assert own_secret.all("Job") == []


def test_the_job_brings_along_all_that_it_needs(least: Chart, tmp_path: Path) -> None:
    job = least.one("Job", "test-xylem-prepare")
    spec = job["spec"]["template"]["spec"]
    (migrate,) = spec["initContainers"]
    (topics,) = spec["containers"]
    needed = [job, least.one("ConfigMap", "test-xylem-prepare")]
    needed.append(least.one("Secret", "test-xylem-prepare"))
    given = needed[-1]["stringData"]

    assert (migrate["args"], topics["args"]) == (["migrate"], ["topics"])
    for one in needed:
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [int(one["metadata"]["annotations"]["helm.sh/hook-weight"]) for one in needed]
    assert weights[0] > max(weights[1:])
    assert given == {"XYLEM_DATABASE__URL": "postgresql://xylem:secret@postgres/xylem"}
    settings = accepted_settings(least.settings("test-xylem-prepare"), given, tmp_path)
    assert settings.database.url == given["XYLEM_DATABASE__URL"]
    assert settings.log.kafka is not None


def test_a_secret_is_made_where_none_is_given(everything: Chart) -> None:
    secret = everything.one("Secret", "test-xylem-secrets")
    decoded = {name: base64.b64decode(one).decode() for name, one in secret["data"].items()}

    assert SigningKey.from_text(decoded["signing.key"]).key_id.startswith("ed25519:")
    assert len(decoded["XYLEM_INTERNAL__SECRET"]) == 40
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert secret["stringData"] == {
        "XYLEM_DATABASE__URL": "postgresql://xylem:secret@postgres/xylem",
        "XYLEM_LOG__KAFKA__SASL_PASSWORD": "secret 'word'\"",
    }


def test_the_settings_among_the_secrets_are_settings(everything: Chart, tmp_path: Path) -> None:
    secret = everything.one("Secret", "test-xylem-secrets")
    environment = {
        **secret["stringData"],
        **{
            name: base64.b64decode(value).decode()
            for name, value in secret["data"].items()
            if name.startswith("XYLEM_")
        },
    }

    settings = accepted_settings(everything.settings(), environment, tmp_path)

    assert settings.log.kafka is not None
    assert settings.log.kafka.sasl_password == "secret 'word'\""


def test_a_given_secret_is_used_and_none_is_made(own_secret: Chart) -> None:
    assert own_secret.all("Secret") == []
    for _, template in own_secret.pods():
        volumes = {one["name"]: one for one in template["spec"]["volumes"]}
        assert volumes["secrets"]["secret"]["secretName"] == "my-secrets"


def test_what_is_referred_to_is_there(chart: Chart) -> None:
    there = {(one["kind"], one["metadata"]["name"]) for one in chart.manifests}
    for _, template in chart.pods():
        spec = template["spec"]
        if "serviceAccountName" in spec:
            assert ("ServiceAccount", spec["serviceAccountName"]) in there
        for volume in spec["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there
            if "secret" in volume and volume["secret"]["secretName"] != "my-secrets":
                assert ("Secret", volume["secret"]["secretName"]) in there
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for one in chart.all(kind):
            assert ("Deployment", one["spec"]["scaleTargetRef"]["name"]) in there


def test_autoscaling_looks_at_what_each_component_asks_for(everything: Chart) -> None:
    scaler = everything.one("HorizontalPodAutoscaler", "test-xylem-userapi")
    roomserver = everything.one("ScaledObject", "test-xylem-roomserver")
    syncapi = everything.one("ScaledObject", "test-xylem-syncapi")

    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 8)
    assert roomserver["spec"]["maxReplicaCount"] == 16
    (trigger,) = roomserver["spec"]["triggers"]
    assert trigger == {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": "kafka:9093",
            # As logs.kafka names groups: prefix, component, topic.
            "consumerGroup": "chat.roomserver.InputRoomEvent",
            "topic": "chat.InputRoomEvent",
            "lagThreshold": "500",
            "offsetResetPolicy": "earliest",
        },
        "authenticationRef": {"name": "kafka"},
    }
    assert [one["metadata"]["topic"] for one in syncapi["spec"]["triggers"]] == [
        "chat.OutputRoomEvent",
        "chat.OutputClientData",
        "chat.OutputReceipt",
        "chat.OutputKeyChange",
        "chat.SendToDevice",
    ]
    # Who is scaled has no number of replicas that an upgrade would set back.
    for component, replicas in (("clientapi", 5), ("userapi", None), ("roomserver", None)):
        spec = everything.one("Deployment", f"test-xylem-{component}")["spec"]
        assert spec.get("replicas") == replicas


def test_prometheus_reads_all_components(everything: Chart) -> None:
    (monitor,) = everything.all("PodMonitor")
    (expression,) = monitor["spec"]["selector"]["matchExpressions"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]

    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert labels_of(monitor)["release"] == "prometheus"
    assert set(expression["values"]) == COMPONENTS
    assert (endpoint["port"], endpoint["path"]) == ("observe", "/metrics")
    for component in COMPONENTS:
        (container,) = containers_of(everything, component)
        assert {"name": "observe", "containerPort": 9090} in container["ports"]


def test_a_change_of_the_settings_restarts_the_pods(helm: Path, least: Chart) -> None:
    changed = render(helm, LEAST, {"config.logging.level": "debug"})
    secret = render(helm, LEAST, {"secrets.databaseUrl": "postgresql://other@postgres/xylem"})

    def checksums(chart: Chart) -> dict[str, str]:
        template = chart.one("Deployment", "test-xylem-userapi")["spec"]["template"]
        return dict(template["metadata"]["annotations"])

    assert checksums(changed)["checksum/config"] != checksums(least)["checksum/config"]
    assert checksums(secret)["checksum/secrets"] != checksums(least)["checksum/secrets"]
    assert checksums(secret)["checksum/config"] == checksums(least)["checksum/config"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"serverName": ""}, "serverName"),
        ({"kafka.bootstrapServers": []}, "bootstrapServers"),
        ({"kafka.bootstrapServers": ["kafka"]}, "bootstrapServers"),
        ({"secrets.databaseUrl": ""}, "databaseUrl or secrets.existingSecret"),
        ({"secrets.databaseUrl": "mysql://x"}, "databaseUrl"),
        ({"replicas": 3}, "replicas"),
        ({"components.userapi.replica": 3}, "replica"),
        ({"components.userapi.autoscaling": {"type": "lag"}}, "components.userapi reads no topic"),
        ({"ingress.enabled": True}, "hosts"),
        ({"ingress": {"enabled": True, "hosts": ["a"]}, "proxy.enabled": False}, "by method"),
        ({"gateway.enabled": True}, "parentRefs"),
        (
            {"gateway": {"enabled": True, "parentRefs": [{"name": "a"}]}, "proxy.enabled": False},
            "proxy.enabled",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(helm: Path, values: dict[str, Any], said: str) -> None:
    refused = helm_template(helm, LEAST, values)

    assert refused.returncode != 0
    assert said in refused.stderr


def test_every_value_is_in_the_schema_and_every_default_valid(helm: Path) -> None:
    values = read_yaml(CHART / "values.yaml")
    # What has to be given is empty there.
    values["serverName"] = "example.org"
    values["kafka"]["bootstrapServers"] = ["kafka:9092"]
    values["secrets"]["existingSecret"] = "secret"

    assert render(helm, values).manifests

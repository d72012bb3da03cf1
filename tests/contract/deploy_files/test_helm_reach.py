"""What the chart lets whom do and reach: containers, networks, routes."""

import re
from pathlib import Path
from typing import Any

import pytest

from deploy.generating.route_table import TABLE, served_components
from tests.contract.deploy_files.chart import Chart, labels_of
from tests.contract.deploy_files.declared import COMPONENTS
from tests.contract.deploy_files.nginx import nginx_accepts

# The first test of the chart builds Helm.
pytestmark = pytest.mark.timeout(1800)


def test_containers_may_do_nothing_but_serve(chart: Chart) -> None:
    for _, template in chart.pods():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"] + spec.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]


def test_what_runs_on_is_probed_and_spread_and_bounded_in_disruption(chart: Chart) -> None:
    for deployment in chart.all("Deployment"):
        template = deployment["spec"]["template"]
        (container,) = template["spec"]["containers"]
        ports = {one["name"] for one in container["ports"]}
        selector = deployment["spec"]["selector"]["matchLabels"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            how = container[probe].get("httpGet") or container[probe]["tcpSocket"]
            assert how["port"] in ports
        for constraint in template["spec"]["topologySpreadConstraints"]:
            assert constraint["labelSelector"]["matchLabels"] == selector
        budget = chart.one("PodDisruptionBudget", deployment["metadata"]["name"])
        assert budget["spec"]["selector"]["matchLabels"] == selector
        assert selector.items() <= template["metadata"]["labels"].items()


def test_services_lead_to_ports_of_their_pods(chart: Chart) -> None:
    deployments = chart.all("Deployment")
    for service in chart.all("Service"):
        (target,) = [
            one
            for one in deployments
            if one["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
        ]
        (container,) = target["spec"]["template"]["spec"]["containers"]
        names = {one["name"] for one in container["ports"]}
        assert {one["targetPort"] for one in service["spec"]["ports"]} <= names
        component = labels_of(service)["app.kubernetes.io/component"]
        if component in COMPONENTS:
            assert ("client" in names) == (component in served_components())


def peers_of(chart: Chart, component: str, port: str) -> list[Any]:
    """Return who may reach a port of a component's pods."""
    spec = chart.one("NetworkPolicy", f"test-xylem-{component}")["spec"]
    assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    rules = [
        rule for rule in spec["ingress"] if rule["ports"] == [{"port": port, "protocol": "TCP"}]
    ]
    assert all(rule["from"] for rule in rules)
    return [peer for rule in rules for peer in rule["from"]]


def test_only_components_reach_the_internal_port(chart: Chart) -> None:
    for component in COMPONENTS:
        (peer,) = peers_of(chart, component, "internal")
        assert set(peer) == {"podSelector"}
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "test"
        (expression,) = peer["podSelector"]["matchExpressions"]
        assert (expression["key"], expression["operator"], set(expression["values"])) == (
            "app.kubernetes.io/component",
            "In",
            COMPONENTS,
        )


def test_only_the_proxy_reaches_the_public_port(least: Chart) -> None:
    for component in served_components():
        (peer,) = peers_of(least, component, "client")
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "proxy"
    for component in COMPONENTS - set(served_components()):
        assert peers_of(least, component, "client") == []


def test_only_the_gateway_reaches_the_public_port_where_it_routes(own_secret: Chart) -> None:
    for component in served_components():
        (peer,) = peers_of(own_secret, component, "client")
        assert "namespaceSelector" in peer
        assert peers_of(own_secret, component, "observe") == []


def test_a_gateway_that_routes_has_the_lines_of_the_table(own_secret: Chart) -> None:
    routes = own_secret.all("HTTPRoute")
    found = set()
    for route in routes:
        (rule,) = route["spec"]["rules"]
        (backend,) = rule["backendRefs"]
        ports = own_secret.one("Service", backend["name"])["spec"]["ports"]
        assert backend["port"] in {one["port"] for one in ports if one["name"] == "client"}
        # The limit of the Gateway API.
        assert len(rule["matches"]) <= 64
        assert "timeouts" not in rule
        for match in rule["matches"]:
            assert match["path"]["type"] == "RegularExpression"
            component = backend["name"].removeprefix("test-xylem-")
            found.add((component, match["path"]["value"], match.get("method")))

    assert found == {
        (line.component, f"^{line.path.expression}$", method)
        for line in TABLE
        for method in (line.path.methods or (None,))
    }


def test_a_gateway_can_leave_routing_to_the_proxy(everything: Chart) -> None:
    (route,) = everything.all("HTTPRoute")

    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
        "hostnames": ["matrix.example.org"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": "test-xylem-proxy", "port": 80}],
                "timeouts": {"request": "120s"},
            }
        ],
    }


def test_an_ingress_leads_to_the_proxy(everything: Chart) -> None:
    (ingress,) = everything.all("Ingress")
    ports = everything.one("Service", "test-xylem-proxy")["spec"]["ports"]

    for rule in ingress["spec"]["rules"]:
        paths = rule["http"]["paths"]
        prefixes = [one["path"] for one in paths if one["pathType"] == "Prefix"]
        exact = [one["path"] for one in paths if one["pathType"] == "Exact"]
        assert {one["backend"]["service"]["name"] for one in paths} == {"test-xylem-proxy"}
        names = {one["backend"]["service"]["port"]["name"] for one in paths}
        assert names <= {one["name"] for one in ports}
        for line in TABLE:
            pattern = line.path.pattern
            assert pattern in exact or any(pattern.startswith(f"{prefix}/") for prefix in prefixes)


def test_nginx_accepts_the_configuration_of_the_proxy(least: Chart, tmp_path: Path) -> None:
    for name, text in least.one("ConfigMap", "test-xylem-proxy")["data"].items():
        # Names of services mean something in the cluster only.
        here = re.sub(r"server test-xylem-[a-z]+:", "server 127.0.0.1:", text)
        here = here.replace("/tmp/", f"{tmp_path}/").replace("/etc/xylem", str(tmp_path))
        (tmp_path / name).write_text(here)

    nginx_accepts(tmp_path / "nginx.conf")

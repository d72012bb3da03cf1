"""Components reach those that they ask, wherever the deployment files run them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.catalogue import CATALOGUE
from deploy.settings import Settings
from tests.contract.deploy_files.chart import Chart
from tests.contract.deploy_files.declared import DEPLOY, accepted_settings, read_yaml

ASKING = [(one, asked) for one in CATALOGUE.names for asked in sorted(CATALOGUE.asked_by(one))]
SECRET = {"XYLEM_INTERNAL__SECRET": "0123456789abcdef"}

pytestmark = pytest.mark.parametrize(("asker", "asked"), ASKING)


def internal_ports(settings: Settings) -> set[int]:
    """Return where a process with these settings listens for other components."""
    return {one.port for one in settings.listeners if "internal" in one.apis}


def address_of(settings: Settings, asked: str) -> tuple[str | None, int | None]:
    """Return host and port at which a process with these settings asks a component."""
    url = getattr(settings.internal.urls, asked)
    assert isinstance(url, str)
    return urlsplit(url).hostname, urlsplit(url).port


def environment_in(path: Path) -> dict[str, str]:
    """Return the variables of a file of them."""
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_as_units_of_one_machine(asker: str, asked: str, tmp_path: Path) -> None:
    units = DEPLOY / "systemd"
    example = (units / "xylem.yaml.example").read_text(encoding="utf-8")

    settings = {
        name: accepted_settings(
            example, SECRET | environment_in(units / "components" / f"{name}.env"), tmp_path
        )
        for name in (asker, asked)
    }

    host, port = address_of(settings[asker], asked)
    assert host == "127.0.0.1"
    assert {port} == internal_ports(settings[asked])


def test_as_containers_of_the_compose_file(asker: str, asked: str, tmp_path: Path) -> None:
    folder = DEPLOY / "compose"
    services = read_yaml(folder / "compose.yaml")["services"]
    text = (folder / "xylem.yaml").read_text(encoding="utf-8")

    def environment_of(component: str) -> Iterator[tuple[str, str]]:
        for file in services[component]["env_file"]:
            yield from environment_in(folder / file).items()

    settings = {
        name: accepted_settings(
            text,
            SECRET | {"XYLEM_SERVER_NAME": "example.org"} | dict(environment_of(name)),
            tmp_path,
        )
        for name in (asker, asked)
    }

    host, port = address_of(settings[asker], asked)
    assert host is not None
    assert services[host]["command"] == ["run", asked]
    assert set(services[host]["networks"]) & set(services[asker]["networks"])
    assert {port} == internal_ports(settings[asked])


def labels_of_pods(chart: Chart, component: str) -> dict[str, str]:
    template = chart.one("Deployment", f"test-xylem-{component}")["spec"]["template"]
    return dict(template["metadata"]["labels"])


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Tell whether a selector of Kubernetes takes what has these labels."""
    expressions = selector.get("matchExpressions", [])
    assert {one["operator"] for one in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def test_as_pods_of_the_chart(chart: Chart, asker: str, asked: str, tmp_path: Path) -> None:
    settings = accepted_settings(chart.settings(), SECRET, tmp_path)
    askers, others = labels_of_pods(chart, asker), labels_of_pods(chart, asked)

    host, port = address_of(settings, asked)
    assert host is not None
    service = chart.one("Service", host)["spec"]
    assert selects({"matchLabels": service["selector"]}, others)
    (target,) = [one["targetPort"] for one in service["ports"] if one["port"] == port]
    (container,) = chart.one("Deployment", f"test-xylem-{asked}")["spec"]["template"]["spec"][
        "containers"
    ]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert {ports[target]} == internal_ports(settings)
    for policy in chart.all("NetworkPolicy"):
        if selects(policy["spec"]["podSelector"], others):
            assert any(
                selects(peer["podSelector"], askers)
                for rule in policy["spec"]["ingress"]
                if {"port": target, "protocol": "TCP"} in rule["ports"]
                for peer in rule["from"]
                if "podSelector" in peer
            )

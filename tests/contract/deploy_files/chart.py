"""The chart as Helm renders it, and ways to look at what it made."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tests.contract.deploy_files.declared import DEPLOY

CHART = DEPLOY / "helm/xylem"
VALUES = Path(__file__).parent / "values"
LEAST = VALUES / "least.yaml"
EVERYTHING = VALUES / "everything.yaml"
OWN_SECRET = VALUES / "own-secret.yaml"
KUBERNETES = ("1.27", "1.34")
"""The oldest that Chart.yaml allows, and a newer one."""

Manifest: TypeAlias = dict[str, Any]


class Chart:
    """What one set of values gives."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self.manifests = manifests

    def all(self, kind: str) -> list[Manifest]:
        """Return the manifests of a kind."""
        return [one for one in self.manifests if one["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        """Return the manifest of this kind and name, of which there has to be one."""
        (found,) = [one for one in self.all(kind) if one["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Yield the name and template of everything that makes pods."""
        for one in self.manifests:
            if one["kind"] in {"Deployment", "Job"}:
                yield one["metadata"]["name"], one["spec"]["template"]

    def settings(self, name: str = "test-xylem") -> str:
        """Return the text of the configuration file in a ConfigMap."""
        return str(self.one("ConfigMap", name)["data"]["xylem.yaml"])


def helm_template(
    helm: Path, *values: Path | dict[str, Any], version: str = KUBERNETES[-1]
) -> subprocess.CompletedProcess[str]:
    """Run `helm template` with these values files and values."""
    arguments: list[str] = []
    for one in values:
        if isinstance(one, Path):
            arguments += ["--values", str(one)]
        else:
            pairs = (f"{key}={json.dumps(value)}" for key, value in one.items())
            arguments += [part for pair in pairs for part in ("--set-json", pair)]
    return subprocess.run(
        [helm, "template", "test", CHART, "--kube-version", version, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def render(helm: Path, *values: Path | dict[str, Any]) -> Chart:
    """Return what the chart gives for these values; fails with what Helm says."""
    rendered = helm_template(helm, *values)
    assert rendered.returncode == 0, rendered.stderr
    return Chart([one for one in yaml.safe_load_all(rendered.stdout) if one])


def labels_of(manifest: Manifest) -> dict[str, str]:
    """Return the labels of a manifest."""
    return dict(manifest["metadata"]["labels"])


def containers_of(chart: Chart, component: str) -> list[Any]:
    """Return the containers of a component's pods."""
    spec = chart.one("Deployment", f"test-xylem-{component}")["spec"]["template"]["spec"]
    return list(spec["containers"])

"""The compose file beside the parser that Docker uses, the components and the settings."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli import COMMANDS
from matrix.signing import SigningKey
from tests.contract.deploy_files.declared import (
    AWAITED_COMMANDS,
    COMPONENTS,
    DEPLOY,
    accepted_settings,
    assert_is_a_command,
)

FOLDER = DEPLOY / "compose"
OTHERS = {"migrate", "topics", "proxy", "kafka", "postgres"}
VARIABLES = {
    "XYLEM_SERVER_NAME": "example.org",
    "XYLEM_PUBLIC_BASE_URL": "https://matrix.example.org",
}
PORTS = {"client": 8008, "internal": 8009, "health": 9090, "metrics": 9090}


def interpolated() -> str:
    """Return the file's text with its variables replaced."""
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    return re.sub(
        r"\$\{(\w+):([-?])([^}]*)\}",
        lambda found: VARIABLES[found[1]] if found[2] == "?" else found[3],
        text,
    )


@pytest.fixture(name="project")
def fixture_project() -> Any:
    return yaml.safe_load(interpolated())


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    """Give a copy of the folder of the compose file."""
    folder = tmp_path / "compose"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("secrets", ".env"))
    return folder


@pytest.mark.timeout(900)
def test_the_parser_of_compose_files_accepts_it(compose_parser: Path, folder: Path) -> None:
    (folder / "interpolated.yaml").write_text(interpolated())

    parsed = subprocess.run(
        [compose_parser, "interpolated.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert parsed.returncode == 0, parsed.stderr
    assert set(yaml.safe_load(parsed.stdout)["services"]) == COMPONENTS | OTHERS


def test_every_component_is_a_service(project: Any) -> None:
    for component in COMPONENTS:
        assert project["services"][component]["command"] == ["run", component]
    assert set(project["services"]) == COMPONENTS | OTHERS


def test_nothing_is_awaited_that_exists() -> None:
    assert AWAITED_COMMANDS.isdisjoint(COMMANDS)


def test_every_command_exists(project: Any) -> None:
    for name in (*COMPONENTS, "migrate", "topics"):
        assert_is_a_command(project["services"][name]["command"])


def test_what_services_depend_on_exists_and_can_fulfil_the_condition(project: Any) -> None:
    services = project["services"]
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            is_job = services[name].get("restart", "").startswith("on-failure")
            wanted = "service_completed_successfully" if is_job else "service_healthy"
            assert condition == {"condition": wanted}
            # The image of Xylem brings its own check.
            has_check = name in COMPONENTS or "test" in services[name].get("healthcheck", {})
            assert is_job or has_check


def test_volumes_and_secrets_are_declared_and_mounted_files_exist(project: Any) -> None:
    mounts = [one for service in project["services"].values() for one in service.get("volumes", [])]
    sources = {mount.split(":")[0] for mount in mounts}
    secrets = {
        one for service in project["services"].values() for one in service.get("secrets", [])
    }

    files = {source for source in sources if source.startswith(".")}
    assert [source for source in files if not (FOLDER / source).is_file()] == []
    assert sources - files == set(project["volumes"])
    assert secrets == set(project["secrets"])


def test_images_are_pinned(project: Any) -> None:
    images = {service["image"] for service in project["services"].values()}

    assert "apache/kafka:4.1.0" in images
    for image in images - {"xylem:local"}:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?(-alpine)?", image)


def test_only_the_proxy_can_be_reached_from_outside(project: Any) -> None:
    open_to_others = [name for name, one in project["services"].items() if one.get("ports")]

    assert open_to_others == ["proxy"]


def test_containers_of_xylem_may_do_nothing_but_serve(project: Any) -> None:
    for name in (*COMPONENTS, "migrate", "topics", "proxy"):
        service = project["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_settings_are_settings(project: Any, folder: Path, tmp_path: Path) -> None:
    subprocess.run(["/bin/sh", folder / "make-secrets.sh"], check=True)
    text = (FOLDER / "xylem.yaml").read_text(encoding="utf-8")
    plain = yaml.safe_load(text)
    for component in COMPONENTS:
        service = project["services"][component]
        secrets = {
            name: (folder / project["secrets"][name]["file"]).read_text()
            for name in service["secrets"]
        }
        environment = service["environment"] | {
            name: value for name, value in secrets.items() if name.startswith("XYLEM_")
        }
        for file in service["env_file"]:
            lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
            environment |= dict(line.split("=", 1) for line in lines if not line.startswith("#"))

        settings = accepted_settings(text, environment, tmp_path)

        assert settings.server_name == "example.org"
        assert settings.database.url.startswith("postgresql://xylem:")
        assert settings.log.kafka is not None
        assert settings.log.kafka.bootstrap_servers == ["kafka:9092"]
        assert settings.signing_key_path.removeprefix("/run/secrets/") in secrets
    ports = {api: one["port"] for one in plain["listeners"] for api in one["apis"]}
    assert ports == PORTS
    trusted = [one.get("trusted_proxies") for one in plain["listeners"]]
    assert trusted[0] == [project["networks"]["xylem"]["ipam"]["config"][0]["subnet"]]
    urls = settings.internal.urls
    assert [getattr(urls, name) for name in COMPONENTS] == [
        f"http://{name}:8009" for name in COMPONENTS
    ]


def test_secrets_are_made_once_and_fit_together(folder: Path) -> None:
    script = ["/bin/sh", str(folder / "make-secrets.sh")]
    secrets = folder / "secrets"

    subprocess.run(script, check=True)
    made = {path.name: path.read_text() for path in secrets.iterdir()}
    subprocess.run(script, check=True)

    assert {path.name: path.read_text() for path in secrets.iterdir()} == made
    password = made["postgres_password"]
    assert len(password) == 40
    assert made["XYLEM_DATABASE__URL"] == f"postgresql://xylem:{password}@postgres/xylem"
    assert len(made["XYLEM_INTERNAL__SECRET"]) == 40
    assert SigningKey.from_text(made["signing.key"]).key_id.startswith("ed25519:")
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_secrets_are_not_committed(folder: Path) -> None:
    ignored = (folder / ".gitignore").read_text(encoding="utf-8").split()

    assert ignored == ["/.env", "/secrets/"]
    assert os.access(FOLDER / "make-secrets.sh", os.X_OK)


def test_the_example_of_the_environment_names_what_the_file_asks_for(project: Any) -> None:
    del project
    example = (FOLDER / ".env.example").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text(encoding="utf-8")))

    assert set(re.findall(r"^#?(XYLEM_\w+)=", example, flags=re.MULTILINE)) == asked

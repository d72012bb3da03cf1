"""The systemd units: what systemd says of them, and whether they start what exists."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.catalogue import CATALOGUE
from deploy.generating.proxy_files import client_port
from tests.contract.deploy_files.declared import (
    COMPONENTS,
    DEPLOY,
    accepted_settings,
    assert_is_a_command,
)
from tests.fixtures.servers import find_program

FOLDER = DEPLOY / "systemd"
UNITS = ("xylem.service", "xylem@.service")


def lines_of(unit: str) -> list[str]:
    return (FOLDER / unit).read_text(encoding="utf-8").splitlines()


def environment_of(component: str) -> dict[str, str]:
    text = (FOLDER / "components" / f"{component}.env").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))


@pytest.fixture(name="installed")
def fixture_installed(tmp_path: Path) -> Path:
    """Give the units as if Xylem and its user were installed: systemd looks for both."""
    for unit in UNITS:
        text = "\n".join(lines_of(unit))
        text = text.replace("/opt/xylem/bin/xylem", "/bin/true")
        text = re.sub(r"^(User|Group)=xylem$", "", text, flags=re.MULTILINE)
        (tmp_path / unit.replace("@", "@userapi")).write_text(text)
    return tmp_path


@pytest.mark.parametrize("has_low_ports", [False, True])
def test_systemd_accepts_them(installed: Path, *, has_low_ports: bool) -> None:
    if has_low_ports:
        drop_in = installed / "xylem.service.d" / "low-ports.conf"
        drop_in.parent.mkdir()
        shutil.copy(FOLDER / "low-ports.conf", drop_in)

    analyze = find_program("systemd-analyze")

    said = subprocess.run(
        [analyze, "verify", "--man=no", *sorted(installed.glob("*.service"))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_they_start_a_command_that_exists_as_a_user_of_its_own(unit: str) -> None:
    lines = lines_of(unit)
    (start,) = [line for line in lines if line.startswith("ExecStart=")]

    assert_is_a_command(start.replace("%i", "userapi").split()[1:])
    assert "User=xylem" in lines


def test_both_are_hardened_likewise() -> None:
    hardening = [
        {line for line in lines_of(unit) if re.match(r"[A-Z]\w+=", line)} for unit in UNITS
    ]

    differing = {line.split("=")[0] for line in hardening[0] ^ hardening[1]}
    assert differing == {"Description", "EnvironmentFile", "ExecStart", "Slice", "SyslogIdentifier"}
    assert hardening[0] >= {
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "SystemCallFilter=@system-service",
    }


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_a_component_listens_where_the_proxies_look_for_it(component: str, tmp_path: Path) -> None:
    example = (FOLDER / "xylem.yaml.example").read_text(encoding="utf-8")
    environment = environment_of(component)

    number = CATALOGUE.named(component).number
    settings = accepted_settings(
        example, {**environment, "XYLEM_INTERNAL__SECRET": "0123456789abcdef"}, tmp_path
    )

    assert [(one.apis, one.port, one.address) for one in settings.listeners] == [
        (("client",), client_port(component), "127.0.0.1"),
        (("internal",), 8200 + number, "127.0.0.1"),
        (("health", "metrics"), 8300 + number, "127.0.0.1"),
    ]
    assert [getattr(settings.internal.urls, one.name) for one in CATALOGUE] == [
        f"http://127.0.0.1:{8200 + one.number}" for one in CATALOGUE
    ]

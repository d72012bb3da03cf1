"""What deployment files may name: the server's settings, commands and components."""

from pathlib import Path
from typing import Any

import yaml

from deploy.catalogue import CATALOGUE
from deploy.cli import COMMANDS
from deploy.settings import Settings
from deploy.settings.loading import load_settings

CHECKOUT = Path(__file__).parents[3]
DEPLOY = CHECKOUT / "deploy"
COMPONENTS = set(CATALOGUE.names)
AWAITED_COMMANDS: set[str] = set()
"""What the files run ahead of the code. A test fails once the code has it: empty this then."""


def accepted_settings(text: str, environment: dict[str, str], folder: Path) -> Settings:
    """Return the settings of this file and environment, or raise what the server would say."""
    path = folder / "xylem.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environment)


def assert_is_a_command(arguments: list[str]) -> None:
    """Fail for arguments with which `xylem` would not start."""
    command, *rest = arguments
    assert command in COMMANDS.keys() | AWAITED_COMMANDS
    assert set(rest) <= COMPONENTS


def read_yaml(path: Path) -> Any:
    """Return the file's one document."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))

"""Xylem as it is measured: the monolith of this checkout."""

import sys
from pathlib import Path
from typing import Any

import yaml

from bench.http import Address
from bench.servers.process import SERVER_NAME, SHARED_SECRET, ProcessServer, free_address

CHECKOUT = Path(__file__).resolve().parents[2]


def command(config_path: Path) -> list[str]:
    """Return the command line that runs the monolith."""
    return [sys.executable, "-m", "deploy.cli", "monolith", "--config", str(config_path)]


def without_hindrances() -> dict[str, Any]:
    """Return the settings that differ from the defaults, because those would hinder measuring."""
    return {
        "server_name": SERVER_NAME,
        "logging": {"level": "warning"},
        "userapi": {
            "registration": "open",
            "registration_shared_secret": SHARED_SECRET,
            "bcrypt_cost": 4,
            "login_rate_per_address": None,
            "login_rate_per_account": None,
            "registration_rate_per_address": None,
            "request_rate_per_user": None,
            "login_token_rate_per_user": None,
            "report_rate_per_user": None,
        },
        "clientapi": {
            "send_rate_per_user": None,
            "join_rate_per_user": None,
            "invite_rate_per_user": None,
            "creation_rate_per_user": None,
            "directory_rate_per_address": None,
            "request_rate_per_user": None,
            "to_device_rate_per_user": None,
        },
        "keyserver": {"backup_rate_per_user": None},
        "mediaapi": {
            "upload_rate_per_user": None,
            "download_rate_per_user": None,
            "preview_rate_per_user": None,
        },
        "syncapi": {"summary_rate_per_address": None, "request_rate_per_user": None},
    }


def config(directory: Path, address: Address) -> dict[str, Any]:
    """Return the settings of a server with its data in a directory."""
    return {
        **without_hindrances(),
        "data_dir": str(directory),
        "listeners": [{"address": address[0], "port": address[1], "apis": ["client"]}],
    }


def prepare(directory: Path) -> ProcessServer:
    """Prepare Xylem with its data in an empty directory."""
    address = free_address()
    config_path = directory / "xylem.yaml"
    config_path.write_text(yaml.safe_dump(config(directory / "data", address)))
    return ProcessServer(
        "xylem", command(config_path), address, log_path=directory / "xylem.log", cwd=CHECKOUT
    )

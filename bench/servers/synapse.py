"""Synapse as it is measured: from PyPI in an environment of its own, on SQLite."""

import base64
import secrets
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from bench.http import Address
from bench.servers.process import (
    SERVER_NAME,
    SHARED_SECRET,
    ProcessServer,
    ServerFailedError,
    free_address,
)

ENVIRONMENT: Final = Path(__file__).resolve().parents[2] / ".cache" / "synapse"
REQUIREMENT: Final = "matrix-synapse"

_LIFTED: Final = {"per_second": 1_000_000, "burst_count": 1_000_000}


@cache
def installed_python() -> Path:
    """Return the interpreter of Synapse's environment, making the environment when absent."""
    python = ENVIRONMENT / "bin" / "python"
    probe = [str(python), "-c", "import synapse.app.homeserver"]
    if python.exists() and subprocess.run(probe, check=False, capture_output=True).returncode == 0:
        return python
    print(f"Installing {REQUIREMENT} into {ENVIRONMENT} ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)
    if subprocess.run(probe, check=False).returncode != 0:
        raise ServerFailedError("Synapse cannot be imported after its installation")
    return python


def version() -> str:
    """Return the version of the installed Synapse."""
    code = f"import importlib.metadata as m; print(m.version({REQUIREMENT!r}))"
    found = subprocess.run(
        [str(installed_python()), "-c", code], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def config(directory: Path, address: Address) -> dict[str, Any]:
    """Return the settings: everything by default, except what would hinder measuring."""
    listener = {
        "port": address[1],
        "bind_addresses": [address[0]],
        "type": "http",
        "tls": False,
        "resources": [{"names": ["client"], "compress": False}],
    }
    database = {"name": "sqlite3", "args": {"database": str(directory / "homeserver.db")}}
    return {
        "server_name": SERVER_NAME,
        "pid_file": str(directory / "synapse.pid"),
        "listeners": [listener],
        "database": database,
        "log_config": str(directory / "log.yaml"),
        "media_store_path": str(directory / "media"),
        "signing_key_path": str(directory / "signing.key"),
        "registration_shared_secret": SHARED_SECRET,
        "macaroon_secret_key": secrets.token_hex(16),
        "form_secret": secrets.token_hex(16),
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "bcrypt_rounds": 4,
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "filter_timeline_limit": -1,
    } | rate_limits()


def rate_limits() -> dict[str, Any]:
    """Return Synapse's rate limits, all lifted."""
    simple = [
        "rc_message",
        "rc_registration",
        "rc_registration_token_validity",
        "rc_admin_redaction",
        "rc_joins_per_room",
        "rc_third_party_invite",
        "rc_media_create",
        "rc_room_creation",
        "rc_reports",
        "rc_user_directory",
        "rc_key_requests",
    ]
    grouped = {
        "rc_login": ["address", "account", "failed_attempts"],
        "rc_joins": ["local", "remote"],
        "rc_invites": ["per_room", "per_user", "per_issuer"],
        "rc_3pid_validation": [],
        "rc_presence": ["per_user"],
    }
    limits: dict[str, Any] = dict.fromkeys(simple, _LIFTED)
    for name, groups in grouped.items():
        limits[name] = dict.fromkeys(groups, _LIFTED) if groups else _LIFTED
    return limits


def prepare(directory: Path) -> ProcessServer:
    """Prepare Synapse with its data in an empty directory."""
    address = free_address()
    log = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"level": "WARNING", "handlers": ["console"]},
    }
    seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    (directory / "log.yaml").write_text(yaml.safe_dump(log))
    (directory / "signing.key").write_text(f"ed25519 a_bench {seed}\n")
    config_path = directory / "homeserver.yaml"
    config_path.write_text(yaml.safe_dump(config(directory, address)))
    arguments = ["-m", "synapse.app.homeserver", "--config-path", str(config_path)]
    return ProcessServer(
        "synapse",
        [str(installed_python()), *arguments],
        address,
        log_path=directory / "synapse.log",
        cwd=directory,
    )

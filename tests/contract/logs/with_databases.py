"""Logs with databases beside them, for the tests of what stands on both."""

from pathlib import Path
from typing import Final

import pytest

from tests.contract.logs.under_test import EmbeddedHost, KafkaHost, LogHost

LOGS_WITH_DATABASES: Final = [
    "embedded-sqlite",
    pytest.param("embedded-postgres", marks=pytest.mark.postgres),
    pytest.param("kafka-sqlite", marks=pytest.mark.kafka),
]
"""Parameters of a fixture called `host`."""


def host_of(request: pytest.FixtureRequest, folder: Path) -> LogHost:
    """Return where the log is that the parameter names."""
    if "kafka" in request.param:
        return KafkaHost(request.getfixturevalue("kafka_broker"))
    return EmbeddedHost(folder / "log")


def url_of(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return where the databases are that the parameter of the fixture `host` names."""
    if "postgres" in request.node.callspec.params["host"]:
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{folder / 'databases'}"

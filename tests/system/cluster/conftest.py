"""Fixtures of tests that run every component as processes of its own, with replicas."""

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from localcluster.cluster import LocalCluster
from localcluster.programs import ProgramMissing
from tests.fixtures.servers import missing
from tests.system.client import Homeserver
from tests.system.conftest import ASKING_FOR_TOKENS, NO_RATE_LIMITS
from tests.system.server_process import SHARED_SECRET

REPLICAS: Final = {"userapi": 2, "keyserver": 2, "roomserver": 2, "syncapi": 2, "clientapi": 2}
SETTINGS: Final[dict[str, Any]] = {
    **NO_RATE_LIMITS,
    "userapi": {
        "registration": "open",
        "registration_shared_secret": SHARED_SECRET,
        "bcrypt_cost": 4,
        "login_rate_per_address": None,
        "login_rate_per_account": None,
        "registration_rate_per_address": None,
        "request_rate_per_user": None,
    },
}
_FOLDER: Final = Path(__file__).parent
_test_numbers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what all tests here need; one worker runs them (`tests.fixtures.shared_cluster`)."""
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.kafka)
            item.add_marker(pytest.mark.postgres)


class RunningCluster:
    """A cluster, and what its components have complained of."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.cluster = cluster
        self.url = cluster.url

    def errors(self) -> list[dict[str, Any]]:
        """Return what components have said so far that no request may cause."""
        lines = []
        for process in self.cluster.processes.values():
            for text in process.program.output.read_text(errors="replace").splitlines():
                line = json.loads(text) if text.startswith("{") else {"message": text}
                if line.get("level") in {"error", "critical"} or "Traceback" in line["message"]:
                    lines.append({"process": process.program.name} | line)
        return lines


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[RunningCluster]:
    """A cluster with replicas, which all tests here share."""
    # PostgreSQL could not enter pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="xylem-cluster-"))
    folder.chmod(0o755)
    try:
        try:
            cluster = LocalCluster(folder, REPLICAS, SETTINGS)
        except ProgramMissing as absent:
            missing(str(absent))
        try:
            cluster.start()
            yield RunningCluster(cluster)
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(running_cluster: RunningCluster) -> Iterator[RunningCluster]:
    """The cluster in place of the monolith; no request of a test may cause an error."""
    errors_before = len(running_cluster.errors())
    yield running_cluster
    assert not running_cluster.errors()[errors_before:]


@pytest.fixture
def homeserver(server: RunningCluster, http: aiohttp.ClientSession) -> Homeserver:
    """The cluster as the clients of one test see it, who have names of their own."""
    return Homeserver(
        http,
        lambda: server.url,
        shared_secret=SHARED_SECRET,
        name_suffix=f".{next(_test_numbers)}",
    )


@pytest.fixture
def doors(homeserver: Homeserver, server: RunningCluster) -> Sequence[tuple[Homeserver, str]]:
    """Each replica that takes access tokens, with a path that asks for one."""

    def at(port: int) -> Homeserver:
        return Homeserver(homeserver.http, lambda: f"http://127.0.0.1:{port}")

    return [
        (at(one.ports.client), path)
        for name, one in server.cluster.processes.items()
        for component, path in ASKING_FOR_TOKENS.items()
        if name.startswith(component)
    ]


@pytest.fixture
def readers(homeserver: Homeserver, server: RunningCluster) -> Sequence[Homeserver]:
    """Each replica of client sync, which can be asked directly."""

    def at(port: int) -> Homeserver:
        return Homeserver(homeserver.http, lambda: f"http://127.0.0.1:{port}")

    processes = server.cluster.processes.items()
    return [at(one.ports.client) for name, one in processes if name.startswith("syncapi")]

"""What a server tells of outages: a line when log or database goes, one when it is back."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from localcluster.kafka import KafkaBroker
from localcluster.postgres import PostgresServer
from localcluster.programs import ProgramMissing
from tests.fixtures.servers import missing
from tests.system.client import Homeserver, is_told
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import SHARED_SECRET, ServerProcess

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

AWAY, BACK = "A dependency is not there", "A dependency is there again"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL can enter."""
    made = Path(tempfile.mkdtemp(prefix="xylem-outages-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def broker(folder: Path) -> Iterator[KafkaBroker]:
    (folder / "kafka").mkdir()
    try:
        broker = KafkaBroker(folder / "kafka")
    except ProgramMissing as absent:
        missing(str(absent))
    broker.start()
    yield broker
    broker.program.kill()


@pytest.fixture
def database(folder: Path) -> Iterator[PostgresServer]:
    (folder / "postgres").mkdir()
    try:
        database = PostgresServer(folder / "postgres")
    except ProgramMissing as absent:
        missing(str(absent))
    database.start()
    yield database
    database.program.kill()


@pytest.fixture
def server(
    tmp_path: Path, broker: KafkaBroker, database: PostgresServer
) -> Iterator[ServerProcess]:
    """A monolith on Kafka and PostgreSQL of its own."""
    process = ServerProcess(
        tmp_path,
        {
            **NO_RATE_LIMITS,
            "log": {"kafka": {"bootstrap_servers": [broker.address], "partitions": 2}},
            "database": {"url": f"postgresql://{database.address}/postgres"},
        },
    )
    process.start()
    yield process
    process.kill()


async def at_once() -> None:
    """Return at once: requests that are answered 503 are repeated soon."""


async def test_the_log_and_the_database_are_told_of_once_when_they_go_and_once_when_they_are_back(
    server: ServerProcess,
    http: aiohttp.ClientSession,
    broker: KafkaBroker,
    database: PostgresServer,
) -> None:
    homeserver = Homeserver(
        http, lambda: server.url, shared_secret=SHARED_SECRET, until_back=at_once
    )
    alice = await homeserver.register("alice")
    room_id = await alice.create_room()
    since = (await alice.sync())["next_batch"]
    told: list[dict[str, Any]] = []
    for away in (broker, database):
        away.program.kill()
        told.append(await asyncio.to_thread(server.wait_for_line, AWAY))
        sending = asyncio.create_task(alice.send(room_id, "hello"))
        await asyncio.to_thread(away.start)
        told.append(await asyncio.to_thread(server.wait_for_line, BACK))
        answer = await alice.sync_until(since, is_told(room_id, await sending))
        since = answer["next_batch"]
    assert server.stop() == 0

    assert [(line["level"], line["what"]) for line in told] == [
        ("warning", "log"),
        ("info", "log"),
        ("warning", "database"),
        ("info", "database"),
    ]
    warnings = [line for line in server.lines if line.get("level") in {"warning", "error"}]
    assert [line["message"] for line in warnings] == ["Registration is open", AWAY, AWAY]

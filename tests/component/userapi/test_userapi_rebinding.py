"""What waits to be announced goes to a topic that was made again with other partitions."""

import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from base.clock import ManualClock
from base.database import Database, open_database
from components.userapi.assembly import SCHEMA, UserApi, bind_to_log, build
from logs.embedded import EmbeddedLog
from logs.log import Log, Record
from logs.topics import OUTPUT_CLIENT_DATA
from matrix.identifiers import ServerName
from tests.component.userapi.userapi_server import SETTINGS, UserApiServer

PROFILES = 24


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_database(f"sqlite:///{tmp_path / 'databases'}", SCHEMA, durable=True)
    yield opened
    await opened.close()


async def log_of(folder: Path, partitions: int) -> Log:
    return await EmbeddedLog.open(folder, {OUTPUT_CLIENT_DATA.name: partitions})


def api_over(database: Database, log: Log) -> UserApi:
    return build(
        settings=SETTINGS,
        server_name=ServerName("xylem.test"),
        database=database,
        log=log,
        clock=ManualClock(),
        random_bytes=secrets.token_bytes,
    )


async def register(api: UserApi, log: Log, *names: str) -> None:
    """Let users register, each of whom is announced."""
    server = UserApiServer(api, log, ManualClock())
    for name in names:
        await server.user(name)


async def announced(log: Log) -> list[Record]:
    bounds = await log.bounds(OUTPUT_CLIENT_DATA.name)
    tail = await log.tail(OUTPUT_CLIENT_DATA.name, dict.fromkeys(bounds, 0))
    records: list[Record] = []
    while len(records) < sum(end for _, end in bounds.values()):
        records += await tail.read()
    await tail.close()
    return records


async def test_announcements_keep_their_order_and_rising_numbers_in_other_partitions(
    database: Database, tmp_path: Path
) -> None:
    log = await log_of(tmp_path / "lost", 5)
    api = api_over(database, log)
    await register(api, log, *(f"sent{number}" for number in range(PROFILES)))
    await api._announcer.send_all()
    await register(api, log, *(f"unsent{number}" for number in range(PROFILES)))
    api.close()
    await log.close()
    new = await log_of(tmp_path / "new", 2)

    await bind_to_log(database, new)
    await bind_to_log(database, new)
    api = api_over(database, new)
    await register(api, new, *(f"later{number}" for number in range(PROFILES)))
    await api._announcer.send_all()

    numbers: dict[int, list[int]] = defaultdict(list)
    for record in await announced(new):
        assert record.origin is not None
        numbers[record.partition].append(record.origin.sequence)
    for found in numbers.values():
        assert found == list(range(found[0], found[0] + len(found)))
    users = [OUTPUT_CLIENT_DATA.decode(record.value).user_id for record in await announced(new)]
    for kind in ("unsent", "later"):
        assert {f"@{kind}{number}:xylem.test" for number in range(PROFILES)} <= set(users)
    assert not [user for user in users if user.startswith("@sent")]
    api.close()
    await new.close()

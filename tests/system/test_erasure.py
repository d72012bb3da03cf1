"""What users take back leaves all that the server keeps: its databases and its log."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest

from logs.topics import TOPICS
from tests.system.client import PASSWORD, Client, Homeserver, room_path
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import SHARED_SECRET, ServerProcess
from tests.system.stored_data import Found, found_in_files, found_in_postgres, found_in_sqlite

REDACTED: Final = "zweisternmond"
REDACTED_TOPIC: Final = "regenbogenforelle"
FORGOTTEN: Final = "wolkenkuckucksheim"
NAME: Final = "siebenschlaefer"
STATUS: Final = "nebelkraehe"
SECRETS: Final = {REDACTED, REDACTED_TOPIC, FORGOTTEN, NAME, STATUS}
SHORT_HOURS: Final = 0.0003
SETTINGS: Final[dict[str, Any]] = {
    **NO_RATE_LIMITS,
    "log": {
        "trim_interval_s": 1,
        "retention_h": dict.fromkeys(TOPICS, SHORT_HOURS),
        "embedded": {"segment_age_h": SHORT_HOURS},
    },
}
EVENTS: Final = {"roomserver.events", "syncapi.events"}
"""The tables with what others saw, the name in old member events with it."""


class Kept:
    """What a server keeps, searched for words."""

    def __init__(self, folder: Path, postgres_url: str | None) -> None:
        self._data = folder / "data"
        self._postgres_url = postgres_url

    async def tables(self, words: Collection[str]) -> Found:
        """Return in which tables queries find the words."""
        if self._postgres_url is not None:
            return await found_in_postgres(self._postgres_url, words)
        return await asyncio.to_thread(found_in_sqlite, self._data / "databases", words)

    async def files(self, words: Collection[str]) -> Found:
        """Return which files of the data directory hold the words."""
        return await asyncio.to_thread(found_in_files, self._data, words)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def postgres_url(request: pytest.FixtureRequest) -> str | None:
    """The database of PostgreSQL, where the server has one."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_module_url")
    return url


async def until(look: Callable[[], Awaitable[Found]], expected: Found) -> Found:
    """Return what was found last, when it is as expected or there has been time for it."""
    deadline_s = time.monotonic() + 60
    while (found := await look()) != expected and time.monotonic() < deadline_s:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    return found


async def deactivate(user: Client) -> None:
    """End an account, and have what its user wrote erased."""
    path = "/_matrix/client/v3/account/deactivate"
    _, asked = await user.homeserver.once("POST", path, token=user.token, body={})
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user.user_id},
        "password": PASSWORD,
        "session": asked["session"],
    }
    await user.call("POST", "/account/deactivate", {"erase": True, "auth": auth})


async def test_what_was_taken_back_is_in_no_table_and_no_byte_of_the_data_directory(
    tmp_path: Path, http: aiohttp.ClientSession, postgres_url: str | None
) -> None:
    database = {"erase_interval_s": 1} | ({"url": postgres_url} if postgres_url else {})
    server = ServerProcess(tmp_path, SETTINGS | {"database": database})
    await asyncio.to_thread(server.start)
    kept = Kept(tmp_path, postgres_url)
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice, bob, carol = await homeserver.register_all("alice", "bob", "carol")
    profile = f"/profile/{quote(bob.user_id)}"
    await bob.call("PUT", f"{profile}/displayname", {"displayname": NAME})
    await bob.call("PUT", f"{profile}/com.example.status", {"com.example.status": STATUS})
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    for number in range(50):
        await bob.send(room_id, f"message {number}")
    event_id = await alice.send(room_id, REDACTED)
    topic_id = await alice.set_state(room_id, "m.room.topic", {"topic": REDACTED_TOPIC})
    await alice.set_state(room_id, "m.room.topic", {"topic": "another"})
    path = f"/user/{quote(bob.user_id)}/account_data/com.example.kept"
    await bob.call("PUT", path, {"kept": FORGOTTEN})
    await bob.sync()
    before = await kept.tables(SECRETS)

    for redacted in (event_id, topic_id):
        await alice.redact(room_id, redacted)
    await deactivate(bob)
    names = {table: {NAME} for table in EVENTS}
    tables = await until(lambda: kept.tables(SECRETS), names)
    files = {} if postgres_url else {f"databases/{one.split('.')[0]}.db": {NAME} for one in EVENTS}
    bytes_left = await until(lambda: kept.files(SECRETS), files)
    await carol.join(room_id)
    shown = await told_to(carol, room_id)
    still_shown = await told_to(alice, room_id)
    await asyncio.to_thread(server.stop)

    assert {secret for held in before.values() for secret in held} == SECRETS
    assert tables == names
    assert bytes_left == files
    assert NAME not in shown
    assert NAME in still_shown


async def told_to(user: Client, room_id: str) -> str:
    """Return all that a member is told of a room: its past, its state and its members."""
    path = room_path(room_id)
    query = {"dir": "b", "limit": "1000"}
    return str(
        [
            await user.call("GET", f"{path}/messages", query=query),
            await user.call("GET", f"{path}/members"),
            await user.call("GET", f"{path}/state"),
        ]
    )

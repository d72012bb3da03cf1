"""Data directories that earlier versions left: the server goes on with each of them."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from tests.system.client import PASSWORD, Homeserver, ids, timeline_of
from tests.system.data_directories import ALIAS, Told, archives, unpack, what_is_stored
from tests.system.rebuilding import settled, what_is_seen
from tests.system.server_process import SHARED_SECRET, ServerProcess, xylem


@pytest.fixture(params=archives(), ids=lambda archive: archive.name.removesuffix(".tar.xz"))
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Told:
    """What clients were told by the version that left its data directory here."""
    return unpack(request.param, tmp_path)


@pytest.fixture
def server(told: Told, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that has not been started on these data yet."""
    del told  # unpacked by now
    process = ServerProcess(tmp_path)
    yield process
    process.kill()
    assert not process.errors()


@pytest.fixture
def homeserver(server: ServerProcess, http: aiohttp.ClientSession) -> Homeserver:
    return Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)


async def test_users_see_what_they_saw_and_go_on(
    server: ServerProcess, homeserver: Homeserver, told: Told
) -> None:
    alice, bob, carol = told.clients(homeserver)
    server.start()

    assert await what_is_stored([alice, bob], told.room_id) == told.seen
    assert told.room_id in (await carol.sync())["rooms"]["invite"]
    await carol.join(told.room_id)
    event_id = await carol.send(told.room_id, "I go on")
    assert event_id in ids(timeline_of(await bob.sync(), told.room_id))
    assert (await alice.walk(told.room_id))[-1]["event_id"] == event_id


async def test_an_old_token_of_sync_misses_nothing(
    server: ServerProcess, homeserver: Homeserver, told: Told
) -> None:
    alice, bob, _ = told.clients(homeserver)
    server.start()
    event_id = await bob.send(told.room_id, "new")

    answer = await alice.sync(told.since)

    assert ids(timeline_of(answer, told.room_id)) == [told.last_event_id, event_id]
    assert answer["rooms"]["join"][told.room_id]["timeline"]["limited"] is False


async def test_what_users_have_stored_is_there(
    server: ServerProcess, homeserver: Homeserver, told: Told
) -> None:
    alice, bob, _ = told.clients(homeserver)
    server.start()

    new_device = await homeserver.login("bob", password=PASSWORD)
    answer = await alice.sync(sync_filter=told.filter_id)
    found = await alice.call("POST", "/user_directory/search", {"search_term": "Bob"})

    assert len(timeline_of(answer, told.room_id)) == 1
    assert (await alice.call("GET", f"/profile/{quote(bob.user_id)}"))["displayname"] == "Bob"
    assert (await alice.call("GET", f"/directory/room/{quote(ALIAS)}"))["room_id"] == told.room_id
    assert [one["user_id"] for one in found["results"]] == [bob.user_id]
    devices = (await bob.call("GET", "/devices"))["devices"]
    assert {one["device_id"] for one in devices} == {bob.device_id, new_device.device_id}


async def test_tables_of_client_sync_that_are_too_old_ask_for_a_rebuild_and_the_server_goes_on(
    server: ServerProcess, homeserver: Homeserver, told: Told
) -> None:
    alice, bob, carol = told.clients(homeserver)
    # As a version before the first one that is migrated would have left them.
    with sqlite3.connect(server.folder / "data/databases/syncapi.db") as tables:
        tables.execute("UPDATE schema_version SET version = 0 WHERE component = 'syncapi'")

    def run(*command: str) -> tuple[int, str]:
        done = xylem(*command, "--config", str(server.config_path), cwd=server.folder)
        return done.returncode, done.stderr

    for command in ("monolith", "migrate"):
        code, said = run(command)
        assert code == 1
        assert "The syncapi database has schema version 0" in said
        assert "xylem rebuild syncapi" in said
    assert run("rebuild", "syncapi")[0] == 0

    server.start()
    await settled([alice, bob], told.room_id)
    assert await what_is_stored([alice, bob], told.room_id) == told.seen
    assert told.room_id in (await carol.sync())["rooms"]["invite"]
    event_id = await bob.send(told.room_id, "I go on")
    assert (await alice.walk(told.room_id))[-1]["event_id"] == event_id


async def test_client_sync_is_made_anew_from_earlier_owners(
    server: ServerProcess, homeserver: Homeserver, told: Told
) -> None:
    alice, bob, _ = told.clients(homeserver)
    server.start()
    await settled([alice, bob], told.room_id)
    before = await what_is_seen([alice, bob], told.room_id)
    server.stop()

    done = xylem("rebuild", "syncapi", "--config", str(server.config_path), cwd=server.folder)

    assert done.returncode == 0, done.stderr
    server.start()
    await settled([alice, bob], told.room_id)
    assert await what_is_seen([alice, bob], told.room_id) == before

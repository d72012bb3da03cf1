"""`xylem rebind`: a server whose log was lost or cut goes on, and has all that it had."""

import asyncio
import os
import shutil
from pathlib import Path

import aiohttp
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from logs.topics import TOPICS
from tests.system.client import Client, Homeserver, texts
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.rebuilding import a_story, settled, what_is_seen
from tests.system.server_process import SHARED_SECRET, ServerProcess, xylem

_PREFIX = "rebind."


def command(server: ServerProcess, *arguments: str) -> tuple[int, str]:
    """Run a command of xylem with the server's settings; return its exit code and output."""
    done = xylem(*arguments, "--config", str(server.config_path), cwd=server.folder)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def log_of(server: ServerProcess) -> Path:
    return server.folder / "data" / "log"


def lose(server: ServerProcess) -> None:
    shutil.rmtree(log_of(server))


def cut(server: ServerProcess) -> None:
    """Take away the newer half, as a repair of the file system may."""
    path = log_of(server) / f"{0:012d}.log"
    os.truncate(path, path.stat().st_size // 2)


def damage(server: ServerProcess) -> None:
    """Spoil a byte, and move the folder away as the server advises."""
    path = log_of(server) / f"{0:012d}.log"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    code, said = command(server, "monolith")
    assert code == 1
    assert "xylem rebind" in said
    log_of(server).rename(server.folder / "damaged")


@pytest.fixture
def homeserver(server: ServerProcess, http: aiohttp.ClientSession) -> Homeserver:
    return Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)


async def goes_on(alice: Client, bob: Client, room_id: str) -> None:
    """Let both talk, and see everything once."""
    since = (await bob.sync())["next_batch"]
    for number in range(3):
        await alice.send(room_id, f"later {number}")
    last = await bob.send(room_id, "the last")
    await bob.call("PUT", f"/user/{bob.user_id}/account_data/test.later", {"is": "here"})
    answer = await bob.sync_until(since, lambda one: last in str(one))
    assert texts(answer["rooms"]["join"][room_id]["timeline"]["events"])[-4:] == [
        *(f"later {number}" for number in range(3)),
        "the last",
    ]
    told = texts(await bob.walk(room_id))
    expected = [f"message {number}" for number in range(30) if number != 3]
    assert [text for text in told if text in expected] == expected
    async with asyncio.timeout(30):
        while "test.later" not in str((await bob.sync())["account_data"]):
            pass


@pytest.mark.parametrize("happens", [lose, cut, damage])
async def test_after_the_log_is_lost_all_that_was_said_is_there_and_the_server_goes_on(
    server: ServerProcess, homeserver: Homeserver, happens: object
) -> None:
    assert callable(happens)
    alice, bob, room_id = await a_story(homeserver)
    await settled([alice, bob], room_id)
    before = await what_is_seen([alice, bob], room_id)
    old_token = (await alice.sync())["next_batch"]
    if happens is cut:
        server.kill()
    else:
        server.stop()
    await asyncio.to_thread(happens, server)

    refused, said = await asyncio.to_thread(command, server, "monolith")
    skipping = await asyncio.to_thread(command, server, "skip-lost", "roomserver")
    looked = await asyncio.to_thread(command, server, "rebind", "--check")
    code, told = await asyncio.to_thread(command, server, "rebind")
    again = await asyncio.to_thread(command, server, "rebind")

    assert refused == 1
    assert "xylem rebind" in said
    assert skipping[0] == 1
    assert "xylem rebind" in skipping[1]
    assert looked[0] == 0
    assert "roomserver, InputRoomEvent/0: processed up to" in looked[1]
    assert code == 0, told
    assert "is lost" in told
    assert "1 of 1 rooms" in told
    assert again == (0, "All databases fit the log.\n")
    server.start()
    await settled([alice, bob], room_id)
    assert await what_is_seen([alice, bob], room_id) == before
    await goes_on(alice, bob, room_id)
    # What it spoke of is lost with the log: it is answered as if there were none.
    status, answer = await homeserver.once(
        "GET",
        "/_matrix/client/v3/sync",
        token=alice.token,
        query={"since": old_token, "timeout": "0"},
    )
    assert status == 200
    assert room_id in answer["rooms"]["join"]
    assert server.errors() == []
    await asyncio.to_thread(server.stop)


def on_kafka(folder: Path, broker: str, partitions: int) -> ServerProcess:
    """Return a monolith in this folder whose log is on the broker."""
    kafka = {"bootstrap_servers": [broker], "partitions": partitions, "topic_prefix": _PREFIX}
    return ServerProcess(folder, {**NO_RATE_LIMITS, "log": {"kafka": kafka}})


async def delete_topics(broker: str) -> None:
    """Delete all topics of the server, and return once they are gone."""
    names = {f"{_PREFIX}{name}" for name in TOPICS}
    admin = AIOKafkaAdminClient(bootstrap_servers=[broker])
    await admin.start()
    try:
        await admin.delete_topics(list(names))
        while names & set(await admin.list_topics()):
            pass
    finally:
        await admin.close()


@pytest.mark.kafka
async def test_after_the_topics_were_deleted_all_is_there_and_the_server_goes_on(
    tmp_path: Path, kafka_broker: str, http: aiohttp.ClientSession
) -> None:
    server = on_kafka(tmp_path, kafka_broker, partitions=4)
    server.start()
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice, bob, room_id = await a_story(homeserver)
    await settled([alice, bob], room_id)
    before = await what_is_seen([alice, bob], room_id)
    server.stop()
    await delete_topics(kafka_broker)

    server = on_kafka(tmp_path, kafka_broker, partitions=3)
    refused, said = await asyncio.to_thread(command, server, "monolith")
    code, told = await asyncio.to_thread(command, server, "rebind")

    assert refused == 1
    assert "xylem rebind" in said
    assert code == 0, told
    server.start()
    await settled([alice, bob], room_id)
    assert await what_is_seen([alice, bob], room_id) == before
    await goes_on(alice, bob, room_id)
    await asyncio.to_thread(server.stop)

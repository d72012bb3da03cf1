"""A server whose log has records of a newer version, of a kind that it does not know."""

from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import pytest

from deploy.process.starting import EMBEDDED_PARTITIONS
from logs.embedded import EmbeddedLog
from logs.log import Outgoing
from logs.topics import OUTPUT_RECEIPT, OUTPUT_TYPING
from tests.system.server_process import ServerProcess

TOO_OLD: Final = (
    "This process is too old for a record, and stands still at it: start a newer version"
)


class ThreadMuted(msgspec.Struct, tag_field="record", tag="thread_muted"):
    """What a newer version tells."""

    room_id: str


async def append(folder: Path, *topics: str) -> None:
    """Put a record of the newer version into topics of a server that does not run."""
    log = await EmbeddedLog.open(folder, EMBEDDED_PARTITIONS)
    record = msgspec.msgpack.encode(ThreadMuted("!room:localhost"))
    for topic in topics:
        await log.append(topic, [Outgoing("!room:localhost", record)])
    await log.close()


def line_of(server: ServerProcess, message: str) -> dict[str, Any]:
    """Return the log line with this message, which may come before the server listens."""
    found = [line for line in server.lines if line["message"] == message]
    return found[0] if found else server.wait_for_line(message)


async def register(http: aiohttp.ClientSession, server: ServerProcess, name: str) -> Any:
    body = {"username": name, "password": "wonderland", "auth": {"type": "m.login.dummy"}}
    async with http.post(f"{server.url}/_matrix/client/v3/register", json=body) as answer:
        assert answer.status == 200
        return await answer.json()


@pytest.mark.parametrize(
    ("topic", "check"),
    [(OUTPUT_RECEIPT.name, "syncapi OutputReceipt"), (OUTPUT_TYPING.name, "topics in memory")],
)
async def test_a_server_that_is_too_old_for_its_log_says_so_and_is_not_ready(
    tmp_path: Path, http: aiohttp.ClientSession, topic: str, check: str
) -> None:
    server = ServerProcess(tmp_path)
    server.start()
    await register(http, server, "alice")
    assert server.stop() == 0
    await append(tmp_path / "data" / "log", topic)

    server.start()
    told = line_of(server, TOO_OLD)
    async with http.get(f"{server.url}/health/ready") as answer:
        status, found = answer.status, await answer.json()
    async with http.get(f"{server.url}/metrics") as answer:
        metrics = await answer.text()
    bob = await register(http, server, "bob")
    room = f"{server.url}/_matrix/client/v3/createRoom"
    authorization = {"Authorization": f"Bearer {bob['access_token']}"}
    async with http.post(room, json={}, headers=authorization) as answer:
        other_topics_go_on = answer.status == 200

    assert (told["level"], told["topic"], told["kind"]) == ("error", topic, "thread_muted")
    assert (status, found["ready"]) == (503, False)
    assert {name for name, one in found["checks"].items() if one != "ok"} == {check}
    assert "start a newer version" in found["checks"][check]
    assert f'topic="{topic}",partition="0",kind="thread_muted"}} 1' in metrics
    assert other_topics_go_on
    assert server.stop() == 0

"""Client sync is rebuilt online: members go on, and read the same afterwards."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from deploy.settings.loading import load_settings
from localcluster.cluster import CHECKOUT
from logs.kafka.log import KafkaLog
from logs.topics import OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT, OUTPUT_ROOM_EVENT, TOPICS
from tests.system.client import Client, Homeserver, ids
from tests.system.cluster.conftest import RunningCluster
from tests.system.rebuilding import a_story, settled, what_is_seen
from tests.system.server_process import SHARED_SECRET, environment

_BODY = "meanwhile"


@pytest.fixture
async def patient(running_cluster: RunningCluster, http: aiohttp.ClientSession) -> Homeserver:
    """The cluster as clients see it who try again when it does not answer."""

    async def until_back() -> None:
        await asyncio.sleep(0.05)

    suffix = f".{len(await asyncio.to_thread(running_cluster.errors))}.rebuild"
    return Homeserver(
        http,
        lambda: running_cluster.url,
        shared_secret=SHARED_SECRET,
        name_suffix=suffix,
        until_back=until_back,
    )


@pytest.fixture
async def log(running_cluster: RunningCluster) -> AsyncIterator[KafkaLog]:
    settings = await asyncio.to_thread(load_settings, running_cluster.cluster.config_path, {})
    assert settings.log.kafka is not None
    opened = await KafkaLog.connect(settings.log.kafka)
    await opened.ensure_topics(TOPICS.values())
    yield opened
    await opened.close()


async def drop_what_sync_reads(log: KafkaLog) -> None:
    for topic in (OUTPUT_ROOM_EVENT, OUTPUT_CLIENT_DATA, OUTPUT_RECEIPT):
        bounds = await log.bounds(topic.name)
        await log.trim(topic.name, {partition: end for partition, (_, end) in bounds.items()})


async def rebuild(cluster: RunningCluster) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", "rebuild", "syncapi"),
        *("--config", str(cluster.cluster.config_path)),
        cwd=CHECKOUT,
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    return process.returncode, said.decode()


async def send_until(client: Client, room_id: str, end: asyncio.Event) -> list[str]:
    """Send one message after another; return their event IDs."""
    sent: list[str] = []
    while not end.is_set():
        sent.append(await client.send(room_id, f"{_BODY} {len(sent)}"))
    return sent


def without(body: str, seen: list[Any]) -> list[Any]:
    """Return what was read of a room's history without some messages."""
    return [event for event in seen if body not in str(event["content"].get("body", ""))]


async def test_members_go_on_while_client_sync_is_rebuilt_and_read_the_same_afterwards(
    running_cluster: RunningCluster, patient: Homeserver, log: KafkaLog
) -> None:
    alice, bob, room_id = await a_story(patient)
    await settled([alice, bob], room_id)
    before = await what_is_seen([alice, bob], room_id)
    walked = await bob.walk(room_id)
    old = (await bob.sync())["next_batch"]
    await drop_what_sync_reads(log)

    end = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send_until(alice, room_id, end))
        code, said = await rebuild(running_cluster)
        end.set()
    sent = sending.result()

    assert code == 0, said
    last = await alice.send(room_id, "the end")
    answer = await bob.sync()
    while last not in ids(answer["rooms"]["join"][room_id]["timeline"]["events"]):
        answer = await bob.sync(timeout_ms=1000)
    anew = await bob.sync(old)
    assert anew["rooms"]["join"][room_id]["timeline"]["limited"] is True
    after = await bob.walk(room_id)
    assert ids(after) == [*ids(walked), *sent, last]
    assert len(sent) > 1
    assert len(ids(after)) == len(set(ids(after)))
    seen = await what_is_seen([alice, bob], room_id)
    of_rooms = slice(0, None, 4)
    assert [one["account_data"] for one in seen[of_rooms]] == [
        one["account_data"] for one in before[of_rooms]
    ]
    assert [one["ephemeral"] for one in seen[of_rooms]] == [
        one["ephemeral"] for one in before[of_rooms]
    ]
    assert seen[1::4] == before[1::4]
    assert seen[3::4] == before[3::4]
    assert [without("the end", without(_BODY, one)) for one in seen[2::4]] == before[2::4]

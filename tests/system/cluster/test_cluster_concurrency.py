"""Many clients at once, as they use the monolith, in a cluster; and at several replicas at once."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import aiohttp
import pytest

from tests.system.client import Client, Homeserver, Refused, ids, room_path, texts
from tests.system.cluster.conftest import RunningCluster
from tests.system.follower import Follower, following
from tests.system.test_concurrency import *  # noqa: F403 (every test of it)
from tests.system.test_concurrency import memberships_in, public_room

Replicas = Callable[[Client, str], list[Client]]


@pytest.fixture
def replicas(running_cluster: RunningCluster, http: aiohttp.ClientSession) -> Replicas:
    """Gives the same device as it asks each replica of a component, past the proxy."""

    def at(device: Client, component: str) -> list[Client]:
        urls = [
            f"http://127.0.0.1:{process.ports.client}"
            for process in running_cluster.cluster.processes.values()
            if process.component == component
        ]
        assert len(urls) > 1
        return [device.through(Homeserver(http, partial(str, url))) for url in urls]

    return at


async def test_one_transaction_sent_to_two_replicas_at_once_is_one_event(
    homeserver: Homeserver, replicas: Replicas
) -> None:
    (alice,) = await homeserver.register_all("alice")
    room_id = await public_room(alice)
    doors = replicas(alice, "clientapi")

    for number in range(10):
        answers = await asyncio.gather(
            *(one.send(room_id, f"Message {number}", txn_id=f"m{number}") for one in doors * 2)
        )
        assert len(set(answers)) == 1

    assert texts(await alice.walk(room_id)) == [f"Message {number}" for number in range(10)]


async def test_joins_and_leaves_that_race_at_two_replicas_leave_a_valid_room(
    homeserver: Homeserver, replicas: Replicas
) -> None:
    random_source = random.Random(20_401)
    alice, *others = await homeserver.register_all(*(f"user{number}" for number in range(6)))
    room_id = await public_room(alice)

    async def attempt(client: Client, action: str) -> None:
        try:
            await client.call("POST", f"{room_path(room_id)}/{action}", {})
        except Refused as refused:
            if refused.errcode != "M_FORBIDDEN":
                raise

    async def come_and_go(client: Client) -> None:
        for _ in range(5):
            doors = replicas(client, "clientapi")
            random_source.shuffle(doors)
            actions = random_source.sample(["join", "leave"], k=2)
            await asyncio.gather(*map(attempt, doors, actions))

    await asyncio.gather(*map(come_and_go, others))
    await alice.send(room_id, "Everybody has come and gone")

    history = await alice.walk(room_id)
    members = await alice.members(room_id)
    assert len(set(ids(history))) == len(history)
    assert members == memberships_in(history)
    for other in others:
        joined = (await other.call("GET", "/joined_rooms"))["joined_rooms"]
        assert joined == ([room_id] if members.get(other.user_id) == "join" else [])


async def test_two_syncs_of_one_device_agree_at_two_replicas(
    homeserver: Homeserver, replicas: Replicas
) -> None:
    (alice,) = await homeserver.register_all("alice")
    room_id = await public_room(alice)
    since = (await alice.sync())["next_batch"]
    twins = [Follower(one, since) for one in replicas(alice, "syncapi")]

    async with following(*twins):
        sent = await asyncio.gather(*(alice.send(room_id, f"{number}") for number in range(20)))
        await asyncio.gather(*(twin.until_seen(room_id, sent) for twin in twins))

    seen = [ids(twin.rooms[room_id]) for twin in twins]
    assert seen[0] == seen[1]
    assert Counter(seen[0]) == Counter(sent)

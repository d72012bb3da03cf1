"""A server that is killed with SIGKILL at random instants loses nothing and doubles nothing."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import pytest

from tests.system.client import Client, Event, Homeserver, ids, texts
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.crashes import CrashingServer, Load, Sent
from tests.system.follower import Follower, follower_of, following
from tests.system.server_process import SHARED_SECRET, ServerProcess

ROOMS: Final = 3
ANSWERS_BEFORE_A_KILL: Final = 60
AFTER_AN_ANSWER_S: Final = 0.05
IDLE_S: Final = 0.1
# The kills of one round: three under load, one while starting and one while idle.
ROUND: Final = ("load", "start-up", "load", "idle")


class OldToken(NamedTuple):
    """A sync token from before a kill, and what its owner had seen by then."""

    follower: Follower
    since: str
    seen: dict[str, int]


class Story:
    """Rooms full of senders and readers, through all kills of a test."""

    def __init__(self, server: CrashingServer, load: Load, followers: list[Follower]) -> None:
        self.server = server
        self.load = load
        self.followers = followers
        self.old_tokens: list[OldToken] = []

    async def live_through(self, rounds: int, random_source: random.Random) -> None:
        """Kill and start the server at each instant of each round."""
        for instant in ROUND * rounds:
            self.load.flow()
            await self.load.until_answered(random_source.randint(1, ANSWERS_BEFORE_A_KILL))
            if instant == "idle":
                await self.load.pause()
            self.old_tokens += [
                OldToken(one, one.since, {room: len(seen) for room, seen in one.rooms.items()})
                for one in self.followers
            ]
            await self.server.crash(IDLE_S if instant == "idle" else AFTER_AN_ANSWER_S)
            if instant == "start-up":
                await self.server.crash_while_starting()
            await self.server.start()


async def open_load(homeserver: Homeserver, members: list[Client]) -> tuple[Load, list[str]]:
    """Create rooms for the members and return the load on them, and the rooms."""
    others = await homeserver.register_all("wanderer", "redactor", "founder")
    rooms = [await members[0].create_room(preset="public_chat") for _ in range(ROOMS)]
    for member in members[1:]:
        for room_id in rooms:
            await member.join(room_id)
    await others[1].join(rooms[-1])
    return Load(members, others, rooms), rooms


async def survive(
    process: ServerProcess, http: aiohttp.ClientSession, *, rounds: int, seed: int
) -> None:
    """Live through the kills, then check everything that has to hold."""
    random_source = random.Random(seed)
    server = CrashingServer(process, random_source)
    homeserver = Homeserver(
        http, server.url, shared_secret=SHARED_SECRET, until_back=server.until_up
    )
    members = await homeserver.register_all("alice", "bob", "carol")
    load, rooms = await open_load(homeserver, members)
    followers = [await follower_of(member) for member in members]
    story = Story(server, load, followers)

    async with following(*followers):
        async with load.running():
            await story.live_through(rounds, random_source)
            await load.pause()
        farewells = {room_id: await members[0].send(room_id, "Farewell") for room_id in rooms}
        for follower in followers:
            for room_id, event_id in farewells.items():
                await follower.until_seen(room_id, [event_id])

    assert server.kills == rounds * (len(ROUND) + 1)
    for room_id in rooms:
        sent = [one for one in load.sent if one.room_id == room_id]
        await check_room(room_id, sent, followers)
    await check_redactions(load)
    await check_founded_rooms(load)
    await check_repeats(load.sent, homeserver)
    await check_old_tokens(story.old_tokens, followers)
    await check_members(rooms, members)
    assert not process.errors()


async def check_room(room_id: str, sent: list[Sent], followers: list[Follower]) -> None:
    """Every answered send is there once, and all have seen the same, in the same order."""
    history = await followers[0].client.walk(room_id, limit=200)
    forwards = await followers[0].client.walk(room_id, direction="f", limit=200)
    fresh = await followers[1].client.homeserver.login("bob")
    initial = (await fresh.sync())["rooms"]["join"][room_id]["timeline"]

    assert ids(history) == ids(forwards)
    for follower in followers:
        seen = ids(follower.rooms[room_id])
        assert ids(history)[-len(seen) :] == seen
    assert ids(initial["events"]) == ids(history)[-len(initial["events"]) :]
    assert Counter(texts(history)) == Counter(one.text for one in sent) + Counter(["Farewell"])
    by_id = {event["event_id"]: event for event in history}
    assert all(by_id[one.event_id]["content"]["body"] == one.text for one in sent)
    assert len(by_id) == len(history)


async def check_redactions(load: Load) -> None:
    """Each redaction that was answered is there once and has taken the content away."""
    history = await load.redactor.walk(load.redacted[0].room_id, limit=200)
    by_id = {event["event_id"]: event for event in history}
    own = [event for event in history if event["sender"] == load.redactor.user_id]
    assert Counter(event["type"] for event in own) == {
        "m.room.member": 1,
        "m.room.message": len(load.redacted),
        "m.room.redaction": len(load.redacted),
    }
    for _, event_id, redaction_id in load.redacted:
        assert by_id[event_id]["content"] == {}
        assert by_id[event_id]["unsigned"]["redacted_because"]["event_id"] == redaction_id


async def check_founded_rooms(load: Load) -> None:
    """Each room whose creation was answered is there, and no room is there in part."""
    joined = (await load.founder.call("GET", "/joined_rooms"))["joined_rooms"]
    assert set(load.founded) <= set(joined)
    kinds = [sorted(key for key, _ in await load.founder.state(room_id)) for room_id in joined]
    assert all(kind == kinds[0] for kind in kinds)
    assert {"m.room.create", "m.room.join_rules", "m.room.name"} < set(kinds[0])


async def check_repeats(sent: list[Sent], homeserver: Homeserver) -> None:
    """Sends that were cut off keep their first event, however often they are repeated."""
    cut_off = [one for one in sent if homeserver.cut_off[one.path]]
    assert cut_off
    again = await asyncio.gather(*(one.repeat() for one in cut_off))
    assert again == [one.event_id for one in cut_off]


async def check_old_tokens(old_tokens: list[OldToken], followers: list[Follower]) -> None:
    """A token from before a kill gives exactly what its owner had not seen by then."""
    whole = {id(follower): follower.rooms for follower in followers}
    for follower, since, seen in old_tokens:
        late = Follower(follower.client, since)
        await late.catch_up()
        for room_id, events in whole[id(follower)].items():
            expected = ids(events)[seen.get(room_id, 0) :]
            assert ids(late.rooms.get(room_id, [])) == expected


async def check_members(rooms: list[str], members: list[Client]) -> None:
    """The members of a room are those that its history tells of, for everybody."""
    for room_id in rooms:
        history = await members[0].walk(room_id, limit=200)
        for member in members:
            assert await member.members(room_id) == memberships_in(history)


def memberships_in(events: list[Event]) -> dict[str, str]:
    """Return each user's membership after these events."""
    return {
        event["state_key"]: event["content"]["membership"]
        for event in events
        if event["type"] == "m.room.member"
    }


async def survive_with(
    settings: dict[str, Any], folder: Path, http: aiohttp.ClientSession, *, rounds: int
) -> None:
    """Start a server without rate limits in this folder and let it survive."""
    process = ServerProcess(folder, settings)
    process.start()
    try:
        await survive(process, http, rounds=rounds, seed=rounds)
    finally:
        process.kill()


async def test_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    await survive_with(NO_RATE_LIMITS, tmp_path, http, rounds=5)


@pytest.mark.postgres
async def test_a_server_on_postgresql_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, http: aiohttp.ClientSession, postgres_url: str
) -> None:
    settings = NO_RATE_LIMITS | {"database": {"url": postgres_url}}
    await survive_with(settings, tmp_path, http, rounds=2)

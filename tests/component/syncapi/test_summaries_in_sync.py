"""What /sync tells of a room's members beside its events: how many they are, and the heroes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from components.syncapi.settings import SyncApiSettings
from tests.component.syncapi.answers import joined, state_of
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house

LAZY = {"room": {"timeline": {"limit": 1}, "state": {"lazy_load_members": True}}}
NO_MEMBERS = {
    "room": {
        "timeline": {"not_types": ["m.room.member"]},
        "state": {"not_types": ["m.room.member"]},
    }
}
NAMES = [("m.room.name", {"name": "Tea"}), ("m.room.canonical_alias", {"alias": "#tea:x.test"})]


@pytest.mark.parametrize(("kind", "content"), NAMES)
async def test_heroes_are_told_only_where_nothing_else_names_the_room(
    house: House, kind: str, content: dict[str, Any]
) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE), room.message("hello", sender=BOB))
    unnamed = joined(await house.sync(BOB, filter=LAZY), room)
    await house.put(room.state_event(kind, content), room.message("again", sender=BOB))

    named = joined(await house.sync(BOB, filter=LAZY), room)

    assert unnamed["summary"]["m.heroes"] == [ALICE, CHARLIE]
    assert ("m.room.member", CHARLIE) in state_of(unnamed)
    assert named["summary"] == {"m.joined_member_count": 3, "m.invited_member_count": 0}
    assert {key for one, key in state_of(named) if one == "m.room.member"} == {BOB}


@pytest.mark.parametrize(("kind", "content"), NAMES)
@pytest.mark.parametrize("recent_bytes", [1, SyncApiSettings().recent_events_bytes])
async def test_a_room_that_loses_its_name_is_told_with_its_heroes(
    tmp_path: Path, database_url: str, kind: str, content: dict[str, Any], recent_bytes: int
) -> None:
    settings = SyncApiSettings(recent_events_bytes=recent_bytes)
    async with running_house(tmp_path, database_url, settings) as house:
        room = Room()
        await house.put(*room.created(BOB), room.state_event(kind, content))
        since = (await house.sync(BOB))["next_batch"]
        await house.put(room.state_event(kind, {}))

        part = joined(await house.sync(BOB, since), room)

    assert part["summary"]["m.heroes"] == [ALICE]


@pytest.mark.parametrize("recent_bytes", [1, SyncApiSettings().recent_events_bytes])
async def test_a_new_display_name_is_no_news_of_the_summary(
    tmp_path: Path, database_url: str, recent_bytes: int
) -> None:
    settings = SyncApiSettings(recent_events_bytes=recent_bytes)
    async with running_house(tmp_path, database_url, settings) as house:
        room = Room()
        await house.put(*room.created(BOB))
        since = (await house.sync(BOB))["next_batch"]

        waiting = asyncio.create_task(house.sync(BOB, since, filter=NO_MEMBERS, timeout=30_000))
        await house.until_waiting(BOB)
        await house.put(room.member(ALICE, "join", displayname="Alice"))
        await house.projected()
        await house.until_waiting(BOB)
        assert not waiting.done()
        await house.put(room.member(CHARLIE, "join"))
        part = joined(await waiting, room)
        plain = joined(await house.sync(BOB, since), room)

    assert part["timeline"]["events"] == []
    assert part["summary"]["m.joined_member_count"] == 3
    assert [event["state_key"] for event in plain["timeline"]["events"]] == [ALICE, CHARLIE]

"""Answers that take long are made where they hold up nobody: they are as they would be anyway."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.component.heard_statements import heard_statements
from tests.component.syncapi.relating import child
from tests.component.syncapi.story import BOB, CHARLIE, House, Room

IGNORED = "m.ignored_user_list"


@contextmanager
def reads_of_timelines() -> Iterator[list[bool]]:
    """Give for each part of a timeline that is read meanwhile whether it was on the event loop."""
    here, places = threading.get_ident(), []

    def note(statement: str) -> None:
        is_of_events = "FROM events" in statement or "FROM relations" in statement
        if is_of_events and "stream_order" in statement.partition("ORDER BY")[2]:
            places.append(threading.get_ident() == here)

    with heard_statements(note):
        yield places


def timeline(answer: dict[str, Any], room: Room) -> list[str]:
    events = answer["rooms"]["join"][room.room_id]["timeline"]["events"]
    return [event["content"].get("body", event["type"]) for event in events]


async def test_a_look_through_many_events_without_a_filter_leaves_the_event_loop(
    house: House, database_url: str
) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE))
    await house.put_account_data(BOB, IGNORED, {"ignored_users": {CHARLIE: {}}})
    since = (await house.get(BOB, "sync")).json["next_batch"]
    await house.put(room.message("first"))
    await house.put(*(room.message(f"noise {one}", sender=CHARLIE) for one in range(1500)))

    await house.projected()
    with reads_of_timelines() as places:
        answer = await house.get(BOB, "sync", since=since)

    assert timeline(answer.json, room) == ["first"]
    if database_url.startswith("sqlite"):
        assert places[0]
        assert not places[-1]


@pytest.mark.parametrize("path", ["messages", "relations"])
async def test_a_page_for_which_many_events_are_passed_over_leaves_the_event_loop(
    house: House, database_url: str, path: str
) -> None:
    room = Room()
    asked = room.message("asked")
    await house.put(*room.created(BOB, CHARLIE), asked, child(room, asked, "m.test", "first"))
    noise = [child(room, asked, "m.test", str(one), sender=CHARLIE) for one in range(1500)]
    await house.put(*noise)
    await house.put_account_data(BOB, IGNORED, {"ignored_users": {CHARLIE: {}}})
    await house.get(BOB, "sync")
    paths = {
        "messages": f"rooms/{quote(room.room_id)}/messages",
        "relations": f"rooms/{quote(room.room_id)}/relations/{quote(asked.event_id)}",
    }

    with reads_of_timelines() as places:
        versions = {"messages": "v3", "relations": "v1"}
        answer = await house.get(BOB, paths[path], version=versions[path], dir="b", limit=1)

    assert [event["content"]["body"] for event in answer.json["chunk"]] == ["first"]
    if database_url.startswith("sqlite"):
        assert places[0]
        assert not places[-1]


async def test_an_event_by_time_far_from_what_may_be_seen_is_looked_for_off_the_event_loop(
    house: House, database_url: str
) -> None:
    room = Room()
    created = room.created(visibility="joined")
    hidden = [room.message(str(one)) for one in range(1500)]
    await house.put(*created, *hidden, room.member(BOB, "join"))
    await house.projected()

    with reads_of_timelines() as places:
        answer = await house.get(
            BOB,
            f"rooms/{quote(room.room_id)}/timestamp_to_event",
            version="v1",
            ts=orjson.loads(hidden[0].pdu)["origin_server_ts"],
            dir="f",
        )

    assert answer.status == 200
    if database_url.startswith("sqlite"):
        assert places[0]
        assert not places[-1]


@pytest.mark.parametrize("of_each", [2, 40])
async def test_what_would_be_long_from_memory_is_read_from_the_database(
    house: House, of_each: int
) -> None:
    rooms = [Room(f"room{number:02}") for number in range(30)]
    for room in rooms:
        await house.put(*room.created(BOB))
    since = (await house.get(BOB, "sync")).json["next_batch"]
    for room in rooms:
        await house.put(*(room.message(str(one)) for one in range(of_each)))

    await house.projected()
    with reads_of_timelines() as places:
        answer = await house.get(
            BOB, "sync", since=since, filter={"room": {"timeline": {"limit": 50}}}
        )

    assert bool(places) == (of_each * len(rooms) > 1000)
    for room in rooms:
        assert timeline(answer.json, room) == [str(one) for one in range(of_each)]

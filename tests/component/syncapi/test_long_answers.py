"""Answers that take long are made where they hold up nobody: they are as they would be anyway."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from tests.component.syncapi.story import BOB, CHARLIE, House, Room

IGNORED = "m.ignored_user_list"


@contextmanager
def reads_of_timelines() -> Iterator[list[bool]]:
    """Give for each part of a timeline that is read meanwhile whether it was on the event loop."""
    here, places = threading.get_ident(), []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "FROM events" in statement and "ORDER BY events.stream_order" in statement:
            places.append(threading.get_ident() == here)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield places
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


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

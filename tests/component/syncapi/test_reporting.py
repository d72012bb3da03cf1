"""Reports of events and rooms: who may report what, and what the administrators are told."""

from typing import Any
from urllib.parse import quote

import orjson

from base.http.testing import Answer
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room

REASON = {"reason": "rude"}


async def report(
    house: House, user: str, room: Room, event_id: str | None = None, body: Any = None
) -> Answer:
    """Report a room, or an event in it."""
    path = f"rooms/{quote(room.room_id)}/report"
    if event_id is not None:
        path += f"/{quote(event_id, safe='')}"
    return await house.post(user, path, REASON if body is None else body)


async def test_a_member_reports_an_event(house: House) -> None:
    room = Room()
    message = room.message("cheese is bad")
    await house.put(
        *room.created(BOB),
        room.state_event("m.room.name", {"name": "Cheese"}),
        room.state_event("m.room.canonical_alias", {"alias": "#cheese:xylem.test"}),
        message,
    )

    answer = await report(house, BOB, room, message.event_id)

    assert (answer.status, answer.json) == (200, {})
    [kept] = house.accounts.reports
    assert (kept.kind, kept.user_id, kept.reason) == ("event", BOB, "rude")
    assert (kept.room_id, kept.event_id, kept.sender) == (room.room_id, message.event_id, ALICE)
    assert (kept.room_name, kept.canonical_alias) == ("Cheese", "#cheese:xylem.test")
    assert kept.event_json is not None
    assert orjson.loads(kept.event_json)["content"]["body"] == "cheese is bad"


async def test_only_who_is_in_the_room_and_sees_the_event_reports_it(house: House) -> None:
    room, other = Room(), Room("other")
    await house.put(*room.created(visibility="joined"))
    hidden = room.message("before bob")
    await house.put(hidden)
    late = [room.member(BOB, "join"), room.message("for bob"), room.member(CHARLIE, "join")]
    await house.put(*late, room.member(CHARLIE, "leave"), *other.created(ALICE, BOB))
    seen = late[1]

    for user, where, event_id in (
        (BOB, room, hidden.event_id),
        (BOB, room, "$unknown"),
        (BOB, other, seen.event_id),
        (CHARLIE, room, late[2].event_id),
        ("@stranger:xylem.test", room, seen.event_id),
        (BOB, Room("unknown"), seen.event_id),
    ):
        answer = await report(house, user, where, event_id)
        assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")
    assert house.accounts.reports == []


async def test_anybody_reports_a_room_that_is_known(house: House) -> None:
    room = Room()
    await house.put(*room.created(), room.state_event("m.room.name", {"name": "Cheese"}))

    answer = await report(house, CHARLIE, room)
    unknown = await report(house, CHARLIE, Room("unknown"))

    assert (answer.status, answer.json) == (200, {})
    [kept] = house.accounts.reports
    assert (kept.kind, kept.user_id, kept.room_id) == ("room", CHARLIE, room.room_id)
    assert kept.room_name == "Cheese"
    assert (unknown.status, unknown.errcode) == (404, "M_NOT_FOUND")


async def test_a_reason_is_text_and_a_room_is_not_reported_without(house: House) -> None:
    room = Room()
    message = room.message("hello")
    await house.put(*room.created(), message)

    assert (await report(house, ALICE, room, body={"x": 1})).errcode == "M_MISSING_PARAM"
    assert (await report(house, ALICE, room, body={"reason": 1})).errcode == "M_BAD_JSON"
    event_id = message.event_id
    assert (await report(house, ALICE, room, event_id, {"reason": 1})).errcode == "M_BAD_JSON"
    assert (await report(house, ALICE, room, event_id, {"score": -100})).status == 200
    assert [one.reason for one in house.accounts.reports] == [""]

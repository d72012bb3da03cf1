"""The endpoints from before /sync, and looking into rooms without being in them."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from base.http.testing import Answer
from logs.records.client_data import TokensRevoked
from logs.records.room_output import InviteReceived
from matrix.errors import UnknownToken
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, bodies


async def events(house: House, token: str, since: str | None = None, **query: Any) -> Answer:
    return await house.get(token, "events", **({} if since is None else {"from_": since}), **query)


async def test_a_stream_of_events_goes_on_where_the_last_answer_ended(house: House) -> None:
    room, other, foreign = Room(), Room("other"), Room("foreign")
    await house.put(*room.created(BOB), *other.created(BOB), *foreign.created())
    start = (await house.get(BOB, "initialSync")).json["end"]
    await house.put(room.message("1"), foreign.message("no"), other.message("2"), room.message("3"))
    await house.projected()

    first = (await events(house, BOB, start)).json
    await house.put(other.message("4"))
    await house.projected()
    second = (await events(house, BOB, first["end"])).json

    assert first["start"] == start
    assert bodies(first["chunk"]) == ["1", "2", "3"]
    assert [event["room_id"] for event in first["chunk"]] == [
        room.room_id,
        other.room_id,
        room.room_id,
    ]
    assert bodies(second["chunk"]) == ["4"]
    assert (await events(house, BOB, second["end"])).json["chunk"] == []


async def test_a_long_stream_comes_in_parts_without_hole_or_repeat(house: House) -> None:
    rooms = [Room(f"room{number}") for number in range(3)]
    for room in rooms:
        await house.put(*room.created(BOB))
    since = (await house.get(BOB, "initialSync")).json["end"]
    await house.put(*[rooms[number % 3].message(str(number)) for number in range(400)])
    await house.projected()

    seen: list[str] = []
    while chunk := (answer := (await events(house, BOB, since)).json)["chunk"]:
        seen += bodies(chunk)
        since = answer["end"]

    assert seen == [str(number) for number in range(400)]


async def test_a_stream_waits_for_what_comes(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    await house.sync(BOB)

    waiting = asyncio.create_task(events(house, BOB, timeout=30_000))
    await house.until_waiting(BOB)
    await house.put(room.message("new"))

    assert bodies((await waiting).json["chunk"]) == ["new"]


async def test_a_stream_tells_of_ones_own_leaving_and_nothing_after(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.get(BOB, "initialSync")).json["end"]
    await house.put(room.message("1"), room.member(BOB, "leave"), room.message("2"))
    await house.projected()

    assert bodies((await events(house, BOB, since)).json["chunk"]) == ["1", "m.room.member"]


async def test_anybody_follows_a_world_readable_room(house: House) -> None:
    room = Room()
    await house.put(*room.created(visibility="world_readable"), room.message("before"))
    house.accounts.guests.add(CHARLIE)

    snapshot = (await house.room(CHARLIE, room, "initialSync")).json
    waiting = asyncio.create_task(
        events(house, CHARLIE, snapshot["messages"]["end"], room_id=room.room_id, timeout=30_000)
    )
    await house.until_waiting(CHARLIE)
    await house.put(room.message("live"))

    assert bodies(snapshot["messages"]["chunk"])[-1] == "before"
    assert {event["type"] for event in snapshot["state"]} >= {"m.room.create", "m.room.member"}
    assert "membership" not in snapshot
    assert bodies((await waiting).json["chunk"]) == ["live"]


async def test_who_looks_into_a_room_sees_only_what_was_sent_while_all_might(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(),
        room.message("hidden"),
        room.hides("world_readable"),
        room.message("open"),
    )

    since = (await house.room(BOB, room, "initialSync")).json["messages"]
    assert "hidden" not in bodies(since["chunk"])
    assert "open" in bodies(since["chunk"])
    await house.put(room.hides("shared"), room.message("hidden again"))
    await house.projected()
    answer = await events(house, BOB, since["end"], room_id=room.room_id)
    assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    assert (await house.room(BOB, room, "initialSync")).status == 403


async def test_who_left_reads_on_where_anybody_may(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(BOB, visibility="world_readable"),
        room.member(BOB, "leave"),
        room.state_event("m.room.topic", {"topic": "later"}),
        room.message("later"),
    )

    page = (await house.room(BOB, room, "messages", dir="b")).json
    state = (await house.room(BOB, room, "state")).json
    assert bodies(page["chunk"])[:2] == ["later", "m.room.topic"]
    assert "m.room.topic" not in {event["type"] for event in state}


async def test_an_initial_sync_has_rooms_with_state_messages_and_account_data(
    house: House,
) -> None:
    room, left, invited, afar = Room(), Room("left"), Room("invited"), Room("afar")
    invite = afar.build("m.room.member", {"membership": "invite"}, state_key=BOB)
    await house.put(
        *room.created(BOB),
        *[room.message(str(number)) for number in range(5)],
        *left.created(BOB),
        left.member(BOB, "leave"),
        left.message("after"),
        *invited.created(),
        invited.member(BOB, "invite", by=ALICE),
        InviteReceived(afar.room_id, invite.event_id, "11", invite.raw, BOB, []),
    )
    await house.put_account_data(BOB, "m.tag", {"tags": {}}, room.room_id)
    await house.put_account_data(BOB, "org.example", {"a": 1})

    answer = (await house.get(BOB, "initialSync", limit=2)).json
    archived = (await house.get(BOB, "initialSync", archived=True)).json

    rooms = {one["room_id"]: one for one in answer["rooms"]}
    assert rooms.keys() == {room.room_id, invited.room_id, afar.room_id}
    assert bodies(rooms[room.room_id]["messages"]["chunk"]) == ["3", "4"]
    assert rooms[room.room_id]["membership"] == "join"
    assert rooms[room.room_id]["account_data"] == [{"type": "m.tag", "content": {"tags": {}}}]
    assert rooms[invited.room_id]["invite"]["content"]["membership"] == "invite"
    assert answer["account_data"] == [{"type": "org.example", "content": {"a": 1}}]
    assert answer["presence"] == []
    start = rooms[room.room_id]["messages"]["start"]
    page = (await house.room(BOB, room, "messages", dir="b", from_=start, limit=1)).json
    assert bodies(page["chunk"]) == ["2"]
    gone = {one["room_id"]: one for one in archived["rooms"]}[left.room_id]
    assert gone["membership"] == "leave"
    assert bodies(gone["messages"]["chunk"])[-1] == "m.room.member"


async def test_one_event_is_found_by_its_id_alone(house: House) -> None:
    room = Room()
    created = room.created(BOB)
    said = room.message("here")
    await house.put(*created, said)
    path = f"events/{quote(said.event_id)}"

    assert (await house.get(BOB, path)).json["content"]["body"] == "here"
    assert (await house.get(BOB, path)).json["room_id"] == room.room_id
    assert (await house.get(CHARLIE, path)).errcode == "M_NOT_FOUND"
    assert (await house.get(BOB, "events/$nothing")).errcode == "M_NOT_FOUND"


@pytest.mark.parametrize(
    "path", ["initialSync", "events", "events/$one", "joined_rooms", "rooms/!a:b/joined_members"]
)
async def test_guests_have_no_more_than_previews(house: House, path: str) -> None:
    house.accounts.guests.add(BOB)

    answer = await house.get(BOB, path)

    assert (answer.status, answer.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")


@pytest.mark.parametrize(
    "path",
    [
        "messages?dir=b",
        "state",
        "state/m.room.create",
        "members",
        "initialSync",
        "event/",
        "context/",
    ],
)
async def test_guests_read_what_all_may_read(house: House, path: str) -> None:
    room = Room()
    created = room.created(visibility="world_readable")
    said = room.message("open")
    await house.put(*created, said)
    house.accounts.guests.add(BOB)
    whole = path + quote(said.event_id) if path.endswith("/") else path

    assert (await house.get(BOB, f"rooms/{quote(room.room_id)}/{whole}")).status == 200
    assert (await house.get(BOB, "sync")).status == 200


async def test_a_stream_ends_with_its_access_token(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    await house.sync(BOB)
    waiting = asyncio.create_task(events(house, BOB, timeout=60_000))
    await house.until_waiting(BOB)

    house.accounts.refused[BOB] = UnknownToken("gone")
    await house.put_client_data(TokensRevoked(BOB, None))

    assert (await waiting).errcode == "M_UNKNOWN_TOKEN"


@pytest.mark.parametrize("path", ["events", "initialSync", "sync", "rooms/{}/initialSync"])
async def test_old_paths_answer_too(house: House, path: str) -> None:
    room = Room()
    await house.put(*room.created(BOB))

    answer = await house.get(BOB, path.format(quote(room.room_id)), version="r0")

    assert answer.status == 200


async def test_a_stream_refuses_a_token_that_is_none(house: House) -> None:
    assert (await events(house, BOB, "s1_2_3")).status == 400

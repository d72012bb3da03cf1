"""What clients read of one room: pages, context, events, state, members; and who may."""

from typing import Any

import pytest

from logs.records.room_input import Transaction
from matrix.identifiers import UserID
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    House,
    Room,
    bodies,
)

MESSAGES_ONLY = {"types": ["m.room.message"]}


async def all_pages(
    house: House, token: str, room: Room, direction: str, **query: Any
) -> tuple[list[str], int]:
    """Return what all pages hold, and how many there were."""
    found: list[str] = []
    place, pages = query.pop("from_", None), 0
    while True:
        answer = await house.room(
            token, room, "messages", dir=direction, from_=place, filter=MESSAGES_ONLY, **query
        )
        assert answer.status == 200, answer
        pages += 1
        found += bodies(answer.json["chunk"])
        if "end" not in answer.json:
            return found, pages
        place = answer.json["end"]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_pages_join_without_hole_or_repeat_in_both_directions(
    house: House, limit: int
) -> None:
    room = Room()
    await house.put(*room.created(BOB), *(room.message(str(number)) for number in range(20)))
    numbers = [str(number) for number in range(20)]

    assert (await all_pages(house, BOB, room, "b", limit=limit))[0] == numbers[::-1]
    assert (await all_pages(house, BOB, room, "f", limit=limit))[0] == numbers


async def test_one_pages_on_from_a_sync_in_both_directions(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("old"))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.message("new"))

    assert (await all_pages(house, BOB, room, "f", from_=since))[0] == ["new"]
    assert (await all_pages(house, BOB, room, "b", from_=since))[0] == ["old"]


async def test_backfilled_events_come_before_the_first(house: House) -> None:
    room = Room()
    history = [room.old("c"), room.old("b"), room.old("a")]
    await house.put(*room.created(BOB), room.message("d"))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(*history[:2])
    await house.put(history[1], history[2])

    assert (await all_pages(house, BOB, room, "b", limit=2))[0] == ["d", "c", "b", "a"]
    assert (await house.sync(BOB, since))["rooms"] == {}


async def test_what_was_written_is_read_at_once(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("now"))
    messages = await house.room(BOB, room, "messages", dir="b", limit=1)
    assert bodies(messages.json["chunk"]) == ["now"]

    await house.put(room.state_event("m.room.topic", {"topic": "now"}))
    assert (await house.room(BOB, room, "state/m.room.topic")).json == {"topic": "now"}

    await house.put(room.member(CHARLIE, "join", displayname="Charlie"))
    answer = await house.room(BOB, room, "joined_members")
    nameless = {"display_name": None, "avatar_url": None}
    charlie = {"display_name": "Charlie", "avatar_url": None}
    assert answer.json == {"joined": {ALICE: nameless, BOB: nameless, CHARLIE: charlie}}

    other = Room("other")
    await house.put(*other.created(BOB))
    rooms = (await house.get(BOB, "joined_rooms")).json["joined_rooms"]
    assert set(rooms) == {room.room_id, other.room_id}


async def seen_by(house: House, token: str, room: Room) -> list[str]:
    return (await all_pages(house, token, room, "f"))[0]


@pytest.mark.parametrize(
    ("visibility", "expected"),
    [
        ("world_readable", ["before", "invited", "joined"]),
        ("shared", ["before", "invited", "joined"]),
        ("invited", ["invited", "joined"]),
        ("joined", ["joined"]),
    ],
)
async def test_a_member_sees_what_the_visibility_at_each_event_allows(
    house: House, visibility: str, expected: list[str]
) -> None:
    room = Room()
    await house.put(
        *room.created(visibility=visibility),
        room.message("before"),
        room.member(BOB, "invite", by=ALICE),
        room.message("invited"),
        room.member(BOB, "join"),
        room.message("joined"),
    )

    assert await seen_by(house, BOB, room) == expected
    timeline = (await house.sync(BOB))["rooms"]["join"][room.room_id]["timeline"]["events"]
    assert [body for body in bodies(timeline) if not body.startswith("m.")] == expected


async def test_the_visibility_counts_as_it_was_when_the_event_was_sent(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(visibility="joined"),
        room.message("hidden"),
        room.hides("shared"),
        room.message("shown"),
        room.member(BOB, "join"),
        room.hides("joined"),
    )

    assert await seen_by(house, BOB, room) == ["shown"]


async def test_who_left_sees_up_to_their_leaving(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(BOB),
        room.message("before"),
        room.member(BOB, "leave"),
        room.message("after"),
        room.state_event("m.room.topic", {"topic": "after"}),
        room.member(CHARLIE, "join"),
    )

    assert await seen_by(house, BOB, room) == ["before"]
    assert (await house.room(BOB, room, "state/m.room.topic")).status == 404
    state = (await house.room(BOB, room, "state")).json
    assert {(event["type"], event["state_key"]) for event in state} == {
        ("m.room.create", ""),
        ("m.room.join_rules", ""),
        ("m.room.member", ALICE),
        ("m.room.member", BOB),
    }
    members = (await house.room(BOB, room, "members")).json["chunk"]
    assert {event["state_key"]: event["content"]["membership"] for event in members} == {
        ALICE: "join",
        BOB: "leave",
    }
    assert (await house.room(BOB, room, "joined_members")).status == 403


async def test_who_was_banned_after_leaving_sees_up_to_their_leaving(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(BOB),
        room.member(BOB, "leave"),
        room.message("between"),
        room.member(BOB, "ban", by=ALICE),
        room.message("after"),
    )

    assert await seen_by(house, BOB, room) == []


async def test_who_came_back_sees_the_gap_if_it_was_shared(house: House) -> None:
    hidden, shared = Room("hidden"), Room("shared")
    for room, visibility in ((hidden, "joined"), (shared, "shared")):
        await house.put(
            *room.created(BOB, visibility=visibility),
            room.message("one"),
            room.member(BOB, "leave"),
            room.message("two"),
            room.member(BOB, "join"),
            room.message("three"),
        )

    assert await seen_by(house, BOB, hidden) == ["one", "three"]
    assert await seen_by(house, BOB, shared) == ["one", "two", "three"]


@pytest.mark.parametrize(
    "path",
    [
        "messages?dir=b",
        "messages",
        "messages?dir=sideways",
        "messages?dir=b&from=nonsense",
        "state",
        "state/m.room.create",
        "members",
        "members?at=nonsense",
        "joined_members",
        "context/$x",
        "context/$x?filter=nonsense",
    ],
)
async def test_strangers_and_those_only_invited_are_kept_out(house: House, path: str) -> None:
    room = Room()
    await house.put(*room.created(), room.member(CHARLIE, "invite", by=ALICE))

    for user in (BOB, CHARLIE):
        answer = await house.room(user, room, path)
        assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")
    assert (await house.room(BOB, Room("nowhere"), path)).errcode == "M_FORBIDDEN"


async def test_anybody_reads_a_world_readable_room(house: House) -> None:
    room = Room()
    await house.put(
        *room.created(), room.message("hidden"), room.hides("world_readable"), room.message("open")
    )

    assert await seen_by(house, BOB, room) == ["open"]
    assert (await house.room(BOB, room, "state/m.room.create")).status == 200
    assert (await house.room(BOB, room, "joined_members")).status == 403


async def test_a_change_of_visibility_is_seen_by_whom_either_side_of_it_allows(
    house: House,
) -> None:
    room = Room()
    opening = room.created(), room.hides("world_readable"), room.hides("joined")
    closing = room.message("closed")
    await house.put(*opening[0], opening[1], opening[2], closing, room.member(BOB, "join"))

    for record, status in ((opening[1], 200), (opening[2], 200), (closing, 404)):
        answer = await house.room(BOB, room, f"event/{record.event_id}")
        assert answer.status == status


async def test_one_event_is_read_in_the_client_form(house: House) -> None:
    room = Room()
    message = room.message("hello", transaction=Transaction(ALICE, "PHONE", "t1"))
    await house.put(*room.created(BOB), message)

    event = (await house.room(f"{ALICE}/PHONE", room, f"event/{message.event_id}")).json
    assert event["content"]["body"] == "hello"
    assert event["room_id"] == room.room_id
    assert event["unsigned"]["transaction_id"] == "t1"
    others = (await house.room(BOB, room, f"event/{message.event_id}")).json
    assert "transaction_id" not in others["unsigned"]
    assert (await house.room(BOB, room, "event/$unknown")).errcode == "M_NOT_FOUND"
    elsewhere = Room("elsewhere")
    await house.put(*elsewhere.created(BOB))
    assert (await house.room(BOB, elsewhere, f"event/{message.event_id}")).status == 404
    assert (await house.room(CHARLIE, room, f"event/{message.event_id}")).status == 404


async def test_a_state_entry_is_its_content_or_the_event(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.state_event("org.x", {"a": 1}, state_key="k/e y"))

    assert (await house.room(BOB, room, "state/org.x/k%2Fe%20y")).json == {"a": 1}
    event = (await house.room(BOB, room, "state/m.room.create/", format="event")).json
    assert event["type"] == "m.room.create"
    assert event["room_id"] == room.room_id
    assert (await house.room(BOB, room, "state/m.room.create")).json == {"room_version": "11"}
    assert (await house.room(BOB, room, "state/m.room.name")).errcode == "M_NOT_FOUND"


async def test_members_are_chosen_by_membership_and_by_time(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    before = (await house.sync(ALICE))["next_batch"]
    await house.put(room.member(BOB, "leave"), room.member(CHARLIE, "join"))

    async def members(**query: str) -> set[str]:
        answer = await house.room(ALICE, room, "members", **query)
        return {event["state_key"] for event in answer.json["chunk"]}

    assert await members() == {ALICE, BOB, CHARLIE}
    assert await members(membership="join") == {ALICE, CHARLIE}
    assert await members(not_membership="leave") == {ALICE, CHARLIE}
    assert await members(membership="leave", not_membership="join") == {BOB}
    assert await members(at=before) == {ALICE, BOB}


async def test_context_has_the_events_around_and_tokens_to_go_on(house: House) -> None:
    room = Room()
    records = [room.message(str(number)) for number in range(10)]
    await house.put(
        *room.created(BOB), *records, room.state_event("m.room.topic", {"topic": "late"})
    )

    answer = await house.room(BOB, room, f"context/{records[5].event_id}", limit=4)

    context = answer.json
    assert bodies([context["event"]]) == ["5"]
    assert bodies(context["events_before"]) == ["4", "3"]
    assert bodies(context["events_after"]) == ["6", "7"]
    assert "m.room.topic" not in {event["type"] for event in context["state"]}
    assert (await all_pages(house, BOB, room, "b", from_=context["start"]))[0] == ["2", "1", "0"]
    assert (await all_pages(house, BOB, room, "f", from_=context["end"]))[0] == ["8", "9"]
    alone = (await house.room(BOB, room, f"context/{records[5].event_id}", limit=0)).json
    assert (alone["events_before"], alone["events_after"]) == ([], [])


async def test_lazy_pages_carry_the_members_who_speak(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE), room.message("hi", sender=CHARLIE))

    answer = await house.room(
        BOB, room, "messages", dir="b", limit=1, filter={"lazy_load_members": True}
    )

    assert [event["state_key"] for event in answer.json["state"]] == [CHARLIE]


async def test_bad_parameters_of_pages_are_refused(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    for query, errcode in (
        ({}, "M_MISSING_PARAM"),
        ({"dir": "x"}, "M_INVALID_PARAM"),
        ({"dir": "b", "from_": "nonsense"}, "M_INVALID_PARAM"),
        ({"dir": "b", "to": "t1_00000000"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": "many"}, "M_INVALID_PARAM"),
        ({"dir": "b", "filter": "[]"}, "M_BAD_JSON"),
        ({"dir": "b", "filter": "{"}, "M_NOT_JSON"),
    ):
        answer = await house.room(BOB, room, "messages", **query)
        assert (answer.status, answer.errcode) == (400, errcode), query
    assert (await house.get(BOB, "rooms/nonsense/state")).errcode == "M_INVALID_PARAM"


async def test_members_of_a_hidden_past_are_those_of_the_first_place_that_one_may_see(
    house: House,
) -> None:
    room = Room()
    created = room.created(CHARLIE, visibility="joined")
    await house.put(*created, room.member(CHARLIE, "leave"), room.message("hidden"))
    await house.put(room.member(BOB, "join"), room.message("seen"))
    synced = await house.sync(BOB, filter={"room": {"timeline": {"limit": 2}}})
    prev_batch = synced["rooms"]["join"][room.room_id]["timeline"]["prev_batch"]

    answer = await house.room(BOB, room, "members", at=prev_batch, membership="leave")
    assert [event["state_key"] for event in answer.json["chunk"]] == [CHARLIE]
    assert (await house.room(BOB, room, "members", at=prev_batch, membership="join")).status == 200


async def test_the_place_before_a_room_has_the_members_of_its_beginning(house: House) -> None:
    room = Room()
    await house.put(*room.created())
    synced = await house.sync(ALICE)
    prev_batch = synced["rooms"]["join"][room.room_id]["timeline"]["prev_batch"]
    await house.put(room.member(BOB, "join"))

    answer = await house.room(ALICE, room, "members", at=prev_batch)

    assert [event["state_key"] for event in answer.json["chunk"]] == [ALICE]


async def test_many_members_come_in_one_answer(house: House) -> None:
    room = Room()
    users = [UserID(f"@user{number}:xylem.test") for number in range(1100)]
    await house.put(*room.created(), *[room.member(user, "join") for user in users])
    since = (await house.sync(ALICE))["next_batch"]
    await house.put(*[room.member(user, "leave") for user in users[:600]])
    await house.projected()

    async def members(**query: Any) -> list[str]:
        chunk = (await house.room(ALICE, room, "members", **query)).json["chunk"]
        return sorted(event["state_key"] for event in chunk)

    assert await members() == sorted([*users, ALICE])
    assert await members(membership="leave") == sorted(users[:600])
    assert await members(at=since, membership="join") == sorted([*users, ALICE])
    answer = (await house.room(ALICE, room, "joined_members")).json
    assert sorted(answer["joined"]) == sorted([*users[600:], ALICE])


async def test_much_state_comes_in_one_answer_as_who_left_has_left_it(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    keys = [f"key{number}" for number in range(1100)]
    await house.put(*(room.state_event("org.example", {"old": 1}, state_key=key) for key in keys))
    await house.put(room.member(BOB, "leave"))
    await house.put(
        *(room.state_event("org.example", {"new": 1}, state_key=key) for key in keys[:600]),
        room.state_event("m.room.topic", {"topic": "said later"}),
    )

    of_now = (await house.room(ALICE, room, "state")).json
    as_left = (await house.room(BOB, room, "state")).json

    def contents(state: list[dict[str, Any]]) -> dict[str, Any]:
        return {one["state_key"]: one["content"] for one in state if one["type"] == "org.example"}

    news = {key: {"new": 1} for key in keys[:600]}
    assert contents(of_now) == {key: {"old": 1} for key in keys} | news
    assert contents(as_left) == {key: {"old": 1} for key in keys}
    assert len(of_now) == len(as_left) + 1
    assert len({(one["type"], one["state_key"]) for one in of_now}) == len(of_now)

"""What users find of a space: its rooms in order, as far as they may see them, page by page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from base.http.testing import Answer
from components.syncapi.settings import SyncApiSettings
from logs.records.room_output import OutputRoomEvent
from tests.component.syncapi.story import ALICE, BOB, House, Room, running_house

SERVERS = ["xylem.test"]


def space(name: str, *, rule: str = "public") -> tuple[Room, list[OutputRoomEvent]]:
    """Return a space of alice's and the records that make it."""
    return room_of_type(name, "m.space", rule=rule)


def room_of_type(
    name: str, kind: str | None = None, *, rule: str = "public", allow: Sequence[Any] | None = None
) -> tuple[Room, list[OutputRoomEvent]]:
    """Return a room of alice's and the records that make it."""
    room = Room(name)
    content = {"room_version": "11", **({} if kind is None else {"type": kind})}
    return room, [
        room.state_event("m.room.create", content),
        room.member(ALICE, "join"),
        room.state_event(
            "m.room.join_rules", {"join_rule": rule, **({} if allow is None else {"allow": allow})}
        ),
    ]


def holds(parent: Room, child: Room, **content: Any) -> OutputRoomEvent:
    """Return the record by which a space gets a child."""
    return parent.state_event("m.space.child", {"via": SERVERS, **content}, state_key=child.room_id)


async def ask(house: House, user: str, room: Room, **query: Any) -> Answer:
    """Ask for the hierarchy of a room."""
    return await house.get(user, f"rooms/{room.room_id}/hierarchy", version="v1", **query)


async def found(house: House, user: str, room: Room, **query: Any) -> list[str]:
    """Return the IDs of the rooms on one page."""
    answer = await ask(house, user, room, **query)
    assert answer.status == 200, answer
    return [one["room_id"] for one in answer.json["rooms"]]


def ids(rooms: Sequence[Room]) -> list[str]:
    return [room.room_id for room in rooms]


async def test_children_come_by_order_then_by_time_then_by_room(house: House) -> None:
    root, records = space("root")
    rooms = {name: room_of_type(name) for name in ("a", "b", "c", "d", "e", "f")}
    for _, made in rooms.values():
        records += made
    a, b, c, d, e, f = (room for room, _ in rooms.values())
    records += [
        holds(root, e),
        holds(root, d, order="\x1f"),
        holds(root, f, order="x" * 51),
        holds(root, c, order="first"),
        holds(root, a, order="aaaa"),
        holds(root, b, order=" "),
    ]
    await house.put(*records)

    assert await found(house, ALICE, root) == ids([root, b, a, c, e, d, f])


async def test_a_space_is_gone_into_before_what_follows_it(house: House) -> None:
    root, records = space("root")
    inner, made = space("inner")
    records += made
    leaf, made = room_of_type("leaf")
    records += made
    last, made = room_of_type("last")
    records += [*made, holds(root, inner), holds(root, last), holds(inner, leaf)]
    await house.put(*records)

    assert await found(house, ALICE, root) == ids([root, inner, leaf, last])
    assert await found(house, ALICE, root, max_depth=0) == ids([root])
    assert await found(house, ALICE, root, max_depth=1) == ids([root, inner, last])


async def test_spaces_that_hold_each_other_are_told_once(house: House) -> None:
    root, records = space("root")
    inner, made = space("inner")
    records += [*made, holds(root, inner), holds(inner, root), holds(root, root)]
    await house.put(*records)

    assert await found(house, ALICE, root) == ids([root, inner])


async def test_a_space_met_first_at_the_depth_limit_is_gone_into_where_it_is_less_deep(
    house: House,
) -> None:
    root, records = space("root")
    first, made = space("first")
    records += made
    shared, made = space("shared")
    records += made
    leaf, made = room_of_type("leaf")
    records += [
        *made,
        holds(root, first),
        holds(first, shared),
        holds(root, shared),
        holds(shared, leaf),
    ]
    await house.put(*records)

    assert await found(house, ALICE, root, max_depth=2) == ids([root, first, shared, leaf])


async def test_the_answer_tells_of_rooms_and_their_children(house: House) -> None:
    root, records = space("root")
    child, made = room_of_type("child")
    records += [
        *made,
        child.state_event("m.room.name", {"name": "Cheese"}),
        child.state_event(
            "m.room.topic", {"topic": "old", "m.topic": {"m.text": [{"body": "new"}]}}
        ),
        child.state_event("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}),
        child.state_event("m.room.guest_access", {"guest_access": "can_join"}),
        child.member(BOB, "join"),
        holds(root, child, suggested=True),
        root.state_event("m.space.child", {}, state_key="!removed:xylem.test"),
    ]
    await house.put(*records)

    answer = await ask(house, ALICE, root)

    [event] = [one for one in root.state.values() if one.state_key == child.room_id]
    assert "next_batch" not in answer.json
    assert answer.json["rooms"] == [
        {
            "room_id": root.room_id,
            "num_joined_members": 1,
            "world_readable": False,
            "guest_can_join": False,
            "join_rule": "public",
            "room_version": "11",
            "room_type": "m.space",
            "children_state": [
                {
                    "type": "m.space.child",
                    "state_key": child.room_id,
                    "sender": ALICE,
                    "content": {"via": SERVERS, "suggested": True},
                    "origin_server_ts": event.origin_server_ts,
                }
            ],
        },
        {
            "room_id": child.room_id,
            "num_joined_members": 2,
            "world_readable": False,
            "guest_can_join": True,
            "join_rule": "public",
            "room_version": "11",
            "name": "Cheese",
            "topic": "new",
            "encryption": "m.megolm.v1.aes-sha2",
            "children_state": [],
        },
    ]


async def test_only_rooms_that_the_user_may_see_are_told(house: House) -> None:
    root, records = space("root")
    shown, hidden = [], []
    gate, made = room_of_type("gate", rule="invite")
    records += [*made, gate.member(BOB, "join")]
    member_of_gate = [{"type": "m.room_membership", "room_id": gate.room_id}]
    for name, rule, allow, events in (
        ("public", "public", None, ()),
        ("knock", "knock", None, ()),
        ("knock2", "knock_restricted", None, ()),
        ("restricted", "restricted", member_of_gate, ()),
        ("invited", "invite", None, ("invite",)),
        ("joined", "invite", None, ("invite", "join")),
    ):
        room, made = room_of_type(name, rule=rule, allow=allow)
        records += [*made, *(room.member(BOB, one, by=ALICE) for one in events)]
        shown.append(room)
    readable, made = room_of_type("readable", rule="invite")
    records += [*made, readable.hides("world_readable")]
    shown.append(readable)
    for name, rule, allow, events in (
        ("private", "invite", None, ()),
        ("elsewhere", "restricted", [{"type": "other", "room_id": gate.room_id}], ()),
        ("left", "invite", None, ("join", "leave")),
        ("banned", "public", None, ("join", "ban")),
    ):
        room, made = room_of_type(name, rule=rule, allow=allow)
        records += [*made, *(room.member(BOB, one, by=ALICE) for one in events)]
        hidden.append(room)
    unknown = Room("unknown")
    records += [holds(root, room) for room in (*shown, *hidden, unknown)]
    await house.put(*records)

    assert await found(house, BOB, root) == ids([root, *shown])
    for room in (*hidden, unknown):
        answer = await ask(house, BOB, room)
        assert (answer.status, answer.errcode) == (403, "M_FORBIDDEN")


async def test_only_suggested_rooms_are_told_where_they_are_asked_for(house: House) -> None:
    root, records = space("root")
    yes, made = room_of_type("yes")
    records += made
    no, made = room_of_type("no")
    records += [*made, holds(root, yes, suggested=True), holds(root, no, suggested="true")]
    await house.put(*records)

    assert await found(house, ALICE, root, suggested_only=True) == ids([root, yes])


async def test_pages_fit_together_while_rooms_come_and_go(house: House) -> None:
    root, records = space("root")
    rooms = []
    for number in range(5):
        room, made = room_of_type(f"r{number}")
        records += [*made, holds(root, room, order=f"{number}")]
        rooms.append(room)
    await house.put(*records)

    first = await ask(house, ALICE, root, limit=3)
    early, made = room_of_type("early")
    await house.put(*made, holds(root, early, order=" "))
    second = await ask(house, ALICE, root, limit=3, from_=first.json["next_batch"])
    await house.put(root.state_event("m.space.child", {}, state_key=rooms[1].room_id))
    third = await ask(house, ALICE, root, limit=3, from_=first.json["next_batch"])

    assert [one["room_id"] for one in first.json["rooms"]] == ids([root, *rooms[:2]])
    assert [one["room_id"] for one in second.json["rooms"]] == ids(rooms[2:])
    assert "next_batch" not in second.json
    # The room at the end of the page is gone, and another one came: the number of rooms counts.
    assert [one["room_id"] for one in third.json["rooms"]] == ids(rooms[2:])


async def test_a_token_is_for_one_question(house: House) -> None:
    root, records = space("root")
    child, made = room_of_type("child")
    await house.put(*records, *made, holds(root, child))
    token = (await ask(house, ALICE, root, limit=1, max_depth=3)).json["next_batch"]

    for room, query in (
        (root, {"max_depth": 2, "from_": token}),
        (root, {"max_depth": 3, "suggested_only": True, "from_": token}),
        (child, {"max_depth": 3, "from_": token}),
        (root, {"from_": "nonsense"}),
        (root, {"from_": ""}),
        (root, {"limit": 0}),
        (root, {"max_depth": -1}),
        (root, {"suggested_only": "perhaps"}),
    ):
        answer = await ask(house, ALICE, room, **query)
        assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM"), query


async def test_what_one_request_looks_at_is_bounded(tmp_path: Path, database_url: str) -> None:
    settings = SyncApiSettings(max_space_children=2, max_hierarchy_children=3)
    async with running_house(tmp_path, database_url, settings) as house:
        root, records = space("root")
        inner = [space(f"s{number}") for number in range(2)]
        for room, made in inner:
            records += [*made, holds(root, room)]
        for room, _ in inner:
            for number in range(3):
                leaf, made = room_of_type(f"{room.room_id[1:3]}leaf{number}")
                records += [*made, holds(room, leaf)]
        await house.put(*records)

        assert len(await found(house, ALICE, root)) == 5

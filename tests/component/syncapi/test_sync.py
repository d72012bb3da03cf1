"""What /sync tells: beginnings, increments, gaps, state, and tokens."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from components.syncapi.settings import SyncApiSettings
from logs.log import Origin
from logs.records.room_input import Transaction
from matrix.identifiers import UserID
from tests.component.syncapi.answers import joined, state_of, timeline
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    NOW_MS,
    House,
    Room,
    bodies,
    running_house,
)


async def test_an_initial_sync_of_a_new_room_has_all_of_it_in_the_timeline(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.message("hello"))

    answer = await house.sync(BOB)

    part = joined(answer, room)
    assert bodies(part["timeline"]["events"]) == [
        "m.room.create",
        "m.room.member",
        "m.room.join_rules",
        "m.room.member",
        "hello",
    ]
    assert part["timeline"]["limited"] is False
    assert part["state"]["events"] == []
    assert part["summary"] == {
        "m.heroes": [ALICE],
        "m.joined_member_count": 2,
        "m.invited_member_count": 0,
    }
    assert part["unread_notifications"] == {"highlight_count": 0, "notification_count": 1}
    assert answer["device_one_time_keys_count"] == {"signed_curve25519": 0}


async def test_the_state_of_an_initial_sync_is_that_at_the_start_of_the_timeline(
    house: House,
) -> None:
    room = Room()
    await house.put(
        *room.created(BOB),
        room.state_event("m.room.topic", {"topic": "old"}),
        room.message("one"),
        room.state_event("m.room.topic", {"topic": "new"}),
        room.message("two"),
    )

    answer = await house.sync(BOB, filter={"room": {"timeline": {"limit": 2}}})

    part = joined(answer, room)
    assert timeline(answer, room) == ["m.room.topic", "two"]
    assert part["timeline"]["limited"] is True
    topics = [event for event in part["state"]["events"] if event["type"] == "m.room.topic"]
    assert [event["content"]["topic"] for event in topics] == ["old"]
    assert ("m.room.member", BOB) in state_of(part)
    unsigned = part["timeline"]["events"][0]["unsigned"]
    assert unsigned["prev_content"] == {"topic": "old"}
    assert unsigned["replaces_state"] == topics[0]["event_id"]


async def test_each_event_comes_once_and_in_order(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    seen: list[str] = []

    for start in range(0, 20, 4):
        await house.put(*(room.message(str(number)) for number in range(start, start + 4)))
        answer = await house.sync(BOB, since)
        seen += timeline(answer, room)
        assert joined(answer, room)["timeline"]["limited"] is False
        assert joined(answer, room)["state"]["events"] == []
        since = answer["next_batch"]

    assert seen == [str(number) for number in range(20)]
    assert (await house.sync(BOB, since))["rooms"] == {}


async def test_members_at_different_places_get_what_each_has_not_seen(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    first = (await house.sync(ALICE))["next_batch"]
    await house.put(room.message("one"))
    second = (await house.sync(BOB, first))["next_batch"]
    await house.put(room.message("two"))

    assert timeline(await house.sync(ALICE, first), room) == ["one", "two"]
    assert timeline(await house.sync(BOB, second), room) == ["two"]
    assert timeline(await house.sync(BOB, first), room) == ["one", "two"]


async def test_a_gap_is_limited_and_filled_by_messages(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        room.message("0"),
        room.state_event("m.room.name", {"name": "in the gap"}),
        *(room.message(str(number)) for number in range(1, 30)),
    )

    answer = await house.sync(BOB, since)
    part = joined(answer, room)
    messages = await house.room(
        BOB, room, "messages", dir="b", from_=part["timeline"]["prev_batch"], to=since, limit=100
    )

    assert part["timeline"]["limited"] is True
    assert timeline(answer, room) == [str(number) for number in range(20, 30)]
    assert state_of(part) == {("m.room.name", "")}
    missing = bodies(messages.json["chunk"])
    assert missing[::-1] == ["0", "m.room.name", *(str(number) for number in range(1, 20))]
    assert "end" not in messages.json


async def test_a_transaction_id_is_told_to_the_sending_device_only(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(f"{ALICE}/PHONE"))["next_batch"]
    await house.put(room.message("hi", transaction=Transaction(ALICE, "PHONE", "txn1")))

    def unsigned(answer: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = joined(answer, room)["timeline"]["events"][0]["unsigned"]
        return found

    assert unsigned(await house.sync(f"{ALICE}/PHONE", since))["transaction_id"] == "txn1"
    assert "transaction_id" not in unsigned(await house.sync(f"{ALICE}/LAPTOP", since))
    others = unsigned(await house.sync(f"{BOB}/PHONE", since))
    assert others == {"age": NOW_MS - (NOW_MS - 50_000 + 5), "membership": "join"}


async def test_a_repeated_record_is_told_once(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    message = room.message("once")
    await house.put(message, message)
    await house.put(message)

    answer = await house.sync(BOB, since)
    assert timeline(answer, room) == ["once"]
    assert (await house.sync(BOB, answer["next_batch"]))["rooms"] == {}
    again = await house.sync(BOB)
    assert timeline(again, room).count("once") == 1


async def test_a_repeat_by_its_number_is_told_once(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    message = room.message("once")
    for _ in range(2):
        await house.put(message, origin=Origin("roomserver/InputRoomEvent/0", 7))

    assert timeline(await house.sync(BOB, since), room) == ["once"]


async def test_tokens_and_timelines_survive_a_restart(tmp_path: Path, database_url: str) -> None:
    room = Room()
    async with running_house(tmp_path, database_url) as house:
        await house.put(*room.created(BOB))
        since = (await house.sync(BOB))["next_batch"]
        await house.put(room.message("before"))
        await house.projected()

    async with running_house(tmp_path, database_url) as house:
        await house.put(room.message("after"))
        answer = await house.sync(BOB, since)
        assert timeline(answer, room) == ["before", "after"]
        assert joined(answer, room)["timeline"]["limited"] is False
        await house.put(room.message("later"))
        assert timeline(await house.sync(BOB, answer["next_batch"]), room) == ["later"]


async def test_a_token_outlives_the_tables_that_it_came_from(tmp_path: Path) -> None:
    room = Room()
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/first") as house:
        await house.put(*room.created(BOB), room.message("read"))
        since = (await house.sync(BOB))["next_batch"]

    # The tables are lost, and made again from the log while the client asks already.
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/second") as house:
        early = (await house.get(BOB, "sync", since=since)).json
        assert early["rooms"] == {}
        await house.put(room.message("new"))
        assert timeline(await house.sync(BOB, early["next_batch"]), room) == ["new"]


async def test_what_was_written_while_nobody_projected_is_told(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    async with running_house(tmp_path, database_url) as house:
        await house.put(*room.created(BOB), room.message("hello"))
        answer = await house.sync(BOB)
        assert timeline(answer, room)[-1] == "hello"


async def test_account_data_is_told_globally_and_by_room(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    await house.put_account_data(BOB, "m.direct", {"@a:b": []})
    first = await house.sync(BOB)
    assert first["account_data"]["events"] == [{"type": "m.direct", "content": {"@a:b": []}}]

    waiting = asyncio.create_task(house.sync(BOB, first["next_batch"], timeout=30_000))
    await house.until_waiting(BOB)
    await house.put_account_data(BOB, "m.tag", {"tags": {}}, room.room_id)
    answer = await waiting
    part = joined(answer, room)
    assert part["account_data"]["events"] == [{"type": "m.tag", "content": {"tags": {}}}]
    assert answer["account_data"]["events"] == []
    assert part["timeline"]["events"] == []

    await house.put_account_data(ALICE, "m.direct", {"not": "bob's"})
    assert (await house.sync(BOB, answer["next_batch"]))["account_data"]["events"] == []


async def test_a_room_with_account_data_and_events_comes_once_with_both(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.message("hello"))
    await house.put_account_data(BOB, "m.tag", {"tags": {}}, room.room_id)

    part = joined(await house.sync(BOB, since), room)

    assert bodies(part["timeline"]["events"]) == ["hello"]
    assert [event["type"] for event in part["account_data"]["events"]] == ["m.tag"]


async def test_state_that_changed_outside_the_timeline_is_told(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    topic = room.build("m.room.topic", {"topic": "resolved"}, state_key="")
    merge = room.build("m.room.message", {"body": "merge"})
    await house.put(room.added(merge, state_only=(topic,)))

    part = joined(await house.sync(BOB, since), room)

    assert bodies(part["timeline"]["events"]) == ["merge"]
    assert state_of(part) == {("m.room.topic", "")}


async def test_full_state_comes_with_the_increment(house: House) -> None:
    room, quiet = Room(), Room("quiet")
    await house.put(*room.created(BOB), *quiet.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(room.message("new"))

    answer = await house.sync(BOB, since, full_state=True, timeout=30_000)

    assert timeline(answer, room) == ["new"]
    assert ("m.room.member", ALICE) in state_of(joined(answer, room))
    assert timeline(answer, quiet) == []
    assert ("m.room.create", "") in state_of(joined(answer, quiet))


async def test_filters_choose_rooms_and_events(house: House) -> None:
    room, other = Room(), Room("other")
    await house.put(*room.created(BOB), *other.created(BOB))
    house.accounts.filters["f1"] = {
        "room": {"rooms": [room.room_id], "timeline": {"types": ["m.room.message"]}}
    }
    since = (await house.sync(BOB))["next_batch"]
    await house.put(
        room.state_event("m.room.topic", {"topic": "t"}), room.message("kept"), other.message("no")
    )

    answer = await house.sync(BOB, since, filter="f1")

    assert list(answer["rooms"]["join"]) == [room.room_id]
    assert timeline(answer, room) == ["kept"]
    assert state_of(joined(answer, room)) == {("m.room.topic", "")}
    fields = await house.sync(BOB, since, filter={"event_fields": ["content.body"]})
    assert joined(fields, other)["timeline"]["events"] == [{"content": {"body": "no"}}]


async def test_lazy_loading_sends_the_members_who_speak_once(house: House) -> None:
    lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
    room = Room()
    await house.put(*room.created(BOB, CHARLIE), room.message("first", sender=ALICE))

    answer = await house.sync(BOB, filter=lazy)
    members = {key for kind, key in state_of(joined(answer, room)) if kind == "m.room.member"}
    assert {ALICE, BOB} <= members

    seen = []
    for sender in (CHARLIE, ALICE, CHARLIE):
        await house.put(room.message("more", sender=sender))
        answer = await house.sync(BOB, answer["next_batch"], filter=lazy)
        seen.append(state_of(joined(answer, room)))
    # charlie is a hero, and was sent with the first answer for that.
    assert seen == [set(), set(), set()]


async def test_lazy_loading_sends_a_member_again_whose_answer_was_lost_in_a_gap(
    house: House,
) -> None:
    lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
    room = Room()
    many = [UserID(f"@user{number}:xylem.test") for number in range(8)]
    await house.put(*room.created(BOB, *many), room.message("first"))
    since = (await house.sync(BOB, filter=lazy))["next_batch"]

    await house.put(room.message("hi", sender=many[7]))
    lost = await house.sync(BOB, since, filter=lazy)
    await house.put(room.message("first again"))
    taken = await house.sync(BOB, since, filter=lazy)
    await house.put(room.message("hi again", sender=many[7]))
    answer = await house.sync(BOB, taken["next_batch"], filter=lazy)

    assert state_of(joined(lost, room)) == {("m.room.member", many[7])}
    assert state_of(joined(taken, room)) == set()
    assert state_of(joined(answer, room)) == {("m.room.member", many[7])}


async def test_lazy_loading_sends_a_member_again_while_the_answer_may_be_lost(
    house: House,
) -> None:
    lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
    room = Room()
    many = [f"@user{number}:xylem.test" for number in range(8)]
    await house.put(*room.created(BOB, *many), room.message("first"))  # type: ignore[arg-type]
    since = (await house.sync(BOB, filter=lazy))["next_batch"]
    await house.put(room.message("hi", sender=many[7]))  # type: ignore[arg-type]

    for _ in range(2):
        answer = await house.sync(BOB, since, filter=lazy)
        assert state_of(joined(answer, room)) == {("m.room.member", many[7])}
    await house.put(room.message("again", sender=many[7]))  # type: ignore[arg-type]
    answer = await house.sync(BOB, answer["next_batch"], filter=lazy)
    assert state_of(joined(answer, room)) == set()


async def test_a_redaction_changes_what_is_told_and_says_why(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    message = room.message("secret")
    await house.put(message)
    await house.projected()
    await house.put(*room.redacted(message))

    for start in (since, None):
        events = joined(await house.sync(BOB, start), room)["timeline"]["events"]
        redacted, redaction = events[-2:]
        assert redacted["content"] == {}
        assert redacted["unsigned"]["redacted_because"]["event_id"] == redaction["event_id"]
        assert redaction["redacts"] == redacted["event_id"]


async def test_a_redacted_state_event_is_not_shown_as_previous_content(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    topic = room.state_event("m.room.topic", {"topic": "secret"})
    await house.put(topic, room.state_event("m.room.topic", {"topic": "clean"}))
    await house.put(*room.redacted(topic))

    events = joined(await house.sync(BOB), room)["timeline"]["events"]

    clean = next(event for event in events if event["content"] == {"topic": "clean"})
    assert clean["unsigned"]["prev_content"] == {}


@pytest.mark.parametrize("token", ["s123", "t12_00000000", "", "AQ", "Ã", "t5_zzz", "A" * 5000])
async def test_a_token_that_is_none_is_refused(house: House, token: str) -> None:
    answer = await house.get(BOB, "sync", since=token)

    if token:
        assert (answer.status, answer.errcode) == (400, "M_INVALID_PARAM")
    else:
        assert answer.status == 200


async def test_who_comes_with_a_token_of_another_log_begins_anew(
    house: House, tmp_path: Path
) -> None:
    room, left, invited, unknown = Room(), Room("left"), Room("invited"), Room("unknown")
    await house.put(
        *room.created(BOB),
        *left.created(BOB),
        left.member(BOB, "leave"),
        *invited.created(),
        invited.member(BOB, "invite", by=ALICE),
        *unknown.created(),
    )
    async with running_house(tmp_path / "other", f"sqlite:///{tmp_path}/other/db") as other:
        since = (await other.sync(BOB))["next_batch"]

    answer = (await house.get(BOB, "sync", since=since, timeout=30_000)).json
    first = await house.sync(BOB)
    events = await house.get(BOB, "events", from_=since)

    assert list(answer["rooms"]["invite"]) == [invited.room_id]
    assert bodies(answer["rooms"]["leave"][left.room_id]["timeline"]["events"]) == ["m.room.member"]
    assert list(answer["rooms"]["join"]) == [room.room_id]
    part = joined(answer, room)
    assert part["timeline"].pop("limited") is True
    expected = joined(first, room)
    assert expected["timeline"].pop("limited") is False
    assert part == expected
    assert (await house.sync(BOB, answer["next_batch"]))["rooms"] == {}
    assert (events.status, events.errcode) == (400, "M_INVALID_PARAM")
    assert "start again" in events.json["error"]


async def test_bad_parameters_are_refused(house: House) -> None:
    for query, errcode in (
        ({"filter": "{"}, "M_NOT_JSON"),
        ({"filter": '{"room": []}'}, "M_BAD_JSON"),
        ({"filter": "unknown"}, "M_INVALID_PARAM"),
        ({"timeout": "soon"}, "M_INVALID_PARAM"),
        ({"full_state": "maybe"}, "M_INVALID_PARAM"),
        ({"set_presence": "asleep"}, "M_INVALID_PARAM"),
    ):
        answer = await house.get(BOB, "sync", **query)
        assert (answer.status, answer.errcode) == (400, errcode), query
    assert (await house.get("nobody", "sync")).errcode == "M_UNKNOWN_TOKEN"


async def test_rooms_in_several_partitions_are_all_told(tmp_path: Path) -> None:
    rooms = [Room(f"room{number}") for number in range(12)]
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db", partitions=4) as house:
        for room in rooms:
            await house.put(*room.created(BOB))
        answer = await house.sync(BOB)
        assert set(answer["rooms"]["join"]) == {room.room_id for room in rooms}
        for room in rooms[:5]:
            await house.put(room.message("new"))
        answer = await house.sync(BOB, answer["next_batch"])
        assert {
            name: len(part["timeline"]["events"]) for name, part in answer["rooms"]["join"].items()
        } == {room.room_id: 1 for room in rooms[:5]}


async def test_a_small_memory_changes_nothing_but_the_way(tmp_path: Path) -> None:
    settings = SyncApiSettings(recent_events_bytes=3000, cached_memberships=2)
    rooms = [Room(f"room{number}") for number in range(3)]
    url = f"sqlite:///{tmp_path}/db"
    async with running_house(tmp_path, url, settings) as house:
        for room in rooms:
            await house.put(*room.created(BOB))
        tokens = {user: (await house.sync(user))["next_batch"] for user in (ALICE, BOB)}
        for number in range(6):
            await house.put(*(room.message(str(number)) for room in rooms))
        for user, since in tokens.items():
            answer = await house.sync(user, since)
            for room in rooms:
                assert timeline(answer, room) == [str(number) for number in range(6)]
        waiting = [
            asyncio.create_task(house.sync(user, answer["next_batch"], timeout=30_000))
            for user in (ALICE, BOB)
        ]
        await house.until_waiting(ALICE)
        await house.until_waiting(BOB)
        await house.put(rooms[0].message("wake"))
        for answer in await asyncio.gather(*waiting):
            assert timeline(answer, rooms[0]) == ["wake"]


async def test_what_an_event_changes_in_parts_is_told_in_parts_and_is_whole_with_the_last(
    house: House,
) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.member(CHARLIE, "join"))
    since = (await house.sync(BOB))["next_batch"]
    topic = room.build("m.room.topic", {"topic": "again"}, state_key="")
    name = room.build("m.room.name", {"name": "before"}, state_key="")
    ban = room.build("m.room.member", {"membership": "ban"}, state_key=CHARLIE)
    part = msgspec.structs.replace(room.withheld(topic), event_id=ban.event_id, is_part=True)
    last = room.added(ban, state_only=(name,))

    await house.put(part)
    between = await house.sync(BOB, since)
    await house.put(last, room.message("next"))
    after = joined(await house.sync(BOB, between["next_batch"]), room)
    at_once = joined(await house.sync(BOB, since), room)

    assert state_of(joined(between, room)) == {("m.room.topic", "")}
    assert ("m.room.name", "") in state_of(after)
    assert {event["type"] for event in after["timeline"]["events"]} == {
        "m.room.member",
        "m.room.message",
    }
    assert {("m.room.topic", ""), ("m.room.name", "")} <= state_of(at_once)
    now = joined(await house.sync(BOB), room)
    state = {
        (event["type"], event["state_key"]): event["event_id"]
        for event in (*now["state"]["events"], *now["timeline"]["events"])
        if "state_key" in event
    }
    assert state["m.room.topic", ""] == topic.event_id
    assert state["m.room.name", ""] == name.event_id
    assert state["m.room.member", CHARLIE] == ban.event_id


@pytest.mark.parametrize("while_waiting", [True, False])
async def test_state_that_changed_without_an_event_in_the_timeline_is_told(
    house: House, *, while_waiting: bool
) -> None:
    room = Room()
    await house.put(*room.created(BOB), room.member(CHARLIE, "join"), room.member(CHARLIE, "leave"))
    since = (await house.sync(BOB))["next_batch"]
    topic = room.build("m.room.topic", {"topic": "again"}, state_key="")
    join = room.build("m.room.member", {"membership": "join"}, sender=CHARLIE, state_key=CHARLIE)
    if while_waiting:
        polling = asyncio.create_task(house.sync(BOB, since, timeout=20_000))
        await house.until_waiting(BOB)
        await house.put(room.withheld(topic, join))
        answer = await polling
    else:
        await house.put(room.withheld(topic, join), room.message("next"))
        answer = await house.sync(BOB, since)

    part = joined(answer, room)
    assert state_of(part) == {("m.room.topic", ""), ("m.room.member", CHARLIE)}
    assert bodies(part["timeline"]["events"]) == ([] if while_waiting else ["next"])
    assert part["summary"]["m.joined_member_count"] == 3
    assert room.room_id in (await house.sync(CHARLIE))["rooms"]["join"]
    now = state_of(joined(await house.sync(BOB), room))
    assert ("m.room.topic", "") in now

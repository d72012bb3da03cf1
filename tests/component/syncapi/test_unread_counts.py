"""Unread notifications as clients hear of them (client-server API, "Receiving notifications")."""

from pathlib import Path
from typing import Any

import pytest

from components.syncapi.settings import SyncApiSettings
from logs.records.receipts import ReceiptMoved
from logs.records.room_output import EventAdded
from matrix.identifiers import UserID
from matrix.push_rules.classes import MOST_NAMED
from matrix.push_rules.predefined import default_push_rules
from tests.component.syncapi.replicas import Client, two_replicas
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house

THREADS = {"room": {"timeline": {"unread_thread_notifications": True}}}
NO_RECEIPTS: dict[str, Any] = {"room": {"ephemeral": {"types": []}}}
_LONG_MS = 20_000


def counts(answer: dict[str, Any], room: Room) -> tuple[int, int]:
    """Return how many notifications a room has, and how many of them are highlights."""
    return _pair(answer["rooms"]["join"][room.room_id]["unread_notifications"])


def threads(answer: dict[str, Any], room: Room) -> dict[str, tuple[int, int]]:
    part = answer["rooms"]["join"][room.room_id]
    told = part.get("unread_thread_notifications", {})
    return {thread: _pair(one) for thread, one in told.items()}


def _pair(one: dict[str, int]) -> tuple[int, int]:
    assert one.keys() == {"notification_count", "highlight_count"}
    return one["notification_count"], one["highlight_count"]


def is_told(answer: dict[str, Any], room: Room) -> bool:
    return room.room_id in answer["rooms"].get("join", {})


def said(
    room: Room, body: str = "hi", *, by: UserID = ALICE, kind: str = "m.room.message", **more: Any
) -> EventAdded:
    """Return the record of a message with more in its content."""
    content = {"msgtype": "m.text", "body": body, **more}
    return room.added(room.build(kind, content, sender=by))


def mentioning(*user_ids: str, **more: Any) -> dict[str, Any]:
    return {"m.mentions": {**({"user_ids": list(user_ids)} if user_ids else {}), **more}}


def related(rel_type: str, parent: EventAdded) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": rel_type, "event_id": parent.event_id}}


def in_thread(root: EventAdded) -> dict[str, Any]:
    return related("m.thread", root)


def read(
    room: Room,
    event: EventAdded,
    *,
    by: UserID = BOB,
    kind: Any = "m.read",
    thread_id: str | None = None,
) -> ReceiptMoved:
    return ReceiptMoved(room.room_id, by, kind, event.event_id, 1000, thread_id)


async def set_rules(house: House, *, by: UserID = BOB, **kinds: list[dict[str, Any]]) -> None:
    """Give a user rules of their own before the predefined ones."""
    rules = default_push_rules(by)
    for kind, own in kinds.items():
        rules["global"][kind] = [{"enabled": True, **rule} for rule in own] + rules["global"][kind]
    await house.put_account_data(by, "m.push_rules", rules)


async def test_messages_of_others_count_with_the_answer_that_has_them(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), said(room), said(room, **mentioning(BOB)))

    first = await house.sync(BOB)
    await house.put(said(room, kind="m.room.encrypted"), said(room, msgtype="m.notice"))
    second = await house.sync(BOB, first["next_batch"])

    assert counts(first, room) == (2, 1)
    assert counts(second, room) == (3, 1)
    assert counts(await house.sync(BOB), room) == (3, 1)
    assert counts(await house.sync(ALICE), room) == (0, 0)


async def test_who_writes_has_read_what_was_there(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), said(room, **mentioning(BOB)))
    since = (await house.sync(BOB))["next_batch"]

    await house.put(said(room, by=BOB))
    answer = await house.sync(BOB, since)
    await house.put(said(room))

    assert counts(answer, room) == (0, 0)
    assert counts(await house.sync(BOB, answer["next_batch"]), room) == (1, 0)
    assert counts(await house.sync(BOB), room) == (1, 0)


@pytest.mark.parametrize("kind", ["m.read", "m.read.private"])
@pytest.mark.parametrize("filter_", [None, NO_RECEIPTS])
async def test_another_device_hears_that_messages_were_read(
    house: House, kind: str, filter_: dict[str, Any] | None
) -> None:
    room = Room()
    created = room.created(BOB)
    messages = [said(room) for _ in range(3)]
    await house.put(*created, *messages)
    since = (await house.sync("@bob:xylem.test/LAPTOP", filter=filter_))["next_batch"]

    await house.move_receipts(read(room, messages[1], kind=kind))
    answer = await house.sync("@bob:xylem.test/LAPTOP", since, timeout=_LONG_MS, filter=filter_)

    assert counts(answer, room) == (1, 0)
    assert counts(await house.sync(BOB), room) == (1, 0)
    quiet = await house.sync("@bob:xylem.test/LAPTOP", answer["next_batch"], filter=filter_)
    assert not is_told(quiet, room)


async def test_a_public_receipt_behind_the_private_one_takes_nothing_back(house: House) -> None:
    room = Room()
    created = room.created(BOB)
    messages = [said(room) for _ in range(3)]
    await house.put(*created, *messages)
    await house.move_receipts(read(room, messages[2], kind="m.read.private"))
    since = (await house.sync(BOB))["next_batch"]

    await house.move_receipts(read(room, messages[0]))

    assert counts(await house.sync(BOB, since), room) == (0, 0)
    assert counts(await house.sync(BOB), room) == (0, 0)


async def test_others_receipts_change_nothing(house: House) -> None:
    room = Room()
    created = room.created(BOB, CHARLIE)
    message = said(room)
    await house.put(*created, message)
    since = (await house.sync(BOB))["next_batch"]

    await house.move_receipts(read(room, message, by=CHARLIE))

    assert counts(await house.sync(BOB, since), room) == (1, 0)


async def test_threads_are_counted_apart_for_those_who_ask(house: House) -> None:
    room = Room()
    created = room.created(BOB)
    root, other = said(room), said(room)
    reply = said(room, **in_thread(root))
    named = said(room, **in_thread(root), **mentioning(BOB))
    aside = said(room, kind="m.room.encrypted", **related("m.reference", reply))
    await house.put(*created, root, other, reply, named)
    await house.put(aside)

    apart, together = await house.sync(BOB, filter=THREADS), await house.sync(BOB)

    assert counts(apart, room) == (2, 0)
    assert threads(apart, room) == {root.event_id: (3, 1)}
    assert counts(together, room) == (5, 1)
    assert threads(together, room) == {}


@pytest.mark.parametrize(
    ("thread", "main", "in_thread_left"),
    [("main", 0, 1), ("root", 2, 0), (None, 0, 0)],
)
async def test_a_receipt_reads_its_thread_alone_or_all(
    house: House, thread: str | None, main: int, in_thread_left: int
) -> None:
    room = Room()
    created = room.created(BOB)
    root = said(room)
    reply, last = said(room, **in_thread(root)), said(room)
    await house.put(*created, root, reply, last)
    since = (await house.sync(BOB, filter=THREADS))["next_batch"]

    thread_id = root.event_id if thread == "root" else thread
    await house.move_receipts(read(room, reply if thread == "root" else last, thread_id=thread_id))
    warm = await house.sync(BOB, since, filter=THREADS)

    for answer in (warm, await house.sync("@bob:xylem.test/NEW", filter=THREADS)):
        assert counts(answer, room) == (main, 0)
        expected = {root.event_id: (in_thread_left, 0)} if in_thread_left else {}
        assert threads(answer, room) == expected


@pytest.mark.parametrize(("level", "highlights"), [(50, 1), (51, 0)])
async def test_the_room_is_mentioned_by_those_who_may(
    house: House, level: int, highlights: int
) -> None:
    room = Room()
    levels = {"users": {CHARLIE: 50}, "notifications": {"room": level}}
    created = [*room.created(BOB, CHARLIE), room.state_event("m.room.power_levels", levels)]
    await house.put(*created)
    since = (await house.sync(BOB))["next_batch"]

    await house.put(said(room, by=CHARLIE, **mentioning(room=True)))
    warm = await house.sync(BOB, since)
    await house.put(room.state_event("m.room.power_levels", {"users": {}}))

    assert counts(warm, room) == (1, highlights)
    assert counts(await house.sync(ALICE), room) == (1, highlights)
    assert counts(await house.sync("@bob:xylem.test/NEW"), room) == (1, highlights)


async def test_a_muted_room_tells_at_once_that_nothing_counts_any_more(house: House) -> None:
    room, other = Room(), Room("other")
    await house.put(*room.created(BOB), said(room), *other.created(BOB), said(other))
    since = (await house.sync(BOB))["next_batch"]
    condition = {"kind": "event_match", "key": "room_id", "pattern": room.room_id}

    rule = {"rule_id": room.room_id, "conditions": [condition], "actions": []}
    await set_rules(house, override=[rule])
    muted = await house.sync(BOB, since)
    await house.put(said(room), said(other))
    later = await house.sync(BOB, muted["next_batch"])
    await set_rules(house)
    loud = await house.sync(BOB, later["next_batch"])

    assert counts(muted, room) == (0, 0)
    assert (counts(later, room), counts(later, other)) == ((0, 0), (2, 0))
    assert (counts(loud, room), counts(loud, other)) == ((2, 0), (2, 0))


async def test_keywords_highlight(house: House) -> None:
    room = Room()
    loud = ["notify", {"set_tweak": "highlight"}]
    await set_rules(house, content=[{"rule_id": "cake", "pattern": "cake", "actions": loud}])
    await house.put(*room.created(BOB), said(room, "there is cake"), said(room, "no cakes"))

    first = await house.sync(BOB)
    await house.put(said(room, "Cake?"))

    assert counts(first, room) == (2, 1)
    assert counts(await house.sync(BOB, first["next_batch"]), room) == (3, 2)


async def test_display_names_highlight_for_who_has_such_a_rule(house: House) -> None:
    room = Room()
    loud = ["notify", {"set_tweak": "highlight"}]
    named = {"rule_id": "me", "conditions": [{"kind": "contains_display_name"}], "actions": loud}
    await set_rules(house, override=[named])
    await house.put(*room.created(), room.member(BOB, "join", displayname="Bobby"))
    await house.put(said(room, "hi bobby"), said(room, "hi Robert"))

    first = await house.sync(BOB)
    await house.put(room.member(BOB, "join", displayname="Robert"))
    renamed = await house.sync(BOB, first["next_batch"])

    assert counts(first, room) == (2, 1)
    assert counts(renamed, room) == (2, 1)
    await house.put(said(room, "robert!"))
    assert counts(await house.sync(BOB, renamed["next_batch"]), room) == (3, 2)


async def test_a_room_of_two_may_count_where_others_do_not(house: House) -> None:
    room = Room()
    rules = default_push_rules(BOB)
    for rule in rules["global"]["underride"]:
        if rule["rule_id"] == ".m.rule.message":
            rule["actions"] = []
    await house.put_account_data(BOB, "m.push_rules", rules)
    await house.put(*room.created(BOB), said(room))

    two = await house.sync(BOB)
    again = await house.sync(BOB, two["next_batch"])
    await house.put(room.member(CHARLIE, "join"))
    three = await house.sync(BOB, two["next_batch"])

    assert counts(two, room) == (1, 0)
    assert not is_told(again, room)
    assert counts(three, room) == (0, 0)


async def test_redacted_messages_do_not_count(house: House) -> None:
    room = Room()
    created = room.created(BOB)
    message, mine = said(room, **mentioning(BOB)), said(room)
    await house.put(*created, message, mine)
    since = (await house.sync(BOB))["next_batch"]

    await house.put(*room.redacted(message))

    answer = await house.sync(BOB, since)
    assert counts(answer, room) == (1, 0)
    assert counts(await house.sync("@bob:xylem.test/NEW"), room) == (1, 0)


async def test_a_redaction_that_takes_effect_later_tells_the_new_count(house: House) -> None:
    room = Room()
    created = room.created(BOB)
    message = said(room)
    redaction, applied = room.redacted(message)
    await house.put(*created, message, redaction)
    since = (await house.sync(BOB))["next_batch"]

    await house.put(applied)

    assert counts(await house.sync(BOB, since), room) == (0, 0)


async def test_a_message_that_the_filter_hides_brings_its_count(house: House) -> None:
    room = Room()
    hiding = {"room": {"timeline": {"not_types": ["m.room.message"]}}}
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB, filter=hiding))["next_batch"]

    await house.put(said(room))
    answer = await house.sync(BOB, since, filter=hiding)
    await house.put(said(room, kind="m.reaction"))

    assert counts(answer, room) == (1, 0)
    assert answer["rooms"]["join"][room.room_id]["timeline"]["events"] == []
    quieter: dict[str, Any] = {"room": {"timeline": {"types": []}}}
    quiet = await house.sync(BOB, answer["next_batch"], filter=quieter)
    assert not is_told(quiet, room)


async def test_ones_own_message_has_marked_as_read_even_if_it_is_redacted(house: House) -> None:
    room = Room()
    created = room.created(BOB)
    message, mine = said(room), said(room, by=BOB)
    await house.put(*created, message, mine, *room.redacted(mine), said(room))

    assert counts(await house.sync(BOB), room) == (1, 0)


async def test_messages_of_ignored_users_do_not_count(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE), said(room, by=CHARLIE), said(room))
    since = (await house.sync(BOB))["next_batch"]

    await house.put_account_data(BOB, "m.ignored_user_list", {"ignored_users": {CHARLIE: {}}})
    ignoring = await house.sync(BOB, since)
    await house.put(said(room, by=CHARLIE), said(room))

    assert counts(ignoring, room) == (1, 0)
    assert counts(await house.sync(BOB, ignoring["next_batch"]), room) == (2, 0)


async def test_what_was_said_before_the_last_join_does_not_count(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB), said(room), room.member(BOB, "leave"), said(room))
    await house.put(room.member(BOB, "join"), said(room))

    assert counts(await house.sync(BOB), room) == (1, 0)


async def test_a_receipt_for_an_event_that_comes_later_counts_then(house: House) -> None:
    room = Room()
    created = room.created(BOB)
    message, last = said(room), said(room)
    await house.put(*created, message)
    await house.move_receipts(read(room, last))
    first = await house.sync(BOB)

    await house.put(last)

    assert counts(first, room) == (1, 0)
    assert counts(await house.sync(BOB, first["next_batch"]), room) == (0, 0)


SMALL = SyncApiSettings(unread_window=10)


async def test_a_mention_before_all_that_is_remembered_still_highlights(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    created = room.created(BOB)
    first = said(room, **mentioning(BOB, CHARLIE))
    root = said(room)
    async with running_house(tmp_path, database_url) as house:
        await house.put(*created, first, root)
        await house.put(*(said(room) for _ in range(598)))
        before = await house.sync(BOB, filter=THREADS)
        await house.put(*(said(room, **in_thread(root)) for _ in range(600)))
        warm = await house.sync(BOB, before["next_batch"], filter=THREADS)
        cold = await house.sync(f"{BOB}/NEW")
        middle = said(room)
        await house.put(middle, said(room))
        await house.move_receipts(read(room, middle))
        rest = await house.sync(BOB, warm["next_batch"], filter=THREADS)

    assert counts(before, room) == (600, 1)
    assert counts(warm, room) == (600, 1)
    assert threads(warm, room) == {root.event_id: (600, 0)}
    assert counts(cold, room) == (1_200, 1)
    assert counts(rest, room) == (1, 0)
    assert threads(rest, room) == {}


async def test_with_rules_that_look_into_events_the_newest_are_counted(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    loud = ["notify", {"set_tweak": "highlight"}]
    async with running_house(tmp_path, database_url, SMALL) as house:
        await set_rules(house, content=[{"rule_id": "cake", "pattern": "cake", "actions": loud}])
        await house.put(*room.created(BOB), said(room, "cake"))
        await house.put(*(said(room) for _ in range(9)))
        full = await house.sync(BOB)
        await house.put(said(room, by=CHARLIE))
        over = await house.sync(BOB, full["next_batch"])
        anew = await house.sync("@bob:xylem.test/NEW")

    assert counts(full, room) == (10, 1)
    assert counts(over, room) == (10, 0)
    assert counts(anew, room) == (10, 0)


async def test_what_was_read_in_the_middle_of_much_is_left_out(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    created = room.created(BOB, CHARLIE)
    messages = [said(room, **mentioning(BOB)), *(said(room) for _ in range(39))]
    messages[20] = said(room, by=CHARLIE, **mentioning(BOB))
    async with running_house(tmp_path, database_url, SMALL) as house:
        await house.put(*created, *messages)
        since = (await house.sync(BOB))["next_batch"]
        await house.move_receipts(read(room, messages[9]))
        part = await house.sync(BOB, since)
        await house.put_account_data(BOB, "m.ignored_user_list", {"ignored_users": {CHARLIE: {}}})
        ignoring = await house.sync(BOB, part["next_batch"])

    assert counts(part, room) == (30, 1)
    assert counts(ignoring, room) == (29, 0)


async def test_an_event_that_mentions_too_many_mentions_nobody(house: House) -> None:
    room = Room()
    crowd = [f"@user{number}:xylem.test" for number in range(MOST_NAMED)]
    await house.put(*room.created(BOB), said(room, **mentioning(*crowd[1:], BOB)))
    first = await house.sync(BOB)
    await house.put(said(room, **mentioning(*crowd, BOB)))

    assert counts(first, room) == (1, 1)
    assert counts(await house.sync(BOB, first["next_batch"]), room) == (2, 1)
    assert counts(await house.sync(f"{BOB}/NEW"), room) == (2, 1)


@pytest.mark.parametrize("odd", ["@bob:xylem.test\0", "@" + "x" * 300, "", 7, None])
async def test_mentions_of_what_is_no_user_are_passed_over(house: House, odd: Any) -> None:
    room = Room()
    await house.put(*room.created(BOB), said(room, **mentioning(odd, BOB)))

    assert counts(await house.sync(BOB), room) == (1, 1)


async def test_replicas_count_alike(tmp_path: Path, database_url: str) -> None:
    async with two_replicas(tmp_path, database_url, SyncApiSettings()) as (one, other):
        room = one.own_room()
        created = room.created(BOB)
        messages = [said(room), said(room, **mentioning(BOB))]
        await one.put(*created, *messages)
        phone = Client(f"{BOB}/PHONE", one, other)
        await phone.until_seen(room, "hi")
        for _ in range(4):
            last = said(room, "more")
            await one.put(last)
            answers = [await replica.sync(BOB) for replica in (one, other)]
            while not all(
                replica_answer["rooms"]["join"][room.room_id]["timeline"]["events"][-1]["event_id"]
                == last.event_id
                for replica_answer in answers
            ):
                answers = [await replica.sync(BOB) for replica in (one, other)]
            assert counts(answers[0], room) == counts(answers[1], room)
        await one.move_receipts(read(room, messages[1]))
        for replica in (one, other):
            while counts(await replica.sync(BOB), room) != (4, 0):
                pass


async def test_what_is_dear_to_count_is_counted_the_same_elsewhere(house: House) -> None:
    room = Room()
    dear = [
        {"rule_id": str(number), "pattern": "?" * 450 + "cake", "actions": []}
        for number in range(25)
    ]
    loud = ["notify", {"set_tweak": "highlight"}]
    await set_rules(house, content=[*dear, {"rule_id": "cake", "pattern": "c*ke", "actions": loud}])
    await house.put(*room.created(BOB))
    token = (await house.sync(BOB))["next_batch"]

    told = []
    for _ in range(2):
        await house.put(*(said(room, "cake " + "x" * 2000) for _ in range(20)))
        answer = await house.sync(BOB, token)
        token = answer["next_batch"]
        told.append(counts(answer, room))

    assert told == [(20, 20), (40, 40)]
    assert counts(await house.sync("@bob:xylem.test/NEW"), room) == (40, 40)


async def test_many_rules_for_many_rooms_hold_in_each_of_them(house: House) -> None:
    rooms = [Room(f"room{number}") for number in range(60)]
    muted = [room.room_id for room in rooms[:30]] + [
        f"!elsewhere{one}:xylem.test" for one in range(70)
    ]
    await set_rules(house, room=[{"rule_id": room_id, "actions": []} for room_id in muted])
    for room in rooms:
        await house.put(*room.created(BOB), said(room))

    answer = await house.sync(BOB)

    assert [counts(answer, room) for room in rooms] == [(0, 0)] * 30 + [(1, 0)] * 30

"""What is bundled with events of those that relate to them, where, and for whom."""

from typing import Any
from urllib.parse import quote

import pytest

from logs.records.room_input import Transaction
from tests.component.syncapi.relating import (
    bundle,
    child,
    edit,
    old_child,
    reaction,
    related,
    relates_to,
    reply,
    threads,
)
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, NOW_MS, House, Room, bodies


async def ignore(house: House, user_id: str, *ignored: str) -> None:
    """Let a user ignore others."""
    content: dict[str, Any] = {"ignored_users": {one: {} for one in ignored}}
    await house.put_account_data(user_id, "m.ignored_user_list", content)
    await house.projected()


async def test_the_latest_edit_is_bundled_until_it_is_redacted(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    original = room.message("original")
    first, last = edit(room, original, "first"), edit(room, original, "last")
    await house.put(*records, original, first, last)

    shown = (await bundle(house, BOB, room, original))["m.replace"]
    assert shown["event_id"] == last.event_id
    assert shown["room_id"] == room.room_id
    assert shown["sender"] == ALICE
    assert shown["origin_server_ts"] < NOW_MS
    await house.put(*room.redacted(last))
    assert (await bundle(house, BOB, room, original))["m.replace"]["event_id"] == first.event_id
    await house.put(*room.redacted(first))
    assert await bundle(house, BOB, room, original) == {}


async def test_edits_are_ordered_by_time_then_by_event_id(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    original = room.message("original")
    newest = edit(room, original, "newest")
    older = old_child(room, original, "m.replace")
    await house.put(*records, original, newest)
    room.rewind(3)
    late = edit(room, original, "came last, sent first")
    await house.put(late, older)
    assert (await bundle(house, BOB, room, original))["m.replace"]["event_id"] == newest.event_id

    room.rewind(-100)
    twins = []
    for body in ("a", "b", "c", "d"):
        twins.append(edit(room, original, body))
        room.rewind(1)
    await house.put(*twins)
    greatest = max(twin.event_id for twin in twins)
    assert (await bundle(house, BOB, room, original))["m.replace"]["event_id"] == greatest


async def test_what_is_no_valid_edit_is_not_bundled(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    original = room.message("original")
    other_kind = edit(room, original, "type", kind="m.room.notice")
    without = child(room, original, "m.replace", "without")
    new_content: dict[str, Any] = {"m.new_content": "x"}
    not_an_object = child(room, original, "m.replace", "x", **new_content)
    as_state = edit(room, original, "state", kind="m.room.message", state_key="")
    by_bob = edit(room, original, "by bob", sender=BOB)
    elsewhere = Room("other")
    astray = [*elsewhere.created(BOB), edit(elsewhere, original, "astray")]
    await house.put(*records, original, other_kind, without, not_an_object, as_state, by_bob)
    await house.put(*astray)
    assert await bundle(house, BOB, room, original) == {}

    good = edit(room, original, "good")
    of_edit = edit(room, good, "of an edit")
    await house.put(good, of_edit)
    assert (await bundle(house, BOB, room, original))["m.replace"]["event_id"] == good.event_id
    assert await bundle(house, BOB, room, good) == {}


async def test_state_events_have_no_bundles(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    topic = room.state_event("m.room.topic", {"topic": "a"})
    await house.put(*records, topic, child(room, topic, "m.reference"), reply(room, topic, "x"))

    assert await bundle(house, BOB, room, topic) == {}


async def test_an_encrypted_edit_hides_what_it_replaces_with(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    secret = room.added(room.build("m.room.encrypted", {"ciphertext": "a"}))
    newer = child(room, secret, "m.replace", kind="m.room.encrypted", ciphertext="b")
    plain = edit(room, secret, "plain")
    await house.put(*records, secret, newer, plain)

    assert (await bundle(house, BOB, room, secret))["m.replace"]["event_id"] == newer.event_id


async def test_a_redacted_event_keeps_all_bundles_but_its_edits(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    original = room.message("original")
    await house.put(
        *records,
        original,
        edit(room, original, "edit"),
        reply(room, original, "reply"),
        child(room, original, "m.reference"),
    )
    await house.put(*room.redacted(original))

    assert set(await bundle(house, BOB, room, original)) == {"m.thread", "m.reference"}


async def test_references_are_listed_the_newest_hundred_of_them(house: House) -> None:
    room = Room()
    records = room.created(BOB, CHARLIE)
    event, other = room.message("event"), room.message("other")
    references = [child(room, event, "m.reference") for _ in range(101)]
    by_charlie = child(room, other, "m.reference", sender=CHARLIE)
    by_alice = child(room, other, "m.reference")
    await house.put(*records, event, other, *references, by_charlie, by_alice)
    await ignore(house, BOB, CHARLIE)

    chunk = [{"event_id": one.event_id} for one in references[1:]]
    assert await bundle(house, BOB, room, event) == {"m.reference": {"chunk": chunk}}
    assert await bundle(house, BOB, room, other) == {
        "m.reference": {"chunk": [{"event_id": by_alice.event_id}]}
    }


async def test_a_thread_is_told_with_its_last_event_and_that_ones_bundles(house: House) -> None:
    room = Room()
    records = room.created(BOB, CHARLIE)
    root = room.message("root")
    first, last = reply(room, root, "1", sender=BOB), reply(room, root, "2")
    better, reference = edit(room, last, "better"), child(room, last, "m.reference")
    await house.put(*records, root, first, last, better, reference, reaction(room, last, "+"))

    thread = (await bundle(house, BOB, room, root))["m.thread"]
    assert (thread["count"], thread["current_user_participated"]) == (2, True)
    latest = thread["latest_event"]
    assert (latest["event_id"], latest["room_id"]) == (last.event_id, room.room_id)
    assert latest["unsigned"]["m.relations"]["m.replace"]["event_id"] == better.event_id
    assert latest["unsigned"]["m.relations"]["m.reference"] == {
        "chunk": [{"event_id": reference.event_id}]
    }
    charlies = (await bundle(house, CHARLIE, room, root))["m.thread"]
    assert not charlies["current_user_participated"]
    assert (await bundle(house, ALICE, room, root))["m.thread"]["current_user_participated"]


async def test_a_thread_follows_redactions_of_its_events(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    one, two, three = (reply(room, root, body, sender=BOB) for body in "123")
    await house.put(*records, root, one, two, three)
    await house.put(*room.redacted(three), *room.redacted(one))

    thread = (await bundle(house, BOB, room, root))["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, two.event_id)
    await house.put(*room.redacted(two))
    assert await bundle(house, BOB, room, root) == {}
    assert (await threads(house, BOB, room))["chunk"] == []
    await house.put(reply(room, root, "again"))
    thread = (await bundle(house, BOB, room, root))["m.thread"]
    assert (thread["count"], thread["current_user_participated"]) == (1, False)


async def test_no_thread_begins_at_an_event_that_relates_to_another(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    inside, note = reply(room, root, "inside"), child(room, root, "m.reference", "note")
    answer = room.added(
        room.build(
            "m.room.message",
            {"body": "a", "m.relates_to": {"m.in_reply_to": {"event_id": root.event_id}}},
        )
    )
    nested = [reply(room, inside, "x"), reply(room, note, "x"), reply(room, answer, "x")]
    await house.put(*records, root, inside, note, answer, *nested)

    assert await bundle(house, BOB, room, inside) == {}
    assert await bundle(house, BOB, room, note) == {}
    assert set(await bundle(house, BOB, room, answer)) == {"m.thread"}


async def test_what_ignored_users_sent_is_in_no_bundle(house: House) -> None:
    room = Room()
    records = room.created(BOB, CHARLIE)
    root, other = room.message("root"), room.message("other")
    mine = reply(room, root, "mine")
    theirs = [reply(room, root, "no", sender=CHARLIE) for _ in range(3)]
    await house.put(*records, root, other, mine, *theirs, reply(room, other, "no", sender=CHARLIE))
    await ignore(house, BOB, CHARLIE, "@nobody:xylem.test")

    thread = (await bundle(house, BOB, room, root))["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, mine.event_id)
    assert await bundle(house, BOB, room, other) == {}
    assert (await bundle(house, ALICE, room, root))["m.thread"]["count"] == 4


async def test_what_a_reader_may_not_see_is_in_no_bundle(house: House) -> None:
    room = Room()
    records = room.created(BOB, visibility="joined")
    root = room.message("root")
    before = [
        edit(room, root, "seen"),
        reply(room, root, "seen"),
        child(room, root, "m.reference"),
    ]
    away = [
        room.member(BOB, "leave"),
        edit(room, root, "hidden"),
        reply(room, root, "hidden"),
        child(room, root, "m.reference"),
    ]
    await house.put(*records, root, *before, *away)
    seen = {
        "m.replace": before[0].event_id,
        "m.thread": (1, before[1].event_id),
        "m.reference": {"chunk": [{"event_id": before[2].event_id}]},
    }

    assert _ids(await bundle(house, BOB, room, root)) == seen
    await house.put(room.member(BOB, "join"))
    assert _ids(await bundle(house, BOB, room, root)) == seen
    after = reply(room, root, "after")
    await house.put(after)
    assert _ids(await bundle(house, BOB, room, root))["m.thread"] == (2, after.event_id)
    assert (await bundle(house, ALICE, room, root))["m.thread"]["count"] == 3


def _ids(relations: dict[str, Any]) -> dict[str, Any]:
    thread = relations["m.thread"]
    return {
        "m.replace": relations["m.replace"]["event_id"],
        "m.thread": (thread["count"], thread["latest_event"]["event_id"]),
        "m.reference": relations["m.reference"],
    }


async def test_those_who_join_later_see_the_bundles_of_a_shared_past(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    await house.put(*records, root, reply(room, root, "a"), edit(room, root, "b"))
    await house.put(room.member(CHARLIE, "join"))

    assert set(await bundle(house, CHARLIE, room, root)) == {"m.thread", "m.replace"}


async def test_all_endpoints_that_shall_have_bundles_have_them(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    around = [room.message(str(number)) for number in range(3)]
    one = reply(room, root, "1")
    await house.put(*records, root, one, edit(room, one, "better"), *around)

    def is_bundled(events: list[dict[str, Any]]) -> bool:
        [found] = [event for event in events if event["event_id"] == one.event_id]
        return "m.replace" in found["unsigned"].get("m.relations", {})

    messages = (await house.room(BOB, room, "messages", dir="b")).json
    assert is_bundled(messages["chunk"])
    context = (await house.room(BOB, room, f"context/{quote(around[0].event_id)}")).json
    assert is_bundled(context["events_before"])
    context = (await house.room(BOB, room, f"context/{quote(one.event_id)}")).json
    assert is_bundled([context["event"]])
    assert is_bundled((await related(house, BOB, room, root))["chunk"])
    [listed] = (await threads(house, BOB, room))["chunk"]
    assert is_bundled([listed["unsigned"]["m.relations"]["m.thread"]["latest_event"]])
    synced = await house.sync(BOB, filter={"room": {"timeline": {"limit": 5}}})
    timeline = synced["rooms"]["join"][room.room_id]["timeline"]
    assert (timeline["limited"], is_bundled(timeline["events"])) == (True, True)
    assert all("m.relations" not in event.get("unsigned", {}) for event in context["state"])


async def test_a_sync_with_all_that_came_bundles_nothing(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    root = room.message("root")
    await house.put(root, reply(room, root, "1"))

    synced = await house.sync(BOB, since)
    timeline = synced["rooms"]["join"][room.room_id]["timeline"]
    assert (timeline["limited"], bodies(timeline["events"])) == (False, ["root", "1"])
    assert all("m.relations" not in event["unsigned"] for event in timeline["events"])
    limited = await house.sync(BOB, since, filter={"room": {"timeline": {"limit": 1}}})
    assert limited["rooms"]["join"][room.room_id]["timeline"]["limited"]


async def test_the_sender_knows_a_bundled_event_by_its_transaction(house: House) -> None:
    room = Room()
    records = room.created(BOB)
    root = room.message("root")
    content = {"body": "x", "m.relates_to": relates_to(root, "m.thread")}
    sent = room.build("m.room.message", content, sender=BOB)
    transaction = Transaction(BOB, "PHONE", "t1")
    await house.put(*records, root, room.added(sent, transaction=transaction))

    thread = (await bundle(house, BOB, room, root))["m.thread"]
    assert thread["latest_event"]["unsigned"]["transaction_id"] == "t1"
    assert thread["latest_event"]["unsigned"]["membership"] == "join"
    other = (await bundle(house, f"{BOB}/LAPTOP", room, root))["m.thread"]
    assert "transaction_id" not in other["latest_event"]["unsigned"]


@pytest.mark.parametrize("count", [3, 30])
async def test_pages_with_many_parents_have_all_their_bundles(house: House, count: int) -> None:
    room = Room()
    records = room.created(BOB)
    parents = [room.message(str(number)) for number in range(count)]
    children = [
        record
        for parent in parents
        for record in (reply(room, parent, "r"), edit(room, parent, "e"))
    ]
    await house.put(*records, *parents, *children)

    page = (await house.room(BOB, room, "messages", dir="f", limit=1000)).json["chunk"]
    of_parents = {event["event_id"]: event["unsigned"].get("m.relations", {}) for event in page}
    assert [set(of_parents[parent.event_id]) for parent in parents] == [
        {"m.thread", "m.replace"}
    ] * count

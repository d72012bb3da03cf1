"""Aggregations of any history are what one finds by going through all of its events."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from logs.records.room_output import EventAdded, OutputRoomEvent
from tests.component.syncapi.relating import bundle, child, edit, related, reply, threads
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room

USERS = (ALICE, BOB, CHARLIE)
DEPTH = 3


class Happened(NamedTuple):
    """A history as a test remembers it: events in their order, and which are redacted."""

    events: list[EventAdded]
    parents: dict[str, tuple[str, str]]
    """By child the relation and the parent."""
    senders: dict[str, str]
    ranks: dict[str, tuple[int, str]]


def history(room: Room, dice: random.Random, steps: int) -> tuple[list[OutputRoomEvent], Happened]:
    """Return the records of a random history, and what it leaves."""
    records: list[OutputRoomEvent] = []
    happened = Happened([], {}, {}, {})
    for number in range(4):
        sender = dice.choice(USERS)
        root = room.message(f"root {number}", sender=sender)
        records.append(root)
        happened.events.append(root)
        happened.senders[root.event_id] = sender
    for step in range(steps):
        if step % 5 == 4:
            target = dice.choice(happened.events)
            records += room.redacted(target)
            happened.parents.pop(target.event_id, None)
            happened.ranks.pop(target.event_id, None)
            happened.events.remove(target)
            if len(happened.events) < 3:
                break
            continue
        parent, sender = dice.choice(happened.events), dice.choice(USERS)
        # Later ones may say that they were sent earlier.
        room.rewind(dice.randrange(-3, 4))
        kind = dice.choice(["m.thread", "m.replace", "m.reference", "m.annotation"])
        if kind == "m.replace":
            event = edit(room, parent, str(step), sender=sender)
        elif kind == "m.thread":
            event = reply(room, parent, str(step), sender=sender)
        else:
            event = child(room, parent, kind, str(step), sender=sender)
        records.append(event)
        happened.events.append(event)
        happened.parents[event.event_id] = (kind, parent.event_id)
        happened.senders[event.event_id] = sender
        latest = room.latest
        assert latest is not None
        happened.ranks[event.event_id] = (latest.origin_server_ts, event.event_id)
    return records, happened


def children(happened: Happened, parent: str, kind: str) -> list[str]:
    """Return those of the events that relate to one so, in their order."""
    return [
        event.event_id
        for event in happened.events
        if happened.parents.get(event.event_id) == (kind, parent)
    ]


def expected_bundle(happened: Happened, event_id: str, reader: str) -> dict[str, Any]:
    """Return what a reader is to be told of an event."""
    found: dict[str, Any] = {}
    own = happened.parents.get(event_id, ("", ""))[0]
    is_there = any(event.event_id == event_id for event in happened.events)
    edits = [
        one
        for one in children(happened, event_id, "m.replace")
        if happened.senders[one] == happened.senders[event_id]
    ]
    if edits and own != "m.replace" and is_there:
        found["m.replace"] = max(edits, key=lambda one: happened.ranks[one])
    references = children(happened, event_id, "m.reference")
    if references:
        found["m.reference"] = references
    replies = children(happened, event_id, "m.thread")
    if replies and not own:
        senders = {happened.senders[one] for one in [*replies, event_id]}
        found["m.thread"] = (len(replies), replies[-1], reader in senders)
    return found


def told(relations: dict[str, Any]) -> dict[str, Any]:
    """Return a bundle in the same form."""
    found: dict[str, Any] = {}
    if "m.replace" in relations:
        found["m.replace"] = relations["m.replace"]["event_id"]
    if "m.reference" in relations:
        found["m.reference"] = [one["event_id"] for one in relations["m.reference"]["chunk"]]
    if "m.thread" in relations:
        thread = relations["m.thread"]
        latest = thread["latest_event"]["event_id"]
        found["m.thread"] = (thread["count"], latest, thread["current_user_participated"])
    return found


def descendants(happened: Happened, event_id: str) -> list[str]:
    """Return what relates to an event at most three deep, newest first."""
    found: set[str] = set()
    level = {event_id}
    for _ in range(DEPTH):
        level = {one for one, (_, parent) in happened.parents.items() if parent in level}
        found |= level
    order = [event.event_id for event in happened.events]
    return sorted(found, key=order.index, reverse=True)


def parts(records: Sequence[OutputRoomEvent], dice: random.Random) -> list[list[OutputRoomEvent]]:
    """Return the records cut into batches of any size."""
    cut: list[list[OutputRoomEvent]] = [[]]
    for record in records:
        if dice.random() < 0.2:
            cut.append([])
        cut[-1].append(record)
    return [part for part in cut if part]


@pytest.mark.parametrize("seed", range(6))
async def test_any_history_is_told_as_it_was(house: House, seed: int) -> None:
    dice = random.Random(seed)
    room = Room()
    await house.put(*room.created(BOB, CHARLIE))
    records, happened = history(room, dice, 60)
    all_events = [record for record in records if isinstance(record, EventAdded)]
    for part in parts(records, dice):
        await house.put(*part)
        await house.projected()

    for event in all_events:
        if event.event_id not in happened.senders:
            continue  # a redaction
        found = told(await bundle(house, BOB, room, event))
        assert found == expected_bundle(happened, event.event_id, BOB), event.event_id
        page = await related(house, BOB, room, event, recurse=True, limit=100)
        ids = [one["event_id"] for one in page["chunk"]]
        assert ids == descendants(happened, event.event_id)
    order = [event.event_id for event in all_events]
    last: dict[str, int] = {}
    for event_id in happened.senders:
        thread = expected_bundle(happened, event_id, BOB).get("m.thread")
        if thread is not None:
            last[event_id] = order.index(thread[1])
    listed = (await threads(house, BOB, room, limit=100))["chunk"]
    ids = [event["event_id"] for event in listed]
    assert ids == sorted(last, key=lambda one: last[one], reverse=True)

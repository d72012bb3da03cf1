"""Events that relate to others, for the tests of relations."""

from typing import Any
from urllib.parse import quote

from logs.records.room_input import Transaction
from logs.records.room_output import EventAdded, OldEventAdded
from matrix.identifiers import UserID
from tests.component.syncapi.story import ALICE, VERSION, House, Room

Known = EventAdded | OldEventAdded


def relates_to(parent: Known | str, rel_type: str, **more: Any) -> dict[str, Any]:
    """Return the value of `m.relates_to`."""
    event_id = parent if isinstance(parent, str) else parent.event_id
    return {"rel_type": rel_type, "event_id": event_id, **more}


def child(
    room: Room,
    parent: Known | str,
    rel_type: str,
    body: str = "child",
    *,
    sender: UserID = ALICE,
    kind: str = "m.room.message",
    state_key: str | None = None,
    **content: Any,
) -> EventAdded:
    """Return the record of an event that relates to another."""
    relation = relates_to(parent, rel_type)
    whole = {"body": body, "m.relates_to": relation, **content}
    return room.added(room.build(kind, whole, sender=sender, state_key=state_key))


def old_child(room: Room, parent: Known | str, rel_type: str, body: str = "old") -> OldEventAdded:
    """Return the record of a backfilled event that relates to another."""
    event = room.build(
        "m.room.message", {"body": body, "m.relates_to": relates_to(parent, rel_type)}
    )
    return OldEventAdded(
        room.room_id, event.event_id, VERSION.identifier, event.raw, room.visibility
    )


def reply(room: Room, root: Known, body: str, *, sender: UserID = ALICE) -> EventAdded:
    """Return the record of an event in a thread."""
    return child(room, root, "m.thread", body, sender=sender)


def edit(
    room: Room, original: Known, body: str, *, sender: UserID = ALICE, **content: Any
) -> EventAdded:
    """Return the record of an edit."""
    content.setdefault("m.new_content", {"body": body})
    return child(room, original, "m.replace", f"* {body}", sender=sender, **content)


def reaction(
    room: Room,
    target: Known,
    key: str,
    *,
    sender: UserID = ALICE,
    transaction: Transaction | None = None,
) -> EventAdded:
    """Return the record of a reaction."""
    content = {"m.relates_to": relates_to(target, "m.annotation", key=key)}
    event = room.build("m.reaction", content, sender=sender)
    return room.added(event, transaction=transaction)


async def related(
    house: House, token: str, room: Room, parent: Known | str, *kinds: str, **query: Any
) -> dict[str, Any]:
    """Return a page of what relates to an event."""
    event_id = parent if isinstance(parent, str) else parent.event_id
    path = "/".join(["relations", quote(event_id, safe=""), *kinds])
    answer = await house.room(token, room, path, version="v1", **query)
    assert answer.status == 200, answer
    page: dict[str, Any] = answer.json
    return page


async def bundle(house: House, token: str, room: Room, event: Known) -> dict[str, Any]:
    """Return what is bundled with an event when it is asked for alone."""
    answer = await house.room(token, room, f"event/{quote(event.event_id)}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json["unsigned"].get("m.relations", {})
    return found


async def threads(house: House, token: str, room: Room, **query: Any) -> dict[str, Any]:
    """Return a page of the room's threads."""
    answer = await house.room(token, room, "threads", version="v1", **query)
    assert answer.status == 200, answer
    page: dict[str, Any] = answer.json
    return page

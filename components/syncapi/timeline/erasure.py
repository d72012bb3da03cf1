"""What readers see of users who had themselves erased (client-server API, `deactivateAccount`).

Who saw an event before its sender was erased goes on seeing it; all others see it redacted.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
import orjson

from base.database import Connection
from components.syncapi.room_event import (
    RoomEvent,
    StateEntry,
    previous_sender,
    with_prev_content,
)
from components.syncapi.store.erasures import select_erasures
from components.syncapi.store.state import select_entry_now
from components.syncapi.timeline.rendering import content_of, with_known_past
from components.syncapi.timeline.visibility import Viewer
from matrix.canonical import decode_json
from matrix.redaction import redact_content
from matrix.room_versions import RoomVersion, room_version

State = TypeVar("State", RoomEvent, StateEntry)

_NEVER_HIDDEN: Final = frozenset({"m.room.encryption"})
"""Without it, clients of newcomers would send in the clear."""
_OF_THE_ROOM: Final = _NEVER_HIDDEN | {
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.create",
    "m.room.guest_access",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.name",
    "m.room.pinned_events",
    "m.room.power_levels",
    "m.room.server_acl",
    "m.room.tombstone",
    "m.room.topic",
    "m.space.child",
    "m.space.parent",
}


def with_erasures(
    connection: Connection, room_id: str, events: Sequence[RoomEvent], viewer: Viewer
) -> list[RoomEvent]:
    """Return events of one room as this viewer sees them, those of erased users redacted."""
    missed = [event for event in events if not viewer.was_there(event)]
    authors = {event.sender for event in missed} | {previous_sender(event) for event in missed}
    erased = select_erasures(connection, room_id, [one for one in authors if one is not None])
    if not erased:
        return list(events)
    version = _version_of(connection, room_id)
    before = {user_id: viewer.before(place) for user_id, place in erased.items()}

    def is_hidden(author: str | None, event: RoomEvent) -> bool:
        return (
            author in erased
            and event.type not in _NEVER_HIDDEN
            and not viewer.was_there(event)
            and not (before[author].ever_joined and before[author].sees(event))
        )

    return [
        _redacted(event, version)
        if is_hidden(event.sender, event)
        else _without_erased_past(event, version)
        if is_hidden(previous_sender(event), event)
        else event
        for event in events
    ]


def state_with_erasures(
    connection: Connection, room_id: str, events: Sequence[State], viewer: Viewer
) -> list[State]:
    """Return events of the state as this viewer is given them, with the past that they know.

    Of erased users those who came later get no name and picture, nor what else is no part of what
    a room is. Its name, topic and the like stay: they are the room's, whoever set them.
    """
    events = with_known_past(events, viewer)
    missed = {
        event.sender
        for event in events
        if event.type not in _OF_THE_ROOM and not _was_there(viewer, event)
    }
    erased = select_erasures(connection, room_id, missed)
    if not erased:
        return events
    version = _version_of(connection, room_id)
    strangers = {
        user_id for user_id, place in erased.items() if not viewer.before(place).ever_joined
    }
    return [
        _redacted(event, version)
        if event.sender in strangers
        and event.type not in _OF_THE_ROOM
        and not _was_there(viewer, event)
        else event
        for event in events
    ]


def _was_there(viewer: Viewer, event: RoomEvent | StateEntry) -> bool:
    # What was never in the timeline is from before the server was in the room.
    return event.stream_order is not None and viewer.was_there(event)


def as_redacted(connection: Connection, event: RoomEvent) -> RoomEvent:
    """Return an event as a redaction would leave it, for readers who shall see no more of it."""
    return _redacted(event, _version_of(connection, event.room_id))


def _version_of(connection: Connection, room_id: str) -> RoomVersion:
    create = select_entry_now(connection, room_id, "m.room.create", "")
    return room_version("1" if create is None else content_of(create).get("room_version", "1"))


def _redacted(event: State, version: RoomVersion) -> State:
    form = orjson.loads(event.json)
    form["content"] = redact_content(event.type, form["content"], version)
    if not version.redacts_in_content:
        form.pop("redacts", None)
    return msgspec.structs.replace(event, json=orjson.dumps(form), unsigned=b"")


def _without_erased_past(event: RoomEvent, version: RoomVersion) -> RoomEvent:
    """Return a state event that replaced one of an erased user, with that one redacted."""
    content = decode_json(b"{" + event.unsigned + b"}")["prev_content"]
    left = redact_content(event.type, content, version)
    return msgspec.structs.replace(event, unsigned=with_prev_content(event.unsigned, left))

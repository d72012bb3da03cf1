"""Rooms that a user is invited into or has knocked on: stripped state, as far as it is known."""

from typing import Final

import orjson

from base.database import Connection
from components.syncapi.changes import Membership
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.membership import select_invite_state
from components.syncapi.store.state import select_members_now, select_state_now
from components.syncapi.streams.request import SyncRequest

_SHOWN: Final = (
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.create",
    "m.room.encryption",
    "m.room.join_rules",
    "m.room.name",
    "m.room.topic",
)


def select_stripped_state(
    connection: Connection, user_id: str, room_id: str, now: Membership
) -> bytes:
    """Return the stripped state as JSON array: as the invite brought it, or the room's own.

    To what the spec recommends, the member events of the user and of the inviter are added.
    """
    received = select_invite_state(connection, user_id, room_id, now.event_id)
    if received is not None:
        return received
    state = select_state_now(connection, room_id, _SHOWN)
    own = select_members_now(connection, room_id, [user_id])
    # Who invites is shown by name and picture.
    senders = {event.sender for event in own} - {user_id}
    others = select_members_now(connection, room_id, senders) if senders else []
    return orjson.dumps([_stripped(event) for event in [*state, *others, *own]])


def is_ignored_invite(stripped: bytes, request: SyncRequest) -> bool:
    """Whether the stripped state of an invite says that an ignored user sent it."""
    if not request.ignored:
        return False
    return any(
        event.get("sender") in request.ignored
        for event in orjson.loads(stripped)
        if event.get("type") == "m.room.member"
        and event.get("state_key") == request.user_id
        and event["content"].get("membership") == "invite"
    )


def _stripped(event: RoomEvent) -> dict[str, object]:
    full = orjson.loads(event.json)
    return {key: full[key] for key in ("content", "sender", "state_key", "type")}

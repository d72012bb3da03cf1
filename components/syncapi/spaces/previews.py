"""What somebody who may not be in a room is shown of it: its summary, if they may see that."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from base.database import Connection
from components.syncapi.store.previews import (
    select_entries,
    select_joined_counts,
    select_memberships_of_user,
)
from components.syncapi.timeline.rendering import content_of
from matrix.errors import UnsupportedRoomVersion
from matrix.room_versions import RoomVersion, room_version
from matrix.topics import plain_topic

Content = Mapping[str, Any]

_TYPES: Final = (
    "m.room.create",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.name",
    "m.room.topic",
    "m.room.avatar",
    "m.room.canonical_alias",
    "m.room.encryption",
)
_FIRST_VERSION: Final = "1"
"""What a room has whose create event names none."""
_NOTHING: Final[Content] = {}


class Preview(msgspec.Struct, frozen=True):
    """The state of a room that its summary is made of."""

    room_id: str
    state: Mapping[str, Content]
    """Contents by type."""

    def text(self, event_type: str, field: str) -> str | None:
        """Return a text of the state; `None` where it is missing, empty or no text."""
        value = self.state.get(event_type, _NOTHING).get(field)
        return value if isinstance(value, str) and value else None

    @property
    def room_type(self) -> str | None:
        """The type of the room, as for spaces."""
        return self.text("m.room.create", "type")

    @property
    def version(self) -> str:
        """The room version by its identifier."""
        return self.text("m.room.create", "room_version") or _FIRST_VERSION

    @property
    def is_world_readable(self) -> bool:
        """Whether everybody may read the room."""
        return self.text("m.room.history_visibility", "history_visibility") == "world_readable"

    @property
    def join_rule(self) -> str:
        """The join rule, as far as the room's version knows it; otherwise `invite`."""
        rule = self.text("m.room.join_rules", "join_rule") or "invite"
        version = _version(self.version)
        is_known = {
            "knock": version is not None and version.knock,
            "restricted": version is not None and version.restricted_join,
            "knock_restricted": version is not None and version.knock_restricted,
        }.get(rule, True)
        return rule if is_known else "invite"

    @property
    def allowed_room_ids(self) -> list[str]:
        """The rooms whose members can join, where the room is restricted."""
        if self.join_rule not in {"restricted", "knock_restricted"}:
            return []
        allow = self.state.get("m.room.join_rules", _NOTHING).get("allow")
        if not isinstance(allow, list):
            return []
        named = [
            one.get("room_id")
            for one in allow
            if isinstance(one, dict) and one.get("type") == "m.room_membership"
        ]
        return [room_id for room_id in dict.fromkeys(named) if isinstance(room_id, str)]

    def is_open(self) -> bool:
        """Return whether the room shows itself to everybody, also to who is not known."""
        return self.is_world_readable or self.join_rule in {"public", "knock", "knock_restricted"}

    def is_shown_to(self, memberships: Mapping[str, str]) -> bool:
        """Return whether a user with these memberships, by room ID, may see the summary."""
        membership = memberships.get(self.room_id)
        if membership in {"join", "invite"} or self.is_world_readable:
            return True
        if membership == "ban":
            return False
        if self.is_open():
            return True
        return any(memberships.get(room_id) == "join" for room_id in self.allowed_room_ids)

    def summary(self, joined: int) -> dict[str, Any]:
        """Return the summary as clients see it."""
        given = {
            "name": self.text("m.room.name", "name"),
            "topic": plain_topic(self.state.get("m.room.topic", _NOTHING)),
            "canonical_alias": self.text("m.room.canonical_alias", "alias"),
            "avatar_url": self.text("m.room.avatar", "url"),
            "room_type": self.room_type,
            "encryption": self.text("m.room.encryption", "algorithm"),
            "allowed_room_ids": self.allowed_room_ids or None,
        }
        return {
            "room_id": self.room_id,
            "num_joined_members": joined,
            "world_readable": self.is_world_readable,
            "guest_can_join": self.text("m.room.guest_access", "guest_access") == "can_join",
            "join_rule": self.join_rule,
            "room_version": self.version,
            **{name: value for name, value in given.items() if value is not None},
        }


def _version(identifier: str) -> RoomVersion | None:
    try:
        return room_version(identifier)
    except UnsupportedRoomVersion:
        return None


def select_previews(connection: Connection, room_ids: Collection[str]) -> dict[str, Preview]:
    """Return those of the rooms that are known here, by ID."""
    contents: dict[str, dict[str, Content]] = {}
    for event in select_entries(connection, room_ids, _TYPES):
        contents.setdefault(event.room_id, {})[event.type] = content_of(event)
    return {
        room_id: Preview(room_id, state)
        for room_id, state in contents.items()
        if "m.room.create" in state
    }


def read_summary(
    connection: Connection, *, room_id: str, user_id: str | None
) -> dict[str, Any] | None:
    """Return a room's summary as a user sees it, or who is not known; `None` if they may not.

    One who is known hears of their membership, too.
    """
    preview = select_previews(connection, [room_id]).get(room_id)
    if preview is None:
        return None
    memberships = {} if user_id is None else select_memberships_of_user(connection, user_id)
    if not preview.is_shown_to(memberships):
        return None
    summary = preview.summary(select_joined_counts(connection, [room_id]).get(room_id, 0))
    if user_id is not None:
        summary["membership"] = memberships.get(room_id, "leave")
    return summary

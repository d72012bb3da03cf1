"""What is known of a room before the database is asked, and what it gives."""

from collections.abc import Set as AbstractSet

import msgspec

from components.syncapi.changes import Membership
from components.syncapi.room_event import RoomEvent
from components.syncapi.room_summary import Summary


class RoomTask(msgspec.Struct, gc=False):
    """What is known of a room before the database is asked."""

    room_id: str
    now: Membership
    since: int | None
    """The first order of the room that the client has not seen; None where it begins again."""
    upto: int
    known_members: AbstractSet[str]
    """The users whose member events the device has."""
    summary: Summary | None = None
    """The room's summary, where it is in memory."""

    @property
    def begins(self) -> bool:
        """Whether the client begins again with the room."""
        return self.since is None or (
            self.now.membership == "join" and self.now.stream_order >= self.since
        )


class Timeline(msgspec.Struct, gc=False):
    """Events, oldest first; `limited` when there are more in the range before `start`."""

    events: list[RoomEvent]
    limited: bool
    start: int
    end: int
    has_news: bool
    """Whether there are any, or may be in the gap: a client that wants none hears of none."""


class Section(msgspec.Struct, gc=False):
    """A room's part of an answer."""

    json: bytes
    """Without account data and, where the user is joined, unread counts and what is ephemeral."""
    sent_members: list[str] = msgspec.field(default_factory=list)
    """The users whose member events it carries."""
    summary: Summary | None = None
    """The room's summary, where it was looked up."""

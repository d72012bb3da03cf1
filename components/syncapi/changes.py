"""Changes of rooms and of users' data, as the projection writes them and memory learns them."""

from collections.abc import Set as AbstractSet

import msgspec

from components.syncapi.ignoring import IGNORED_USER_LIST, ignored_users
from components.syncapi.room_event import RoomEvent
from logs.records.client_data import (
    AccountDataChanged,
    AccountStatusChanged,
    OutputClientData,
    TokensRevoked,
)


class AppliedChange(msgspec.Struct, gc=False):
    """One change of the current state, at its place in the stream."""

    room_id: str
    stream_order: int
    type: str
    state_key: str
    event_id: str | None
    replaces: str | None


class MembershipChange(msgspec.Struct, gc=False):
    """A user's membership in a room, as an event or an invite from another server set it."""

    user_id: str
    room_id: str
    stream_order: int
    event_id: str
    membership: str | None
    """None where the event is not in the record: it is looked up among the stored ones."""
    is_moved: bool = True
    """False where the user had this membership before, as after a new display name."""


class Membership(msgspec.Struct, gc=False, frozen=True):
    """Where a user stands in a room, and since which place in the stream."""

    membership: str
    stream_order: int
    event_id: str


class AccountDatum(msgspec.Struct, gc=False):
    """Account data of one type, of a room or, where `room_id` is empty, of the user."""

    user_id: str
    room_id: str
    type: str
    stream_order: int
    content: bytes


class RoomNews(msgspec.Struct):
    """What was written and memory has to learn once it is committed."""

    events: list[RoomEvent]
    """New events of timelines."""
    memberships: list[MembershipChange]
    """All changes in the order of the stream, their memberships known."""
    rewritten: list[RoomEvent]
    """Events whose JSON a redaction replaced."""
    next_offset: int
    state_only: list[tuple[str, int]] = msgspec.field(default_factory=list)
    """Rooms whose state changed without an event in the timeline, and where in the stream."""


class ClientDataNews(msgspec.Struct):
    """What memory learns of records of OutputClientData."""

    newest: dict[str, int] = msgspec.field(default_factory=dict)
    """By user the order of the last change of their account data."""
    ignored: dict[str, AbstractSet[str]] = msgspec.field(default_factory=dict)
    """By user whom they ignore from now on."""
    signed_out: set[str] = msgspec.field(default_factory=set)
    """Users some of whose access tokens may be good no longer."""

    def note(self, record: OutputClientData, offset: int) -> None:
        """Take in one record."""
        match record:
            case AccountDataChanged():
                self.newest[record.user_id] = offset
                if record.type == IGNORED_USER_LIST and not record.room_id:
                    ignored = ignored_users(record.user_id, record.content)
                    self.ignored[record.user_id] = ignored
            case TokensRevoked() | AccountStatusChanged():
                self.signed_out.add(record.user_id)
            case _:
                pass

"""Changes of state and of memberships, as the projection writes them and memory learns them."""

import msgspec


class AppliedChange(msgspec.Struct, gc=False):
    """One change of the current state, at its place in the stream."""

    room_id: str
    stream_order: int
    type: str
    state_key: str
    event_id: str | None
    replaces: str | None


class MembershipChange(msgspec.Struct, gc=False):
    """A user's membership in a room, as an event of the room or an invite from afar set it."""

    user_id: str
    room_id: str
    stream_order: int
    event_id: str
    membership: str | None
    """None where the event is not in the record: it is looked up among the stored ones."""


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

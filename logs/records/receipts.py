"""What users have read: the records of InputReceipt and OutputReceipt.

The writer of a receipt asks the room server for the event and puts its place into the record.
So the receipt server decides by what is in the log alone, and a replay decides alike.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class EventPlace(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where an event stands among those of its room.

    Two events are compared by `stream` where both have it, else by `depth`.
    """

    depth: Number
    """As the event has it: others' servers may have chosen it."""
    stream: Number | None = None
    """A number that grows in the order in which the room server added the events. No writer of this
    version gives it."""


class MarkRead(
    msgspec.Struct, frozen=True, tag_field="record", tag="mark", omit_defaults=True, gc=False
):
    """A user, local or remote, has read everything up to an event."""

    room_id: str
    user_id: str
    receipt_type: Literal["m.read", "m.read.private", "m.fully_read"]
    event_id: str
    place: EventPlace
    ts: Number
    """Milliseconds since the Unix epoch: when it was read."""
    thread_id: Annotated[str, Meta(min_length=1)] | None = None
    """The root of the thread that it is about, or `main`; `None` for all of the room."""


InputReceipt = MarkRead


class ReceiptMoved(
    msgspec.Struct, frozen=True, tag_field="record", tag="moved", omit_defaults=True, gc=False
):
    """A receipt stands at a later event now.

    It replaces the one with the same room, user, type and thread (none is a thread of its own),
    and no other. `m.read.private` is for its own user alone.
    """

    room_id: str
    user_id: str
    receipt_type: Literal["m.read", "m.read.private"]
    event_id: str
    ts: int
    thread_id: str | None = None
    place: EventPlace | None = None
    """As the input had it."""


class FullyReadMoved(msgspec.Struct, frozen=True, tag_field="record", tag="fully_read", gc=False):
    """A user's `m.fully_read` marker, account data of the room, stands at a later event now."""

    room_id: str
    user_id: str
    event_id: str


OutputReceipt = ReceiptMoved | FullyReadMoved

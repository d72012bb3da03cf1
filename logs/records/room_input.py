"""What writers ask of the room server: the records of InputRoomEvent."""

from typing import Literal

import msgspec


class Transaction(msgspec.Struct, frozen=True, array_like=True):
    """Which request of which device an event comes from, by which a repeat is recognised."""

    user_id: str
    device_id: str
    transaction_id: str


class AddEvent(msgspec.Struct, frozen=True, tag_field="record", tag="event", omit_defaults=True):
    """An event to add to its room.

    `kind`: `new` joins the room's latest events; `old` was backfilled and changes no current
    state; `outlier` is kept for others' auth chains, its own prev events need not be known.
    The writer has made or verified its signatures and hashes: the room server looks at neither.
    """

    event_id: str
    room_version: str
    pdu: bytes
    kind: Literal["new", "old", "outlier"] = "new"
    origin: str = ""
    """The server that it came from; empty for our own."""
    transaction: Transaction | None = None
    request_id: str = ""
    """The request that it comes from, for log lines and traces of whoever reads it."""


class AddState(msgspec.Struct, frozen=True, tag_field="record", tag="state", omit_defaults=True):
    """The state before an event whose prev events are not known, in bounded chunks.

    Events of the state come before as outliers. The last chunk makes the state known to the
    room server: it is the state before `event_id`, which follows as an ordinary `AddEvent`.
    """

    room_id: str
    event_id: str
    room_version: str
    state_event_ids: list[str]
    chunk: int = 0
    is_last: bool = True


class ForgetRoom(msgspec.Struct, frozen=True, tag_field="record", tag="forget"):
    """A local user forgets a room that they have left."""

    room_id: str
    user_id: str
    input_id: str
    """Names this input in the answer to it."""
    request_id: str = ""
    """The request that it comes from."""


InputRoomEvent = AddEvent | AddState | ForgetRoom

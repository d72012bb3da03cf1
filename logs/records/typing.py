"""Who is typing: the records of InputTyping and OutputTyping."""

from typing import Annotated

import msgspec
from msgspec import Meta

Number = Annotated[int, Meta(ge=0, le=2**53)]


class TypingRequested(
    msgspec.Struct, frozen=True, tag_field="record", tag="requested", omit_defaults=True, gc=False
):
    """A user, local or remote, types or has stopped to."""

    room_id: str
    user_id: str
    timeout_ms: Number = 0
    """How long the user types from this record's time on, unless renewed; 0 ends it."""


class TypingExpired(msgspec.Struct, frozen=True, tag_field="record", tag="expired", gc=False):
    """The time of a user is over: written by the EDU server to itself, when a timer fires.

    It ends only what ends by then. So it may be written twice, late, or by an instance that has
    lost the partition meanwhile, and all that is announced follows from the log.
    """

    room_id: str
    user_id: str
    deadline_ms: int


InputTyping = TypingRequested | TypingExpired


class TypingChanged(msgspec.Struct, frozen=True, tag_field="record", tag="typing", gc=False):
    """These users type in the room now, and nobody else."""

    room_id: str
    user_ids: list[str]
    """In the order in which they began."""


OutputTyping = TypingChanged

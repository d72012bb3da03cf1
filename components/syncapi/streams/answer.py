"""What an answer of /sync tells, as the streams find it."""

import msgspec

from components.syncapi.position import Offsets
from components.syncapi.streams.sent_members import SentRoom


class SyncAnswer(msgspec.Struct, gc=False):
    """Each stream adds its parts: sections of the whole answer, parts of rooms, or both."""

    sections: dict[str, bytes] = msgspec.field(default_factory=dict)
    """By name those that have something to tell."""
    in_every_answer: dict[str, bytes] = msgspec.field(default_factory=dict)
    """By name sections that are told with whatever there is to tell, and are no reason to."""
    join: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    """Joined rooms with their parts, to which what follows is added at the end."""
    invite: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    knock: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    leave: list[tuple[str, bytes]] = msgspec.field(default_factory=list)
    account_data: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    """By room events for its `account_data`."""
    ephemeral: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    """By room events for its `ephemeral`."""
    begun: list[str] = msgspec.field(default_factory=list)
    """Joined rooms of which the client knows nothing; the stream of rooms is asked first."""
    recounted: set[str] = msgspec.field(default_factory=set)
    """Joined rooms whose unread counts are told, whatever else there is to tell of them."""
    perhaps_recounted: list[str] = msgspec.field(default_factory=list)
    """Joined rooms whose unread counts may have changed."""
    recounts_all: bool = False
    """Whether the unread counts of all rooms may have changed."""
    told_up_to: dict[int, Offsets] = msgspec.field(default_factory=dict)
    """By slot how far streams are told that have more to tell: the next answer goes on there."""
    sent: list[SentRoom] = msgspec.field(default_factory=list)
    """Whose member events it carries, where they are loaded lazily."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that a client has to hear of."""
        return not (self.sections or self.join or self.invite or self.knock or self.leave)

"""What one /sync asks for, and between which positions it is answered."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from components.syncapi.position import SyncPosition
from components.syncapi.rooms.rendering import Reader
from matrix.filters import Filter


class SyncRequest(msgspec.Struct, frozen=True, gc=False):
    """One /sync of one device, answered with what is in [since, upto)."""

    reader: Reader
    since: SyncPosition | None
    upto: SyncPosition
    filter: Filter
    full_state: bool
    use_state_after: bool
    max_scanned: int
    known_members: Mapping[str, AbstractSet[str]]
    """By room the users whose member events the device has."""
    ignored: AbstractSet[str]
    """The users whose messages and invites the reader does not want."""
    begins_anew: bool = False
    """Whether the client knows rooms already, from a time that means nothing here any more."""

    @property
    def user_id(self) -> str:
        """The user who asks."""
        return self.reader.user_id

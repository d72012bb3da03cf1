"""What one /sync asks for, and between which positions it is answered."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from components.syncapi.changes import Membership
from components.syncapi.position import SyncPosition
from components.syncapi.timeline.rendering import Reader
from matrix.filters import Filter

STATE: Final = "state"
"""The state of a room at its timeline's start."""
STATE_AFTER: Final = "state_after"
"""The state of a room at its timeline's end."""
FORMER_STATE_AFTER: Final = "org.matrix.msc4222.state_after"
"""The same, by the name that clients asked for before the specification took it in."""


class SyncRequest(msgspec.Struct, frozen=True, gc=False):
    """One /sync of one device, answered with what is in [since, upto)."""

    reader: Reader
    since: SyncPosition | None
    upto: SyncPosition
    filter: Filter
    full_state: bool
    state_name: str
    """By what name the state of rooms is told."""
    max_scanned: int
    known_members: Mapping[str, AbstractSet[str]]
    """By room the users whose member events the device has."""
    memberships: Mapping[str, Membership]
    """Of the reader, by room."""
    ignored: AbstractSet[str]
    """The users whose messages and invites the reader does not want."""
    account_data_order: int
    """Of the last change of the reader's account data."""
    begins_anew: bool = False
    """Whether the client knows rooms already, from a time that means nothing here any more."""
    former: SyncPosition | None = None
    """What the client had seen when another copy of the tables served: of use to streams whose
    places are the same in all copies."""
    device_number: int = 0
    """Which of the devices that have had the reader's device ID it is."""

    @property
    def use_state_after(self) -> bool:
        """Whether state is told as it is at the timeline's end."""
        return self.state_name != STATE

    def shows(self, room_id: str) -> bool:
        """Whether the reader is in a room, and wants to hear of it."""
        now = self.memberships.get(room_id)
        return (
            now is not None and now.membership == "join" and self.filter.room.includes_room(room_id)
        )

    @property
    def user_id(self) -> str:
        """The user who asks."""
        return self.reader.user_id

"""An event with what the room server has decided about it."""

from enum import IntFlag

import msgspec

from components.roomserver.state.snapshots import NodeName
from matrix.events import Event
from matrix.identifiers import EventID


class Flags(IntFlag):
    """The room server's verdicts on an event."""

    ACCEPTED = 0
    REJECTED = 1
    """The authorisation rules refuse it: no effect, and none on what refers to it."""
    SOFT_FAILED = 2
    """Allowed where it stands in the graph, refused by the current state."""
    OUTLIER = 4
    """Kept for auth chains; its place in the graph is not known."""
    OLD = 8
    """Backfilled: before what this server saw live."""
    WITHHELD = 16
    """A redaction that clients do not see, announced because the current state changed with it."""


class KnownEvent(msgspec.Struct, frozen=True):
    """A stored event, its verdict and the snapshots around it."""

    event: Event
    flags: Flags = Flags.ACCEPTED
    state_before: NodeName | None = None
    """`None` for outliers."""
    state_after: NodeName | None = None
    redacted_because: EventID | None = None
    reason: str | None = None
    """Why it was rejected or soft-failed."""
    place: int | None = None
    """Its place among what was announced of the room, where this batch announces it."""
    changes: bytes | None = None
    """What it changed in the current state, encoded, where this batch announces it."""

    @property
    def is_rejected(self) -> bool:
        """Whether the authorisation rules refused it."""
        return bool(self.flags & Flags.REJECTED)

    @property
    def is_soft_failed(self) -> bool:
        """Whether current state refused it."""
        return bool(self.flags & Flags.SOFT_FAILED)

    @property
    def is_outlier(self) -> bool:
        """Whether its place in the graph is unknown."""
        return bool(self.flags & Flags.OUTLIER)


class LatestEvent(msgspec.Struct, frozen=True, array_like=True):
    """A forward extremity of a room."""

    event_id: EventID
    depth: int
    state_after: NodeName
    is_merged: bool = False
    """Whether `state_after` is what it resolves to with others: of its own it has another."""


class Room(msgspec.Struct, frozen=True):
    """A room as the next event finds it."""

    room_id: str
    version: str
    create_event_id: EventID
    state: NodeName
    """The current state."""
    latest: tuple[LatestEvent, ...]
    """The forward extremities, oldest first."""
    last_place: int = 0
    """The place of the event that was announced last."""

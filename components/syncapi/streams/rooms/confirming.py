"""What records that another process projected mean to memory, with the database as witness.

The projection may have dropped a record as a repeat, refused it, or found what it redacts: the
stored rows tell, and bring the events' client JSON, which need not be made again.
"""

from collections.abc import Mapping
from typing import Final

from base.database import Connection
from components.syncapi.changes import MembershipChange, RoomNews
from components.syncapi.room_event import RoomEvent, keeps_membership
from components.syncapi.store.events import select_replacing
from components.syncapi.store.following import (
    select_events_by_id,
    select_membership_change,
    select_memberships_by_event,
)
from logs.following.projected_topic import FollowedRecords
from logs.records.room_output import (
    EventAdded,
    InviteReceived,
    InviteRetired,
    OutputRoomEvent,
    RedactionApplied,
    RedactionWithheld,
)

_NO_EVENT: Final = ""


class _Told:
    """What the records of one partition tell, before the database has confirmed it."""

    def __init__(self, next_offset: int) -> None:
        self.next_offset: Final = next_offset
        self.added: Final[dict[tuple[str, int], None]] = {}
        """Event IDs with their orders, in order."""
        self.changes: Final[list[tuple[str, MembershipChange]]] = []
        """With the event of the timeline that brings each; nothing where there is none."""
        self.redacted: Final[list[str]] = []
        self.state_only: Final[list[tuple[str, int]]] = []
        """Rooms whose state changed without an event in the timeline, with the orders."""

    def note(self, record: OutputRoomEvent, order: int) -> None:
        """Take in one record."""
        match record:
            case EventAdded():
                self.added[record.event_id, order] = None
                for change in record.state_changes:
                    if change.type == "m.room.member":
                        moved = MembershipChange(
                            change.state_key, record.room_id, order, change.event_id or "", None
                        )
                        self.changes.append((record.event_id, moved))
            case RedactionApplied():
                self.redacted.append(record.event_id)
            case RedactionWithheld():
                if record.state_changes:
                    self.state_only.append((record.room_id, order))
                for change in record.state_changes:
                    if change.type == "m.room.member":
                        moved = MembershipChange(
                            change.state_key, record.room_id, order, change.event_id or "", None
                        )
                        self.changes.append((_NO_EVENT, moved))
            case InviteReceived() | InviteRetired():
                moved = MembershipChange(
                    record.target_user_id, record.room_id, order, record.event_id, None
                )
                self.changes.append((_NO_EVENT, moved))
            case _:
                pass


def confirm_rooms(
    connection: Connection, followed: Mapping[int, FollowedRecords[OutputRoomEvent]]
) -> dict[int, RoomNews]:
    """Return per partition what was written because of these records, all of them committed."""
    told: dict[int, _Told] = {}
    for partition, one in followed.items():
        told[partition] = _Told(one.next_offset)
        for offset, value in one.records:
            told[partition].note(value, offset)
    wanted = {event_id for one in told.values() for event_id, _ in one.added}
    wanted.update(event_id for one in told.values() for event_id in one.redacted)
    stored = {event.event_id: event for event in select_events_by_id(connection, wanted)}
    outside = {
        change.event_id
        for one in told.values()
        for event_id, change in one.changes
        if event_id != _NO_EVENT and change.event_id not in stored
    }
    memberships = select_memberships_by_event(connection, outside)
    memberships.update((event.event_id, event.membership) for event in stored.values())
    return {
        partition: _written(connection, one, stored, memberships) for partition, one in told.items()
    }


def _written(
    connection: Connection,
    told: _Told,
    stored: Mapping[str, RoomEvent],
    memberships: Mapping[str, str | None],
) -> RoomNews:
    events = [
        stored[event_id]
        for event_id, order in told.added
        # Those of repeats are elsewhere in the timeline.
        if event_id in stored and stored[event_id].stream_order == order
    ]
    added = {event.event_id: event.order for event in events}
    changes: list[MembershipChange] = []
    for event_id, change in told.changes:
        if event_id == _NO_EVENT:
            change.membership = select_membership_change(
                connection, change.user_id, change.room_id, change.stream_order
            )
        elif added.get(event_id) == change.stream_order:
            change.membership = memberships.get(change.event_id) or "leave"
            change.is_moved = change.event_id != event_id or not keeps_membership(stored[event_id])
        if change.membership is not None:
            changes.append(change)
    rewritten: list[RoomEvent] = []
    if told.redacted:
        rewritten = [stored[event_id] for event_id in told.redacted if event_id in stored]
        rewritten += select_replacing(connection, told.redacted)
    return RoomNews(events, changes, rewritten, told.next_offset, told.state_only)

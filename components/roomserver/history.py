"""What was announced of rooms, made again from what is stored, for readers that are rebuilt."""

from typing import Final

from base.database import Connection, Database
from components.roomserver.announcing import decode_changes, sender_membership, visibility_before
from components.roomserver.inputs import id_without_path
from components.roomserver.memory import Memory
from components.roomserver.parts import cut
from components.roomserver.reading import RoomReader
from components.roomserver.settings import RoomServerSettings
from components.roomserver.store.events import EventStore
from components.roomserver.store.rooms import RoomStore
from components.roomserver.stored import Flags, KnownEvent
from internalapi.roomserver import RoomHistoryPage, SentEvent, SentEventsPage
from logs.records.room_output import (
    EventAdded,
    OldEventAdded,
    OutputRoomEvent,
    RedactionApplied,
    RedactionWithheld,
    RoomForgotten,
    StateChange,
)
from logs.topics import OUTPUT_ROOM_EVENT
from matrix.events import Event
from matrix.identifiers import DeviceID, EventID, RoomID

_MOST_EVENTS: Final = 1000
_MOST_ROOMS: Final = 10_000


class RoomHistoryReader:
    """`internalapi.roomserver.RoomHistory`, from the database alone."""

    def __init__(self, database: Database, settings: RoomServerSettings) -> None:
        self._database: Final = database
        self._settings: Final = settings

    async def query_rooms(self, *, after: str, limit: int) -> list[RoomID]:
        """Return the first rooms after this one, ordered by ID."""
        most = min(limit, _MOST_ROOMS)
        return await self._database.read(
            lambda connection: RoomStore(connection).select_room_ids(after, most)
        )

    async def query_room_history(
        self, *, room_id: RoomID, after_place: int, limit: int
    ) -> RoomHistoryPage:
        """Return what was announced after a place, of at most `limit` events."""
        most = min(limit, _MOST_EVENTS)
        # Old snapshots would only push out of memory what the rooms in use need.
        memory = Memory(self._settings)

        def read(connection: Connection) -> RoomHistoryPage:
            reader = RoomReader(memory, connection)
            announced = EventStore(connection).select_announced(room_id, after_place, most)
            forgotten = RoomStore(connection).select_forgotten(room_id, after_place, most)
            placed = [(one.place or 0, _records(reader, one)) for one in announced] + [
                (place, [RoomForgotten(room_id, user_id, "")]) for place, user_id in forgotten
            ]
            placed.sort(key=lambda one: one[0])
            page = placed[:most]
            records = [OUTPUT_ROOM_EVENT.encode(record) for _, made in page for record in made]
            return RoomHistoryPage(records, page[-1][0] if len(page) == most else None)

        return await self._database.read(read, heavy_for="history")

    async def query_sent_events(self, *, after: list[str], limit: int) -> SentEventsPage:
        """Return events with their transactions, after a place."""
        most = min(limit, _MOST_EVENTS)

        def read(connection: Connection) -> SentEventsPage:
            made = EventStore(connection).select_transactions(after, most)
            events = [
                SentEvent(event_id, DeviceID(one.device_id), id_without_path(one))
                for one, event_id, _ in made
            ]
            if len(made) < most:
                return SentEventsPage(events, None)
            last = made[-1].transaction
            return SentEventsPage(events, [last.transaction_id, last.user_id, last.device_id])

        return await self._database.read(read, heavy_for="history")


def _records(reader: RoomReader, known: KnownEvent) -> list[OutputRoomEvent]:
    records: list[OutputRoomEvent]
    if known.flags & Flags.WITHHELD:
        records = _withheld(reader, known)
    else:
        records = [_old(reader, known)] if known.flags & Flags.OLD else _added(reader, known)
    if known.redacted_because is None:
        return records
    redaction = reader.known_events([known.redacted_because]).get(known.redacted_because)
    if redaction is None:
        return records
    return [*records, _redaction_applied(known.event, redaction.event)]


def _old(reader: RoomReader, known: KnownEvent) -> OldEventAdded:
    event = known.event
    return OldEventAdded(
        event.room_id,
        event.event_id,
        event.room_version.identifier,
        event.raw,
        visibility_before(reader, known),
    )


def _added(reader: RoomReader, known: KnownEvent) -> list[OutputRoomEvent]:
    event = known.event
    changes: list[StateChange] = [] if known.changes is None else decode_changes(known.changes)
    replaced_id = next((one.replaces for one in changes if one.event_id == event.event_id), None)
    others = [
        EventID(one.event_id)
        for one in changes
        if one.event_id is not None and one.event_id != event.event_id
    ]
    wanted = others if replaced_id is None else [EventID(replaced_id), *others]
    pdus = {event_id: one.raw for event_id, one in reader.events(wanted).items()}
    visibility = visibility_before(reader, known)
    state_events: dict[str, bytes] = {one: pdus[one] for one in others if one in pdus}
    parts = cut(event, changes, state_events, visibility)
    record = EventAdded(
        room_id=event.room_id,
        event_id=event.event_id,
        room_version=event.room_version.identifier,
        pdu=event.raw,
        history_visibility=visibility,
        state_changes=parts.last.changes,
        state_events=parts.last.state_events,
        replaced_pdu=None if replaced_id is None else pdus.get(EventID(replaced_id)),
        sender_membership=sender_membership(reader, known),
    )
    return [*parts.before, record]


def _withheld(reader: RoomReader, known: KnownEvent) -> list[OutputRoomEvent]:
    event = known.event
    changes: list[StateChange] = [] if known.changes is None else decode_changes(known.changes)
    holders = [EventID(one.event_id) for one in changes if one.event_id is not None]
    pdus = {event_id: one.raw for event_id, one in reader.events(holders).items()}
    visibility = visibility_before(reader, known)
    state_events: dict[str, bytes] = {one: pdus[one] for one in holders if one in pdus}
    parts = cut(event, changes, state_events, visibility)
    record = RedactionWithheld(
        room_id=event.room_id,
        event_id=event.event_id,
        # Only who waits for it would ask, and nobody waits for history.
        is_waiting=False,
        room_version=event.room_version.identifier,
        history_visibility=visibility,
        state_changes=parts.last.changes,
        state_events=parts.last.state_events,
    )
    return [*parts.before, record]


def _redaction_applied(redacted: Event, redaction: Event) -> RedactionApplied:
    return RedactionApplied(
        room_id=redacted.room_id,
        event_id=redacted.event_id,
        room_version=redacted.room_version.identifier,
        redacted_pdu=redacted.raw,
        redaction_event_id=redaction.event_id,
        redaction_pdu=redaction.raw,
    )

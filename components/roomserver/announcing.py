"""What the room server announces of its decisions: the records of OutputRoomEvent."""

from collections.abc import Mapping
from typing import Final

import msgspec

from base.tracing import current_request_id
from components.roomserver.parts import Part, cut
from components.roomserver.reading import RoomReader
from components.roomserver.stored import Flags, KnownEvent, Room
from components.roomserver.writing import RoomWriter
from internalapi.roomserver import RoomMembership
from logs.consumer import Outbox
from logs.records.room_input import ForgetRoom, Transaction
from logs.records.room_output import (
    EventAdded,
    InputRejected,
    InputRepeated,
    OldEventAdded,
    OutputRoomEvent,
    RedactionApplied,
    RedactionWithheld,
    RoomForgotten,
    SoftFailed,
    StateChange,
)
from logs.topics import OUTPUT_ROOM_EVENT
from matrix.errors import Forbidden, MatrixError
from matrix.events import Event
from matrix.identifiers import EventID, UserID
from matrix.state_keys import StateKey, member_key

_VISIBILITY: StateKey = ("m.room.history_visibility", "")
Changes = Mapping[StateKey, tuple[EventID | None, EventID | None]]


_MOST_LATEST: Final = 20
"""Who follows a room by its records asks the room server where there are so many branches."""
_NO_CHANGES: Final = Part([], {})
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[StateChange])


def encode_changes(changed: Changes) -> bytes:
    """Return what an event changed, as it is stored beside it."""
    return _encoder.encode(_state_changes(changed))


def decode_changes(encoded: bytes) -> list[StateChange]:
    """Return what was stored beside an event."""
    return _decoder.decode(encoded)


def _state_changes(changed: Changes) -> list[StateChange]:
    return [StateChange(key[0], key[1], new, old) for key, (old, new) in changed.items()]


def visibility_before(reader: RoomReader, known: KnownEvent) -> str:
    """Return `m.room.history_visibility` before an event."""
    if not known.state_before:
        return "shared"
    holder = reader.state_events(known.state_before, [_VISIBILITY]).get(_VISIBILITY)
    visibility = None if holder is None else holder.content.get("history_visibility")
    return visibility if isinstance(visibility, str) else "shared"


def sender_membership(reader: RoomReader, known: KnownEvent) -> str:
    """Return the sender's membership before an event."""
    if not known.state_before:
        return "leave"
    key = member_key(known.event.sender)
    holder = reader.state_events(known.state_before, [key]).get(key)
    return "leave" if holder is None else holder.membership or "leave"


class EventAnnouncer:
    """Puts a batch's announcements into the outbox, and memberships into the store."""

    def __init__(self, writer: RoomWriter, outbox: Outbox) -> None:
        self._writer = writer
        self._outbox = outbox

    def added(
        self, known: KnownEvent, room: Room, changed: Changes, transaction: Transaction | None
    ) -> None:
        """A new event stands in the room."""
        event = known.event
        replaced_pdu: bytes | None = None
        visibility = visibility_before(self._writer, known)
        part = _NO_CHANGES
        if changed:
            replaced_pdu, state_events = self._state_pdus(event, changed)
            self._store_memberships(event, changed)
            part = self._put_but_last(event, changed, state_events, visibility)
        self._put(
            event,
            EventAdded(
                room_id=event.room_id,
                event_id=event.event_id,
                room_version=event.room_version.identifier,
                pdu=event.raw,
                history_visibility=visibility,
                state_changes=part.changes,
                state_events=part.state_events,
                replaced_pdu=replaced_pdu,
                sender_membership=sender_membership(self._writer, known),
                latest_event_ids=[one.event_id for one in room.latest[:_MOST_LATEST]],
                transaction=transaction,
                request_id=current_request_id(),
            ),
        )

    def shown_late(self, redaction: KnownEvent) -> None:
        """A redaction that was withheld takes effect now."""
        event = redaction.event
        self._put(
            event,
            EventAdded(
                room_id=event.room_id,
                event_id=event.event_id,
                room_version=event.room_version.identifier,
                pdu=event.raw,
                history_visibility=visibility_before(self._writer, redaction),
                sender_membership=sender_membership(self._writer, redaction),
                request_id=current_request_id(),
            ),
        )

    def old(self, known: KnownEvent) -> None:
        """A backfilled event stands before the room's live timeline."""
        event = known.event
        self._put(
            event,
            OldEventAdded(
                event.room_id,
                event.event_id,
                event.room_version.identifier,
                event.raw,
                visibility_before(self._writer, known),
                current_request_id(),
            ),
        )

    def redacted(self, target: KnownEvent, redaction: KnownEvent) -> None:
        """A redaction took effect."""
        event = target.event
        self._put(
            event,
            RedactionApplied(
                room_id=event.room_id,
                event_id=event.event_id,
                room_version=event.room_version.identifier,
                redacted_pdu=event.raw,
                redaction_event_id=redaction.event.event_id,
                redaction_pdu=redaction.event.raw,
                request_id=current_request_id(),
            ),
        )

    def withheld(self, redaction: KnownEvent, changed: Changes, *, is_waiting: bool) -> None:
        """A redaction was accepted without effect so far, except that branches may have met."""
        event = redaction.event
        record = RedactionWithheld(
            event.room_id, event.event_id, is_waiting, request_id=current_request_id()
        )
        if changed:
            visibility = visibility_before(self._writer, redaction)
            state_events = self._state_pdus(event, changed)[1]
            part = self._put_but_last(event, changed, state_events, visibility)
            record = msgspec.structs.replace(
                record,
                room_version=event.room_version.identifier,
                history_visibility=visibility,
                state_changes=part.changes,
                state_events=part.state_events,
            )
            self._store_memberships(event, changed)
        self._put(event, record)

    def refused(self, known: KnownEvent) -> None:
        """An event was rejected or soft-failed."""
        event, reason = known.event, known.reason or ""
        if known.flags & Flags.REJECTED:
            self.rejected(event, reason)
        else:
            self._put(
                event, SoftFailed(event.room_id, event.event_id, reason, current_request_id())
            )

    def rejected(self, event: Event, reason: str) -> None:
        """An input had no effect."""
        self._put(
            event,
            InputRejected(
                event.room_id, event.event_id, Forbidden.errcode, reason, current_request_id()
            ),
        )

    def forgotten(self, record: ForgetRoom) -> None:
        """A user has forgotten the room."""
        self._outbox.put(
            OUTPUT_ROOM_EVENT,
            record.room_id,
            RoomForgotten(record.room_id, record.user_id, record.input_id, record.request_id),
        )

    def not_forgotten(self, record: ForgetRoom, reason: str) -> None:
        """A user is in the room, and cannot forget it."""
        self._outbox.put(
            OUTPUT_ROOM_EVENT,
            record.room_id,
            InputRejected(
                record.room_id, record.input_id, MatrixError.errcode, reason, record.request_id
            ),
        )

    def repeated(self, event: Event, first: KnownEvent) -> None:
        """An input was known already; a rejected one is rejected again."""
        if first.event.event_id == event.event_id and first.flags & (
            Flags.REJECTED | Flags.SOFT_FAILED
        ):
            self.refused(first)
            return
        self._put(
            event,
            InputRepeated(
                event.room_id, event.event_id, first.event.event_id, current_request_id()
            ),
        )

    def _put_but_last(
        self,
        event: Event,
        changed: Changes,
        state_events: Mapping[str, bytes],
        history_visibility: str,
    ) -> Part:
        """Announce what does not fit into the event's own record, and return what does."""
        parts = cut(event, _state_changes(changed), state_events, history_visibility)
        for part in parts.before:
            self._put(event, part)
        return parts.last

    def _put(self, event: Event, record: OutputRoomEvent) -> None:
        self._outbox.put(OUTPUT_ROOM_EVENT, event.room_id, record)

    def _state_pdus(self, event: Event, changed: Changes) -> tuple[bytes | None, dict[str, bytes]]:
        """Return the PDU that the event replaces, and those of other events that hold now."""
        own = changed.get((event.type, event.state_key or ""), (None, None))
        replaced_id = own[0] if own[1] == event.event_id else None
        others = {new for _, new in changed.values() if new not in {None, event.event_id}}
        wanted = [one for one in (replaced_id, *sorted(filter(None, others))) if one is not None]
        pdus = {event_id: one.raw for event_id, one in self._writer.events(wanted).items()}
        replaced_pdu = None if replaced_id is None else pdus[replaced_id]
        return replaced_pdu, {one: pdus[one] for one in sorted(filter(None, others))}

    def _store_memberships(self, event: Event, changed: Changes) -> None:
        for (kind, state_key), (_, new) in changed.items():
            if kind != "m.room.member":
                continue
            if new is None:
                membership, event_id = "leave", event.event_id
            else:
                holder = event if new == event.event_id else self._writer.events([new])[new]
                membership, event_id = holder.membership or "leave", new
            self._writer.set_membership(
                RoomMembership(event.room_id, UserID(state_key), membership, event_id)
            )

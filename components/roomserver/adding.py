"""Adding one event to its room, and what is announced of it.

Server-server API, "Checks performed on receipt of a PDU"; signatures and hashes have been checked
by whoever wrote the input.
"""

from typing import Final

import msgspec

from components.roomserver import graph, redactions
from components.roomserver.announcing import Changes, EventAnnouncer, encode_changes
from components.roomserver.inputs import EventInput
from components.roomserver.judging import judge
from components.roomserver.state.snapshots import EMPTY
from components.roomserver.stored import Flags, KnownEvent, Room
from components.roomserver.writing import RoomWriter
from logs.consumer import Outbox
from logs.records.room_input import AddState, ForgetRoom
from matrix.events import Event, is_redaction, redacts_of
from matrix.identifiers import EventID, RoomID, UserID

_FORGETTABLE: Final = frozenset({"leave", "ban"})


class Adder:
    """Adds events within one batch."""

    def __init__(self, writer: RoomWriter, outbox: Outbox) -> None:
        self._writer = writer
        self._announcer = EventAnnouncer(writer, outbox)

    def add_event(self, given: EventInput) -> None:
        """Add an event, unless it is known or not allowed."""
        first = self._first_of(given)
        if first is not None:
            self._announcer.repeated(given.event, first)
        elif given.kind == "outlier":
            self._add_outlier(given.event)
        else:
            self._add_placed(given)

    def add_state(self, record: AddState) -> None:
        """Take one chunk of the state before an event whose prev events are not known."""
        writer = self._writer
        event_id = EventID(record.event_id)
        known = writer.given_state(event_id)
        snapshot = EMPTY if known is None or record.chunk == 0 else known[0]
        events = writer.known_events([EventID(one) for one in record.state_event_ids])
        for one in record.state_event_ids:
            found = events.get(EventID(one))
            if found is not None and _is_state_of(found, record.room_id):
                key = found.event.state_tuple
                snapshot = writer.states.assign(snapshot, key, found.event.event_id)
        writer.set_given_state(event_id, snapshot, is_complete=record.is_last)

    def forget_room(self, record: ForgetRoom) -> None:
        """Let a user forget a room, unless they are in it, or about to be."""
        writer = self._writer
        room_id, user_id = RoomID(record.room_id), UserID(record.user_id)
        room = writer.room(room_id)
        if room is None or writer.membership(room_id, user_id) not in _FORGETTABLE:
            self._announcer.not_forgotten(record, f"User {user_id} is in room {room_id}.")
            return
        place = room.last_place + 1
        writer.set_room(msgspec.structs.replace(room, last_place=place))
        writer.set_forgotten(room_id, user_id, place)
        self._announcer.forgotten(record)

    def _first_of(self, given: EventInput) -> KnownEvent | None:
        """Return the stored event that this input repeats."""
        known = self._writer.known_event(given.event.event_id)
        if known is not None and (not known.is_outlier or given.kind == "outlier"):
            return known
        if known is None and given.transaction is not None:
            first = self._writer.transaction_event(given.transaction)
            return None if first is None else self._writer.known_event(first)
        return None

    def _add_outlier(self, event: Event) -> None:
        room = self._writer.room(event.room_id)
        if room is None and event.type != "m.room.create":
            # Outliers of a room that we are about to join come with its create event first.
            self._announcer.rejected(event, "room_id: the room is not known.")
            return
        try:
            flags, reason = judge(self._writer, event, room, None)
        except graph.PastUnknown as error:
            self._announcer.rejected(event, str(error))
            return
        self._writer.add_event(KnownEvent(event, flags | Flags.OUTLIER, reason=reason))
        if room is None:
            self._writer.set_room(_empty_room(event))

    def _add_placed(self, given: EventInput) -> None:
        writer, event = self._writer, given.event
        room = writer.room(event.room_id)
        is_create = event.type == "m.room.create" and (
            room is None or event.event_id == room.create_event_id
        )
        if room is None and not is_create:
            self._announcer.rejected(event, "room_id: the room is not known.")
            return
        try:
            before = EMPTY if is_create or room is None else graph.state_before(writer, event, room)
            flags, reason = judge(writer, event, None if is_create else room, before)
        except graph.PastUnknown as error:
            # It is not stored: it can come again once they are known.
            self._announcer.rejected(event, str(error))
            return
        if given.kind == "old":
            flags = (flags & ~Flags.SOFT_FAILED) | Flags.OLD
        known = self._placed(event, flags, reason, before)
        if flags & (Flags.REJECTED | Flags.SOFT_FAILED):
            writer.add_event(known)
            self._announcer.refused(known)
            return
        if room is None:
            room = _empty_room(event)
        if given.kind == "old":
            known = self._place(room, known, {})
            self._announcer.old(known)
            self._redact_by_old(known)
        else:
            known = self._add_new(room, known, given)
        if given.is_remote:
            self._apply_waiting(known)

    def _placed(self, event: Event, flags: Flags, reason: str | None, before: bytes) -> KnownEvent:
        rejected = bool(flags & Flags.REJECTED)
        after = before if rejected else graph.state_after(self._writer, event, before)
        known = KnownEvent(event, flags, before, after, None, reason)
        outlier = self._writer.known_event(event.event_id)
        if outlier is None or outlier.redacted_because is None:
            return known
        # It was redacted before it got its place, and comes with all that it said.
        return redactions.redacted(known, outlier.redacted_because)

    def _place(self, room: Room, known: KnownEvent, changed: Changes) -> KnownEvent:
        """Store an event that is announced, and its place, by which history can be read again."""
        place = room.last_place + 1
        self._writer.set_room(msgspec.structs.replace(room, last_place=place))
        placed = msgspec.structs.replace(
            known, place=place, changes=encode_changes(changed) if changed else None
        )
        self._writer.add_event(placed)
        return placed

    def _add_new(self, room: Room, known: KnownEvent, given: EventInput) -> KnownEvent:
        writer = self._writer
        writer.add_event(known)
        if given.transaction is not None:
            writer.add_transaction(given.transaction, known.event.event_id)
        after = graph.with_event(writer, room, known)
        changed = graph.changes(writer, room.state, after.state)
        if not is_redaction(known.event):
            placed = self._place(after, known, changed)
            self._announcer.added(placed, after, changed, given.sent_as)
            return placed
        target = redactions.target_of(writer, known.event)
        if target is not None and redactions.takes_effect(writer, known, target.event):
            placed = self._place(after, known, changed)
            self._announcer.added(placed, after, changed, given.sent_as)
            self._redact(target, placed)
            return placed
        if changed:
            withheld = msgspec.structs.replace(known, flags=known.flags | Flags.WITHHELD)
            known = self._place(after, withheld, changed)
        else:
            writer.set_room(after)
        self._withhold(known, changed, is_waiting=target is None)
        return known

    def _redact_by_old(self, redaction: KnownEvent) -> None:
        """Apply a backfilled redaction; what it redacts is often backfilled after it."""
        target_id = redacts_of(redaction.event)
        target = redactions.target_of(self._writer, redaction.event)
        if target is not None:
            if redactions.takes_effect(self._writer, redaction, target.event):
                self._redact(target, redaction)
        elif target_id is not None:
            self._writer.let_redaction_wait(target_id, redaction.event.event_id)

    def _withhold(self, redaction: KnownEvent, changed: Changes, *, is_waiting: bool) -> None:
        target_id = redacts_of(redaction.event)
        if is_waiting and target_id is not None:
            self._writer.let_redaction_wait(target_id, redaction.event.event_id)
        self._announcer.withheld(redaction, changed, is_waiting=is_waiting)

    def _show(self, redaction: KnownEvent) -> None:
        """Let clients see a redaction that was withheld."""
        room = self._writer.room(redaction.event.room_id)
        if redaction.flags & Flags.WITHHELD:
            # It stays where the state changed with it: history is read in that order.
            flags = redaction.flags & ~Flags.WITHHELD
            redaction = msgspec.structs.replace(redaction, flags=flags)
            self._writer.add_event(redaction)
        elif room is not None:
            redaction = self._place(room, redaction, {})
        self._announcer.shown_late(redaction)

    def _redact(self, target: KnownEvent, redaction: KnownEvent) -> None:
        if target.redacted_because is not None:
            return
        after = redactions.redacted(target, redaction.event.event_id)
        self._writer.add_event(after)
        self._announcer.redacted(after, redaction)

    def _apply_waiting(self, known: KnownEvent) -> None:
        """A redaction may arrive before the event that it redacts: both orders end alike."""
        event_id = known.event.event_id
        for redaction_id in self._writer.waiting_redactions(event_id):
            redaction = self._writer.known_event(redaction_id)
            if redaction is not None and redactions.takes_effect(
                self._writer, redaction, known.event
            ):
                if not redaction.flags & Flags.OLD:
                    self._show(redaction)
                self._redact(known, redaction)
                break
        self._writer.forget_waiting_redactions(event_id)


def _is_state_of(known: KnownEvent, room_id: str) -> bool:
    event = known.event
    return event.is_state and event.room_id == room_id and not known.is_rejected


def _empty_room(create: Event) -> Room:
    return Room(create.room_id, create.room_version.identifier, create.event_id, EMPTY, ())

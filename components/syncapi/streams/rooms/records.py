"""What the records of OutputRoomEvent mean to client sync: events, state, memberships to write."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from base.tracing import request_id
from components.syncapi.changes import AppliedChange, MembershipChange
from components.syncapi.room_event import (
    CHANGES_ITSELF,
    CHANGES_OTHERS,
    RoomEvent,
    keeps_membership,
    room_event,
    unsigned_of_replacement,
)
from components.syncapi.store.mentions import ROOM
from logs.consumer import Message
from logs.records.room_output import (
    EventAdded,
    InviteReceived,
    InviteRetired,
    OldEventAdded,
    OutputRoomEvent,
    RedactionApplied,
    RedactionWithheld,
    RoomForgotten,
    StateChange,
)
from matrix.canonical import decode_json
from matrix.client_events import stripped_state
from matrix.errors import MatrixError
from matrix.events import Event, load_event
from matrix.identifiers import EventID
from matrix.push_rules.classes import NAMES_ROOM, NAMES_USERS, users_named_in
from matrix.redaction import redact
from matrix.relations import Relation, relation_of
from matrix.room_versions import room_version

_log: Final = logging.getLogger(__name__)

_NOT_REBUILT: Final[Mapping[str, int]] = {}
Reject = Callable[[Message[OutputRoomEvent], str], None]


class Addition(msgspec.Struct, gc=False):
    """A new event with everything it brings."""

    event: RoomEvent
    state_events: list[RoomEvent]
    changes: list[AppliedChange]
    memberships: list[MembershipChange]

    @property
    def order(self) -> int:
        """Where in the stream it is."""
        return self.event.order


class StateOnly(msgspec.Struct, gc=False):
    """Current state that changed without an event in the timeline."""

    room_id: str
    order: int
    state_events: list[RoomEvent]
    changes: list[AppliedChange]
    memberships: list[MembershipChange]


class Invite(msgspec.Struct, gc=False):
    """An invite into a room that this server is not in."""

    change: MembershipChange
    invite_state: bytes


class Redaction(msgspec.Struct, gc=False):
    """A redacted event and the redaction."""

    redacted: Event
    redaction: Event


class Batch:
    """What a sequence of records asks to write, each kind in the order of the stream."""

    def __init__(self) -> None:
        self.additions: list[Addition] = []
        self.state_only: list[StateOnly] = []
        self.old_events: list[RoomEvent] = []
        self.redactions: list[Redaction] = []
        self.invites: list[Invite] = []
        self.retired: list[MembershipChange] = []
        self.forgotten: list[tuple[str, str, int]] = []
        """Users, the rooms that they forgot, and where in the stream."""
        self.relations: dict[str, Relation] = {}
        """By event ID, of new and old events."""
        self.mentions: dict[str, set[str]] = {}
        """By event ID whom new events mention, `ROOM` for the room."""
        self.next_offset = 0

    def note_relation(self, event: Event) -> None:
        """Note how an event relates to another, if it does."""
        if "m.relates_to" in event.content:
            relation = relation_of(event.content)
            if relation is not None:
                self.relations[event.event_id] = relation

    def note_mentions(self, event: Event, push_class: int) -> None:
        """Note whom an event mentions whose class says that it does."""
        named = users_named_in(event.content) if push_class & NAMES_USERS else set()
        if push_class & NAMES_ROOM:
            named.add(ROOM)
        self.mentions[event.event_id] = named

    def membership_changes(self) -> list[MembershipChange]:
        """Return the changes that events of rooms make, in the order of the stream."""
        return [change for each in self.in_order() for change in each.memberships]

    def in_order(self) -> list[Addition | StateOnly]:
        """Return whatever may change state in the order of the stream."""
        changing: list[Addition | StateOnly] = [*self.additions, *self.state_only]
        if self.state_only:
            changing.sort(key=lambda each: each.order)
        return changing


def project(
    messages: Sequence[Message[OutputRoomEvent]],
    reject: Reject,
    covered: Mapping[str, int] = _NOT_REBUILT,
) -> Batch:
    """Return what the messages of a partition ask to write.

    What cannot be understood is rejected. `covered` has rooms that were rebuilt from what their
    records before an offset tell; only invites from other servers are nowhere else.
    """
    batch = Batch()
    is_told = _log.isEnabledFor(logging.DEBUG)
    for message in messages:
        position, record = message.position, message.value
        batch.next_offset = position.offset + 1
        if covered and _is_covered(record, position.offset, covered):
            continue
        request_id.set(getattr(record, "request_id", ""))
        try:
            _project_one(batch, record, position.offset)
        except (MatrixError, LookupError, TypeError, ValueError) as error:
            reject(message, f"not an event of a room: {error!r}")
        if is_told:
            fields = {"event_id": record.event_id, "room_id": record.room_id}
            _log.debug("A record was projected", extra=fields)
    request_id.set("")
    return batch


def _is_covered(record: OutputRoomEvent, offset: int, covered: Mapping[str, int]) -> bool:
    return offset < covered.get(record.room_id, offset) and not isinstance(
        record, InviteReceived | InviteRetired
    )


def _project_one(batch: Batch, record: OutputRoomEvent, order: int) -> None:
    match record:
        case EventAdded():
            batch.additions.append(_addition(batch, record, order))
        case OldEventAdded():
            event = _load(record.pdu, record.room_version, record.event_id)
            batch.note_relation(event)
            batch.old_events.append(
                room_event(event, stream_order=None, history_visibility=record.history_visibility)
            )
        case RedactionApplied():
            batch.redactions.append(
                Redaction(
                    _redacted(record),
                    _load(record.redaction_pdu, record.room_version, record.redaction_event_id),
                )
            )
        case RedactionWithheld():
            if record.state_changes:
                batch.state_only.append(_state_only(record, order))
        case RoomForgotten():
            batch.forgotten.append((record.user_id, record.room_id, order))
        case InviteReceived():
            batch.invites.append(_invite(record, order))
        case InviteRetired():
            batch.retired.append(
                MembershipChange(
                    record.target_user_id,
                    record.room_id,
                    order,
                    record.event_id,
                    record.membership,
                )
            )
        case _:
            # Outcomes for writers, and kinds of the future, change nothing that clients see.
            pass


def _addition(batch: Batch, record: EventAdded, order: int) -> Addition:
    event = _load(record.pdu, record.room_version, record.event_id)
    batch.note_relation(event)
    added = room_event(event, stream_order=order, history_visibility=record.history_visibility)
    if added.push_class >= NAMES_USERS:
        batch.note_mentions(event, added.push_class)
    if record.transaction is not None:
        added.device_id = record.transaction.device_id
        added.transaction_id = record.transaction.transaction_id
    if not record.state_changes:
        return Addition(added, [], [], [])
    state_events = _state_events(record)
    changes = _changes(record, order)
    for change in record.state_changes:
        if change.event_id == added.event_id:
            _note_replacement(added, change, record)
        else:
            added.state_effect = CHANGES_OTHERS
    memberships = _memberships([added, *state_events], changes)
    for moved in memberships:
        if moved.event_id == added.event_id:
            moved.is_moved = not keeps_membership(added)
    return Addition(added, state_events, changes, memberships)


def _state_only(record: RedactionWithheld, order: int) -> StateOnly:
    state_events, changes = _state_events(record), _changes(record, order)
    memberships = _memberships(state_events, changes)
    return StateOnly(record.room_id, order, state_events, changes, memberships)


def _state_events(record: EventAdded | RedactionWithheld) -> list[RoomEvent]:
    return [
        room_event(
            _load(pdu, record.room_version, event_id),
            stream_order=None,
            history_visibility=record.history_visibility,
        )
        for event_id, pdu in record.state_events.items()
        if event_id != record.event_id
    ]


def _changes(record: EventAdded | RedactionWithheld, order: int) -> list[AppliedChange]:
    return [
        AppliedChange(
            record.room_id, order, change.type, change.state_key, change.event_id, change.replaces
        )
        for change in record.state_changes
    ]


def _note_replacement(added: RoomEvent, change: StateChange, record: EventAdded) -> None:
    added.state_effect = max(added.state_effect, CHANGES_ITSELF)
    if change.replaces is None:
        return
    added.replaces = change.replaces
    previous = None
    if record.replaced_pdu is not None:
        previous = _load(record.replaced_pdu, record.room_version, change.replaces)
    added.unsigned = unsigned_of_replacement(change.replaces, previous)


def _memberships(events: list[RoomEvent], changes: list[AppliedChange]) -> list[MembershipChange]:
    members = [change for change in changes if change.type == "m.room.member"]
    if not members:
        return []
    known = {event.event_id: event.membership or "leave" for event in events}
    return [
        MembershipChange(
            change.state_key,
            change.room_id,
            change.stream_order,
            change.event_id or "",
            "leave" if change.event_id is None else known.get(change.event_id),
        )
        for change in members
    ]


def _invite(record: InviteReceived, order: int) -> Invite:
    event = _load(record.pdu, record.room_version, record.event_id)
    stripped = [
        state
        for state in map(_stripped, record.stripped_state)
        if (state.get("type"), state.get("state_key")) != ("m.room.member", record.target_user_id)
    ]
    stripped.append(stripped_state(event))
    change = MembershipChange(
        record.target_user_id, record.room_id, order, record.event_id, "invite"
    )
    return Invite(change, msgspec.json.encode(stripped))


def _stripped(event_json: bytes) -> dict[str, object]:
    event = decode_json(event_json)
    return {key: event[key] for key in ("content", "sender", "state_key", "type")}


def _redacted(record: RedactionApplied) -> Event:
    event = _load(record.redacted_pdu, record.room_version, record.event_id)
    return Event(redact(event.pdu, event.room_version), event.room_version, event.event_id)


def _load(pdu: bytes, version: str, event_id: str) -> Event:
    return load_event(pdu, room_version(version), EventID(event_id))

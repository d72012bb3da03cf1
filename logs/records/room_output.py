"""What the room server tells its readers: the records of OutputRoomEvent.

A reader's duties: ignore kinds that it does not know; treat a record seen before (by its origin
number) as absent; apply `state_changes`, of `EventAdded` and `RedactionWithheld`, to its copy of
the current state in order.
"""

import msgspec

from logs.records.room_input import Transaction


class StateChange(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the current state that became another event, or was taken away."""

    type: str
    state_key: str
    event_id: str | None
    """The event that holds now; `None` where a state resolution removed the entry."""
    replaces: str | None = None
    """The event that held before."""


class EventAdded(msgspec.Struct, frozen=True, tag_field="record", tag="added", omit_defaults=True):
    """A new event in the room's timeline, with what it changed.

    A soft-failed event is not announced. `state_changes` has the event itself when it is state
    and took effect; after a fork it may hold others, whose PDUs are in `state_events`. What does
    not fit into this record comes before it (`RedactionWithheld.is_part`).
    """

    room_id: str
    event_id: str
    room_version: str
    pdu: bytes
    history_visibility: str
    """`m.room.history_visibility` before the event."""
    state_changes: list[StateChange] = []
    state_events: dict[str, bytes] = {}
    """PDUs of changed state other than the event itself, by event ID."""
    replaced_pdu: bytes | None = None
    """PDU of the state event that this one replaces: `prev_content`, `prev_sender`."""
    sender_membership: str = "join"
    latest_event_ids: list[str] = []
    """Forward extremities after the event, 20 at most."""
    transaction: Transaction | None = None
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""


class OldEventAdded(msgspec.Struct, frozen=True, tag_field="record", tag="old", omit_defaults=True):
    """A backfilled event: before the timeline's beginning, without any effect on state."""

    room_id: str
    event_id: str
    room_version: str
    pdu: bytes
    history_visibility: str
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""


class RedactionApplied(msgspec.Struct, frozen=True, tag_field="record", tag="redacted"):
    """A redaction took effect: readers replace their copies of the redacted event."""

    room_id: str
    event_id: str
    """The redacted event."""
    room_version: str
    redacted_pdu: bytes
    """The redacted event after redaction."""
    redaction_event_id: str
    redaction_pdu: bytes
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""


class InputRejected(msgspec.Struct, frozen=True, tag_field="record", tag="rejected"):
    """An input had no effect: the answer to the writer that waits for it."""

    room_id: str
    event_id: str
    errcode: str
    reason: str
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""


class InputRepeated(msgspec.Struct, frozen=True, tag_field="record", tag="repeated"):
    """An input was known already, by its event ID or its transaction."""

    room_id: str
    event_id: str
    """The event that was offered."""
    first_event_id: str
    """The event that stands in the room; equal to `event_id` for a plain repeat."""
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""


class SoftFailed(msgspec.Struct, frozen=True, tag_field="record", tag="soft_failed"):
    """An event was kept for the graph, but current state forbids it: clients never see it."""

    room_id: str
    event_id: str
    reason: str
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""


class RedactionWithheld(
    msgspec.Struct, frozen=True, tag_field="record", tag="withheld", omit_defaults=True
):
    """A redaction was accepted, but clients do not see it unless it takes effect later.

    Its target is not known yet, or its sender may not redact it (room version 3, "Handling
    redactions"). It is one of the room's events nevertheless: where it makes branches meet, or
    another one, the current state may change beside any timeline.
    """

    room_id: str
    event_id: str
    is_waiting: bool
    """Whether it may still take effect, once its target arrives."""
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""
    room_version: str = ""
    """This and what follows only where the state changed."""
    history_visibility: str = "shared"
    """`m.room.history_visibility` before the redaction."""
    state_changes: list[StateChange] = []
    state_events: dict[str, bytes] = {}
    """PDUs of the changed state, by event ID."""
    is_part: bool = False
    """No redaction: a part of what `event_id` changes, whose own record follows these parts.

    One event can change more than fits into a record. Its parts are in the same partition and
    take effect on the current state one by one; only the event's own record tells the outcome.
    """


class InviteReceived(msgspec.Struct, frozen=True, tag_field="record", tag="invite"):
    """A local user was invited into a room that this server is not in."""

    room_id: str
    event_id: str
    room_version: str
    pdu: bytes
    target_user_id: str
    stripped_state: list[bytes]


class InviteRetired(msgspec.Struct, frozen=True, tag_field="record", tag="invite_retired"):
    """An invite of a local user ended otherwise than by an event of a room that we are in."""

    room_id: str
    event_id: str
    """The invite that ended; a newer one of the same user goes on."""
    target_user_id: str
    membership: str


class RoomForgotten(msgspec.Struct, frozen=True, tag_field="record", tag="forgotten"):
    """A local user has forgotten the room: it is as if they had never been in it.

    That ends when they join, knock or are invited again.
    """

    room_id: str
    user_id: str
    event_id: str
    """The ID of the input that asked for it; it stands where others name their event."""
    request_id: str = ""
    """The request that caused this, if one did: for log lines and traces."""


OutputRoomEvent = (
    EventAdded
    | OldEventAdded
    | RedactionApplied
    | InputRejected
    | InputRepeated
    | SoftFailed
    | RedactionWithheld
    | InviteReceived
    | InviteRetired
    | RoomForgotten
)

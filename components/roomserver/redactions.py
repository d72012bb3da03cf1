"""Which redactions take effect, and when (room version 3, "Handling redactions")."""

import msgspec

from components.roomserver.stored import Flags, KnownEvent
from components.roomserver.writing import RoomWriter
from matrix.auth_rules.grammar import domain_of
from matrix.events import Event, redacts_of
from matrix.identifiers import EventID
from matrix.power_levels import PowerLevels, creators_of
from matrix.redaction import redact
from matrix.state_keys import CREATE, POWER_LEVELS


def target_of(writer: RoomWriter, redaction: Event) -> KnownEvent | None:
    """Return the event that a redaction names, if it is known in the same room."""
    target_id = redacts_of(redaction)
    if target_id is None:
        return None
    known = writer.known_event(target_id)
    return known if known is not None and known.event.room_id == redaction.room_id else None


def takes_effect(writer: RoomWriter, redaction: KnownEvent, target: Event) -> bool:
    """Return whether a redaction may redact its target, an event of the same room.

    In room versions 1 and 2 the authorisation rules have decided that already.
    """
    event = redaction.event
    if target.room_id != event.room_id or target.type == "m.room.create":
        return False
    if redaction.flags & ~(Flags.OLD | Flags.WITHHELD):
        return False
    if event.room_version.redaction_auth_rule:
        return True
    if domain_of(event.sender) == domain_of(target.sender):
        return True
    state = writer.state_events(redaction.state_before or b"", [CREATE, POWER_LEVELS])
    levels_event = state.get(POWER_LEVELS)
    levels = PowerLevels.of(
        None if levels_event is None else levels_event.content,
        event.room_version,
        creators_of(state[CREATE]),
    )
    return levels.user(event.sender) >= levels.redact


def redacted(target: KnownEvent, redaction_id: EventID) -> KnownEvent:
    """Return the stored event as it is after a redaction; a second one changes nothing."""
    event = target.event
    pdu = redact(event.pdu, event.room_version)
    return msgspec.structs.replace(
        target,
        event=Event(pdu, event.room_version, event.event_id),
        redacted_because=redaction_id,
    )

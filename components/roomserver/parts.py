"""What one event changes in the current state, cut into parts that each fit into a record."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from base.tracing import current_request_id
from logs.records.room_output import RedactionWithheld, StateChange
from matrix.events import Event

_MOST_BYTES: Final = 256 * 1024
"""Of changes and PDUs in one part. With the event, and what it replaces, a record stays below
400 KB. No setting: what is announced once more after a crash has to be cut as it was."""
_encode: Final = msgspec.msgpack.Encoder().encode


class Part(NamedTuple):
    """Some of the changes of one event, with the PDUs of other events that hold now."""

    changes: list[StateChange]
    state_events: dict[str, bytes]


class CutChanges(NamedTuple):
    """The changes of one event: what goes before it, and what comes with it."""

    before: list[RedactionWithheld]
    last: Part


def cut(
    event: Event,
    changes: Sequence[StateChange],
    state_events: Mapping[str, bytes],
    history_visibility: str,
) -> CutChanges:
    """Return the changes in parts, mostly one.

    The event's own change comes in the last part, with the event: who waits for the event has
    everything when it is there.
    """
    *earlier, last = _groups(event, changes, state_events)
    before = [
        RedactionWithheld(
            event.room_id,
            event.event_id,
            is_waiting=False,
            request_id=current_request_id(),
            room_version=event.room_version.identifier,
            history_visibility=history_visibility,
            state_changes=part.changes,
            state_events=part.state_events,
            is_part=True,
        )
        for part in earlier
    ]
    return CutChanges(before, last)


def _groups(
    event: Event, changes: Sequence[StateChange], state_events: Mapping[str, bytes]
) -> list[Part]:
    groups, size = [Part([], {})], 0
    for change in sorted(changes, key=lambda one: one.event_id == event.event_id):
        pdu = state_events.get(change.event_id or "", b"")
        bytes_more = len(_encode(change)) + len(pdu)
        if size + bytes_more > _MOST_BYTES and change.event_id != event.event_id:
            groups.append(Part([], {}))
            size = 0
        size += bytes_more
        groups[-1].changes.append(change)
        if pdu and change.event_id is not None:
            groups[-1].state_events[change.event_id] = pdu
    return groups

"""The room's graph: the state before an event, the latest events, the current state."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from components.roomserver.auth_chains import ResolutionSource
from components.roomserver.branches import meet
from components.roomserver.state.resolution import resolve_snapshots
from components.roomserver.state.snapshots import EMPTY, NodeName
from components.roomserver.stored import KnownEvent, LatestEvent, Room
from components.roomserver.writing import RoomWriter
from matrix.event_format import depth_after
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.room_versions import RoomVersion, room_version
from matrix.state_keys import StateKey

_MOST_STATES: Final = 20
"""So many different states the latest events of a room may have."""
_OWN_STATES: Final = 10
"""So many of the newest of the latest events keep a state of their own where they are merged."""


class PastUnknown(Exception):
    """Events that an event names are not stored as events of its room; they may still come."""

    def __init__(self, field: str, event_ids: Iterable[EventID]) -> None:
        super().__init__(f"{field}: {', '.join(event_ids)} not known.")


def state_before(writer: RoomWriter, event: Event, room: Room) -> NodeName:
    """Return the state before an event: that after its prev events, resolved.

    Raises `PastUnknown` where some of these are not known, and no state was given for the event.
    """
    # Mostly the prev events are among the latest, and nothing has to be loaded.
    after = {one.event_id: one.state_after for one in room.latest if not one.is_merged}
    others = [event_id for event_id in event.prev_event_ids if event_id not in after]
    for event_id, known in writer.known_events(others).items():
        if known.state_after is not None and known.event.room_id == event.room_id:
            after[event_id] = known.state_after
    missing = [event_id for event_id in event.prev_event_ids if event_id not in after]
    if missing:
        given = writer.given_state(event.event_id)
        if given is None or not given[1]:
            raise PastUnknown("prev_events", missing)
        return given[0]
    return resolve(writer, event.room_version, (after[one] for one in event.prev_event_ids))


def state_after(writer: RoomWriter, event: Event, before: NodeName) -> NodeName:
    """Return the state after an accepted event."""
    if event.state_key is None:
        return before
    return writer.states.assign(before, (event.type, event.state_key), event.event_id)


def resolve(writer: RoomWriter, version: RoomVersion, states: Iterable[NodeName]) -> NodeName:
    """Return the state that these resolve to, whatever their order."""
    distinct = sorted(set(states))
    if len(distinct) == 1:
        return distinct[0]
    if not distinct:
        return EMPTY
    return resolve_snapshots(writer.states, version, distinct, ResolutionSource(writer)).state


def with_event(writer: RoomWriter, room: Room, known: KnownEvent) -> Room:
    """Return the room after an accepted new event: its latest events and current state."""
    event, after = known.event, known.state_after
    if after is None:
        raise ValueError(f"{event.event_id} has no state: it cannot be one of the latest.")
    covered = set(event.prev_event_ids)
    latest = (
        *(one for one in room.latest if one.event_id not in covered),
        LatestEvent(event.event_id, event.depth, after),
    )
    states = {one.state_after for one in latest}
    # Messages on one of many branches change no branch's state: what they resolve to is known.
    is_known = states == {one.state_after for one in room.latest}
    state = room.state if is_known else meet(writer, room, known, states)
    if len(states) > _MOST_STATES:
        latest = _merged(latest, state)
    return msgspec.structs.replace(room, latest=latest, state=state)


def _merged(latest: tuple[LatestEvent, ...], state: NodeName) -> tuple[LatestEvent, ...]:
    """Return the latest events with few different states, however many branches there are.

    Whoever lets a room fall into hundreds of branches would make each event resolve them all.
    Where they are many, the older ones count with the state in which all meet, as if an event
    had merged them. They remain the prev events that the next ones refer to.
    """
    older, newer = latest[:-_OWN_STATES], latest[-_OWN_STATES:]
    merged = (LatestEvent(one.event_id, one.depth, state, is_merged=True) for one in older)
    return (*merged, *newer)


def changes(
    writer: RoomWriter, before: NodeName, after: NodeName
) -> Mapping[StateKey, tuple[EventID | None, EventID | None]]:
    """Return which keys hold other events afterwards, in a fixed order."""
    if before == after:
        return {}
    different = writer.snapshots.difference(before, after)
    return {key: different[key] for key in sorted(different)}


def prev_events_of_next(room: Room, limit: int) -> Sequence[LatestEvent]:
    """Return the latest events that the next event refers to: the deepest, at most `limit`."""
    if len(room.latest) <= limit:
        return room.latest
    return sorted(room.latest, key=lambda one: (-one.depth, one.event_id))[:limit]


def depth_of_next(room: Room) -> int:
    """Return the depth of the next event, which counts as following all of the latest."""
    deepest = max((one.depth for one in room.latest), default=0)
    return depth_after(deepest, room_version(room.version))

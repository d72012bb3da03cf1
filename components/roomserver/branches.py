"""What the branches of a room resolve to after one more event, from what they did before it.

Where branches differ in nothing that authorises events, each key is decided by itself (room version
2, "State resolution"). Then an event changes what it says itself and nothing else, however many
branches there are and however much they differ. Memory keeps what has to be known for that; without
it everything is resolved, with the same result.
"""

from collections.abc import Collection, Mapping
from typing import Final

from components.roomserver.auth_chains import ResolutionSource
from components.roomserver.memory import Meeting
from components.roomserver.state.resolution import resolve_key, resolve_snapshots
from components.roomserver.state.snapshots import NodeName
from components.roomserver.stored import KnownEvent, Room
from components.roomserver.writing import RoomWriter
from matrix.identifiers import EventID
from matrix.room_versions import room_version
from matrix.state_keys import StateKey
from matrix.state_resolution import Resolution

_MOST_KEPT: Final = 500
"""States of a room that are remembered; without one of them, more has to be resolved."""


def meet(
    writer: RoomWriter, room: Room, known: KnownEvent, states: Collection[NodeName]
) -> NodeName:
    """Return what these states resolve to, those of the latest events once `known` is one of them.

    `room` is as it was before it.
    """
    if len(states) == 1:
        if writer.meeting(room.room_id) is not None:
            writer.set_meeting(room.room_id, None)
        return next(iter(states))
    found = _after_event(writer, room, known, states)
    if found is None:
        version, source = room_version(room.version), ResolutionSource(writer)
        state, is_plain = resolve_snapshots(writer.states, version, sorted(states), source)
        found = _new_meeting(writer, room, known, state, states) if is_plain else None
    else:
        state = found.state
    writer.set_meeting(room.room_id, found)
    return state


def _after_event(
    writer: RoomWriter, room: Room, known: KnownEvent, states: Collection[NodeName]
) -> Meeting | None:
    """Return where these states meet, if that can be told from where they met before."""
    met, counted = writer.meeting(room.room_id), {one.state_after for one in room.latest}
    before, after = known.state_before, known.state_after
    if met is None or met.state != room.state or before is None or after is None:
        return None
    # One event more, which goes on from a branch that is known here.
    is_step = counted - {before} <= {*states} <= counted | {after}
    if not is_step or not (before in counted or before in met.branches):
        return None
    if before == after:
        return _with_branches(met.state, met.branches, after)
    key = known.event.state_tuple
    now = _held(writer, key, states)
    decided = _decide(writer, room, known, met.state, now)
    if decided is None:
        return None
    winner = decided.get(key)
    if winner in now:
        state = writer.states.assign(met.state, key, winner)
        return _with_branches(state, met.branches, after, state)
    # It lost to an event that no branch has any more: earlier branches would bring that back.
    last = _resolve(writer, room, met.state, key, now)
    state = writer.states.assign(met.state, key, last.decided.get(key))
    return _with_branches(state, {}, *sorted(states), state) if last.is_plain else None


def _decide(
    writer: RoomWriter, room: Room, known: KnownEvent, meeting: NodeName, others: set[EventID]
) -> Mapping[StateKey, EventID] | None:
    """Return who wins the key of an event; `None` unless the key is decided by itself.

    The event, what its branch had before it, what the branches had where they met, and `others`
    are compared, in the state where they met. Nothing of their auth chains may be missing there,
    nor on the event's branch, once they are replaced.
    """
    key, before = known.event.state_tuple, known.state_before
    replaced = {writer.states.lookup(one, key) for one in (before or b"", meeting)}
    compared = {known.event.event_id, *others, *(one for one in replaced if one is not None)}
    found = _resolve(writer, room, meeting, key, compared)
    if before is None or not found.is_plain:
        return None
    earlier = writer.states.lookup(before, key)
    if earlier is not None:
        pair = {earlier, known.event.event_id}
        if not _resolve(writer, room, before, key, pair).is_plain:
            return None
    return found.decided


def _new_meeting(
    writer: RoomWriter,
    room: Room,
    known: KnownEvent,
    state: NodeName,
    states: Collection[NodeName],
) -> Meeting:
    """Return the meeting of states that were resolved in full."""
    made = _with_branches(state, {}, *sorted(states), state)
    before = known.state_before
    if before is None or before in made.branches or known.event.state_key is None:
        return made
    key = known.event.state_tuple
    decided = _decide(writer, room, known, state, set())
    if decided is None or decided.get(key) != writer.states.lookup(state, key):
        return made
    # Others will fork off where this event did.
    return _with_branches(state, made.branches, before)


def _resolve(
    writer: RoomWriter, room: Room, state: NodeName, key: StateKey, event_ids: Collection[EventID]
) -> Resolution:
    version, source = room_version(room.version), ResolutionSource(writer)
    return resolve_key(writer.states, version, state, (key, sorted(event_ids)), source)


def _held(writer: RoomWriter, key: StateKey, states: Collection[NodeName]) -> set[EventID]:
    """Return the events that these states have at a key."""
    found = (writer.states.lookup(one, key) for one in states)
    return {event_id for event_id in found if event_id is not None}


def _with_branches(
    state: NodeName, branches: Mapping[NodeName, None], *further: NodeName
) -> Meeting:
    kept = {**branches, **dict.fromkeys(further)}
    for oldest in list(kept)[: max(len(kept) - _MOST_KEPT, 0)]:
        del kept[oldest]
    return Meeting(state, kept)

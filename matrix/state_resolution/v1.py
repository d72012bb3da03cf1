"""State resolution v1 (room version 1)."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1

from matrix.auth_rules import auth_state_keys, check_auth
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.state_keys import StateKey
from matrix.state_resolution.conflicts import Conflicts, Resolution
from matrix.state_resolution.partly_resolved import PartlyResolved
from matrix.state_resolution.source import EventSource, LoadedEvents

_PASSES = ("m.room.power_levels", "m.room.join_rules", "m.room.member")


def resolve_v1(conflicts: Conflicts, source: EventSource) -> Resolution:
    """Return what resolution adds to the unconflicted state (room version 1, "State resolution").

    A key that only some sets hold, and hold alike, is no conflict here. Conflicts of one type
    do not see each other's results, so that their order does not matter; those of a later
    type see the results of the earlier ones.

    Loads the conflicted events, and the state that their checks read. Checks each of them once.
    """
    state = PartlyResolved(conflicts.unconflicted)
    conflicted: dict[StateKey, list[EventID]] = {}
    for key, holders in conflicts.conflicted.items():
        event_id, *others = holders
        if others:
            conflicted[key] = [event_id, *others]
        else:
            state.decided[key] = event_id
    events = LoadedEvents(source)
    events.load(event_id for event_ids in conflicted.values() for event_id in event_ids)
    for event_type in _PASSES:
        keys = [key for key in conflicted if key[0] == event_type]
        _resolve_keys({key: conflicted.pop(key) for key in keys}, _last_allowed, state, events)
    _resolve_keys(conflicted, _newest_allowed, state, events)
    # Chains have no part in it: nobody has looked whether they differ.
    return Resolution(state.decided, is_plain=False)


def _resolve_keys(
    conflicted: Mapping[StateKey, Sequence[EventID]],
    choose: Callable[[StateKey, Sequence[Event], PartlyResolved, LoadedEvents], Event],
    state: PartlyResolved,
    events: LoadedEvents,
) -> None:
    """Choose an event for each of these keys, then put all of them into `state`."""
    candidates = {key: _in_order(events.known(ids)) for key, ids in conflicted.items()}
    read = {
        key for ordered in candidates.values() for event in ordered for key in _keys_read(event)
    }
    holders = (state.get(key) for key in read)
    events.load(event_id for event_id in holders if event_id is not None)
    chosen = {
        key: choose(key, ordered, state, events).event_id
        for key, ordered in candidates.items()
        if ordered
    }
    state.decided.update(chosen)


def _in_order(conflicting: list[Event]) -> list[Event]:
    """Sort by ascending depth, then by descending hash of the ID."""
    by_hash = sorted(
        conflicting,
        key=lambda event: sha1(event.event_id.encode()).digest(),  # noqa: S324 - the spec's choice
        reverse=True,
    )
    return sorted(by_hash, key=lambda event: event.depth)


def _last_allowed(
    key: StateKey, ordered: Sequence[Event], state: PartlyResolved, events: LoadedEvents
) -> Event:
    """Start with the first event, and go on as long as each allows the next."""
    chosen, *following = ordered
    for event in following:
        so_far = PartlyResolved(state)
        so_far.decided[key] = chosen.event_id
        if not _is_allowed(event, so_far, events):
            break
        chosen = event
    return chosen


def _newest_allowed(
    _key: StateKey, ordered: Sequence[Event], state: PartlyResolved, events: LoadedEvents
) -> Event:
    """Take the deepest event that is allowed.

    Where none is, the specification is silent; other servers take the oldest, as here.
    """
    for event in reversed(ordered):
        if _is_allowed(event, state, events):
            return event
    return ordered[0]


def _keys_read(event: Event) -> list[StateKey]:
    return auth_state_keys(
        event.room_version,
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=event.content,
    )


def _is_allowed(event: Event, state: PartlyResolved, events: LoadedEvents) -> bool:
    def in_state(key: StateKey) -> Event | None:
        event_id = state.get(key)
        return None if event_id is None else events.get(event_id)

    try:
        check_auth(event, in_state)
    except AuthRejected:
        return False
    return True

"""State resolution v2 (room versions 2 to 11) and v2.1 (room version 12)."""

from collections.abc import Collection, Mapping, Sequence

from matrix.auth_rules import auth_state_keys, check_auth
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.state_keys import CREATE, POWER_LEVELS, StateKey
from matrix.state_resolution.auth_difference import auth_difference
from matrix.state_resolution.conflicted_subgraph import conflicted_subgraph
from matrix.state_resolution.conflicts import Conflicts, Resolution
from matrix.state_resolution.ordering import (
    Mainline,
    create_event_id,
    reverse_topological_power_order,
)
from matrix.state_resolution.partly_resolved import PartlyResolved
from matrix.state_resolution.source import CITED_TYPES, EventSource, LoadedEvents


def resolve_v2(conflicts: Conflicts, source: EventSource, *, subgraph: bool) -> Resolution:
    """Return what resolution adds to the unconflicted state (room version 2, "State resolution").

    With `subgraph`, by v2.1: the conflicted state subgraph joins what is sorted and checked,
    and the checks start from an empty state (room version 12, "State resolution").

    Every event is loaded once. Loads what `auth_difference` and, in v2.1, `conflicted_subgraph`
    say; the auth events of all events in the full conflicted set; the state that their checks
    read; and the mainline down to where the last of them attaches. Checks each event of the
    full conflicted set once. Where none of them authorises others, the auth chains of the resolved
    state are compared with those of the sets.
    """
    unconflicted, conflicted, all_sets = conflicts
    events = LoadedEvents(source)
    seeds = {
        event_id: sets for holders in conflicted.values() for event_id, sets in holders.items()
    }
    full_conflicted_set = set(seeds)
    if subgraph:
        full_conflicted_set |= conflicted_subgraph(seeds, events)
    full_conflicted_set |= auth_difference(seeds, unconflicted, all_sets, events)
    events.load(full_conflicted_set)

    power_events = _with_citations(full_conflicted_set, events)
    state = PartlyResolved({} if subgraph else unconflicted)
    _apply_allowed(reverse_topological_power_order(power_events, events), state, events)
    mainline = Mainline(state.get(POWER_LEVELS), events)
    _apply_allowed(mainline.order(full_conflicted_set - power_events), state, events)
    # An event of the auth difference may have held such a key for the checks that followed it.
    decided = {key: one for key, one in state.decided.items() if unconflicted.get(key) is None}
    is_plain = _authorise_nothing(full_conflicted_set, events)
    if is_plain:
        resolved = {event_id: seeds[event_id] | all_sets + 1 for event_id in decided.values()}
        difference = auth_difference(seeds | resolved, unconflicted, 2 * all_sets + 1, events)
        is_plain = not difference
    return Resolution(decided, is_plain)


def _authorise_nothing(full_conflicted_set: Collection[EventID], events: LoadedEvents) -> bool:
    known = events.known(full_conflicted_set)
    # Of one that is not known nobody can tell what it is.
    return len(known) == len(full_conflicted_set) and not any(
        event.type in CITED_TYPES for event in known
    )


def is_power_event(event: Event) -> bool:
    """Whether the event might take away what somebody could do in the room."""
    if event.type in ("m.room.power_levels", "m.room.join_rules"):
        return event.state_key is not None
    return (
        event.type == "m.room.member"
        and event.content.get("membership") in ("leave", "ban")
        and event.sender != event.state_key
    )


def _with_citations(full_conflicted_set: Collection[EventID], events: LoadedEvents) -> set[EventID]:
    """Return the power events of this set, and the events in it that they are built upon.

    Followed inside the set only, like the servers that rooms are shared with do. In v2.1 that
    is the same as following whole auth chains: what lies between is in the subgraph.
    """
    pending = [event for event in events.known(full_conflicted_set) if is_power_event(event)]
    chosen = {event.event_id for event in pending}
    while pending:
        event = pending.pop()
        cited = [
            auth_id
            for auth_id in event.auth_event_ids
            if auth_id in full_conflicted_set and auth_id not in chosen
        ]
        chosen.update(cited)
        pending.extend(events.known(cited))
    return chosen


def _apply_allowed(ordered: Sequence[Event], state: PartlyResolved, events: LoadedEvents) -> None:
    """Put each event into `state` if the state so far allows it (iterative auth checks)."""
    read = (state.get(key) for event in ordered for key in _keys_read(event))
    events.load(event_id for event_id in read if event_id is not None)
    for event in ordered:
        if _is_allowed(event, state, events):
            state.decided[event.type, event.state_key or ""] = event.event_id


def _keys_read(event: Event) -> list[StateKey]:
    return [
        CREATE,
        *auth_state_keys(
            event.room_version,
            type=event.type,
            sender=event.sender,
            state_key=event.state_key,
            content=event.content,
        ),
    ]


def _is_allowed(event: Event, state: PartlyResolved, events: LoadedEvents) -> bool:
    cited = _accepted_citations(event, events)

    def in_state_or_cited(key: StateKey) -> Event | None:
        event_id = state.get(key)
        return cited.get(key) if event_id is None else events.get(event_id)

    try:
        check_auth(event, in_state_or_cited)
    except AuthRejected:
        return False
    return True


def _accepted_citations(event: Event, events: LoadedEvents) -> Mapping[StateKey, Event]:
    """Return what stands in for state that is missing: the event's own auth events.

    A rejected one does not, as nobody checks it again here. In room version 12 the room ID
    stands for the citation of the create event.
    """
    auth_ids = list(event.auth_event_ids)
    if event.room_version.create_event_is_room_id:
        auth_ids.append(create_event_id(event))
    return {(each.type, each.state_key or ""): each for each in events.accepted(auth_ids)}

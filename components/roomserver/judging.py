"""Whether an event is allowed: by its auth events, by the state before it, by the current state.

Server-server API, "Checks performed on receipt of a PDU", steps 4 to 6.
"""

from collections.abc import Mapping

from components.roomserver.graph import PastUnknown
from components.roomserver.state.snapshots import NodeName
from components.roomserver.stored import Flags, Room
from components.roomserver.writing import RoomWriter
from matrix.auth_rules import auth_state_keys, check_auth, check_auth_events
from matrix.errors import AuthRejected
from matrix.events import Event
from matrix.identifiers import EventID
from matrix.state_keys import CREATE, StateKey

State = Mapping[StateKey, Event]


def judge(
    writer: RoomWriter, event: Event, room: Room | None, state_before: NodeName | None
) -> tuple[Flags, str | None]:
    """Return the verdict on an event and, unless it is accepted, the reason.

    `room` is `None` for the room's own create event; `state_before` is `None` for an outlier,
    which only its auth events decide. Raises `PastUnknown` where these are not known: nothing
    can be said yet.
    """
    try:
        if room is None:
            check_auth(event, {})
            return Flags.ACCEPTED, None
        _check_only_create(event, room)
        create = _create_event(writer, room)
        if state_before is None:
            _check_by_auth_events(writer, event, create)
            return Flags.OUTLIER, None
        state = _needed_state(writer, event, state_before, create)
        if not _selects(event, state):
            _check_by_auth_events(writer, event, create)
        check_auth(event, state)
    except AuthRejected as refusal:
        outlier = Flags.OUTLIER if state_before is None and room is not None else Flags.ACCEPTED
        return Flags.REJECTED | outlier, refusal.message
    # A room that is only known by outliers so far has no current state.
    if state_before == room.state or not room.latest:
        return Flags.ACCEPTED, None
    try:
        check_auth(event, _needed_state(writer, event, room.state, create))
    except AuthRejected as refusal:
        return Flags.SOFT_FAILED, refusal.message
    return Flags.ACCEPTED, None


def _check_only_create(event: Event, room: Room) -> None:
    """The rules ask nothing of the state for a create event: a second one would pass them."""
    if event.type == "m.room.create" and event.event_id != room.create_event_id:
        raise AuthRejected("m.room.create: the room has another create event.")


def _create_event(writer: RoomWriter, room: Room) -> Event:
    return writer.known_events([room.create_event_id])[room.create_event_id].event


def _needed_state(writer: RoomWriter, event: Event, snapshot: NodeName, create: Event) -> State:
    keys = auth_state_keys(
        event.room_version,
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        content=event.content,
    )
    return {**writer.state_events(snapshot, keys), CREATE: create}


def _selects(event: Event, state: State) -> bool:
    """Whether the event's auth events are just those that the state before it has.

    Then one check serves for both, and the rules about the list hold by construction.
    """
    expected = {one.event_id for one in state.values()}
    if event.room_version.create_event_is_room_id:
        expected.discard(state[CREATE].event_id)
    # As many, and the same: one that is named twice may not stand in for another.
    return len(event.auth_event_ids) == len(expected) and expected == set(event.auth_event_ids)


def _check_by_auth_events(writer: RoomWriter, event: Event, create: Event) -> None:
    known = writer.known_events(event.auth_event_ids)
    missing = [event_id for event_id in event.auth_event_ids if event_id not in known]
    if missing:
        raise PastUnknown("auth_events", missing)
    auth_events = [known[event_id].event for event_id in event.auth_event_ids]
    rejected: set[EventID] = {event_id for event_id, one in known.items() if one.is_rejected}
    check_auth_events(event, auth_events, rejected)
    state = {(one.type, one.state_key or ""): one for one in auth_events}
    if event.room_version.create_event_is_room_id:
        state[CREATE] = create
    check_auth(event, state)

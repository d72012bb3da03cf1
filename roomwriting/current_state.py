"""What the current state of a room says: memberships, levels, single fields."""

from collections.abc import Mapping
from typing import Any, Final

from internalapi.roomserver import RoomUnknown
from matrix.errors import Forbidden
from matrix.events import Event
from matrix.identifiers import RoomID, UserID
from matrix.power_levels import PowerLevels, power_levels_of
from matrix.state_keys import CREATE, POWER_LEVELS, StateKey, member_key
from roomwriting.sending import EventSender

State = Mapping[StateKey, Event]

GUEST_ACCESS: Final[StateKey] = ("m.room.guest_access", "")
HISTORY_VISIBILITY: Final[StateKey] = ("m.room.history_visibility", "")
TOMBSTONE: Final[StateKey] = ("m.room.tombstone", "")
CANONICAL_ALIAS: Final[StateKey] = ("m.room.canonical_alias", "")


def membership_of(state: State, user_id: UserID) -> str | None:
    """Return the user's membership; `None` for one who never was in the room."""
    event = state.get(member_key(user_id))
    return None if event is None else event.membership


def field_of(state: State, key: StateKey, field: str) -> Any:
    """Return a field of a state event's content; `None` where either is missing."""
    event = state.get(key)
    return None if event is None else event.content.get(field)


def levels_of(state: State) -> PowerLevels:
    """Return the power levels; the state has to hold the create event."""
    create = state.get(CREATE)
    if create is None:
        raise RoomUnknown("The room has no create event.")
    return power_levels_of(state.get(POWER_LEVELS), create)


async def require_joined(sender: EventSender, room_id: RoomID, user_id: UserID) -> Event:
    """Return the event by which the user is in the room. Raises `Forbidden`, and `RoomUnknown`."""
    state = await sender.state(room_id, [member_key(user_id)])
    event = state.get(member_key(user_id))
    if event is None or event.membership != "join":
        raise Forbidden("You are not in this room.")
    return event


async def require_level_for_state(
    sender: EventSender, room_id: RoomID, user_id: UserID, event_type: str
) -> None:
    """Raise `Forbidden` unless the user is in the room and may send state of this type."""
    state = await sender.state(room_id, [CREATE, POWER_LEVELS, member_key(user_id)])
    if membership_of(state, user_id) != "join":
        raise Forbidden("You are not in this room.")
    levels = levels_of(state)
    required = levels.event(event_type, is_state=True)
    if levels.user(user_id) < required:
        raise Forbidden(f"This needs the power level of {event_type}, {required}.")

"""An event of a room, as a reader may see it."""

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.events import select_events
from components.syncapi.timeline.access import Access, require_access
from components.syncapi.timeline.erasure import state_with_erasures, with_erasures
from matrix.errors import Forbidden, NotFound


def visible_event(connection: Connection, room_id: str, event_id: str, access: Access) -> RoomEvent:
    """Return an event of a room. Raises `NotFound` for one that the reader may not see, too."""
    event = select_events(connection, [event_id]).get(event_id)
    if event is not None and event.room_id == room_id:
        if event.stream_order is None:
            if access.may_see(event):
                return state_with_erasures(connection, room_id, [event], access.viewer)[0]
        elif access.viewer.sees(event):
            return with_erasures(connection, room_id, [event], access.viewer)[0]
    raise no_such_event()


def find_event(
    connection: Connection, user_id: str, room_id: str, event_id: str
) -> tuple[RoomEvent, Access]:
    """Return an event of a room, and how the user reads the room.

    Raises `NotFound` for one that they may not see, also where they may not read the room.
    """
    try:
        access = require_access(connection, user_id, room_id)
    except Forbidden as error:
        raise no_such_event() from error
    return visible_event(connection, room_id, event_id, access), access


def no_such_event() -> NotFound:
    """Return what says that there is no event, or that it may not be seen."""
    return NotFound("There is no such event, or you may not see it.")

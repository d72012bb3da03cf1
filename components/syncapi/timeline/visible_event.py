"""An event of a room, as a reader may see it."""

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.events import select_events
from components.syncapi.timeline.access import Access
from components.syncapi.timeline.erasure import state_with_erasures, with_erasures
from matrix.errors import NotFound


def visible_event(connection: Connection, room_id: str, event_id: str, access: Access) -> RoomEvent:
    """Return an event of a room. Raises `NotFound` for one that the reader may not see, too."""
    event = select_events(connection, [event_id]).get(event_id)
    if event is not None and event.room_id == room_id:
        if event.stream_order is None:
            if access.may_see(event):
                return state_with_erasures(connection, room_id, [event], access.viewer)[0]
        elif access.viewer.sees(event):
            return with_erasures(connection, room_id, [event], access.viewer)[0]
    raise NotFound("There is no such event, or you may not see it.")

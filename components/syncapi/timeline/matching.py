"""Whether a stored event matches a client's filter, its content parsed only where that decides."""

from typing import Final

from components.syncapi.room_event import RoomEvent
from components.syncapi.timeline.rendering import content_of
from matrix.filters import EventFilter

_NO_CONTENT: Final[dict[str, object]] = {}


def matches(event_filter: EventFilter, event: RoomEvent) -> bool:
    """Whether the filter lets the event through."""
    if event_filter.is_pass_all:
        return True
    content = _NO_CONTENT if event_filter.contains_url is None else content_of(event)
    return event_filter.matches(event.type, event.sender, event.room_id, content)

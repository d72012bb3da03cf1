"""Events of a room's timeline as a client gets them: with what relates to each of them."""

from collections.abc import Collection

from base.database import Connection
from components.syncapi.relations.bundling import Bundler
from components.syncapi.room_event import RoomEvent
from components.syncapi.timeline.access import Access
from components.syncapi.timeline.rendering import Reader, render, room_id_member


def render_bundled(
    connection: Connection,
    room_id: str,
    events: Collection[RoomEvent],
    reader: Reader,
    access: Access,
) -> list[bytes]:
    """Return the JSON of events in their order, as one who reads the room gets them."""
    viewer = access.viewer
    bundles = Bundler(connection, room_id, reader, viewer, access.upto).bundles(events)
    member = room_id_member(room_id)
    return [
        render(
            event,
            reader,
            membership=viewer.membership_after(event.order),
            room_id=member,
            relations=bundles.get(event.event_id, b""),
        )
        for event in events
    ]

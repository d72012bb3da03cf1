"""How a user sees a room, from what is stored of their memberships."""

from components.syncapi.changes import Membership
from components.syncapi.store.membership import select_history
from components.syncapi.store.tables import Connection
from components.syncapi.visibility import Viewer


def viewer_of(connection: Connection, user_id: str, room_id: str, now: Membership | None) -> Viewer:
    """Return the viewer of a user whose membership in the room is `now`."""
    joined_from = now.stream_order if now is not None and now.membership == "join" else None
    return Viewer(user_id, joined_from, lambda: select_history(connection, user_id, room_id))

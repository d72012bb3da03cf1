"""Who may read a room, and up to where: members, those who were, and anybody where all may."""

import msgspec

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.account_data import select_ignored_users
from components.syncapi.store.forgotten import is_forgotten
from components.syncapi.store.membership import select_membership
from components.syncapi.store.state import select_entry_now
from components.syncapi.timeline.paging import FROM_THE_START, TO_THE_END
from components.syncapi.timeline.rendering import content_of
from components.syncapi.timeline.viewing import viewer_of
from components.syncapi.timeline.visibility import Viewer
from matrix.errors import Forbidden


class Access(msgspec.Struct, gc=False):
    """How a user reads a room."""

    viewer: Viewer
    is_joined: bool
    upto: int
    """Where the room's state ends for them: for those who left, after their leaving."""
    end: int
    """Where the timeline ends for them: also who left reads on where all may."""

    def may_see(self, event: RoomEvent) -> bool:
        """Whether the reader may see an event of the room, whoever sent it."""
        if event.stream_order is None:
            # State from before the server was in the room: its members have it anyway.
            return self.is_joined
        return self.viewer.may_see(event)


def require_access(connection: Connection, user_id: str, room_id: str) -> Access:
    """Return how the user reads the room. Raises `Forbidden` for those who may not.

    A room that is not known is forbidden too: who may not read it must not learn of it.
    """
    now = select_membership(connection, user_id, room_id)
    ignored = select_ignored_users(connection, user_id)
    upto: int | None = None
    if now is not None and now.membership != "join" and is_forgotten(connection, user_id, room_id):
        # From then on they are as one who never was there.
        now, upto = None, FROM_THE_START
    viewer = viewer_of(connection, user_id, room_id, now, upto, ignored=ignored)
    if now is not None and now.membership == "join":
        return Access(viewer, is_joined=True, upto=TO_THE_END, end=TO_THE_END)
    is_open = is_world_readable(connection, room_id)
    if now is not None and viewer.left_at is not None:
        left = viewer.left_at + 1
        return Access(viewer, is_joined=False, upto=left, end=TO_THE_END if is_open else left)
    if is_open:
        return Access(viewer, is_joined=False, upto=TO_THE_END, end=TO_THE_END)
    raise Forbidden("You are not in this room and never were.")


def is_world_readable(connection: Connection, room_id: str) -> bool:
    """Whether anybody may read what is sent to the room now."""
    event = select_entry_now(connection, room_id, "m.room.history_visibility", "")
    return event is not None and content_of(event).get("history_visibility") == "world_readable"

"""How a user sees a room, from what is stored of their memberships."""

from collections.abc import Set as AbstractSet

from base.database import Connection
from components.syncapi.changes import Membership
from components.syncapi.ignoring import NOBODY
from components.syncapi.store.membership import select_history
from components.syncapi.timeline.visibility import Viewer


def viewer_of(
    connection: Connection,
    user_id: str,
    room_id: str,
    now: Membership | None,
    upto: int | None = None,
    *,
    ignored: AbstractSet[str] = NOBODY,
) -> Viewer:
    """Return the viewer of a user whose membership in the room is `now`, before place `upto`.

    Without `upto` it is as the database has it: who answers from memory may be a little behind.
    """
    joined_from = now.stream_order if now is not None and now.membership == "join" else None

    def load() -> list[tuple[int, str]]:
        history = select_history(connection, user_id, room_id)
        if upto is None:
            return history
        return [(order, membership) for order, membership in history if order < upto]

    return Viewer(user_id, joined_from, load, ignored=ignored)

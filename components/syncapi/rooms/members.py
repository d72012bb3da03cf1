"""Who is in a room, now or at a place of its past: as bytes, a page after another."""

import msgspec
import orjson

from base.database import Connection
from components.syncapi.room_event import StateEntry
from components.syncapi.store.events import select_backwards
from components.syncapi.store.state_pages import select_member_pages
from components.syncapi.timeline.access import Access, require_access
from components.syncapi.timeline.erasure import state_with_erasures
from components.syncapi.timeline.paging import FROM_THE_START, TO_THE_END
from components.syncapi.timeline.rendering import (
    content_of,
    joined_parts,
    render_state,
    room_id_member,
)
from matrix.errors import Forbidden


class MembersQuery(msgspec.Struct, frozen=True, gc=False):
    """The parameters of /members, the token read."""

    room_id: str
    at: int | None
    membership: str | None
    not_membership: str | None

    def wants(self, event: StateEntry) -> bool:
        """Whether a member event is asked for: both conditions together are an "or"."""
        if self.membership is None and self.not_membership is None:
            return True
        return event.membership == self.membership or (
            self.not_membership is not None and event.membership != self.not_membership
        )


def read_members(connection: Connection, *, query: MembersQuery, user_id: str) -> list[bytes]:
    """Return the parts of the body of /members. Raises `Forbidden`.

    The members are those of now, or at a place, or for those who left as they left the room.
    """
    access = require_access(connection, user_id, query.room_id)
    at = access.upto if query.at is None else _readable_place(connection, query, access)
    room_id = room_id_member(query.room_id)
    parts: list[bytes] = []
    for page in select_member_pages(connection, query.room_id, at):
        wanted = [event for event in page if query.wants(event)]
        if wanted:
            shown = state_with_erasures(connection, query.room_id, wanted, access.viewer)
            parts.append(render_state(shown, room_id))
    return joined_parts(b'{"chunk":[', parts, b"]}")


def _readable_place(connection: Connection, query: MembersQuery, access: Access) -> int:
    """Return the place that was asked for, or the first after it that the reader may see.

    To a new member of a room with a hidden past, `prev_batch` is the end of what is hidden; to
    those who are told a room from its beginning, it is the place before all members.
    """
    at = access.upto if query.at is None else min(query.at, access.upto)
    before = select_backwards(connection, query.room_id, FROM_THE_START, at, 1)
    if before and access.viewer.may_see(before[0]):
        return at
    joined = access.viewer.joined_after(at)
    if joined is None:
        if not before:
            return at
        raise Forbidden("You may not see the room as it was then.")
    return min(joined + 1, access.upto)


def read_joined_members(connection: Connection, *, room_id: str, user_id: str) -> list[bytes]:
    """Return the parts of the body of /joined_members. Raises `Forbidden` unless joined."""
    access = require_access(connection, user_id, room_id)
    if not access.is_joined:
        raise Forbidden("You are not in this room.")
    parts: list[bytes] = []
    for page in select_member_pages(connection, room_id, TO_THE_END):
        joined = [event for event in page if event.membership == "join"]
        shown = state_with_erasures(connection, room_id, joined, access.viewer)
        profiles = {event.state_key: _profile(event) for event in shown}
        if profiles:
            parts.append(orjson.dumps(profiles)[1:-1])
    return joined_parts(b'{"joined":{', parts, b"}}")


def _profile(event: StateEntry) -> dict[str, str | None]:
    """Return name and avatar; null where there is none, as clients know it from other servers."""
    content = content_of(event)
    named = {"display_name": content.get("displayname"), "avatar_url": content.get("avatar_url")}
    return {key: value if isinstance(value, str) else None for key, value in named.items()}

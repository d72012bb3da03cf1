"""The rooms of a space, depth first, as one user may see them (client-server API, "Spaces").

Nothing is kept between the pages: each goes through the space again up to where the last one
ended. What that costs has a bound, and the newest state counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from base.database import Connection
from components.syncapi.room_event import RoomEvent
from components.syncapi.spaces.previews import Preview, select_previews
from components.syncapi.store.previews import (
    select_entries_of_type,
    select_joined_counts,
    select_memberships_of_user,
)
from components.syncapi.timeline.rendering import content_of
from matrix.errors import Forbidden, InvalidParam
from matrix.spaces import SPACE, child_order, names_child
from requesting.page_tokens import encode_page_token

_CHILD: Final = "m.space.child"


class HierarchyPlace(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of a space ends, and what was asked for: the token of the next one."""

    room_id: str
    max_depth: int
    suggested_only: bool
    count: int
    """How many rooms came so far."""
    last_room_id: str


class HierarchyQuery(msgspec.Struct, frozen=True):
    """The parameters of /hierarchy."""

    room_id: str
    max_depth: int
    suggested_only: bool
    limit: int
    max_children: int
    """Children of one space that are looked at."""
    max_walked: int
    """Children of all spaces that are looked at."""
    after: HierarchyPlace | None = None

    def check_same(self) -> None:
        """Raise `InvalidParam` unless the token was made for the same question."""
        after = self.after
        if after is None:
            return
        if after.room_id != self.room_id:
            raise InvalidParam("from is no token of this room.")
        if (after.max_depth, after.suggested_only) != (self.max_depth, self.suggested_only):
            raise InvalidParam("suggested_only and max_depth cannot change between pages.")


def read_hierarchy(
    connection: Connection, *, query: HierarchyQuery, user_id: str
) -> dict[str, Any]:
    """Return a page of the rooms of a space. Raises `Forbidden` for a room that is not shown."""
    query.check_same()
    walk = _Walk(connection, query, select_memberships_of_user(connection, user_id))
    page, is_last = _page(walk.rooms(), query)
    counts = select_joined_counts(connection, [one.room_id for one in page])
    answer: dict[str, Any] = {
        "rooms": [
            {
                **one.summary(counts.get(one.room_id, 0)),
                "children_state": [_stripped(child) for child in walk.children(one)],
            }
            for one in page
        ]
    }
    if page and not is_last:
        count = len(page) + (0 if query.after is None else query.after.count)
        place = HierarchyPlace(
            query.room_id, query.max_depth, query.suggested_only, count, page[-1].room_id
        )
        answer["next_batch"] = encode_page_token(place)
    return answer


def _page(rooms: Iterator[Preview], query: HierarchyQuery) -> tuple[list[Preview], bool]:
    """Return the rooms of the page, and whether they are the last ones."""
    after = query.after
    if after is None:
        return _take(rooms, query.limit)
    passed: list[Preview] = []
    for one in rooms:
        if one.room_id == after.last_room_id:
            return _take(rooms, query.limit)
        passed.append(one)
    # The room at the end of the last page is gone: its number says where that was.
    return _take(iter(passed[after.count :]), query.limit)


def _take(rooms: Iterator[Preview], limit: int) -> tuple[list[Preview], bool]:
    page: list[Preview] = []
    for one in rooms:
        if len(page) == limit:
            return page, False
        page.append(one)
    return page, True


class _Walk:
    """Goes through a space, each room once."""

    def __init__(
        self, connection: Connection, query: HierarchyQuery, memberships: Mapping[str, str]
    ) -> None:
        self._connection = connection
        self._query = query
        self._memberships = memberships
        self._previews: dict[str, Preview | None] = {}
        self._children: dict[str, Sequence[RoomEvent]] = {}
        self._walked = 0

    def rooms(self) -> Iterator[Preview]:
        """Give the rooms that the user may see. Raises `Forbidden` if the first is none."""
        query = self._query
        self._load([query.room_id])
        seen: set[str] = set()
        expanded_at: dict[str, int] = {}
        waiting = [(query.room_id, 0)]
        while waiting:
            room_id, depth = waiting.pop()
            preview = self._previews.get(room_id)
            if preview is None:
                continue
            if room_id not in seen:
                seen.add(room_id)
                yield preview
            # A space that was first met too deep is gone into where it is less deep.
            if depth < min(query.max_depth, expanded_at.get(room_id, query.max_depth)):
                expanded_at[room_id] = depth
                waiting += [(one, depth + 1) for one in reversed(self._expand(preview))]
        if query.room_id not in seen:
            raise Forbidden("You are not allowed to view this room.")

    def _expand(self, preview: Preview) -> list[str]:
        """Return the children of a room, once what is shown of them is loaded."""
        if self._walked >= self._query.max_walked:
            return []
        room_ids = [one.state_key for one in self.children(preview) if one.state_key is not None]
        self._walked += len(room_ids)
        self._load([one for one in room_ids if one not in self._previews])
        return room_ids

    def _load(self, room_ids: list[str]) -> None:
        found = select_previews(self._connection, room_ids)
        for room_id in room_ids:
            preview = found.get(room_id)
            is_shown = preview is not None and preview.is_shown_to(self._memberships)
            self._previews[room_id] = preview if is_shown else None

    def children(self, preview: Preview) -> Sequence[RoomEvent]:
        """Return the events that name the children of a space, in order; of others none."""
        if preview.room_type != SPACE:
            return ()
        known = self._children.get(preview.room_id)
        if known is None:
            known = self._children[preview.room_id] = self._select_children(preview.room_id)
        return known

    def _select_children(self, room_id: str) -> list[RoomEvent]:
        found: list[tuple[tuple[bool, str, int, str], RoomEvent]] = []
        for event in select_entries_of_type(
            self._connection, room_id, _CHILD, self._query.max_children
        ):
            content = content_of(event)
            is_wanted = content.get("suggested") is True or not self._query.suggested_only
            if names_child(content) and is_wanted:
                order = child_order(content, event.origin_server_ts, event.state_key or "")
                found.append((order, event))
        found.sort(key=lambda one: one[0])
        return [event for _, event in found]


def _stripped(event: RoomEvent) -> dict[str, Any]:
    return {
        "type": event.type,
        "state_key": event.state_key,
        "sender": event.sender,
        "content": content_of(event),
        "origin_server_ts": event.origin_server_ts,
    }

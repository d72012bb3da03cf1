"""Events that relate to another, in pages (client-server API, "Relationships API")."""

import msgspec
import orjson

from base.database import Connection
from components.syncapi.relations.bundled_events import render_bundled
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.related import (
    DEPTH,
    Child,
    ChildrenRange,
    select_children,
    select_descendants,
)
from components.syncapi.timeline.access import Access
from components.syncapi.timeline.erasure import with_erasures
from components.syncapi.timeline.paging import FROM_THE_START, LEAST_AT_ONCE, Page, Range, scan
from components.syncapi.timeline.rendering import Reader
from components.syncapi.timeline.visible_event import find_event
from components.syncapi.tokens import SyncTokens


class RelationsQuery(msgspec.Struct, frozen=True, gc=False):
    """The parameters of /relations, tokens read."""

    room_id: str
    event_id: str
    rel_type: str | None
    event_type: str | None
    from_token: str | None
    from_order: int | None
    to_order: int | None
    backwards: bool
    limit: int
    recurse: bool | None
    """None where the client does not say."""
    max_scanned: int


def read_relations(
    connection: Connection, *, query: RelationsQuery, reader: Reader, tokens: SyncTokens
) -> bytes:
    """Return the body of /relations. Raises `NotFound` for a parent the reader may not see."""
    room_id = query.room_id
    _, access = find_event(connection, reader.user_id, room_id, query.event_id)
    page = _select_page(connection, query, access)
    events = with_erasures(connection, room_id, page.events, access.viewer)
    chunk = render_bundled(connection, room_id, events, reader, access)
    members = [b'"chunk":[' + b",".join(chunk) + b"]"]
    if page.more:
        members.append(b'"next_batch":"%b"' % tokens.encode_place(page.place).encode())
    if query.from_token:
        members.append(b'"prev_batch":' + orjson.dumps(query.from_token))
    if query.recurse is not None:
        members.append(b'"recursion_depth":%d' % (DEPTH if query.recurse else 1))
    return b"{" + b",".join(members) + b"}"


def _select_page(connection: Connection, query: RelationsQuery, access: Access) -> Page:
    """Return the first related events of the range that match and are seen."""

    def read(from_order: int, to_order: int, limit: int) -> list[Child]:
        place = ChildrenRange(query.room_id, query.event_id, from_order, to_order, query.backwards)
        if query.recurse:
            return select_descendants(connection, place, limit)
        return select_children(connection, place, limit, query.rel_type)

    def event_if_wanted(child: Child) -> RoomEvent | None:
        event = child.event
        return event if _is_asked(child, query) and access.viewer.sees(event) else None

    return scan(
        connection,
        _range_of(query, access),
        read=read,
        event_if_wanted=event_if_wanted,
        limit=query.limit,
        at_first=max(query.limit + 1, LEAST_AT_ONCE),
        max_scanned=query.max_scanned,
    )


def _range_of(query: RelationsQuery, access: Access) -> Range:
    start, end = query.from_order, query.to_order
    if query.backwards:
        start, end = end, start
    return Range(
        query.room_id,
        FROM_THE_START if start is None else start,
        access.end if end is None else min(end, access.end),
        query.backwards,
    )


def _is_asked(child: Child, query: RelationsQuery) -> bool:
    # Through what others an event relates does not matter.
    return (query.rel_type is None or child.rel_type == query.rel_type) and (
        query.event_type is None or child.event.type == query.event_type
    )

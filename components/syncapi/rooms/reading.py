"""What clients read of one room outside of /sync: events, pages, context, state, members."""

from collections.abc import Collection

import msgspec
import orjson

from base.database import Connection
from components.syncapi.relations.bundled_events import render_bundled
from components.syncapi.relations.bundling import Bundler
from components.syncapi.store.events import select_events
from components.syncapi.store.state_at import select_entry_at, select_members_at, select_state_at
from components.syncapi.store.state_pages import select_state_pages
from components.syncapi.timeline.access import Access, require_access
from components.syncapi.timeline.erasure import state_with_erasures
from components.syncapi.timeline.matching import matches
from components.syncapi.timeline.paging import FROM_THE_START, Page, Range, select_page
from components.syncapi.timeline.rendering import (
    Reader,
    content_of,
    joined_parts,
    render,
    render_state,
    room_id_member,
)
from components.syncapi.timeline.visible_event import find_event, no_such_event, visible_event
from components.syncapi.tokens import SyncTokens
from matrix.errors import NotFound
from matrix.filters import EventFilter


class PageQuery(msgspec.Struct, frozen=True, gc=False):
    """The parameters of /messages, tokens read."""

    room_id: str
    from_token: str | None
    from_order: int | None
    to_order: int | None
    backwards: bool
    limit: int
    event_filter: EventFilter
    max_scanned: int


class ContextQuery(msgspec.Struct, frozen=True, gc=False):
    """The parameters of /context."""

    room_id: str
    event_id: str
    limit: int
    event_filter: EventFilter
    max_scanned: int


def read_messages(
    connection: Connection, *, query: PageQuery, reader: Reader, tokens: SyncTokens
) -> bytes:
    """Return the body of /messages."""
    access = require_access(connection, reader.user_id, query.room_id)
    place = _range_of(query, access)
    page = select_page(
        connection,
        place,
        limit=query.limit,
        event_filter=query.event_filter,
        viewer=access.viewer,
        max_scanned=query.max_scanned,
    )
    start = query.from_token or tokens.encode_place(
        place.to_order if query.backwards else place.from_order
    )
    chunk = render_bundled(connection, query.room_id, page.events, reader, access)
    members = [
        b'"chunk":[' + b",".join(chunk) + b"]",
        b'"start":' + orjson.dumps(start),
    ]
    if page.more:
        members.append(b'"end":"' + tokens.encode_place(page.place).encode() + b'"')
    if query.event_filter.lazy_load_members:
        senders = {event.sender for event in page.events}
        state = select_members_at(connection, query.room_id, access.upto, senders)
        state = state_with_erasures(connection, query.room_id, state, access.viewer)
        members.append(b'"state":[' + render_state(state, room_id_member(query.room_id)) + b"]")
    return b"{" + b",".join(members) + b"}"


def _range_of(query: PageQuery, access: Access) -> Range:
    start, end = query.from_order, query.to_order
    if query.backwards:
        upto = access.end if start is None else min(start, access.end)
        return Range(query.room_id, FROM_THE_START if end is None else end, upto, backwards=True)
    return Range(
        query.room_id,
        FROM_THE_START if start is None else start,
        access.end if end is None else min(end, access.end),
        backwards=False,
    )


def read_event(connection: Connection, *, room_id: str, event_id: str, reader: Reader) -> bytes:
    """Return the JSON of one event. Raises `NotFound` for what the reader may not see, too."""
    event, access = find_event(connection, reader.user_id, room_id, event_id)
    bundler = Bundler(connection, room_id, reader, access.viewer, access.upto)
    relations = bundler.bundles([event]).get(event_id, b"")
    return render(event, reader, room_id=room_id_member(room_id), relations=relations)


def read_event_by_id(connection: Connection, *, event_id: str, reader: Reader) -> bytes:
    """Return the JSON of one event of any room, as `read_event` does."""
    event = select_events(connection, [event_id]).get(event_id)
    if event is None:
        raise no_such_event()
    return read_event(connection, room_id=event.room_id, event_id=event_id, reader=reader)


def read_context(
    connection: Connection, *, query: ContextQuery, reader: Reader, tokens: SyncTokens
) -> bytes:
    """Return the body of /context. Raises `NotFound` for an event that the reader may not see."""
    room_id = query.room_id
    access = require_access(connection, reader.user_id, room_id)
    event = visible_event(connection, room_id, query.event_id, access)
    if event.stream_order is None:
        raise NotFound("Nothing is known of what was around this event.")
    before = _context_page(
        connection,
        Range(room_id, FROM_THE_START, event.order, backwards=True),
        query,
        access,
        query.limit // 2,
    )
    after = _context_page(
        connection,
        Range(room_id, event.order + 1, access.end, backwards=False),
        query,
        access,
        query.limit - query.limit // 2,
    )
    last = after.events[-1] if after.events else event
    wanted: Collection[str] | None = None
    if query.event_filter.lazy_load_members:
        wanted = {one.sender for one in [event, *before.events, *after.events]}
    state = select_state_at(connection, room_id, last.order + 1, members=wanted)
    state = [one for one in state if matches(query.event_filter, one)]
    state = state_with_erasures(connection, room_id, state, access.viewer)
    events = [event, *before.events, *after.events]
    this, *others = render_bundled(connection, room_id, events, reader, access)
    return (
        b'{"start":"%b","end":"%b","event":%b,"events_before":[%b],"events_after":[%b],"state":[%b]}'
        % (
            tokens.encode_place(before.place).encode(),
            tokens.encode_place(after.place).encode(),
            this,
            b",".join(others[: len(before.events)]),
            b",".join(others[len(before.events) :]),
            render_state(state, room_id_member(room_id)),
        )
    )


def _context_page(
    connection: Connection, place: Range, query: ContextQuery, access: Access, limit: int
) -> Page:
    return select_page(
        connection,
        place,
        limit=limit,
        event_filter=query.event_filter,
        viewer=access.viewer,
        max_scanned=query.max_scanned,
    )


def read_state(connection: Connection, *, room_id: str, user_id: str) -> list[bytes]:
    """Return the parts of the body of /state: now, or for those who left as they left it."""
    access = require_access(connection, user_id, room_id)
    member = room_id_member(room_id)
    parts = [
        render_state(state_with_erasures(connection, room_id, page, access.viewer), member)
        for page in select_state_pages(connection, room_id, access.upto)
        if page
    ]
    return joined_parts(b"[", parts, b"]")


def read_state_entry(
    connection: Connection,
    *,
    room_id: str,
    entry: tuple[str, str],
    reader: Reader,
    whole_event: bool,
) -> bytes:
    """Return one entry of the state: its content or the whole event. Raises `NotFound`."""
    access = require_access(connection, reader.user_id, room_id)
    event_type, state_key = entry
    event = select_entry_at(connection, room_id, access.upto, event_type, state_key)
    if event is None:
        raise NotFound("The room has no state of this type and key.")
    [event] = state_with_erasures(connection, room_id, [event], access.viewer)
    if whole_event:
        return render(event, reader, room_id=room_id_member(room_id))
    return orjson.dumps(content_of(event))

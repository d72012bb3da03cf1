"""The threads of a room, those that somebody wrote to last first (client-server API, "Threading").

They are paged by the last event that anybody wrote. A reader who does not see that one finds the
thread among those of its page where the last event that they see puts it.
"""

from typing import Final

import msgspec

from base.database import Connection
from components.syncapi.relations.bundling import Bundler
from components.syncapi.relations.thread_summaries import ThreadSummary
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.bundled import select_participation
from components.syncapi.store.events import select_events
from components.syncapi.store.related import select_threads
from components.syncapi.timeline.access import Access, require_access
from components.syncapi.timeline.erasure import as_redacted, with_erasures
from components.syncapi.timeline.paging import TO_THE_END
from components.syncapi.timeline.rendering import Reader, render, room_id_member
from components.syncapi.tokens import SyncTokens

_LEAST_CHUNK: Final = 20
_MOST_CHUNK: Final = 100


class ThreadsQuery(msgspec.Struct, frozen=True, gc=False):
    """The parameters of /threads, the token read."""

    room_id: str
    before: int | None
    limit: int
    participated: bool
    """Whether only those are asked for that the reader took part in."""
    max_scanned: int


class _Thread(msgspec.Struct, gc=False):
    """A thread of the answer."""

    root: RoomEvent
    summary: ThreadSummary
    bundle: bytes
    place: int
    """The order of the last event that anybody wrote."""


def read_threads(
    connection: Connection, *, query: ThreadsQuery, reader: Reader, tokens: SyncTokens
) -> bytes:
    """Return the body of /threads. Raises `Forbidden` for who may not read the room."""
    access = require_access(connection, reader.user_id, query.room_id)
    bundler = Bundler(connection, query.room_id, reader, access.viewer, access.upto)
    found, place = _select_page(connection, query, access, bundler)
    found.sort(key=lambda thread: thread.summary.latest.order, reverse=True)
    roots = _as_seen(connection, query.room_id, [thread.root for thread in found], access)
    room_id = room_id_member(query.room_id)
    chunk = b",".join(
        [
            render(
                root,
                reader,
                membership=access.viewer.membership_after(root.order),
                room_id=room_id,
                relations=thread.bundle,
            )
            for thread, root in zip(found, roots, strict=True)
        ]
    )
    if place is None:
        return b'{"chunk":[%b]}' % chunk
    return b'{"chunk":[%b],"next_batch":"%b"}' % (chunk, tokens.encode_place(place).encode())


def _select_page(
    connection: Connection, query: ThreadsQuery, access: Access, bundler: Bundler
) -> tuple[list[_Thread], int | None]:
    """Return the next threads, and where further ones follow: None at the end."""
    found: list[_Thread] = []
    before = TO_THE_END if query.before is None else query.before
    chunk = min(max(query.limit + 1, _LEAST_CHUNK), _MOST_CHUNK)
    scanned = 0
    while True:
        rows = select_threads(connection, query.room_id, before, chunk)
        for thread in _threads(connection, rows, query, access, bundler):
            if len(found) == query.limit:
                return found, found[-1].place
            found.append(thread)
        if len(rows) < chunk:
            return found, None
        before = rows[-1][1]
        scanned += len(rows)
        if scanned >= query.max_scanned:
            return found, before


def _threads(
    connection: Connection,
    rows: list[tuple[str, int]],
    query: ThreadsQuery,
    access: Access,
    bundler: Bundler,
) -> list[_Thread]:
    """Return those of the threads that the reader sees and asks for, in their order."""
    root_ids = [root_id for root_id, _ in rows]
    mine = select_participation(connection, query.room_id, root_ids, access.viewer.user_id)
    roots = {
        event_id: event
        for event_id, event in select_events(connection, root_ids).items()
        if _is_visible(event, query.room_id, access)
        and (not query.participated or event_id in mine or event.sender == access.viewer.user_id)
    }
    threads, bundles = bundler.threads(roots.values())
    return [
        _Thread(roots[root_id], threads[root_id], bundles[root_id], place)
        for root_id, place in rows
        if root_id in threads
    ]


def _is_visible(root: RoomEvent, room_id: str, access: Access) -> bool:
    if root.room_id != room_id or root.stream_order is None:
        return False
    # Threads that ignored users began are shown, with their roots redacted.
    return access.viewer.may_see(root)


def _as_seen(
    connection: Connection, room_id: str, roots: list[RoomEvent], access: Access
) -> list[RoomEvent]:
    roots = with_erasures(connection, room_id, roots, access.viewer)
    ignored = access.viewer.ignored
    return [as_redacted(connection, root) if root.sender in ignored else root for root in roots]

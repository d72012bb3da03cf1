"""A room as the older endpoints show it: state, newest messages and account data in one."""

from typing import Final

import msgspec
import orjson

from base.database import Connection
from components.syncapi.changes import AccountDatum, Membership
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.account_data import select_room_account_data
from components.syncapi.store.events import select_events
from components.syncapi.store.membership import select_membership
from components.syncapi.store.state_at import select_state_at
from components.syncapi.streams.events import render_datum
from components.syncapi.timeline.access import is_world_readable, require_access
from components.syncapi.timeline.erasure import state_with_erasures
from components.syncapi.timeline.paging import FROM_THE_START, Range, select_page
from components.syncapi.timeline.rendering import (
    Reader,
    render,
    render_state,
    room_id_member,
)
from components.syncapi.tokens import SyncTokens
from matrix.filters import EventFilter

_EVERYTHING: Final = EventFilter.parse({})


class SnapshotQuery(msgspec.Struct, frozen=True, gc=False):
    """How much of rooms to show, and where they end."""

    limit: int
    """Messages at most."""
    end_token: str
    """The token of where the rooms end."""
    max_scanned: int


def read_snapshot(
    connection: Connection,
    *,
    room_id: str,
    upto: int,
    reader: Reader,
    query: SnapshotQuery,
    tokens: SyncTokens,
) -> bytes:
    """Return the `RoomInfo` of a room before a place. Raises `Forbidden`."""
    now = select_membership(connection, reader.user_id, room_id)
    members = [b'"room_id":' + orjson.dumps(room_id)]
    if now is not None and now.membership != "knock":
        members.append(b'"membership":' + orjson.dumps(now.membership))
    if now is not None and now.membership == "invite":
        members += _invite(connection, now, reader)
        if not is_world_readable(connection, room_id):
            return b"{" + b",".join(members) + b"}"
    access = require_access(connection, reader.user_id, room_id)
    page = select_page(
        connection,
        Range(room_id, FROM_THE_START, min(upto, access.end), backwards=True),
        limit=query.limit,
        event_filter=_EVERYTHING,
        viewer=access.viewer,
        max_scanned=query.max_scanned,
    )
    member = room_id_member(room_id)
    chunk = [
        render(
            event, reader, membership=access.viewer.membership_after(event.order), room_id=member
        )
        for event in reversed(page.events)
    ]
    start = b'"start":"%b",' % tokens.encode_place(page.place).encode() if page.more else b""
    state = select_state_at(connection, room_id, min(upto, access.upto))
    state = state_with_erasures(connection, room_id, state, access.viewer)
    members += [
        b'"messages":{%b"end":"%b","chunk":[%b]}'
        % (start, query.end_token.encode(), b",".join(chunk)),
        b'"state":[' + render_state(state, member) + b"]",
        b'"account_data":'
        + render_data(select_room_account_data(connection, reader.user_id, room_id)),
    ]
    return b"{" + b",".join(members) + b"}"


def render_data(data: list[AccountDatum]) -> bytes:
    """Return account data as a JSON array."""
    return b"[" + b",".join(map(render_datum, data)) + b"]"


def _invite(connection: Connection, now: Membership, reader: Reader) -> list[bytes]:
    """Return the event that invites, which is not known of rooms that this server is not in."""
    event: RoomEvent | None = select_events(connection, [now.event_id]).get(now.event_id)
    if event is None:
        return []
    return [b'"invite":' + render(event, reader, room_id=room_id_member(event.room_id))]

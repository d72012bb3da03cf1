"""All rooms of a user at once, as GET /initialSync shows them."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

import msgspec

from base.database import Connection
from components.syncapi.changes import Membership
from components.syncapi.legacy.snapshot import SnapshotQuery, read_snapshot, render_data
from components.syncapi.position import ROOMS, SyncPosition
from components.syncapi.store.account_data import select_account_data, select_ignored_users
from components.syncapi.store.events import select_events
from components.syncapi.store.membership import select_rooms_of_user_before
from components.syncapi.timeline.rendering import Reader
from components.syncapi.tokens import SyncTokens
from matrix.errors import Forbidden

_FIRST: Final = 0
_LAST: Final = 2**62


class RoomInitialSyncQuery(msgspec.Struct, frozen=True, gc=False):
    """The parameters of /initialSync."""

    upto: SyncPosition
    rooms: SnapshotQuery
    archived: bool
    """Whether rooms that the user left are shown, too."""
    partition_of: Callable[[str], int]


def read_room_initial_sync(
    connection: Connection, *, query: RoomInitialSyncQuery, reader: Reader, tokens: SyncTokens
) -> bytes:
    """Return the body of /initialSync."""
    user_id = reader.user_id
    data = select_account_data(connection, user_id, _FIRST, _LAST)
    rooms: list[bytes] = []
    for room_id in _shown(connection, query, user_id):
        # Of a room that a user only turned down there is nothing to see.
        with suppress(Forbidden):
            rooms.append(
                read_snapshot(
                    connection,
                    room_id=room_id,
                    upto=_end(query, room_id),
                    reader=reader,
                    query=query.rooms,
                    tokens=tokens,
                )
            )
    return b'{"end":"%b","presence":[],"account_data":%b,"rooms":[%b]}' % (
        query.rooms.end_token.encode(),
        render_data([datum for datum in data if not datum.room_id]),
        b",".join(rooms),
    )


def _end(query: RoomInitialSyncQuery, room_id: str) -> int:
    return query.upto[ROOMS][query.partition_of(room_id)]


def _shown(connection: Connection, query: RoomInitialSyncQuery, user_id: str) -> Iterator[str]:
    ignored = select_ignored_users(connection, user_id)
    memberships = select_rooms_of_user_before(
        connection, user_id, lambda room_id: _end(query, room_id)
    )
    for room_id, now in memberships.items():
        match now.membership:
            case "join":
                yield room_id
            case "invite" if not (ignored and _sender(connection, now) in ignored):
                yield room_id
            case "leave" | "ban" if query.archived:
                yield room_id
            case _:
                pass


def _sender(connection: Connection, now: Membership) -> str:
    event = select_events(connection, [now.event_id]).get(now.event_id)
    return "" if event is None else event.sender

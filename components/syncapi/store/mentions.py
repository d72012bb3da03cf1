"""Whom events mention: one row for each user, so that nobody looks for theirs among all events."""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Statement, insert_new_into
from components.syncapi.store.selects_of_rooms import select_together
from components.syncapi.store.tables import MENTIONS

ROOM: Final = ""
"""The user ID under which a mention of the room stands."""

_M: Final = MENTIONS.c
_INSERT: Final = insert_new_into(MENTIONS)
_DELETE: Final = Statement(sa.delete(MENTIONS).where(_M.event_id == sa.bindparam("of_event")))
_OF_USER: Final = (
    sa.select(*_M)
    .where(_M.room_id == sa.bindparam("room_id"))
    .where(_M.user_id.in_([sa.bindparam("user_id"), sa.literal_column("''")]))
    .where(_M.stream_order > sa.bindparam("after"))
    .where(_M.stream_order < sa.bindparam("before"))
)


class Mention(NamedTuple):
    """An event that mentions a user, or the room."""

    room_id: str
    user_id: str
    """`ROOM` for a mention of the room, whether its sender may mention it or not."""
    order: int
    event_id: str
    sender: str
    push_class: int
    thread_root: str | None


class Since(NamedTuple):
    """A part of a room's timeline, without its ends."""

    room_id: str
    after: int
    before: int


def insert_mentions(connection: Connection, mentions: Sequence[Mention]) -> None:
    """Keep whom new events mention; what is there stays."""
    _INSERT.run_tuples(connection, [tuple(one) for one in mentions])


def delete_mentions(connection: Connection, event_ids: Collection[str]) -> None:
    """Forget whom events mentioned."""
    _DELETE.run_many(connection, [{"of_event": event_id} for event_id in event_ids])


def select_mentions(connection: Connection, user_id: str, spans: Sequence[Since]) -> list[Mention]:
    """Return the events that mention a user or the room, in no order; both give two of them."""
    given: list[dict[str, Any]] = [{**span._asdict(), "user_id": user_id} for span in spans]
    return [Mention._make(row) for row in select_together(connection, _OF_USER, given)]

"""Events of a room by the time that their servers gave them."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection, Statement
from components.syncapi.room_event import RoomEvent
from components.syncapi.store.tables import EVENTS

_time: Final = EVENTS.c.origin_server_ts
_order: Final = EVENTS.c.stream_order
_IN_ROOM: Final = (
    sa.select(*EVENTS.c)
    .where(EVENTS.c.room_id == sa.bindparam("room_id"))
    .where(_order.isnot(None))
    .limit(sa.bindparam("row_limit"))
)
_FORWARDS: Final = Statement(
    _IN_ROOM.where(_time >= sa.bindparam("from_ms"))
    .where((_time > sa.bindparam("from_ms_again")) | (_order > sa.bindparam("after_order")))
    .order_by(_time, _order)
)
_BACKWARDS: Final = Statement(
    _IN_ROOM.where(_time <= sa.bindparam("from_ms"))
    .where((_time < sa.bindparam("from_ms_again")) | (_order < sa.bindparam("after_order")))
    .order_by(_time.desc(), _order.desc())
)
_ALL: Final = 2**62


def select_around(
    connection: Connection,
    room_id: str,
    timestamp_ms: int,
    *,
    backwards: bool,
    after: tuple[int, int] | None,
    limit: int,
) -> list[RoomEvent]:
    """Return the events at this time and on from it, the closest first.

    `after` is time and order of the last one that was returned before.
    """
    from_ms, after_order = after or (timestamp_ms, _ALL if backwards else -_ALL)
    rows = (_BACKWARDS if backwards else _FORWARDS).rows(
        connection,
        {
            "room_id": room_id,
            "from_ms": from_ms,
            "from_ms_again": from_ms,
            "after_order": after_order,
            "row_limit": limit,
        },
    )
    return [RoomEvent(*row) for row in rows]

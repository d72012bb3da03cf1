"""What no record of an event tells any more, and is carried into a copy of the tables."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection
from components.syncapi.store.tables import EVENTS

_COLUMNS: Final = (
    EVENTS.c.event_id,
    EVENTS.c.device_id,
    EVENTS.c.transaction_id,
    EVENTS.c.thread_root,
    EVENTS.c.push_class,
)
_WITH_SOMETHING: Final = (
    sa.select(*_COLUMNS)
    .where(EVENTS.c.event_id > sa.bindparam("after"))
    .where(
        sa.or_(
            EVENTS.c.transaction_id.isnot(None),
            EVENTS.c.thread_root.isnot(None),
            EVENTS.c.push_class < 0,
        )
    )
    .order_by(EVENTS.c.event_id)
)
_CLASS: Final = sa.bindparam("of_class", type_=EVENTS.c.push_class.type)


def _unless_there(column: sa.Column[str | None], name: str) -> sa.ColumnElement[str | None]:
    return sa.func.coalesce(column, sa.bindparam(name, type_=column.type))


_CARRY: Final = (
    sa.update(EVENTS)
    .where(EVENTS.c.event_id == sa.bindparam("of_event"))
    .values(
        device_id=_unless_there(EVENTS.c.device_id, "of_device"),
        transaction_id=_unless_there(EVENTS.c.transaction_id, "of_transaction"),
        thread_root=_unless_there(EVENTS.c.thread_root, "of_thread"),
        push_class=sa.case(
            (sa.and_(EVENTS.c.push_class < 0, _CLASS < 0), _CLASS), else_=EVENTS.c.push_class
        ),
    )
)


class Carried(NamedTuple):
    """An event with what it was sent with, and what it was before it was redacted."""

    event_id: str
    device_id: str | None
    transaction_id: str | None
    thread_root: str | None = None
    push_class: int = 0
    """Only that of a redacted event counts."""


def select_carried(connection: Connection, after: str, limit: int) -> list[Carried]:
    """Return events that have something to carry, ordered by ID; all come after the empty text."""
    rows = connection.execute(_WITH_SOMETHING.limit(limit), {"after": after})
    return [Carried(*row) for row in rows]


def update_carried(connection: Connection, events: Sequence[Carried]) -> None:
    """Give events what they lack; those that are not here are passed over."""
    if events:
        connection.execute(
            _CARRY,
            [
                {
                    "of_event": one.event_id,
                    "of_device": one.device_id,
                    "of_transaction": one.transaction_id,
                    "of_thread": one.thread_root,
                    "of_class": one.push_class,
                }
                for one in events
            ],
        )

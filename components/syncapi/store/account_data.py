"""Account data of users and of their rooms."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import sqlalchemy as sa
from msgspec.structs import astuple

from base.database import Connection, Statement, paced, upsert_into
from components.syncapi.changes import AccountDatum
from components.syncapi.ignoring import IGNORED_USER_LIST, NOBODY, ignored_users
from components.syncapi.store.tables import ACCOUNT_DATA

_OF_USER: Final = (
    sa.select(*ACCOUNT_DATA.c)
    .where(ACCOUNT_DATA.c.user_id == sa.bindparam("user_id"))
    .where(ACCOUNT_DATA.c.stream_order >= sa.bindparam("from_order"))
    .where(ACCOUNT_DATA.c.stream_order < sa.bindparam("to_order"))
    .order_by(ACCOUNT_DATA.c.stream_order)
)
_OF_ROOM: Final = (
    sa.select(*ACCOUNT_DATA.c)
    .where(ACCOUNT_DATA.c.user_id == sa.bindparam("user_id"))
    .where(ACCOUNT_DATA.c.room_id == sa.bindparam("room_id"))
    .order_by(ACCOUNT_DATA.c.stream_order)
)
_NEWEST: Final = sa.select(sa.func.max(ACCOUNT_DATA.c.stream_order)).where(
    ACCOUNT_DATA.c.user_id == sa.bindparam("user_id")
)
_OF_TYPE: Final = Statement(
    sa.select(ACCOUNT_DATA.c.content)
    .where(ACCOUNT_DATA.c.user_id == sa.bindparam("user_id"))
    .where(ACCOUNT_DATA.c.room_id == sa.bindparam("room_id"))
    .where(ACCOUNT_DATA.c.type == sa.bindparam("type"))
)
_UPSERT: Final = upsert_into(ACCOUNT_DATA, "stream_order", "content")
_DELETE: Final = Statement(
    sa.delete(ACCOUNT_DATA).where(ACCOUNT_DATA.c.user_id == sa.bindparam("user_id"))
)


def upsert_account_data(connection: Connection, data: Sequence[AccountDatum]) -> None:
    """Put account data in place of what there was of the same types, in their order."""
    _UPSERT.run_tuples(connection, [astuple(datum) for datum in data])


def delete_account_data(connection: Connection, user_id: str) -> None:
    """Delete all that a user kept, in rooms and outside of them."""
    _DELETE.run(connection, {"user_id": user_id})


def select_account_data(
    connection: Connection, user_id: str, from_order: int, to_order: int
) -> list[AccountDatum]:
    """Return a user's account data that changed last in this range, oldest change first."""
    rows = connection.execute(
        _OF_USER, {"user_id": user_id, "from_order": from_order, "to_order": to_order}
    )
    return [AccountDatum(*row) for row in paced(connection, rows)]


def select_room_account_data(
    connection: Connection, user_id: str, room_id: str
) -> list[AccountDatum]:
    """Return a user's account data of one room, oldest change first."""
    rows = connection.execute(_OF_ROOM, {"user_id": user_id, "room_id": room_id})
    return [AccountDatum(*row) for row in rows]


def select_newest_account_data_order(connection: Connection, user_id: str) -> int:
    """Return the order of a user's last change of account data; -1 if there is none."""
    newest: int | None = connection.execute(_NEWEST, {"user_id": user_id}).scalar()
    return -1 if newest is None else newest


def select_account_datum(connection: Connection, user_id: str, data_type: str) -> bytes | None:
    """Return a user's account data of one type, of no room; None where it was never set."""
    rows = _OF_TYPE.rows(connection, {"user_id": user_id, "room_id": "", "type": data_type})
    return bytes(rows[0][0]) if rows else None


def select_ignored_users(connection: Connection, user_id: str) -> AbstractSet[str]:
    """Return whom a user ignores."""
    content = select_account_datum(connection, user_id, IGNORED_USER_LIST)
    return NOBODY if content is None else ignored_users(user_id, content)

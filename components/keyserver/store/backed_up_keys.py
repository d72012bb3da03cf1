"""The keys in backups, in a transaction; who changes them has locked their user."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, SelectByKeys, Statement, upsert_into
from components.keyserver.store.backup_tables import backed_up_keys

PAGE_KEYS: Final = 100
"""How many keys are read at once: some are large."""
KEYS_DELETED: Final = 1000
"""How many keys are deleted at once."""

_of: Final = backed_up_keys.c
_IN_BACKUP: Final = (
    _of.user_id == sa.bindparam("of_user"),
    _of.version == sa.bindparam("of_version"),
)
_IN_ROOM: Final = (*_IN_BACKUP, _of.room_id == sa.bindparam("of_room"))
_IS_KEY: Final = (*_IN_ROOM, _of.session_id == sa.bindparam("of_session"))
_SELECTED: Final = sa.select(
    _of.room_id,
    _of.session_id,
    _of.first_message_index,
    _of.forwarded_count,
    _of.is_verified,
    _of.session_data,
)
_KEY: Final = Statement(_SELECTED.where(*_IS_KEY))
_PAGE: Final = Statement(
    _SELECTED.where(
        *_IN_BACKUP,
        sa.tuple_(_of.room_id, _of.session_id)
        > sa.tuple_(sa.bindparam("after_room"), sa.bindparam("after_session")),
    )
    .order_by(_of.room_id, _of.session_id)
    .limit(sa.bindparam("page_size"))
)
_PAGE_OF_ROOM: Final = Statement(
    _SELECTED.where(*_IN_ROOM, _of.session_id > sa.bindparam("after_session"))
    .order_by(_of.session_id)
    .limit(sa.bindparam("page_size"))
)
_RANKS: Final = SelectByKeys(
    sa.select(
        _of.room_id, _of.session_id, _of.is_verified, _of.first_message_index, _of.forwarded_count
    ).where(*_IN_BACKUP),
    _of.session_id,
)
_UPSERT: Final = upsert_into(
    backed_up_keys, "first_message_index", "forwarded_count", "is_verified", "session_data"
)


def _delete(*conditions: sa.ColumnElement[bool]) -> Statement:
    some = sa.select(_of.session_id, _of.room_id).where(*conditions).limit(KEYS_DELETED)
    found = some.correlate(None).subquery()
    return Statement(
        sa.delete(backed_up_keys).where(
            *_IN_BACKUP, sa.tuple_(_of.session_id, _of.room_id).in_(sa.select(found))
        )
    )


_DELETE_ALL: Final = _delete(*_IN_BACKUP)
_DELETE_ROOM: Final = _delete(*_IN_ROOM)
_DELETE_KEY: Final = Statement(sa.delete(backed_up_keys).where(*_IS_KEY))


class KeyRank(NamedTuple):
    """What decides which of two copies of a key is kept: the lesser one."""

    is_unverified: bool
    first_message_index: int
    forwarded_count: int


class BackedUpKey(NamedTuple):
    """The key of a session as clients have encrypted it."""

    room_id: str
    session_id: str
    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: bytes
    """JSON, an object."""

    @property
    def rank(self) -> KeyRank:
        """What is compared with other copies (client-server API, "Server-side key backups")."""
        return KeyRank(not self.is_verified, self.first_message_index, self.forwarded_count)


class KeyPlace(NamedTuple):
    """Which keys of a backup: all, those of a room, or that of a session."""

    room_id: str | None = None
    session_id: str | None = None


def _values(user_id: str, version: int, place: KeyPlace) -> dict[str, str | int | None]:
    return {
        "of_user": user_id,
        "of_version": version,
        "of_room": place.room_id,
        "of_session": place.session_id,
    }


def select_key(
    connection: Connection, user_id: str, version: int, place: KeyPlace
) -> BackedUpKey | None:
    """Return the key of a session."""
    row = _KEY.run(connection, _values(user_id, version, place)).first()
    return None if row is None else _key(row)


def select_keys_after(
    connection: Connection,
    user_id: str,
    version: int,
    room_id: str | None,
    after: tuple[str, str],
) -> list[BackedUpKey]:
    """Return the next `PAGE_KEYS` keys of a backup, or of a room in it, after such IDs.

    They come by room and session ID, in an order of the database's.
    """
    values = {
        **_values(user_id, version, KeyPlace(room_id)),
        "after_room": after[0],
        "after_session": after[1],
        "page_size": PAGE_KEYS,
    }
    statement = _PAGE if room_id is None else _PAGE_OF_ROOM
    return [_key(row) for row in statement.rows(connection, values)]


def _key(row: Sequence[Any]) -> BackedUpKey:
    room_id, session_id, index, count, is_verified, data = row
    return BackedUpKey(room_id, session_id, index, count, bool(is_verified), bytes(data))


def select_ranks(
    connection: Connection, user_id: str, version: int, session_ids: Iterable[str]
) -> dict[tuple[str, str], KeyRank]:
    """Return which keys there are of these sessions, by room and session ID."""
    rows = _RANKS.rows(
        connection, sorted(set(session_ids)), {"of_user": user_id, "of_version": version}
    )
    return {
        (room_id, session_id): KeyRank(not is_verified, index, count)
        for room_id, session_id, is_verified, index, count in rows
    }


def upsert_keys(
    connection: Connection, user_id: str, version: int, keys: Iterable[BackedUpKey]
) -> None:
    """Put keys in the places of those that are there, by the end of the transaction."""
    _UPSERT.run_many_at_end(
        connection, [{"user_id": user_id, "version": version, **key._asdict()} for key in keys]
    )


def delete_keys(connection: Connection, user_id: str, version: int, place: KeyPlace) -> int:
    """Delete keys of a backup, `KEYS_DELETED` of them at most; return how many."""
    if place.room_id is None:
        statement = _DELETE_ALL
    elif place.session_id is None:
        statement = _DELETE_ROOM
    else:
        statement = _DELETE_KEY
    return statement.run(connection, _values(user_id, version, place)).rowcount

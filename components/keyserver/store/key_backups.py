"""Backups of keys without their keys, in a transaction.

Who changes a backup or its keys locks its user first, and nobody else.
"""

from typing import Final, NamedTuple

import sqlalchemy as sa

from base.database import Connection, Statement, insert_for, insert_into
from components.keyserver.store.backup_tables import backup_users, key_backups

_IS_USER: Final = backup_users.c.user_id == sa.bindparam("of_user")
_IS_BACKUP: Final = (
    key_backups.c.user_id == sa.bindparam("of_user"),
    key_backups.c.version == sa.bindparam("of_version"),
)
_INSERT_USER: Final = Statement(
    lambda dialect: (
        insert_for(dialect, backup_users)
        .values(
            user_id=sa.bindparam("of_user"),
            last_version=sa.literal_column("0"),
            is_ended=sa.false(),
        )
        .on_conflict_do_nothing()
    )
)
_LOCK_USER: Final = Statement(
    sa.select(backup_users.c.last_version, backup_users.c.is_ended)
    .where(_IS_USER)
    .with_for_update()
)
_UPDATE_USER: Final = Statement(
    sa.update(backup_users).where(_IS_USER).values(last_version=sa.bindparam("new_version"))
)
_END_USER: Final = Statement(sa.update(backup_users).where(_IS_USER).values(is_ended=sa.true()))
_INSERT: Final = insert_into(key_backups)
_SIZES: Final = Statement(
    sa.select(key_backups.c.version, key_backups.c.etag, key_backups.c.key_count)
    .where(key_backups.c.user_id == sa.bindparam("of_user"))
    .order_by(key_backups.c.version.desc())
)
_SELECTED: Final = sa.select(
    key_backups.c.version,
    key_backups.c.algorithm,
    key_backups.c.auth_data,
    key_backups.c.etag,
    key_backups.c.key_count,
)
_SELECT: Final = Statement(_SELECTED.where(*_IS_BACKUP))
_SELECT_CURRENT: Final = Statement(
    _SELECTED.where(key_backups.c.user_id == sa.bindparam("of_user"))
    .order_by(key_backups.c.version.desc())
    .limit(1)
)
_UPDATE_AUTH_DATA: Final = Statement(
    sa.update(key_backups).where(*_IS_BACKUP).values(auth_data=sa.bindparam("new_auth_data"))
)
_UPDATE_SIZE: Final = Statement(
    sa.update(key_backups)
    .where(*_IS_BACKUP)
    .values(etag=sa.bindparam("new_etag"), key_count=sa.bindparam("new_count"))
)


class BackupUser(NamedTuple):
    """A user who has made backups."""

    last_version: int
    is_ended: bool


class BackupSize(NamedTuple):
    """How many keys a backup has, and what tells its states apart."""

    version: int
    etag: int
    key_count: int


class StoredBackup(NamedTuple):
    """A backup as stored."""

    version: int
    algorithm: str
    auth_data: bytes
    etag: int
    key_count: int


def insert_backup_user(connection: Connection, user_id: str) -> None:
    """Let the user be there to be locked."""
    _INSERT_USER.run(connection, {"of_user": user_id})


def lock_backup_user(connection: Connection, user_id: str) -> BackupUser | None:
    """Return the user, whose backups nobody else changes until the end; none had no backup yet."""
    row = _LOCK_USER.run(connection, {"of_user": user_id}).first()
    return None if row is None else BackupUser(row[0], bool(row[1]))


def select_sizes(connection: Connection, user_id: str) -> list[BackupSize]:
    """Return the sizes of all backups of a user, the current one first."""
    return [BackupSize(*row) for row in _SIZES.rows(connection, {"of_user": user_id})]


def select_backup(connection: Connection, user_id: str, version: int | None) -> StoredBackup | None:
    """Return a backup, or without a version the current one."""
    if version is None:
        row = _SELECT_CURRENT.run(connection, {"of_user": user_id}).first()
    else:
        row = _SELECT.run(connection, {"of_user": user_id, "of_version": version}).first()
    return None if row is None else StoredBackup(row[0], row[1], bytes(row[2]), row[3], row[4])


def insert_backup(
    connection: Connection, user_id: str, version: int, algorithm: str, auth_data: bytes
) -> None:
    """Add a backup without keys, the newest of the user."""
    values = {
        "user_id": user_id,
        "version": version,
        "algorithm": algorithm,
        "auth_data": auth_data,
        "etag": 0,
        "key_count": 0,
    }
    _INSERT.run(connection, values)
    _UPDATE_USER.run(connection, {"of_user": user_id, "new_version": version})


def update_auth_data(connection: Connection, user_id: str, version: int, auth_data: bytes) -> None:
    """Give a backup other data."""
    values = {"of_user": user_id, "of_version": version, "new_auth_data": auth_data}
    _UPDATE_AUTH_DATA.run(connection, values)


def update_size(connection: Connection, user_id: str, size: BackupSize) -> None:
    """Note what has become of the keys of a backup, by the end of the transaction."""
    values = {
        "of_user": user_id,
        "of_version": size.version,
        "new_etag": size.etag,
        "new_count": size.key_count,
    }
    _UPDATE_SIZE.run_at_end(connection, values)


def end_user(connection: Connection, user_id: str) -> None:
    """Lock a user, who makes no further backups."""
    insert_backup_user(connection, user_id)
    _END_USER.run(connection, {"of_user": user_id})

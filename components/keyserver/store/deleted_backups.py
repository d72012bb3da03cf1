"""Backups that are deleted while their keys are yet to follow, in a transaction."""

from typing import Final

import sqlalchemy as sa

from base.database import Connection, Statement, insert_new_into
from components.keyserver.store.backup_tables import deleted_backups, key_backups

_IS_DELETED: Final = (
    deleted_backups.c.user_id == sa.bindparam("of_user"),
    deleted_backups.c.version == sa.bindparam("of_version"),
)
_INSERT: Final = insert_new_into(deleted_backups)
_FIRST: Final = Statement(
    sa.select(deleted_backups.c.user_id, deleted_backups.c.version)
    .order_by(deleted_backups.c.user_id, deleted_backups.c.version)
    .limit(1)
)
_DELETE: Final = Statement(sa.delete(deleted_backups).where(*_IS_DELETED))
_DELETE_BACKUP: Final = Statement(
    sa.delete(key_backups).where(
        key_backups.c.user_id == sa.bindparam("of_user"),
        key_backups.c.version == sa.bindparam("of_version"),
    )
)


def delete_backup(connection: Connection, user_id: str, version: int) -> None:
    """Delete a backup of a locked user; nobody finds its keys from now on."""
    _DELETE_BACKUP.run(connection, {"of_user": user_id, "of_version": version})
    _INSERT.run(connection, {"user_id": user_id, "version": version})


def select_first_deleted(connection: Connection) -> tuple[str, int] | None:
    """Return user and version of a deleted backup whose keys are not all deleted."""
    row = _FIRST.run(connection, {}).first()
    return None if row is None else (row[0], row[1])


def delete_deleted(connection: Connection, user_id: str, version: int) -> None:
    """Note that a deleted backup has no keys any more."""
    _DELETE.run(connection, {"of_user": user_id, "of_version": version})

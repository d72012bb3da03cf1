"""Backups of keys: made, shown, changed and deleted (client-server API, "Server-side key backups").

A user's current backup is the newest one that is not deleted.
"""

from typing import Any, Final, NamedTuple

import orjson

from base.database import Connection, Database
from components.keyserver.deleted_backups import DeletedBackups
from components.keyserver.settings import KeyServerSettings
from components.keyserver.store.deleted_backups import delete_backup
from components.keyserver.store.key_backups import (
    BackupUser,
    end_user,
    insert_backup,
    insert_backup_user,
    lock_backup_user,
    select_backup,
    select_sizes,
    update_auth_data,
)
from matrix.canonical import encode_canonical
from matrix.errors import InvalidParam, NotFound, TooLarge, UnknownToken
from matrix.identifiers import UserID

_ALGORITHM_BYTES_MAX: Final = 255


class Backup(NamedTuple):
    """A backup as its user sees it, without its keys."""

    version: int
    algorithm: str
    auth_data: dict[str, Any]
    etag: int
    key_count: int


class KeyBackups:
    """The backups of all users, in the database: any replica knows all."""

    def __init__(
        self, database: Database, deleted: DeletedBackups, settings: KeyServerSettings
    ) -> None:
        self._database: Final = database
        self._deleted: Final = deleted
        self._settings: Final = settings

    async def query_backup(self, user_id: UserID, version: int | None) -> Backup:
        """Return a backup, or without a version the current one. Raises `NotFound`."""
        found = await self._database.read(
            lambda connection: select_backup(connection, user_id, version)
        )
        if found is None:
            raise unknown_backup()
        return Backup(
            found.version,
            found.algorithm,
            orjson.loads(found.auth_data),
            found.etag,
            found.key_count,
        )

    async def perform_create(
        self, user_id: UserID, algorithm: str, auth_data: dict[str, Any]
    ) -> int:
        """Make a backup, which is the current one from now on; return its version.

        Raises `InvalidParam`, and `TooLarge` where the user has too many.
        """
        if len(algorithm.encode()) > _ALGORITHM_BYTES_MAX or "\0" in algorithm:
            raise InvalidParam("The name of the algorithm has a NUL in it or is too long.")
        encoded = self._encoded(auth_data)

        def work(connection: Connection) -> int:
            insert_backup_user(connection, user_id)
            version = locked_user(connection, user_id).last_version + 1
            if len(select_sizes(connection, user_id)) >= self._settings.backups_per_user_max:
                raise TooLarge("There are too many backups: delete one that is not needed.")
            insert_backup(connection, user_id, version, algorithm, encoded)
            return version

        return await self._database.write(work)

    async def perform_update(
        self, user_id: UserID, version: int, algorithm: str, auth_data: dict[str, Any]
    ) -> None:
        """Change the data of a backup. Raises `NotFound`, and `InvalidParam` for its algorithm."""
        encoded = self._encoded(auth_data)

        def work(connection: Connection) -> None:
            locked_user(connection, user_id)
            found = select_backup(connection, user_id, version)
            if found is None:
                raise unknown_backup()
            if found.algorithm != algorithm:
                raise InvalidParam("The backup has another algorithm, which cannot be changed.")
            update_auth_data(connection, user_id, version, encoded)

        await self._database.write(work)

    async def perform_delete(self, user_id: UserID, version: int) -> None:
        """Delete a backup, once or again. Raises `NotFound` if it never was.

        Nobody finds it or its keys when this returns; the rows of these follow.
        """

        def work(connection: Connection) -> None:
            if version > locked_user(connection, user_id).last_version:
                raise unknown_backup()
            delete_backup(connection, user_id, version)

        await self._database.write(work)
        self._deleted.note()

    def _encoded(self, auth_data: dict[str, Any]) -> bytes:
        encoded = encode_canonical(auth_data)
        if len(encoded) > self._settings.key_bytes_max:
            raise TooLarge(f"The auth_data has at most {self._settings.key_bytes_max} bytes.")
        return encoded


def end_backups(connection: Connection, user_id: str) -> None:
    """Delete all backups of a user whose account has ended, and let there be no further ones."""
    end_user(connection, user_id)
    for size in select_sizes(connection, user_id):
        delete_backup(connection, user_id, size.version)


def locked_user(connection: Connection, user_id: UserID) -> BackupUser:
    """Return a user whose backups nobody else changes until the end of the transaction.

    Raises `NotFound` where there was never a backup, and `UnknownToken` once the account has ended.
    """
    user = lock_backup_user(connection, user_id)
    if user is None:
        raise unknown_backup()
    if user.is_ended:
        raise UnknownToken("The account is deactivated.", soft_logout=False)
    return user


def unknown_backup() -> NotFound:
    """Return what is raised where there is no such backup."""
    return NotFound("There is no such backup.")

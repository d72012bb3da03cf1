"""The keys in backups: stored where they are better than what is there, shown and deleted."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from base.database import Connection, Database
from base.slices import Slices
from components.keyserver.key_backups import locked_user, unknown_backup
from components.keyserver.settings import KeyServerSettings
from components.keyserver.store.backed_up_keys import (
    KEYS_DELETED,
    PAGE_KEYS,
    BackedUpKey,
    KeyPlace,
    delete_keys,
    select_key,
    select_keys_after,
    select_ranks,
    upsert_keys,
)
from components.keyserver.store.key_backups import (
    BackupSize,
    select_backup,
    select_sizes,
    update_size,
)
from matrix.errors import NotFound, TooLarge, WrongRoomKeysVersion
from matrix.identifiers import UserID


class BackedUpKeys:
    """The keys in the backups of all users, in the database: any replica knows all."""

    def __init__(self, database: Database, settings: KeyServerSettings) -> None:
        self._database: Final = database
        self._settings: Final = settings
        self._slices: Final = Slices()

    async def perform_store(
        self, user_id: UserID, version: int, keys: Sequence[BackedUpKey]
    ) -> BackupSize:
        """Store those keys that are better than the stored ones, each of another session.

        Returns what the backup is then. Raises `NotFound`, `WrongRoomKeysVersion` for a backup
        that is not the current one, and `TooLarge`; nothing is stored then.
        """
        most = self._settings.key_bytes_max
        if any(len(key.session_data) > most for key in keys):
            raise TooLarge(f"The data of a key has at most {most} bytes.")

        def work(connection: Connection) -> BackupSize:
            return self._store(connection, user_id, version, keys)

        return await self._database.write(work)

    def _store(
        self, connection: Connection, user_id: UserID, version: int, keys: Sequence[BackedUpKey]
    ) -> BackupSize:
        locked_user(connection, user_id)
        sizes = select_sizes(connection, user_id)
        size = _size_of(sizes, version)
        if version != sizes[0].version:
            raise WrongRoomKeysVersion(str(sizes[0].version))
        ranks = select_ranks(connection, user_id, version, [key.session_id for key in keys])
        better: list[BackedUpKey] = []
        added = 0
        for key in keys:
            rank = ranks.get((key.room_id, key.session_id))
            added += rank is None
            if rank is None or key.rank < rank:
                better.append(key)
        if not better:
            return size
        there = sum(one.key_count for one in sizes)
        if added and there + added > self._settings.backed_up_keys_per_user_max:
            raise TooLarge("There are too many keys in your backups: delete one.")
        upsert_keys(connection, user_id, version, better)
        return _changed(connection, user_id, size, added)

    async def perform_delete(self, user_id: UserID, version: int, place: KeyPlace) -> BackupSize:
        """Delete keys of a backup, also of an older one; return what it is then.

        Many are deleted one part after another. Raises `NotFound` where there is no such backup.
        """

        def work(connection: Connection) -> tuple[int, BackupSize]:
            locked_user(connection, user_id)
            size = _size_of(select_sizes(connection, user_id), version)
            deleted = delete_keys(connection, user_id, version, place)
            return deleted, _changed(connection, user_id, size, -deleted) if deleted else size

        while True:
            deleted, size = await self._database.write(work)
            if deleted < KEYS_DELETED:
                return size

    async def query_key(self, user_id: UserID, version: int, place: KeyPlace) -> BackedUpKey:
        """Return the key of a session. Raises `NotFound`."""

        def read(connection: Connection) -> BackedUpKey:
            if select_backup(connection, user_id, version) is None:
                raise unknown_backup()
            found = select_key(connection, user_id, version, place)
            if found is None:
                raise NotFound("The backup does not have this key.")
            return found

        return await self._database.read(read)

    async def query_keys(
        self, user_id: UserID, version: int, room_id: str | None
    ) -> AsyncGenerator[list[BackedUpKey]]:
        """Yield the keys of a backup, or of a room in it, some at a time, by room.

        Raises `NotFound` at first. All come that are there from the beginning to the end, each
        once; of what changes meanwhile, what is there when its turn comes.
        """

        def read(connection: Connection) -> list[BackedUpKey]:
            if is_first and select_backup(connection, user_id, version) is None:
                raise unknown_backup()
            return select_keys_after(connection, user_id, version, room_id, after)

        after, is_first = ("", ""), True
        while True:
            await self._slices.next()
            page = await self._database.read(read)
            yield page
            if len(page) < PAGE_KEYS:
                return
            after, is_first = (page[-1].room_id, page[-1].session_id), False


def _size_of(sizes: Sequence[BackupSize], version: int) -> BackupSize:
    for size in sizes:
        if size.version == version:
            return size
    raise unknown_backup()


def _changed(connection: Connection, user_id: UserID, size: BackupSize, added: int) -> BackupSize:
    changed = BackupSize(size.version, size.etag + 1, size.key_count + added)
    update_size(connection, user_id, changed)
    return changed

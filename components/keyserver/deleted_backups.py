"""Deletes the keys of deleted backups, so many at a time that others are not held up."""

import asyncio
from contextlib import suppress
from typing import Final

from base.backoff import Backoff
from base.database import Connection, Database, DatabaseOutage
from components.keyserver.store.backed_up_keys import KEYS_DELETED, KeyPlace, delete_keys
from components.keyserver.store.deleted_backups import delete_deleted, select_first_deleted

_BETWEEN_LOOKS_S: Final = 3600


class DeletedBackups:
    """Begins when a backup was deleted here; looks for others' at the start, and once an hour."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        self._noted: Final = asyncio.Event()

    def note(self) -> None:
        """Say that a backup may have been deleted."""
        self._noted.set()

    async def run(self) -> None:
        """Delete what is left, until cancelled."""
        backoff = Backoff()
        while True:
            self._noted.clear()
            try:
                await self.sweep()
            except DatabaseOutage:
                await backoff.wait()
                continue
            backoff.reset()
            with suppress(TimeoutError):
                async with asyncio.timeout(_BETWEEN_LOOKS_S):
                    await self._noted.wait()

    async def sweep(self) -> None:
        """Delete all keys of backups that are deleted. Raises `DatabaseOutage`."""
        while await self._database.read(select_first_deleted) is not None:
            await self._database.write(_delete_some)


def _delete_some(connection: Connection) -> None:
    # Another replica may do the same.
    found = select_first_deleted(connection)
    if found is not None and delete_keys(connection, *found, KeyPlace()) < KEYS_DELETED:
        delete_deleted(connection, *found)

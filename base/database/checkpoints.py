"""Brings what is committed from the write-ahead log of a SQLite file into the file, in a thread."""

import asyncio
import contextlib
import logging
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

from base.database import sqlite_errors
from base.database.interface import DatabaseDamaged, DatabaseOutage

_log: Final = logging.getLogger(__name__)

_WRITES_BETWEEN: Final = 500
_LARGE_BYTES: Final = 32 * 1024 * 1024
"""From here on the log is emptied after a checkpoint: under load it would grow for ever."""
_PATIENCE_S: Final = 0.2
"""How long readers of an old snapshot, and the writer, are waited for."""
_BETWEEN_TRIES_S: Final = 0.5
_TRIES: Final = 20


class Checkpoints:
    """The checkpoints of one file: after many writes, and when somebody asks.

    A checkpoint waits for the disk, so it runs in a thread; while the log is emptied, which locks
    the file, writers wait for `until_writable`.
    """

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self._log_file = Path(f"{path}-wal")
        # Heavy reads must not keep it waiting: writers wait for it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"checkpoint-{name}")
        self._writes = 0
        self._under_way: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._writable = asyncio.Event()
        self._writable.set()

    async def until_writable(self) -> None:
        """Return when the file is not locked by a checkpoint."""
        while not self._writable.is_set():
            await self._writable.wait()

    def note_write(self) -> None:
        """Count a write; after many of them begin a checkpoint."""
        self._writes += 1
        if self._writes < _WRITES_BETWEEN or self._under_way is not None:
            return
        self._writes = 0
        self._under_way = asyncio.create_task(self._catch_up())

    async def make_durable(self) -> None:
        """Return when everything committed before the call has reached the disk."""
        async with self._lock:
            await self._run("PASSIVE")

    async def empty_log(self) -> None:
        """Return when all is in the file and its log is empty. Raises `DatabaseOutage`."""
        for _ in range(_TRIES):
            if await self._truncate():
                return
            await asyncio.sleep(_BETWEEN_TRIES_S)
        raise DatabaseOutage("Readers of an old snapshot do not end.")

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way])
        self._thread.shutdown(wait=True)

    async def _catch_up(self) -> None:
        try:
            await self.make_durable()
            if self._log_file.stat().st_size > _LARGE_BYTES:
                await self._truncate()
        except (DatabaseOutage, DatabaseDamaged) as error:
            # Writers hear of it themselves; the next checkpoint tries again.
            _log.debug("A checkpoint failed", extra={"reason": str(error)})
        finally:
            self._under_way = None

    async def _truncate(self) -> bool:
        """Empty the log; false if somebody still reads it."""
        async with self._lock:
            self._writable.clear()
            try:
                return await self._run("TRUNCATE")
            finally:
                self._writable.set()

    async def _run(self, mode: Literal["PASSIVE", "TRUNCATE"]) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._checkpoint, mode)

    def _checkpoint(self, mode: str) -> bool:
        with sqlite_errors.told():
            self._sync_log()
            with contextlib.closing(sqlite3.connect(self._path, timeout=_PATIENCE_S)) as file:
                is_busy, _, _ = file.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        return not is_busy

    def _sync_log(self) -> None:
        # A checkpoint syncs the log too, but not where readers leave it nothing to do.
        try:
            log = os.open(self._log_file, os.O_RDONLY)
        except FileNotFoundError:
            return
        except OSError as error:
            raise DatabaseOutage(f"The log cannot be opened: {error.strerror}.") from error
        try:
            os.fdatasync(log)
        except OSError as error:
            raise DatabaseOutage(f"The log does not reach the disk: {error.strerror}.") from error
        finally:
            os.close(log)

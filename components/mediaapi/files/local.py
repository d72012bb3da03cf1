"""MediaFiles on a local disk, one folder for each day.

A file is written under another name, made durable, and only then gets its own: no file is ever seen
in part.
"""

import logging
import os
from collections.abc import AsyncGenerator, AsyncIterable, Collection
from functools import partial
from pathlib import Path
from typing import Final

from base.clock import Clock
from base.durable_folder import sync_folder
from components.mediaapi.files.days import RECENT_DAYS, day_of
from components.mediaapi.files.interface import FileMissing, WrittenFile
from components.mediaapi.files.unfinished import (
    PIECE_BYTES,
    DiskThreads,
    UnfinishedFiles,
    files_in,
    new_name,
)
from matrix.errors import Unavailable

_FINISHED: Final = "files"
_UNFINISHED: Final = "unfinished"
_log: Final = logging.getLogger(__name__)


class LocalFiles:
    """`MediaFiles` in a folder, which is made when the first file is written."""

    def __init__(self, folder: Path, clock: Clock, *, threads: int) -> None:
        self._finished: Final = folder / _FINISHED
        self._clock = clock
        self._threads = DiskThreads(threads)
        self._unfinished = UnfinishedFiles(folder / _UNFINISHED, self._threads)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.close()

    async def write(self, pieces: AsyncIterable[bytes]) -> WrittenFile:
        """Write a file and return when it is durable; nothing stays of one that breaks off."""
        name = f"{day_of(self._clock)}/{new_name()}"
        try:
            async with self._unfinished.take(pieces) as file:
                await self._threads.do(partial(file.finish, self._finished / name))
        except OSError as error:
            _log.warning("Media cannot be written: %s", error)
            raise Unavailable("The server cannot store this now.") from error
        return WrittenFile(name, file.digest.digest(), file.size)

    async def read(self, name: str, start: int, size: int) -> AsyncGenerator[bytes]:
        """Yield so many bytes of a file. Raises `FileMissing`."""
        try:
            opened = await self._threads.do(lambda: os.open(self._finished / name, os.O_RDONLY))
        except FileNotFoundError as error:
            raise FileMissing(name) from error
        try:
            while size > 0:
                piece = await self._threads.do(
                    partial(os.pread, opened, min(size, PIECE_BYTES), start)
                )
                if not piece:
                    raise FileMissing(f"{name} ends early")
                start += len(piece)
                size -= len(piece)
                yield piece
        finally:
            os.close(opened)

    async def delete(self, names: Collection[str]) -> None:
        """Delete files; those that are not there count as deleted. Raises `Unavailable`."""

        def work() -> None:
            for name in names:
                (self._finished / name).unlink(missing_ok=True)
            for folder in {(self._finished / name).parent for name in names}:
                if folder.exists():
                    sync_folder(folder)

        try:
            await self._threads.do(work)
        except OSError as error:
            raise Unavailable("Media cannot be deleted now.") from error

    async def delete_unfinished(self, before_ms: int) -> None:
        """Delete what was left of writes that broke off, and has not grown since then."""
        await self._unfinished.delete(before_ms)

    async def list_recent(self, before_ms: int) -> list[str]:
        """Return the files of the newest days that were finished before then."""

        def work() -> list[str]:
            if not self._finished.exists():
                return []
            days = sorted(path.name for path in self._finished.iterdir())[-RECENT_DAYS:]
            return [
                f"{day}/{path.name}"
                for day in days
                for path, changed_ms in files_in(self._finished / day)
                if changed_ms < before_ms
            ]

        return await self._threads.do(work)

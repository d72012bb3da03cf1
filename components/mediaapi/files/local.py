"""MediaFiles on a local disk, one folder for each day.

A file is written under another name, made durable, and only then gets its own: no file is ever seen
in part. Disks are slow, so all of it happens in a few threads.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from base.clock import Clock
from base.durable_folder import sync_folder
from base.tasks import to_its_end
from components.mediaapi.files.interface import FileMissing, WrittenFile
from matrix.errors import Unavailable

T = TypeVar("T")

PIECE_BYTES: Final = 262_144
"""What is read or written at once."""
_RECENT_DAYS: Final = 3
_FINISHED: Final = "files"
_UNFINISHED: Final = "unfinished"
_log: Final = logging.getLogger(__name__)


class LocalFiles:
    """`MediaFiles` in a folder, which is made when the first file is written."""

    def __init__(self, folder: Path, clock: Clock, *, threads: int) -> None:
        self._finished: Final = folder / _FINISHED
        self._unfinished: Final = folder / _UNFINISHED
        self._clock = clock
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="media-disk")

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Return what the work returns; on cancellation, too, only once it has ended."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, work)

        async def wait() -> T:
            return await running

        return await to_its_end(wait())

    async def write(self, pieces: AsyncIterable[bytes]) -> WrittenFile:
        """Write a file and return when it is durable; nothing stays of one that breaks off."""
        day = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date().isoformat()
        token = secrets.token_hex(16)
        unfinished = _Unfinished(self._unfinished / token, self._finished / day / token)
        try:
            await self._in_thread(unfinished.open)
            await self._write_pieces(unfinished, pieces)
            await self._in_thread(unfinished.finish)
        except OSError as error:
            _log.warning("Media cannot be written: %s", error)
            raise Unavailable("The server cannot store this now.") from error
        finally:
            await self._in_thread(unfinished.discard)
        return WrittenFile(f"{day}/{token}", unfinished.digest.digest(), unfinished.size)

    async def _write_pieces(self, unfinished: "_Unfinished", pieces: AsyncIterable[bytes]) -> None:
        waiting: list[bytes] = []
        held = 0
        async for piece in pieces:
            waiting.append(piece)
            held += len(piece)
            if held >= PIECE_BYTES:
                await self._in_thread(partial(unfinished.write, waiting))
                waiting, held = [], 0
        await self._in_thread(partial(unfinished.write, waiting))

    async def read(self, name: str, start: int, size: int) -> AsyncGenerator[bytes]:
        """Yield so many bytes of a file. Raises `FileMissing`."""
        try:
            opened = await self._in_thread(lambda: os.open(self._finished / name, os.O_RDONLY))
        except FileNotFoundError as error:
            raise FileMissing(name) from error
        try:
            while size > 0:
                piece = await self._in_thread(
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
        """Delete files; those that are not there count as deleted."""

        def work() -> None:
            for name in names:
                (self._finished / name).unlink(missing_ok=True)
            for folder in {(self._finished / name).parent for name in names}:
                if folder.exists():
                    sync_folder(folder)

        try:
            await self._in_thread(work)
        except OSError as error:
            raise Unavailable("MediaFiles cannot be deleted now.") from error

    async def delete_unfinished(self, before_ms: int) -> None:
        """Delete what was left of writes that broke off, and has not grown since then."""

        def work() -> None:
            for path, changed_ms in _files_in(self._unfinished):
                if changed_ms < before_ms:
                    path.unlink(missing_ok=True)

        await self._in_thread(work)

    async def list_recent(self, before_ms: int) -> list[str]:
        """Return the files of the newest days that were finished before then."""

        def work() -> list[str]:
            if not self._finished.exists():
                return []
            days = sorted(path.name for path in self._finished.iterdir())[-_RECENT_DAYS:]
            return [
                f"{day}/{path.name}"
                for day in days
                for path, changed_ms in _files_in(self._finished / day)
                if changed_ms < before_ms
            ]

        return await self._in_thread(work)


class _Unfinished:
    """A file that is being written, by one thread at a time."""

    def __init__(self, path: Path, finished: Path) -> None:
        self._path = path
        self._finished = finished
        self._opened: int | None = None
        self.digest = hashlib.sha256()
        self.size = 0

    def open(self) -> None:
        """Make the file and the folders."""
        for folder in (self._path.parent, self._finished.parent):
            _make_folder(folder)
        self._opened = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, pieces: list[bytes]) -> None:
        """Add to the file."""
        if self._opened is None:
            raise RuntimeError("the file is not open")
        rest = memoryview(b"".join(pieces))
        self.digest.update(rest)
        self.size += len(rest)
        while rest:
            rest = rest[os.write(self._opened, rest) :]

    def finish(self) -> None:
        """Make the file durable, and then give it its name."""
        if self._opened is None:
            raise RuntimeError("the file is not open")
        os.fsync(self._opened)
        self._path.rename(self._finished)
        sync_folder(self._finished.parent)

    def discard(self) -> None:
        """Close the file; it is deleted unless it was finished."""
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None
            self._path.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder that will still be there after a power cut."""
    if folder.exists():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)


def _files_in(folder: Path) -> list[tuple[Path, float]]:
    """Return the files of a folder with the times at which they were last changed, in ms."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in folder.iterdir():
            # Somebody else may delete it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                found.append((entry, entry.stat().st_mtime * 1000))
    return found

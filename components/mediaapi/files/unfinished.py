"""Files that are being written on a local disk, in a few threads, because disks are slow."""

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from base.durable_folder import sync_folder
from base.tasks import to_its_end

T = TypeVar("T")

PIECE_BYTES: Final = 262_144
"""What is read or written at once."""


class DiskThreads:
    """Threads that read and write files."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="media-disk")

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(wait=False)

    async def do(self, work: Callable[[], T]) -> T:
        """Return what the work returns; on cancellation, too, only once it has ended."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, work)

        async def wait() -> T:
            return await running

        return await to_its_end(wait())


class UnfinishedFile:
    """A file that is being written, by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: int | None = None
        self.digest = hashlib.sha256()
        self.size = 0

    def open(self) -> None:
        """Make the file and its folder."""
        make_folder(self._path.parent)
        self._opened = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, pieces: list[bytes]) -> None:
        """Add to the file."""
        rest = memoryview(b"".join(pieces))
        self.digest.update(rest)
        self.size += len(rest)
        while rest:
            rest = rest[os.write(self._descriptor(), rest) :]

    def read(self, start: int, size: int) -> bytes:
        """Return a part of what was written."""
        found = os.pread(self._descriptor(), size, start)
        if len(found) != size:
            raise OSError("the file ends early")
        return found

    def finish(self, finished: Path) -> None:
        """Make the file durable, and then give it its name."""
        make_folder(finished.parent)
        os.fsync(self._descriptor())
        self._path.rename(finished)
        sync_folder(finished.parent)

    def discard(self) -> None:
        """Close the file; it is deleted unless it was finished."""
        if self._opened is not None:
            os.close(self._opened)
            self._opened = None
            self._path.unlink(missing_ok=True)

    def _descriptor(self) -> int:
        if self._opened is None:
            raise RuntimeError("the file is not open")
        return self._opened


class UnfinishedFiles:
    """The folder of files that are being written, each under a random name."""

    def __init__(self, folder: Path, threads: DiskThreads) -> None:
        self._folder = folder
        self._threads = threads

    @contextlib.asynccontextmanager
    async def take(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[UnfinishedFile]:
        """Hold a file with all of the pieces; nothing stays of it unless it is finished.

        Raises `OSError`, and what the pieces raise.
        """
        file = UnfinishedFile(self._folder / new_name())
        try:
            await self._threads.do(file.open)
            await self._write(file, pieces)
            yield file
        finally:
            await self._threads.do(file.discard)

    async def _write(self, file: UnfinishedFile, pieces: AsyncIterable[bytes]) -> None:
        waiting: list[bytes] = []
        held = 0
        async for piece in pieces:
            waiting.append(piece)
            held += len(piece)
            if held >= PIECE_BYTES:
                await self._threads.do(partial(file.write, waiting))
                waiting, held = [], 0
        await self._threads.do(partial(file.write, waiting))

    async def delete(self, before_ms: int) -> None:
        """Delete what was left of writes that broke off, and has not grown since then."""

        def work() -> None:
            for path, changed_ms in files_in(self._folder):
                if changed_ms < before_ms:
                    path.unlink(missing_ok=True)

        await self._threads.do(work)


def new_name() -> str:
    """Return a name that no file ever had."""
    return secrets.token_hex(16)


def make_folder(folder: Path) -> None:
    """Make a folder that will still be there after a power cut."""
    if folder.exists():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)


def files_in(folder: Path) -> list[tuple[Path, float]]:
    """Return the files of a folder with the times at which they were last changed, in ms."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in folder.iterdir():
            # Somebody else may delete it meanwhile.
            with contextlib.suppress(FileNotFoundError):
                found.append((entry, entry.stat().st_mtime * 1000))
    return found

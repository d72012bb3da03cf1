"""MediaFiles in the bucket of a store that speaks the API of Amazon S3.

An upload is first taken to a local disk, which bounds memory however slowly it comes; nothing of
one that breaks off reaches the bucket. Then it is sent as one object for each 8 MiB, each of which
is there as a whole or not at all. This module loads obstore: it is imported where a bucket is set.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Collection
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from base.clock import Clock
from base.tasks import to_its_end
from components.mediaapi.files.days import RECENT_DAYS, day_of
from components.mediaapi.files.interface import FileMissing, WrittenFile
from components.mediaapi.files.unfinished import (
    PIECE_BYTES,
    DiskThreads,
    UnfinishedFile,
    UnfinishedFiles,
    new_name,
)
from components.mediaapi.settings import BucketSettings
from matrix.errors import Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Config

_OBJECT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of each object of a file but the last one. It never changes: files are read by it."""
_SENT_AT_ONCE: Final = 4
_REPETITIONS: Final = 3
_LISTED_AT_ONCE: Final = 1000
_CLOCKS_DIFFER_MS: Final = 300_000
"""By how much the clocks of the store and of this machine may differ."""
_UNFINISHED: Final = "unfinished"
_OUTAGES: Final = (BaseError, OSError)
_log: Final = logging.getLogger(__name__)


class BucketFiles:
    """`MediaFiles` as objects `files/DAY/NAME/NUMBER`, which any number of replicas share."""

    def __init__(
        self,
        settings: BucketSettings,
        clock: Clock,
        *,
        secret_access_key: str,
        folder: Path,
        threads: int,
    ) -> None:
        """Take the folder for uploads that are on their way; nothing is asked of the store yet."""
        self._store = _store(settings, secret_access_key)
        self._clock = clock
        self._threads = DiskThreads(threads)
        self._unfinished = UnfinishedFiles(folder / _UNFINISHED, self._threads)
        self._sending = asyncio.Semaphore(_SENT_AT_ONCE)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.close()

    async def write(self, pieces: AsyncIterable[bytes]) -> WrittenFile:
        """Write a file and return when the store has it; nothing stays of one that breaks off."""
        name = f"{day_of(self._clock)}/{new_name()}"
        try:
            async with self._unfinished.take(pieces) as file:
                await self._send(file, name)
        except _OUTAGES as error:
            _log.warning("Media cannot be written: %s", _reason(error))
            raise Unavailable("The server cannot store this now.") from error
        return WrittenFile(name, file.digest.digest(), file.size)

    async def _send(self, file: UnfinishedFile, name: str) -> None:
        sent: list[str] = []
        try:
            for start in range(0, file.size, _OBJECT_BYTES):
                sent.append(_object(name, start))
                async with self._sending:
                    # One object at once, in one request: it is there when that is answered.
                    await to_its_end(self._send_object(file, start, sent[-1]))
        except BaseException:
            await to_its_end(self._forget(sent))
            raise

    async def _send_object(self, file: UnfinishedFile, start: int, path: str) -> None:
        """Send a part of a file; it is held no longer than this takes.

        A caller that held it would do so while it waits for its next turn, as all others do.
        """
        size = min(_OBJECT_BYTES, file.size - start)
        body = await self._threads.do(partial(file.read, start, size))
        await obstore.put_async(self._store, path, body, use_multipart=False)

    async def _forget(self, paths: list[str]) -> None:
        """Delete what was sent of a write that broke off; where that fails it is swept."""
        try:
            await obstore.delete_async(self._store, paths)
        except _OUTAGES as error:
            _log.warning("Media is deleted later", extra={"reason": _reason(error)})

    async def read(self, name: str, start: int, size: int) -> AsyncGenerator[bytes]:
        """Yield so many bytes of a file. Raises `FileMissing` and `Unavailable`."""
        while size > 0:
            inside = start % _OBJECT_BYTES
            wanted = min(size, _OBJECT_BYTES - inside)
            before = size
            try:
                part = self._read_object(_object(name, start), inside, wanted)
                async with contextlib.aclosing(part) as pieces:
                    async for piece in pieces:
                        start += len(piece)
                        size -= len(piece)
                        yield piece
            except FileNotFoundError as error:
                raise FileMissing(name) from error
            except _OUTAGES as error:
                # A store does not wait for ever for a slow client, so a part may break off. It
                # goes on where it was as long as it goes on at all.
                if size == before:
                    raise Unavailable("Media cannot be read now.") from error
            else:
                if before - size != wanted:
                    raise FileMissing(f"{name} ends early")

    async def _read_object(self, path: str, start: int, size: int) -> AsyncGenerator[bytes]:
        found = await obstore.get_async(self._store, path, options={"range": (start, start + size)})
        async for piece in found.stream(min_chunk_size=PIECE_BYTES):
            yield bytes(piece)

    async def delete(self, names: Collection[str]) -> None:
        """Delete files; those that are not there count as deleted. Raises `Unavailable`."""
        try:
            for name in names:
                async for found in obstore.list(
                    self._store, f"files/{name}", chunk_size=_LISTED_AT_ONCE
                ):
                    await obstore.delete_async(self._store, [one["path"] for one in found])
        except _OUTAGES as error:
            raise Unavailable("Media cannot be deleted now.") from error

    async def delete_unfinished(self, before_ms: int) -> None:
        """Delete what was left on the disk of uploads that broke off."""
        await self._unfinished.delete(before_ms)

    async def list_recent(self, before_ms: int) -> list[str]:
        """Return the files of the newest days of which nothing was written since then.

        The store's clock says so, which may be late: what is newer than some minutes before then
        is left out.
        """
        newest: dict[str, float] = {}
        try:
            found = await obstore.list_with_delimiter_async(self._store, "files/")
            for day in sorted(found["common_prefixes"])[-RECENT_DAYS:]:
                async for objects in obstore.list(self._store, day, chunk_size=_LISTED_AT_ONCE):
                    for one in objects:
                        name = one["path"].removeprefix("files/").rpartition("/")[0]
                        changed_ms = one["last_modified"].timestamp() * 1000
                        newest[name] = max(newest.get(name, 0.0), changed_ms)
        except _OUTAGES as error:
            raise Unavailable("Media cannot be listed now.") from error
        before_ms -= _CLOCKS_DIFFER_MS
        return [name for name, changed_ms in newest.items() if changed_ms < before_ms]


def _object(name: str, start: int) -> str:
    """Return the path of the object of a file that has the byte at `start`."""
    return f"files/{name}/{start // _OBJECT_BYTES}"


def _reason(error: Exception) -> str:
    """Return an error's first line: what follows are answers of the store, with names of files."""
    return str(error).partition("\n")[0]


def _store(settings: BucketSettings, secret_access_key: str) -> S3Store:
    config: S3Config = {
        "region": settings.region,
        "virtual_hosted_style_request": settings.is_bucket_in_host,
    }
    if settings.endpoint:
        config["endpoint"] = settings.endpoint
    # Keys that are not given are those of the environment, or of the machine's role.
    if settings.access_key_id:
        config["access_key_id"] = settings.access_key_id
        config["secret_access_key"] = secret_access_key
    timeout = timedelta(seconds=settings.timeout_s)
    return S3Store(
        settings.bucket,
        prefix=settings.prefix or None,
        config=config,
        client_options={
            "allow_http": settings.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=settings.connect_timeout_s),
            "timeout": timeout,
        },
        retry_config={"max_retries": _REPETITIONS, "retry_timeout": timeout},
    )

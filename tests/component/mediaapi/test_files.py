"""What keeps the bytes of media, on a local disk and in a bucket: one suite for both."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from base.clock import ManualClock
from components.mediaapi.files.bucket import BucketFiles
from components.mediaapi.files.interface import FileMissing, MediaFiles
from components.mediaapi.files.local import LocalFiles
from matrix.errors import Unavailable
from tests.component.mediaapi.media_house import LATER_MS
from tests.fixtures.bucket_server import BucketServer

MEBIBYTE = 1 << 20
ALWAYS_MS = LATER_MS * 10


class BrokenOff(Exception):
    """The client is gone."""


@pytest.fixture(name="files", params=["local", "bucket"])
def fixture_files(
    request: pytest.FixtureRequest, bucket_server: BucketServer, tmp_path: Path
) -> Iterator[MediaFiles]:
    files: MediaFiles
    if request.param == "local":
        files = LocalFiles(tmp_path, ManualClock(), threads=2)
    else:
        files = in_bucket(bucket_server, tmp_path)
    yield files
    files.close()


def in_bucket(server: BucketServer, folder: Path) -> BucketFiles:
    return BucketFiles(
        server.new_bucket(), ManualClock(), secret_access_key="secret", folder=folder, threads=2
    )


async def in_pieces(body: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def all_of(files: MediaFiles, name: str, start: int, size: int) -> bytes:
    return b"".join([piece async for piece in files.read(name, start, size)])


def left_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "unfinished").iterdir() if path.is_file()]


@pytest.mark.parametrize("size", [1, MEBIBYTE, 8 * MEBIBYTE, 8 * MEBIBYTE + 1, 20_000_000])
async def test_what_was_written_is_read(files: MediaFiles, tmp_path: Path, size: int) -> None:
    body = os.urandom(size)

    written = await files.write(in_pieces(body, 1_000_000))

    assert written.size == size
    assert await all_of(files, written.name, 0, size) == body
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("start", "size"),
    [
        (0, 1),
        (8 * MEBIBYTE - 1, 2),
        (8 * MEBIBYTE, 10),
        (5 * MEBIBYTE, 12 * MEBIBYTE),
        (17 * MEBIBYTE - 1, 1),
    ],
)
async def test_a_part_is_read(files: MediaFiles, start: int, size: int) -> None:
    body = os.urandom(17 * MEBIBYTE)
    written = await files.write(in_pieces(body, MEBIBYTE))

    assert await all_of(files, written.name, start, size) == body[start : start + size]


async def test_nothing_stays_of_a_write_that_breaks_off(files: MediaFiles, tmp_path: Path) -> None:
    async def broken_off() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(MEBIBYTE)
        raise BrokenOff

    with pytest.raises(BrokenOff):
        await files.write(broken_off())

    assert left_in(tmp_path) == []
    assert await files.list_recent(ALWAYS_MS) == []


async def test_nothing_stays_of_a_write_that_is_cancelled(
    files: MediaFiles, tmp_path: Path
) -> None:
    taken = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(9 * MEBIBYTE)
        taken.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(files.write(endless()))
    await taken.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert left_in(tmp_path) == []
    assert await files.list_recent(ALWAYS_MS) == []


async def test_a_deleted_file_is_missing_and_others_are_not(files: MediaFiles) -> None:
    deleted = await files.write(in_pieces(bytes(9 * MEBIBYTE), MEBIBYTE))
    kept = await files.write(in_pieces(b"kept"))

    await files.delete([deleted.name])
    await files.delete([deleted.name, "2026-11-30/unknown"])

    with pytest.raises(FileMissing):
        await all_of(files, deleted.name, 0, 1)
    assert await all_of(files, kept.name, 0, 4) == b"kept"
    assert await files.list_recent(ALWAYS_MS) == [kept.name]


async def test_only_files_from_before_some_time_are_listed(files: MediaFiles) -> None:
    written = await files.write(in_pieces(bytes(9 * MEBIBYTE), MEBIBYTE))

    assert await files.list_recent(0) == []
    assert await files.list_recent(ALWAYS_MS) == [written.name]


async def test_what_a_kill_left_unfinished_is_deleted(files: MediaFiles, tmp_path: Path) -> None:
    await files.write(in_pieces(b"kept"))
    (tmp_path / "unfinished" / "cut").write_bytes(b"half")

    await files.delete_unfinished(0)
    assert len(left_in(tmp_path)) == 1
    await files.delete_unfinished(ALWAYS_MS)

    assert left_in(tmp_path) == []


async def test_a_file_that_ends_early_is_missing(files: MediaFiles) -> None:
    written = await files.write(in_pieces(b"short"))

    with pytest.raises(FileMissing):
        await all_of(files, written.name, 0, 6)


async def test_a_bucket_that_is_not_there_is_an_outage(
    bucket_server: BucketServer, tmp_path: Path
) -> None:
    files = BucketFiles(
        bucket_server.bucket("nowhere"),
        ManualClock(),
        secret_access_key="secret",
        folder=tmp_path,
        threads=1,
    )

    with pytest.raises(Unavailable):
        await files.write(in_pieces(b"lost"))

    assert left_in(tmp_path) == []
    files.close()

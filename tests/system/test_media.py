"""Media of a real server: over HTTP, through SIGKILL, and from a backup."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.client import Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import ServerProcess, xylem

UPLOAD = "/_matrix/media/v3/upload"
DOWNLOAD = "/_matrix/client/v1/media/download"


@pytest.fixture(name="process")
def fixture_process(tmp_path: Path) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path, NO_RATE_LIMITS)
    process.start()
    yield process
    process.kill()


class Uploader:
    """A user who uploads and downloads."""

    def __init__(self, http: aiohttp.ClientSession, process: ServerProcess, token: str) -> None:
        self._http = http
        self._process = process
        self._headers = {"authorization": f"Bearer {token}"}

    async def upload(self, body: bytes | AsyncIterator[bytes]) -> str:
        url = self._process.url + UPLOAD
        async with self._http.post(url, data=body, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()
            uri: str = (await answer.json())["content_uri"]
            return uri.removeprefix("mxc://")

    async def download(self, path: str) -> bytes:
        url = f"{self._process.url}{DOWNLOAD}/{path}"
        async with self._http.get(url, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()


@pytest.fixture(name="alice")
async def fixture_alice(http: aiohttp.ClientSession, process: ServerProcess) -> Uploader:
    user = await Homeserver(http, lambda: process.url).register("alice")
    return Uploader(http, process, user.token)


def files(process: ServerProcess) -> list[Path]:
    folder = process.folder / "data" / "media"
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_large_file_comes_back(alice: Uploader) -> None:
    body = os.urandom(20_000_000)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1_000_000):
            yield body[start : start + 1_000_000]

    assert await alice.download(await alice.upload(pieces())) == body


async def test_a_kill_during_an_upload_leaves_nothing_of_it(
    process: ServerProcess, alice: Uploader
) -> None:
    kept = await alice.upload(b"kept")
    killed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while not killed.is_set():
            yield bytes(100_000)
            # It is killed when some of it is on the disk.
            if any(path.stat().st_size > 500_000 for path in files(process)):
                process.kill()
                killed.set()

    with pytest.raises(aiohttp.ClientError):
        await alice.upload(endless())
    assert len(files(process)) == 2
    process.start()

    while len(files(process)) > 1:  # noqa: ASYNC110 (files go, and nobody says so)
        await asyncio.sleep(0.01)
    assert await alice.download(kept) == b"kept"


async def test_a_backup_has_media(process: ServerProcess, alice: Uploader, tmp_path: Path) -> None:
    path = await alice.upload(b"kept")
    made = xylem(
        "backup", str(tmp_path / "backup"), "--config", str(process.config_path), cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    process.stop()

    data = process.folder / "data"
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "backup" / "data", data)
    process.start()

    assert await alice.download(path) == b"kept"

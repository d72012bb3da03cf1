"""However much is uploaded and downloaded at once, little of it is in memory."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.component.mediaapi.media_house import DOWNLOAD, UPLOAD, Deployment, MediaHouse

_AT_ONCE = 20
_PIECE = bytes(65_536)
_PIECES = 64
"""4 MiB each."""
_ALLOWED_BYTES = _AT_ONCE * (1 << 20)
"""A quarter of what is on its way."""


@pytest.fixture(name="house")
async def fixture_house(tmp_path: Path) -> AsyncIterator[MediaHouse]:
    deployment = Deployment(f"sqlite:///{tmp_path}/db", tmp_path / "media")
    async with deployment.start(uploads_at_once_per_user=_AT_ONCE) as house:
        yield house


@contextmanager
def little_is_held() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < _ALLOWED_BYTES


async def exchange(house: MediaHouse, method: str, path: str, pieces: int) -> tuple[int, int]:
    """Send a body that is made as it is taken; return the status and how much came back."""
    left = pieces
    status = size = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal left
        if left < 0:
            await asyncio.Event().wait()
        left -= 1
        # Each is a copy, as a socket gives it.
        body = bytes(bytearray(_PIECE)) if left >= 0 else b""
        return {"type": "http.request", "body": body, "more_body": left > 0}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, size
        status = message.get("status", status)
        size += len(message.get("body", b""))
        await asyncio.sleep(0)

    scope = house.alice._scope(method, path, {"authorization": "Bearer @alice:xylem.test"})
    await house.application(scope, receive, send)
    return status, size


async def test_uploads_at_once_hold_a_small_part_of_themselves(house: MediaHouse) -> None:
    with little_is_held():
        answers = await asyncio.gather(
            *(exchange(house, "POST", UPLOAD, _PIECES) for _ in range(_AT_ONCE))
        )

    assert {status for status, _ in answers} == {200}


async def test_downloads_at_once_hold_a_small_part_of_themselves(house: MediaHouse) -> None:
    body = _PIECE * _PIECES
    path = await house.upload(body)

    with little_is_held():
        answers = await asyncio.gather(
            *(exchange(house, "GET", f"{DOWNLOAD}/{path}", 0) for _ in range(_AT_ONCE))
        )

    assert set(answers) == {(200, len(body))}

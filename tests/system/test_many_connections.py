"""More connections than the process may have files: what was there goes on."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.client import Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import SHARED_SECRET, ServerProcess

SETTINGS = NO_RATE_LIMITS | {
    "listeners": [{"port": 0, "apis": ["client"]}, {"port": 0, "apis": ["health"]}],
    "log": {"embedded": {"segment_bytes": 1_048_576}},
}


@pytest.fixture(name="scarce")
def fixture_scarce(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that may have 256 files open, and has a listener for probes."""
    process = ServerProcess(tmp_path, SETTINGS, open_files=256)
    process.start()
    yield process
    process.kill()


@contextlib.contextmanager
def crowd(url: str, size: int) -> Iterator[None]:
    """Connect this often, and keep what the server lets be open."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    with contextlib.ExitStack() as opened:
        for _ in range(size):
            opened.enter_context(socket.create_connection((host, int(port))))
        yield


async def test_sends_the_log_and_probes_go_on(
    scarce: ServerProcess, http: aiohttp.ClientSession
) -> None:
    probes = str(scarce.wait_for_line("Listening")["url"])
    homeserver = Homeserver(http, lambda: scarce.url, shared_secret=SHARED_SECRET)
    alice = await homeserver.register("alice")
    room_id = await alice.create_room()
    files = len([*scarce.folder.glob("data/log/**/*")])

    with crowd(scarce.url, 400):
        for number in range(60):
            await alice.send(room_id, f"{number}" + "x" * 40_000)
        async with http.get(f"{probes}/health/ready") as response:
            assert response.status == 200

    assert len([*scarce.folder.glob("data/log/**/*")]) > files
    assert scarce.errors() == []

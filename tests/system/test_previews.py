"""Previews of pages by a real server, which looks names up as the system does."""

from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from tests.system.client import Homeserver
from tests.system.server_process import ServerProcess
from tests.unit.base.guarded.sites import open_site


@pytest.mark.parametrize("allowed", ["127.0.0.1", "192.0.2.1"])
async def test_a_server_shows_pages_of_allowed_networks(
    http: aiohttp.ClientSession, tmp_path: Path, allowed: str
) -> None:
    previews = {"enabled": True, "allowed_networks": [allowed]}
    process = ServerProcess(tmp_path, {"mediaapi": {"url_previews": previews}})
    process.start()
    try:
        alice = await Homeserver(http, lambda: process.url).register("alice")
        async with open_site() as site:
            url = site.set("/", b"<title>A page</title>")
            target = f"{process.url}/_matrix/client/v1/media/preview_url?url={quote(url)}"
            headers = {"authorization": f"Bearer {alice.token}"}
            async with http.get(target, headers=headers) as answer:
                if allowed == "127.0.0.1":
                    assert await answer.json() == {"og:title": "A page"}
                else:
                    assert answer.status == 502
                    assert site.asked == []
        assert process.stop() == 0
    finally:
        process.kill()

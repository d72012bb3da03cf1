"""Data directories as versions of the server left them, packed into files that tests keep.

`python -m tests.system.data_directories NAME [CHECKOUT]` makes one with the code of a checkout.
"""

import asyncio
import json
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec

from tests.spec.clients import checked
from tests.system.client import Client, Homeserver, room_path
from tests.system.rebuilding import a_story, settled, what_is_seen
from tests.system.server_process import CHECKOUT, SHARED_SECRET, ServerProcess

FOLDER: Final = CHECKOUT / "tests/fixtures/data_directories"
ALIAS: Final = "#tea:localhost"
_TOLD: Final = "told.json"


class Told(msgspec.Struct):
    """What clients knew of the server when it stopped."""

    users: dict[str, dict[str, Any]]
    """Names of users with the answers that logged them in."""
    room_id: str
    filter_id: str
    """Of alice's filter."""
    since: str
    """Alice's token, from before what she said last."""
    last_event_id: str
    seen: list[Any]
    """What alice and bob could read (`what_is_stored`)."""

    def clients(self, homeserver: Homeserver) -> Sequence[Client]:
        """Return the users' devices: alice's, bob's and carol's."""
        return [Client(homeserver, self.users[name]) for name in ("alice", "bob", "carol")]


def archives() -> Sequence[Path]:
    """Return all data directories that are kept, the oldest version first."""
    return sorted(FOLDER.glob("*.tar.xz"))


def unpack(archive: Path, folder: Path) -> Told:
    """Put a data directory where a `ServerProcess` of this folder finds it."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return msgspec.json.decode((folder / _TOLD).read_bytes(), type=Told)


async def talk(homeserver: Homeserver) -> Told:
    """Let users do what leaves rows in all databases; return what they were told."""
    alice, bob, room_id = await a_story(homeserver)
    carol = await homeserver.register("carol")
    await alice.invite(room_id, carol.user_id)
    await bob.call("PUT", f"/profile/{quote(bob.user_id)}/displayname", {"displayname": "Bob"})
    await alice.call("PUT", f"/directory/room/{quote(ALIAS)}", {"room_id": room_id})
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": await alice.send(room_id, "?")}}
    body = {"msgtype": "m.text", "body": "in a thread"} | thread
    await bob.call("PUT", f"{room_path(room_id)}/send/m.room.message/threaded", body)
    filters = f"/user/{quote(alice.user_id)}/filter"
    made = await alice.call("POST", filters, {"room": {"timeline": {"limit": 1}}})
    since = (await alice.sync())["next_batch"]
    last_event_id = await alice.send(room_id, "last words")
    await bob.sync_until(since, lambda answer: last_event_id in str(answer))
    await settled([alice, bob], room_id)
    logins = {"alice": alice, "bob": bob, "carol": carol}
    return Told(
        users={
            name: {
                "user_id": client.user_id,
                "device_id": client.device_id,
                "access_token": client.token,
            }
            for name, client in logins.items()
        },
        room_id=room_id,
        filter_id=made["filter_id"],
        since=since,
        last_event_id=last_event_id,
        seen=await what_is_stored([alice, bob], room_id),
    )


async def what_is_stored(clients: Sequence[Client], room_id: str) -> list[Any]:
    """Return what users see, without the summary of the room: versions work it out differently."""
    seen = await what_is_seen(clients, room_id)
    for part in seen:
        if "summary" in part:
            del part["summary"]
    return seen


async def _make(name: str, checkout: Path) -> Path:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        server = ServerProcess(folder, checkout=checkout)
        server.start()
        try:
            async with aiohttp.ClientSession(trace_configs=[checked()]) as http:
                homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
                told = await talk(homeserver)
        finally:
            server.stop()
        (folder / _TOLD).write_text(json.dumps(msgspec.to_builtins(told), indent=1))
        archive = FOLDER / f"{name}.tar.xz"
        with tarfile.open(archive, "w:xz", preset=9) as packed:
            for part in (_TOLD, "data"):
                packed.add(folder / part, part)
    return archive


if __name__ == "__main__":
    _name, _checkout = [*sys.argv[1:], str(CHECKOUT)][:2]
    print(asyncio.run(_make(_name, Path(_checkout))))  # noqa: T201 (a command line prints)

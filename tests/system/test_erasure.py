"""What users take back leaves the files of the server's databases."""

import asyncio
import time
from pathlib import Path
from urllib.parse import quote

import aiohttp

from tests.system.client import PASSWORD, Client, Homeserver
from tests.system.conftest import NO_RATE_LIMITS
from tests.system.server_process import SHARED_SECRET, ServerProcess

REDACTED = "zweisternmond"
REDACTED_TOPIC = "regenbogenforelle"
FORGOTTEN = "wolkenkuckucksheim"
SECRETS = (REDACTED, REDACTED_TOPIC, FORGOTTEN)


def found_in(folder: Path) -> dict[str, list[str]]:
    """Return which secrets the files hold, by the place of the file."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and (
            held := [secret for secret in SECRETS if secret.encode() in file.read_bytes()]
        ):
            found[str(file.relative_to(folder))] = held
    return found


def left_in(folder: Path) -> dict[str, list[str]]:
    """Return which secrets the files still hold when there has been time to erase them."""
    deadline_s = time.monotonic() + 60
    while (left := found_in(folder)) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    return left


async def deactivate(user: Client) -> None:
    """End an account, and have what its user wrote erased."""
    path = "/_matrix/client/v3/account/deactivate"
    _, asked = await user.homeserver.once("POST", path, token=user.token, body={})
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user.user_id},
        "password": PASSWORD,
        "session": asked["session"],
    }
    await user.call("POST", "/account/deactivate", {"erase": True, "auth": auth})


async def test_what_was_redacted_and_what_accounts_kept_is_in_no_byte_of_the_databases(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    settings = {**NO_RATE_LIMITS, "database": {"erase_interval_s": 1}}
    server = ServerProcess(tmp_path, settings)
    await asyncio.to_thread(server.start)
    databases = tmp_path / "data" / "databases"
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    for number in range(50):
        await bob.send(room_id, f"message {number}")
    event_id = await alice.send(room_id, REDACTED)
    topic_id = await alice.set_state(room_id, "m.room.topic", {"topic": REDACTED_TOPIC})
    await alice.set_state(room_id, "m.room.topic", {"topic": "another"})
    path = f"/user/{quote(bob.user_id)}/account_data/com.example.kept"
    await bob.call("PUT", path, {"kept": FORGOTTEN})
    await bob.sync()
    before = await asyncio.to_thread(found_in, databases)

    for redacted in (event_id, topic_id):
        await alice.redact(room_id, redacted)
    await deactivate(bob)
    left = await asyncio.to_thread(left_in, databases)
    await asyncio.to_thread(server.stop)

    assert {secret for held in before.values() for secret in held} == {*SECRETS}
    assert left == {}

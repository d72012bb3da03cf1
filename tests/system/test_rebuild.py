"""`xylem rebuild`: a reader's tables are made anew, and clients see the same rooms again."""

import aiohttp

from tests.system.client import Homeserver
from tests.system.server_process import SHARED_SECRET, ServerProcess, xylem


async def test_rooms_are_the_same_after_client_sync_was_rebuilt(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat", name="Tea")
    await bob.join(room_id)
    sent = [await alice.send(room_id, f"message {number}") for number in range(30)]
    before = [event["event_id"] for event in await bob.walk(room_id)]
    assert set(sent) <= set(before)
    server.stop()

    rebuilt = xylem(
        "rebuild", "syncapi", "--config", str(server.config_path), cwd=server.config_path.parent
    )

    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "1 of 1 rooms" in rebuilt.stderr
    server.start()
    assert [event["event_id"] for event in await bob.walk(room_id)] == before
    joined = (await bob.sync())["rooms"]["join"]
    assert joined[room_id]["timeline"]["events"][-1]["event_id"] == sent[-1]


def test_a_running_server_is_not_rebuilt(server: ServerProcess) -> None:
    refused = xylem(
        "rebuild", "syncapi", "--config", str(server.config_path), cwd=server.config_path.parent
    )
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr

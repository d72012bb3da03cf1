"""The operator's guide, "Data and backup": a backup is restored as it says, and clients go on."""

import shutil

import aiohttp

from tests.system.client import Homeserver, texts
from tests.system.server_process import SHARED_SECRET, ServerProcess


async def test_clients_that_saw_more_than_the_backup_holds_miss_nothing(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    await alice.send(room_id, "kept")
    old = (await alice.sync())["next_batch"]
    data, backup = server.folder / "data", server.folder / "backup"
    server.stop()
    shutil.copytree(data, backup)
    server.start()
    for number in range(5):
        await alice.send(room_id, f"lost {number}")
    newer = (await bob.sync())["next_batch"]

    server.stop()
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    server.start()

    for number in range(15):
        await alice.send(room_id, f"new {number}")
    anew = (await bob.sync(newer, timeout_ms=30_000))["rooms"]["join"][room_id]
    gap = await bob.walk(room_id, start=anew["timeline"]["prev_batch"])
    on = (await alice.sync(old, sync_filter={"room": {"timeline": {"limit": 50}}}))["rooms"]
    new = [f"new {number}" for number in range(15)]
    assert anew["timeline"]["limited"] is True
    assert texts([*gap, *anew["timeline"]["events"]])[-16:] == ["kept", *new]
    assert texts(on["join"][room_id]["timeline"]["events"]) == new


async def test_account_data_is_told_after_databases_were_put_back_and_the_log_was_not(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    homeserver = Homeserver(http, lambda: server.url, shared_secret=SHARED_SECRET)
    (alice,) = await homeserver.register_all("alice")
    path = f"/user/{alice.user_id}/account_data/org.example.note"
    databases, backup = server.folder / "data" / "databases", server.folder / "backup"
    server.stop()
    shutil.copytree(databases, backup)
    server.start()
    for number in range(5):
        await alice.call("PUT", path, {"number": number})

    server.stop()
    shutil.rmtree(databases)
    shutil.copytree(backup, databases)
    server.start()

    since = (await alice.sync())["next_batch"]
    for number in range(10, 13):
        await alice.call("PUT", path, {"number": number})
        told = await alice.sync(since)
        since = told["next_batch"]
        assert [event["content"] for event in told["account_data"]["events"]] == [
            {"number": number}
        ]

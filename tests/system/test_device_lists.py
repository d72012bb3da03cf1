"""Clients hear of each other's devices, and of what is left of their own keys."""

import asyncio
from typing import Any

from tests.system.client import PASSWORD, Client, Homeserver
from tests.system.key_uploads import CURVE, DeviceKeys

_LONG_MS = 20_000


async def changes(client: Client, start: str, end: str) -> dict[str, list[str]]:
    query = {"from": start, "to": end}
    answer: dict[str, list[str]] = await client.call("GET", "/keys/changes", query=query)
    return answer


def names(answer: dict[str, Any], part: str = "changed") -> list[str]:
    told: list[str] = answer["device_lists"][part]
    return told


async def test_devices_come_and_go_and_everybody_in_a_room_hears_of_it(
    homeserver: Homeserver,
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    first = (await alice.sync())["next_batch"]

    phone = await homeserver.login("bob")
    poll = asyncio.create_task(alice.sync(first, timeout_ms=_LONG_MS))
    await DeviceKeys(phone).upload()
    came = await poll
    await phone.call("POST", "/logout", {})
    went = await alice.sync_until(came["next_batch"], lambda one: bool(names(one)))
    last = went["next_batch"]
    await bob.leave(room_id)
    left = await alice.sync(last)

    assert names(came) == names(went) == [bob.user_id]
    assert (names(left), names(left, "left")) == ([], [bob.user_id])
    assert await changes(alice, first, came["next_batch"]) == {
        "changed": [bob.user_id],
        "left": [],
    }
    assert await changes(alice, first, left["next_batch"]) == {
        "changed": [],
        "left": [bob.user_id],
    }


async def test_a_device_hears_at_once_that_its_keys_are_claimed(homeserver: Homeserver) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    keys = DeviceKeys(alice)
    before = await alice.sync()
    await keys.upload(2, with_fallback=True)
    told = [await alice.sync(before["next_batch"])]
    for _ in range(3):
        poll = asyncio.create_task(alice.sync(told[-1]["next_batch"], timeout_ms=_LONG_MS))
        await keys.claim(bob)
        told.append(await poll)

    counts = [one["device_one_time_keys_count"] for one in (before, *told)]
    assert counts == [{CURVE: 0}, {CURVE: 2}, {CURVE: 1}, {CURVE: 0}, {CURVE: 0}]
    unused = [one["device_unused_fallback_key_types"] for one in (before, *told)]
    assert unused == [[], [CURVE], [CURVE], [CURVE], []]


async def test_a_device_that_is_logged_in_again_begins_without_keys(
    homeserver: Homeserver,
) -> None:
    alice = await homeserver.register("alice")
    await DeviceKeys(alice).upload(5, with_fallback=True)
    await alice.call("POST", "/logout", {})

    again = await homeserver.login("alice", device_id=alice.device_id)
    answer = await again.sync()
    while answer["device_one_time_keys_count"] != {CURVE: 0}:
        # The key server lets keys go a little later than the log-out is answered.
        answer = await again.sync(answer["next_batch"], timeout_ms=_LONG_MS)

    assert again.device_id == alice.device_id
    assert answer["device_unused_fallback_key_types"] == []


async def test_new_cross_signing_keys_are_told_to_whom_they_concern(
    homeserver: Homeserver,
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    room_id = await alice.create_room(preset="public_chat")
    await bob.join(room_id)
    since = (await bob.sync())["next_batch"]
    key = {
        "user_id": alice.user_id,
        "usage": ["master"],
        "keys": {"ed25519:" + "A" * 43: "A" * 43},
    }
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": alice.user_id},
        "password": PASSWORD,
    }
    await alice.call("POST", "/keys/device_signing/upload", {"master_key": key, "auth": auth})

    assert names(await bob.sync(since)) == [alice.user_id]

"""Backups of keys over HTTP: one device stores what another one restores, however much it is."""

import asyncio
from typing import Any
from urllib.parse import quote

from tests.system.client import Client, Homeserver

_ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
_BATCHES = 12
_BATCH = 200
_ROOMS = 40


def a_key(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "first_message_index": number,
        "forwarded_count": 0,
        "is_verified": False,
        "session_data": {"ephemeral": "e", "ciphertext": "c" * 800, "mac": f"{number}"},
        **changes,
    }


async def made_backup(client: Client, public_key: str = "key") -> str:
    body = {"algorithm": _ALGORITHM, "auth_data": {"public_key": public_key}}
    version: str = (await client.call("POST", "/room_keys/version", body))["version"]
    return version


async def stored(client: Client, version: str, rooms: dict[str, dict[str, Any]]) -> Any:
    body = {"rooms": {room_id: {"sessions": keys} for room_id, keys in rooms.items()}}
    return await client.call("PUT", "/room_keys/keys", body, {"version": version})


async def restored(client: Client, version: str) -> dict[str, dict[str, Any]]:
    answer = await client.call("GET", "/room_keys/keys", query={"version": version})
    return {room_id: backup["sessions"] for room_id, backup in answer["rooms"].items()}


async def test_a_new_device_restores_what_another_one_has_backed_up(
    homeserver: Homeserver,
) -> None:
    phone = await homeserver.register("alice")
    version = await made_backup(phone)
    everything: dict[str, dict[str, Any]] = {}
    for batch in range(_BATCHES):
        rooms: dict[str, dict[str, Any]] = {}
        for number in range(batch * _BATCH, (batch + 1) * _BATCH):
            rooms.setdefault(f"!{number % _ROOMS}:example.org", {})[f"s/{number}"] = a_key(number)
        told = await stored(phone, version, rooms)
        for room_id, keys in rooms.items():
            everything.setdefault(room_id, {}).update(keys)
    laptop = await homeserver.login("alice")

    current = await laptop.call("GET", "/room_keys/version")

    assert current == {
        "algorithm": _ALGORITHM,
        "auth_data": {"public_key": "key"},
        "version": version,
        **told,
    }
    assert current["count"] == _BATCHES * _BATCH
    assert await restored(laptop, version) == everything
    room_id = "!7:example.org"
    path = f"/room_keys/keys/{quote(room_id)}"
    of_room = await laptop.call("GET", path, query={"version": version})
    assert of_room == {"sessions": everything[room_id]}
    of_session = await laptop.call("GET", f"{path}/s%2F47", query={"version": version})
    assert of_session == a_key(47)


async def test_a_device_that_still_writes_to_a_replaced_backup_is_told_of_the_new_one(
    homeserver: Homeserver,
) -> None:
    phone = await homeserver.register("alice")
    laptop = await homeserver.login("alice")
    old = await made_backup(phone)
    new = await made_backup(laptop, "new key")

    status, refusal = await homeserver.once(
        "PUT",
        f"/_matrix/client/v3/room_keys/keys?version={old}",
        token=phone.token,
        body={"rooms": {}},
    )

    assert status == 403
    assert refusal["errcode"] == "M_WRONG_ROOM_KEYS_VERSION"
    assert refusal["current_version"] == new
    await phone.call("DELETE", f"/room_keys/version/{old}")
    await stored(phone, new, {"!room:example.org": {"session": a_key(0)}})
    assert await restored(laptop, new) == {"!room:example.org": {"session": a_key(0)}}


async def test_devices_that_back_up_at_once_leave_the_best_copy_of_each_key(
    homeserver: Homeserver,
) -> None:
    phone = await homeserver.register("alice")
    devices = [phone, *[await homeserver.login("alice") for _ in range(3)]]
    version = await made_backup(phone)
    names = [f"session{number}" for number in range(20)]

    answers = await asyncio.gather(
        *(
            stored(
                device,
                version,
                {"!room:example.org": {name: a_key((at + place) % 4) for name in names}},
            )
            for place, device in enumerate(devices)
            for at in range(4)
        )
    )

    current = await phone.call("GET", "/room_keys/version")
    assert current["count"] == len(names)
    assert current["etag"] == max((answer["etag"] for answer in answers), key=int)
    best = {"!room:example.org": dict.fromkeys(names, a_key(0))}
    assert await restored(phone, version) == best

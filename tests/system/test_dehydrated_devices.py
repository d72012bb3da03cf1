"""Dehydrated devices: what was answered of one is known to all that is asked afterwards."""

from collections.abc import Sequence
from urllib.parse import quote

import pytest

from tests.system.client import PASSWORD, Client, Homeserver, Refused
from tests.system.dehydrating import DriedDevice, ask, claim, events, listed, shown, upload
from tests.system.told import load

_TURNS = 4
_BUSY_PEOPLE = 2


async def send(sender: Client, target: Client, name: str, *device_ids: str) -> None:
    content = {"name": name}
    messages = {target.user_id: dict.fromkeys(device_ids, content)}
    await sender.call("PUT", f"/sendToDevice/org.example/{name}", {"messages": messages})


async def test_who_is_answered_after_an_upload_finds_the_device_and_reaches_it(
    homeserver: Homeserver, readers: Sequence[Homeserver]
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    former: DriedDevice | None = None
    async with load(homeserver, _BUSY_PEOPLE):
        for turn in range(_TURNS):
            device = DriedDevice(alice.user_id, turn)
            await upload(alice, device)

            assert await shown(bob, alice.user_id) == {device.device_id}
            assert await claim(bob, device) == device.one_time_key()
            assert await listed(alice) == {alice.device_id, device.device_id}
            assert (await ask(alice, "GET"))[1] == {
                "device_id": device.device_id,
                "device_data": device.device_data,
            }
            await send(bob, alice, f"named{turn}", device.device_id)
            await send(bob, alice, f"all{turn}", "*")
            waiting = [{"name": f"named{turn}"}, {"name": f"all{turn}"}]
            for reader in readers:
                assert await events(alice, reader, device) == waiting
            if former is not None:
                gone = f"/{quote(former.device_id, safe='')}/events"
                status, refusal = await ask(alice, "POST", {}, path=gone)
                assert (status, refusal["errcode"]) == (403, "M_FORBIDDEN")
                assert await claim(bob, former) == {}
            former = device
            # The same upload once more gives no key twice.
            await upload(alice, device)
            assert await claim(bob, device) == {}
            assert await events(alice, homeserver, device) == waiting


@pytest.mark.parametrize("way", ["deleted", "removed", "logged out", "deactivated"])
async def test_a_dehydrated_device_that_is_gone_is_nowhere(
    homeserver: Homeserver, way: str
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    device = DriedDevice(alice.user_id, 1)
    await upload(alice, device)
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}

    match way:
        case "deleted":
            assert await ask(alice, "DELETE") == (200, {"device_id": device.device_id})
        case "removed":
            removed = {"devices": [device.device_id], "auth": auth}
            await alice.call("POST", "/delete_devices", removed)
        case "logged out":
            await alice.call("POST", "/logout/all", {})
            alice = await homeserver.login("alice")
        case _:
            await alice.call("POST", "/account/deactivate", {"auth": auth})

    if way != "deactivated":
        for method in ("GET", "DELETE"):
            status, refusal = await ask(alice, method)
            assert (status, refusal["errcode"]) == (404, "M_NOT_FOUND")
        assert await listed(alice) == {alice.device_id}
    # That keys of a device go with it, the key server reads in the log.
    while way != "deleted" and await shown(bob, alice.user_id):
        await bob.sync()
    assert await shown(bob, alice.user_id) == set()


async def test_other_logins_leave_the_device_and_can_go_on_with_it(
    homeserver: Homeserver, readers: Sequence[Homeserver]
) -> None:
    alice, bob = await homeserver.register_all("alice", "bob")
    device = DriedDevice(alice.user_id, 1)
    await upload(alice, device)
    await send(bob, alice, "before", device.device_id)
    await alice.call("POST", "/logout", {})

    next_one = await homeserver.login("alice")

    for reader in readers:
        assert await events(next_one, reader, device) == [{"name": "before"}]
    with pytest.raises(Refused, match="M_FORBIDDEN"):
        await homeserver.login("alice", device_id=device.device_id)

"""Dehydrated devices as clients make them, with real keys."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from matrix.signing import SigningKey, sign_json
from matrix.unpadded_base64 import encode_base64
from tests.system.client import Client, Homeserver

PATH: Final = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"


class DriedDevice:
    """A dehydrated device that a client may upload."""

    def __init__(self, user_id: str, number: int) -> None:
        self.user_id: Final = user_id
        self._key: Final = SigningKey("1", f"{number}{user_id}".encode().ljust(32)[:32])
        self._identity: Final = encode_base64(bytes(self._key.verify_key)[::-1])
        self.device_id: Final = self._identity
        self.device_data: Final = {"algorithm": "org.matrix.msc3814.v2", "number": number}

    def _signed(self, value: dict[str, Any]) -> dict[str, Any]:
        signature = sign_json(value, self.user_id, self._key)["signatures"][self.user_id]
        named = {f"ed25519:{self.device_id}": signature[self._key.key_id]}
        return {**value, "signatures": {self.user_id: named}}

    def one_time_key(self) -> dict[str, Any]:
        """Return the one key that can be claimed once, by its name."""
        key = encode_base64(self.device_id.encode()[:32])
        return {"signed_curve25519:AAAAAQ": self._signed({"key": key})}

    def body(self) -> dict[str, Any]:
        """Return the body of its upload."""
        keys = {
            f"curve25519:{self.device_id}": self._identity,
            f"ed25519:{self.device_id}": encode_base64(self._key.verify_key),
        }
        device_keys = {
            "user_id": self.user_id,
            "device_id": self.device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": keys,
            "dehydrated": True,
        }
        return {
            "device_id": self.device_id,
            "device_data": self.device_data,
            "initial_device_display_name": "Dehydrated device",
            "device_keys": self._signed(device_keys),
            "one_time_keys": self.one_time_key(),
        }


async def ask(client: Client, method: str, body: Any = None, *, path: str = "") -> tuple[int, Any]:
    """Make one request about the user's dehydrated device."""
    return await client.homeserver.once(method, PATH + path, token=client.token, body=body)


async def upload(client: Client, device: DriedDevice) -> None:
    """Upload a device; where the server may be killed, until it is answered."""
    answer = await client.homeserver.call("PUT", PATH, token=client.token, body=device.body())
    assert answer == {"device_id": device.device_id}


async def events(client: Client, at: Homeserver, device: DriedDevice) -> Sequence[Any]:
    """Return the contents of the first messages that wait for a device, as a server tells them."""
    path = f"{PATH}/{quote(device.device_id, safe='')}/events"
    answer = await at.call("POST", path, token=client.token, body={})
    return [event["content"] for event in answer["events"]]


async def shown(reader: Client, user_id: str) -> set[str]:
    """Return the devices of a user whose keys are shown to somebody."""
    found = await reader.call("POST", "/keys/query", {"device_keys": {user_id: []}})
    return set(found["device_keys"][user_id])


async def claim(reader: Client, device: DriedDevice) -> dict[str, Any]:
    """Claim a key of a device; return it by its name, or nothing."""
    wanted = {device.user_id: {device.device_id: "signed_curve25519"}}
    answer = await reader.call("POST", "/keys/claim", {"one_time_keys": wanted})
    found: dict[str, Any] = answer["one_time_keys"].get(device.user_id, {})
    return dict(found.get(device.device_id, {}))


async def listed(client: Client) -> set[str]:
    """Return the devices that a user is shown as their own."""
    return {one["device_id"] for one in (await client.call("GET", "/devices"))["devices"]}

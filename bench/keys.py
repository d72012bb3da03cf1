"""End-to-end encryption keys of the load generator's devices, signed as clients sign them."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.client import CLIENT, Client, User, gather_in_order
from matrix.canonical import encode_canonical
from matrix.signing import SigningKey
from matrix.unpadded_base64 import encode_base64

SIGNED_CURVE25519: Final = "signed_curve25519"
_ALGORITHMS: Final = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]


def signed(value: Mapping[str, Any], user_id: str, name: str, key: SigningKey) -> dict[str, Any]:
    """Return an object that has no signature yet with that of a user's key of this name."""
    signature = key.sign(encode_canonical(value))
    return {**value, "signatures": {user_id: {f"ed25519:{name}": signature}}}


def public_key(key: SigningKey) -> str:
    """Return a key's public half as others see it."""
    return encode_base64(key.verify_key)


def new_key() -> SigningKey:
    """Return a new random key."""
    return SigningKey.generate("bench", secrets.token_bytes(32))


class Device:
    """A device with its identity keys."""

    def __init__(self, user: User) -> None:
        self.user = user
        key = new_key()
        user_id, device_id = user.user_id, user.device_id
        keys = {
            f"curve25519:{device_id}": encode_base64(secrets.token_bytes(32)),
            f"ed25519:{device_id}": public_key(key),
        }
        names = {"user_id": user_id, "device_id": device_id}
        self._key = key
        self.keys: Final = signed(
            {**names, "algorithms": _ALGORITHMS, "keys": keys}, user_id, device_id, key
        )

    def one_time_keys(self, count: int) -> dict[str, Any]:
        """Return new signed one-time keys by name."""
        user_id, device_id = self.user.user_id, self.user.device_id
        return {
            f"{SIGNED_CURVE25519}:{secrets.token_urlsafe(6)}": signed(
                {"key": encode_base64(secrets.token_bytes(32))}, user_id, device_id, self._key
            )
            for _ in range(count)
        }


@dataclass(frozen=True, slots=True)
class CrossSigning:
    """A user's cross-signing keys, ready to be uploaded, and the one that signs devices."""

    user: User
    body: dict[str, Any]
    self_signing: SigningKey

    @classmethod
    def new(cls, user: User) -> "CrossSigning":
        """Return new keys of a user."""
        master, self_signing, user_signing = new_key(), new_key(), new_key()
        signer = public_key(master)

        def key(usage: str, made: SigningKey) -> dict[str, Any]:
            public = public_key(made)
            keys = {f"ed25519:{public}": public}
            return {"user_id": user.user_id, "usage": [usage], "keys": keys}

        body = {
            "master_key": key("master", master),
            **{
                f"{usage}_key": signed(key(usage, made), user.user_id, signer, master)
                for usage, made in (("self_signing", self_signing), ("user_signing", user_signing))
            },
        }
        return cls(user, body, self_signing)

    def signatures(self, devices: Iterable[Device]) -> dict[str, Any]:
        """Return devices of the user, signed, as `/keys/signatures/upload` takes them."""
        user_id, name = self.user.user_id, public_key(self.self_signing)
        return {
            user_id: {
                device.user.device_id: signed(
                    {key: value for key, value in device.keys.items() if key != "signatures"},
                    user_id,
                    name,
                    self.self_signing,
                )
                for device in devices
            }
        }


async def upload_identities(client: Client, devices: Iterable[Device]) -> None:
    """Upload the identity keys of devices, several at once."""

    async def upload(device: Device) -> None:
        path = f"{CLIENT}/keys/upload"
        await client.call("POST", path, device.user, {"device_keys": device.keys})

    await gather_in_order(upload, devices)

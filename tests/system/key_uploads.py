"""Keys that a device of a test uploads, signed as the specification has it."""

from itertools import count
from typing import Any, Final

from matrix.signing import SigningKey, sign_json
from matrix.unpadded_base64 import encode_base64
from tests.system.client import Client

CURVE: Final = "signed_curve25519"
_NUMBERS: Final = count()


class DeviceKeys:
    """The secret keys of a device."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._key = SigningKey("1", f"{client.user_id}{client.device_id}".encode().ljust(32)[-32:])

    def _sign(self, value: dict[str, Any]) -> dict[str, Any]:
        user_id = self.client.user_id
        signature = sign_json(value, user_id, self._key)["signatures"][user_id][self._key.key_id]
        return {
            **value,
            "signatures": {user_id: {f"ed25519:{self.client.device_id}": signature}},
        }

    def one_time_key(self, **fields: Any) -> dict[str, Any]:
        """Return a key that is another one each time."""
        text = encode_base64(str(next(_NUMBERS)).encode().ljust(32, b"."))
        return self._sign({"key": text, **fields})

    async def upload(self, one_time_keys: int = 0, *, with_fallback: bool = False) -> None:
        """Upload identity keys, which are new ones each time, and keys that can be claimed."""
        client, number = self.client, next(_NUMBERS)
        identity = encode_base64(str(number).encode().ljust(32, b"-"))
        device_keys = self._sign(
            {
                "user_id": client.user_id,
                "device_id": client.device_id,
                "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
                "keys": {
                    f"curve25519:{client.device_id}": identity,
                    f"ed25519:{client.device_id}": encode_base64(self._key.verify_key),
                },
            }
        )
        names = [f"{CURVE}:{number}-{each}" for each in range(one_time_keys)]
        body: dict[str, Any] = {
            "device_keys": device_keys,
            "one_time_keys": {name: self.one_time_key() for name in names},
        }
        if with_fallback:
            body["fallback_keys"] = {f"{CURVE}:f{number}": self.one_time_key(fallback=True)}
        await client.call("POST", "/keys/upload", body)

    async def claim(self, claimer: Client) -> None:
        """Let somebody claim a key."""
        wanted = {self.client.user_id: {self.client.device_id: CURVE}}
        answer = await claimer.call("POST", "/keys/claim", {"one_time_keys": wanted})
        assert answer["one_time_keys"][self.client.user_id][self.client.device_id]

"""Cross-signing keys of users, with their secrets."""

from typing import Any

from matrix.signing import SigningKey
from matrix.unpadded_base64 import encode_base64
from tests.component.keyserver.keyserver_house import signed


class CrossSigning:
    """The cross-signing keys of a user."""

    def __init__(self, user_id: str, seed: int = 0) -> None:
        self.user_id = user_id
        self.secrets = {
            usage: SigningKey("1", f"{seed}{usage}{user_id}".encode().ljust(32)[:32])
            for usage in ("master", "self_signing", "user_signing")
        }
        self.public = {
            usage: encode_base64(secret.verify_key) for usage, secret in self.secrets.items()
        }

    def key(self, usage: str) -> dict[str, Any]:
        """Return a key, signed by the master key unless it is that one."""
        public = self.public[usage]
        key = {"user_id": self.user_id, "usage": [usage], "keys": {f"ed25519:{public}": public}}
        return key if usage == "master" else self.sign("master", key)

    def sign(self, usage: str, key: dict[str, Any]) -> dict[str, Any]:
        """Return the key with a signature by one of these."""
        bare = {
            name: value for name, value in key.items() if name not in {"signatures", "unsigned"}
        }
        return signed(bare, self.user_id, self.public[usage], self.secrets[usage])

    def body(self, *usages: str, **more: Any) -> dict[str, Any]:
        """Return the body of an upload."""
        chosen = usages or ("master", "self_signing", "user_signing")
        return {**{f"{usage}_key": self.key(usage) for usage in chosen}, **more}

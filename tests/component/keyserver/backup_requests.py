"""What a client asks about backups of keys."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from base.http.testing import Answer
from tests.component.keyserver.keyserver_house import V3
from tests.spec.clients import CheckedClient

ROOM_KEYS = f"{V3}/room_keys"
ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
Key = dict[str, Any]


def a_key(index: int = 0, count: int = 0, *, is_verified: bool = False, text: str = "") -> Key:
    """Return a key as clients store it."""
    return {
        "first_message_index": index,
        "forwarded_count": count,
        "is_verified": is_verified,
        "session_data": {"ciphertext": text or f"{index} {count} {is_verified}", "mac": "m"},
    }


def the_backup(**changes: Any) -> dict[str, Any]:
    """Return what a backup is made with."""
    return {"algorithm": ALGORITHM, "auth_data": {"public_key": "key"}, **changes}


class Backups:
    """The backups of one user, through one of their devices."""

    def __init__(self, client: CheckedClient, root: str = ROOM_KEYS) -> None:
        self._client = client
        self._root = root

    async def made(self) -> str:
        """Make a backup; return its version."""
        answer = await self.make(the_backup())
        assert answer.status == 200, answer.json
        version: str = answer.json["version"]
        return version

    async def make(self, body: Any) -> Answer:
        return await self._client.post(f"{self._root}/version", body)

    async def about(self, version: str | None = None) -> Answer:
        return await self._client.get(self._path_of(version))

    async def change(self, version: str, body: Any) -> Answer:
        return await self._client.put(self._path_of(version), body)

    async def drop(self, version: str) -> Answer:
        return await self._client.delete(self._path_of(version))

    async def store(self, version: str, body: Any, *place: str) -> Answer:
        return await self._client.put(self._keys(version, place), body)

    async def store_rooms(self, version: str, rooms: Mapping[str, Mapping[str, Key]]) -> Answer:
        body = {"rooms": {room_id: {"sessions": keys} for room_id, keys in rooms.items()}}
        return await self.store(version, body)

    async def keys(self, version: str, *place: str) -> Answer:
        return await self._client.get(self._keys(version, place))

    async def rooms(self, version: str) -> dict[str, dict[str, Key]]:
        """Return all keys of a backup by room and session."""
        answer = await self.keys(version)
        assert answer.status == 200, answer.json
        return {room_id: backup["sessions"] for room_id, backup in answer.json["rooms"].items()}

    async def remove(self, version: str, *place: str) -> Answer:
        return await self._client.delete(self._keys(version, place))

    def _path_of(self, version: str | None) -> str:
        path = f"{self._root}/version"
        return path if version is None else f"{path}/{quote(version, safe='')}"

    def _keys(self, version: str, place: tuple[str, ...]) -> str:
        path = "/".join([f"{self._root}/keys", *(quote(one, safe="") for one in place)])
        return f"{path}?version={quote(version, safe='')}"

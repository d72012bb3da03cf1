"""Clients that encrypt, as far as a server is concerned: which devices they know, and when."""

from typing import Any

from tests.system.client import Client, Homeserver
from tests.system.key_uploads import DeviceKeys

_MEMBER = "m.room.member"


class Device:
    """A device that follows its user's rooms and asks for keys when it is told to, never else."""

    def __init__(self, client: Client, reader: Homeserver) -> None:
        self.client = client
        self.keys = DeviceKeys(client)
        self.known: dict[str, set[str]] = {}
        """The devices of each user whose list is followed."""
        self.unreadable: list[str] = []
        """Messages by devices that this one had to know of, and did not."""
        self._reading = client.through(reader)
        self._since: str | None = None

    async def sync(self, living: set[tuple[str, str]]) -> None:
        """Follow what is new; a message of a device that lives and is not known is unreadable."""
        answer = await self._reading.sync(self._since)
        self._since = answer["next_batch"]
        lists = answer.get("device_lists", {})
        for user_id in lists.get("left", []):
            self.known.pop(user_id, None)
        wanted = {one for one in lists.get("changed", []) if one in self.known}
        for room in answer["rooms"].get("join", {}).values():
            wanted |= self._new_members(room)
        await self._ask(wanted)
        # Of who shares no room any more nothing more is told; a client asks for their keys if it
        # wants to know who sent what they said before.
        followed = {one for one in living if one[0] not in lists.get("left", [])}
        for room in answer["rooms"].get("join", {}).values():
            self._read(room, followed)

    def _new_members(self, room: dict[str, Any]) -> set[str]:
        events = room["state"]["events"] + room["timeline"]["events"]
        joined = {
            one["state_key"]
            for one in events
            if one["type"] == _MEMBER and one["content"]["membership"] == "join"
        }
        return {user_id for user_id in joined if user_id not in self.known}

    async def _ask(self, user_ids: set[str]) -> None:
        if not user_ids:
            return
        body: dict[str, Any] = {"device_keys": {user_id: [] for user_id in user_ids}}
        found = (await self.client.call("POST", "/keys/query", body))["device_keys"]
        for user_id in user_ids:
            self.known[user_id] = set(found.get(user_id, {}))

    def _read(self, room: dict[str, Any], living: set[tuple[str, str]]) -> None:
        for event in room["timeline"]["events"]:
            if event["type"] != "m.room.encrypted":
                continue
            sender, device_id = event["sender"], event["content"]["device_id"]
            if (sender, device_id) in living and device_id not in self.known.get(sender, set()):
                self.unreadable.append(f"{self.client.user_id}: {event}")

    async def say(self, room_id: str, number: int) -> None:
        """Send a message that tells only which device encrypted it."""
        path = f"/rooms/{room_id}/send/m.room.encrypted/say{number}"
        await self.client.call("PUT", path, {"device_id": self.client.device_id})

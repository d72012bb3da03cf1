"""Whatever happens, no message is unreadable because a client was not told of a device."""

import os
import random
from collections.abc import Sequence

import pytest

from tests.system.client import Client, Homeserver
from tests.system.encrypting_clients import Device

_EXAMPLES = int(os.environ.get("XYLEM_ENCRYPTION_EXAMPLES", "3"))
_NAMES = ("alice", "bob", "carol")
_KINDS = ("login", "logout", "claim", "join", "leave", "say", "say", "sync", "sync")


class Story:
    """Random users, devices and rooms, and what has to be known of them."""

    def __init__(self, homeserver: Homeserver, readers: Sequence[Homeserver], seed: int) -> None:
        self.chance = random.Random(seed)
        self.homeserver = homeserver
        self.readers = readers
        self.seed = seed
        self.devices: list[Device] = []
        self.members: dict[str, set[str]] = {}

    @property
    def living(self) -> set[tuple[str, str]]:
        return {(one.client.user_id, one.client.device_id) for one in self.devices}

    async def begin(self) -> None:
        owners = [await self.homeserver.register_with_secret(self._name(one)) for one in _NAMES]
        for owner in owners:
            await self._add(owner)
        for _ in range(2):
            room_id = await owners[0].create_room(preset="public_chat")
            self.members[room_id] = {owners[0].user_id}

    def _name(self, name: str) -> str:
        return f"{name}-{self.seed}"

    async def _add(self, client: Client) -> None:
        device = Device(client, self.chance.choice(self.readers))
        await device.keys.upload(2)
        self.devices.append(device)

    async def step(self, number: int) -> None:
        kind = self.chance.choice(_KINDS)
        device = self.chance.choice(self.devices)
        room_id = self.chance.choice(list(self.members))
        members, user_id = self.members[room_id], device.client.user_id
        match kind:
            case "login":
                name = self._name(self.chance.choice(_NAMES))
                await self._add(await self.homeserver.login(name))
            case "logout" if sum(one.client.user_id == user_id for one in self.devices) > 1:
                self.devices.remove(device)
                await device.client.call("POST", "/logout", {})
            case "claim":
                other = self.chance.choice(self.devices)
                try:
                    await device.keys.claim(other.client)
                except KeyError:
                    await device.keys.upload(2)
            case "join":
                await device.client.join(room_id)
                members.add(user_id)
            case "leave" if user_id in members and len(members) > 1:
                await device.client.leave(room_id)
                members.discard(user_id)
            case "say" if user_id in members:
                await device.say(room_id, number)
            case "sync":
                await device.sync(self.living)

    def expected(self, device: Device) -> dict[str, set[str]]:
        """Return the devices that this one has to know of each user whom it shares a room with."""
        user_id = device.client.user_id
        shared = {one for all_ in self.members.values() if user_id in all_ for one in all_}
        return {one: {each for name, each in self.living if name == one} for one in shared}


@pytest.mark.parametrize("seed", range(_EXAMPLES))
async def test_everybody_knows_a_device_before_they_see_its_message(
    homeserver: Homeserver, readers: Sequence[Homeserver], seed: int
) -> None:
    story = Story(homeserver, readers, seed)
    await story.begin()
    for number in range(60):
        await story.step(number)
        assert not [each for one in story.devices for each in one.unreadable]

    for device in story.devices:
        # The key server lets keys go a little later than a log-out is answered.
        for _ in range(100):
            await device.sync(story.living)
            wanted = story.expected(device)
            if {one: device.known.get(one) for one in wanted} == wanted:
                break
        assert {one: device.known.get(one) for one in wanted} == wanted
        assert not device.unreadable

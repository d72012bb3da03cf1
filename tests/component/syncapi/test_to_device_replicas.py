"""Devices that go to either replica get each message once and in order, whatever is repeated."""

import asyncio
import random
from pathlib import Path

import pytest

from components.syncapi.settings import SyncApiSettings
from logs.records.to_device import MessagesSent
from tests.component.syncapi.replicas import Replica, two_replicas
from tests.component.syncapi.story import ALICE, BOB, CHARLIE
from tests.component.syncapi.to_device_messages import given, to_device

pytestmark = pytest.mark.postgres

_DEVICES = [(user, device) for user in (ALICE, BOB, CHARLIE) for device in ("PHONE", "LAPTOP")]
_STEPS = 150
_LONG_MS = 20_000


class Device:
    """A device that goes to any replica, and whose answers are lost now and then."""

    def __init__(self, user_id: str, device_id: str, source: random.Random) -> None:
        self.token = f"{user_id}/{device_id}"
        self.since: str | None = None
        self.got: list[str] = []
        self.sent: list[str] = []
        self._random = source

    async def sync(self, replicas: tuple[Replica, Replica], *, is_lost: bool = False) -> bool:
        """Ask for what is new; return whether there was something."""
        answer = await self._random.choice(replicas).answer(self.token, self.since)
        if not is_lost:
            self.got += given(answer)
            self.since = answer["next_batch"]
        return bool(given(answer))


@pytest.mark.parametrize("seed", range(3))
async def test_each_message_comes_once_and_in_order_over_replicas_and_repeats(
    tmp_path: Path, postgres_url: str, seed: int
) -> None:
    source = random.Random(seed)
    devices = {one: Device(*one, source) for one in _DEVICES}
    sent: list[MessagesSent] = []
    settings = SyncApiSettings(to_device_messages=4)
    async with two_replicas(tmp_path, postgres_url, settings) as replicas:
        for step in range(_STEPS):
            match source.randrange(5):
                case 0 | 1:
                    user_id = source.choice((ALICE, BOB, CHARLIE))
                    to = source.sample(("PHONE", "LAPTOP"), source.randint(1, 2))
                    for device_id in to:
                        devices[user_id, device_id].sent.append(str(step))
                    sent.append(to_device(*to, text=str(step), user_id=user_id))
                    await replicas[0].send_to_device(sent[-1])
                case 2 if sent:
                    # The same request comes once more.
                    await replicas[0].send_to_device(source.choice(sent))
                case 3 if step % 10 == 0:
                    # The other one takes its partitions over.
                    one = source.choice(replicas)
                    await one.stop_consumers()
                    one.start_consumers()
                case _:
                    device = source.choice(list(devices.values()))
                    await device.sync(replicas, is_lost=source.random() < 0.3)
        for device in devices.values():
            while await device.sync(replicas):
                pass

    assert [one.got for one in devices.values()] == [one.sent for one in devices.values()]


async def test_a_long_poll_is_woken_by_a_message_that_the_other_replica_projects(
    tmp_path: Path, postgres_url: str
) -> None:
    async with two_replicas(tmp_path, postgres_url) as replicas:
        for replica in replicas:
            since = (await replica.answer(ALICE))["next_batch"]
            poll = asyncio.create_task(replica.answer(ALICE, since, timeout=_LONG_MS))
            await replica.until_waiting(ALICE)
            await replica.send_to_device(to_device("PHONE", text="hello"))
            answer = await poll
            assert given(answer) == ["hello"]
            await replica.answer(ALICE, answer["next_batch"])

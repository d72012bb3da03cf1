"""What a client was told is there is in what it, or anybody else, reads next."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.system.client import V3, Homeserver
from tests.system.told import READS, WRITES, Scene, load, scene_of

_TURNS = 4
_BUSY_PEOPLE = 2


async def read_before(scene: Scene) -> None:
    """Let everybody read up to now."""
    for who in ("alice", "bob", "carol"):
        scene.since[who] = (await getattr(scene, who).sync())["next_batch"]


@pytest.mark.parametrize("name", WRITES)
async def test_what_is_written_is_in_every_answer_that_begins_afterwards(
    homeserver: Homeserver, readers: Sequence[Homeserver], name: str
) -> None:
    told = WRITES[name]
    scene = await scene_of(homeserver, _TURNS * len(told.checks) + 1)
    missed: dict[str, int] = {}
    async with load(homeserver, _BUSY_PEOPLE):
        for read, is_told in told.checks.items():
            for _ in range(_TURNS):
                await read_before(scene)
                scene.turn += 1
                await told.write(scene)
                for reader in readers:
                    answer = await READS[read](scene, reader)
                    if not is_told(scene, answer):
                        missed[read] = missed.get(read, 0) + 1

    assert not missed


@pytest.mark.parametrize("path", ["/logout", "/logout/all"])
async def test_a_token_is_taken_nowhere_once_its_end_was_answered(
    homeserver: Homeserver, doors: Sequence[tuple[Homeserver, str]], path: str
) -> None:
    await homeserver.register("leaver")
    refused, taken = 0, 0
    async with load(homeserver, _BUSY_PEOPLE):
        for _ in range(_TURNS):
            device = await homeserver.login("leaver")

            async def statuses(token: str = device.token) -> list[int]:
                asked = [door.once("GET", V3 + one, token=token) for door, one in doors]
                return [status for status, _ in await asyncio.gather(*asked)]

            taken += (await statuses()).count(401)
            await device.call("POST", path, {})
            refused += (await statuses()).count(401)

    assert taken == 0
    assert refused == _TURNS * len(doors)


async def test_a_new_account_has_its_push_rules_in_its_first_sync(
    homeserver: Homeserver, readers: Sequence[Homeserver]
) -> None:
    async with load(homeserver, _BUSY_PEOPLE):
        for number in range(_TURNS):
            user = await homeserver.register(f"new{number}")
            for reader in readers:
                first = await user.through(reader).sync()
                kinds = [event["type"] for event in first["account_data"]["events"]]
                assert "m.push_rules" in kinds

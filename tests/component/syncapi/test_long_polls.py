"""Who waits in /sync, what wakes them, and when their waiting ends."""

import asyncio
from pathlib import Path

from components.syncapi.settings import SyncApiSettings
from logs.records.room_output import InputRejected
from matrix.errors import UnknownToken
from tests.component.syncapi.answers import timeline
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    NOW_MS,
    House,
    Room,
    running_house,
)


async def test_a_long_poll_is_woken_by_an_event(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    waiting = asyncio.create_task(house.sync(BOB, since, timeout=30_000))
    await house.until_waiting(BOB)
    await house.put(room.message("wake up"))

    assert timeline(await waiting, room) == ["wake up"]


async def test_a_long_poll_of_somebody_else_goes_on_waiting(house: House) -> None:
    room, other = Room(), Room("other")
    await house.put(*room.created(BOB), *other.created())
    since = (await house.sync(BOB))["next_batch"]

    waiting = asyncio.create_task(house.sync(BOB, since, timeout=30_000))
    await house.until_waiting(BOB)
    await house.put(other.message("not for bob"))
    await house.projected()
    assert house.sync_api.is_waiting(BOB)
    await house.put(room.message("for bob"))

    answer = await waiting
    assert list(answer["rooms"]["join"]) == [room.room_id]


async def test_a_long_poll_ends_with_its_timeout(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    answer = await house.sync(BOB, since, timeout=20)

    assert answer["rooms"] == {}
    assert answer["next_batch"] == since


async def test_a_record_that_changes_nothing_does_not_end_a_long_poll(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    waiting = asyncio.create_task(house.sync(BOB, since, timeout=30_000))
    await house.until_waiting(BOB)
    await house.put(InputRejected(room.room_id, "$no", "M_FORBIDDEN", "no"))
    await house.projected()
    assert house.sync_api.is_waiting(BOB)
    await house.put(room.message("yes"))

    assert timeline(await waiting, room) == ["yes"]


async def test_stopping_answers_all_who_wait(house: House) -> None:
    since = (await house.sync(BOB))["next_batch"]
    waiting = asyncio.create_task(house.sync(BOB, since, timeout=60_000))
    await house.until_waiting(BOB)

    house.sync_api.end_long_polls()

    assert (await waiting)["next_batch"] == since
    assert (await house.sync(BOB, since, timeout=60_000))["next_batch"] == since


async def test_the_oldest_of_too_many_long_polls_is_answered(tmp_path: Path) -> None:
    settings = SyncApiSettings(max_long_polls_per_user=1, max_long_polls=2)
    async with running_house(tmp_path, f"sqlite:///{tmp_path}/db", settings) as house:
        since = (await house.sync(BOB))["next_batch"]
        first = asyncio.create_task(house.sync(BOB, since, timeout=60_000))
        await house.until_waiting(BOB)
        second = asyncio.create_task(house.sync(BOB, since, timeout=60_000))
        assert (await first)["rooms"] == {}
        third = asyncio.create_task(house.sync(ALICE, since, timeout=60_000))
        await house.until_waiting(ALICE)

        refused = await house.get(CHARLIE, "sync", since=since, timeout=60_000)

        assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")
        house.sync_api.end_long_polls()
        await asyncio.gather(second, third)


async def test_a_long_poll_ends_with_its_access_token(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    house.accounts.expires_at_ms[BOB] = NOW_MS + 20

    waiting = asyncio.create_task(house.get(BOB, "sync", since=since, timeout=30_000))
    streaming = asyncio.create_task(house.get(BOB, "events", from_=since, timeout=30_000))
    await house.until_waiting(BOB)
    house.accounts.refused[BOB] = UnknownToken(soft_logout=True)
    house.clock.advance_ms(20)

    for answer in (await waiting, await streaming):
        assert (answer.status, answer.errcode) == (401, "M_UNKNOWN_TOKEN")
        assert answer.json["soft_logout"] is True


async def test_a_long_poll_ends_with_its_timeout_before_its_access_token(house: House) -> None:
    since = (await house.sync(BOB))["next_batch"]
    house.accounts.expires_at_ms[BOB] = NOW_MS + 3_600_000

    assert (await house.sync(BOB, since, timeout=20))["next_batch"] == since

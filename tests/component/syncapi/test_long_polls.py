"""Who waits in /sync, what wakes them, and when their waiting ends."""

import asyncio
from pathlib import Path
from typing import Any

from components.syncapi.settings import SyncApiSettings
from logs.records.receipts import ReceiptMoved
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


async def told_nothing_then_a_name(house: House, query: dict[str, Any], *news: Any) -> None:
    """Check that a request waits on when these records come, and hears of the room's name."""
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB, filter=query))["next_batch"]
    waiting = asyncio.create_task(house.sync(BOB, since, filter=query, timeout=30_000))
    await house.until_waiting(BOB)

    for one in news:
        await one(room)
        await house.projected()
        await house.until_waiting(BOB)
    await house.put(room.state_event("m.room.name", {"name": "Tea"}))

    assert list((await waiting)["rooms"]["join"]) == [room.room_id]


async def test_a_request_waits_on_when_its_filter_hides_all_that_comes(house: House) -> None:
    """Ones own messages, which are read already, reactions, and data that is not asked for."""
    only_names = {
        "room": {
            "timeline": {"types": ["m.room.name"]},
            "account_data": {"types": []},
            "ephemeral": {"types": []},
        },
        "account_data": {"types": []},
    }

    async def own(room: Room) -> None:
        await house.put(room.message("mine", sender=BOB))

    async def reaction(room: Room) -> None:
        await house.put(room.added(room.build("m.reaction", {})))

    async def tag(room: Room) -> None:
        await house.put_account_data(BOB, "m.tag", {"tags": {}}, room.room_id)

    async def direct(room: Room) -> None:
        await house.put_account_data(BOB, "m.direct", {BOB: [room.room_id]})

    async def receipt(room: Room) -> None:
        assert room.latest is not None
        event_id = room.latest.event_id
        await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", event_id, NOW_MS))

    async def typing(room: Room) -> None:
        await house.let_type(room.room_id, ALICE)

    news = (own, own, reaction, tag, direct, receipt, typing)
    await told_nothing_then_a_name(house, only_names, *news)


async def test_a_hidden_message_of_ones_own_is_told_if_it_has_read_something(house: House) -> None:
    room = Room()
    hiding: dict[str, Any] = {"room": {"timeline": {"types": []}}}
    await house.put(*room.created(BOB), room.message("unread"))
    since = (await house.sync(BOB, filter=hiding))["next_batch"]
    waiting = [
        asyncio.create_task(house.sync(f"{BOB}/{device}", since, filter=hiding, timeout=30_000))
        for device in ("PHONE", "LAPTOP")
    ]
    await house.until_waiting(BOB)

    await house.put(room.message("read", sender=BOB))

    for answer in await asyncio.gather(*waiting):
        part = answer["rooms"]["join"][room.room_id]
        assert part["unread_notifications"]["notification_count"] == 0
    again = await house.sync(BOB, answer["next_batch"], filter=hiding)
    assert again["rooms"] == {}

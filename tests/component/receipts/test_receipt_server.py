"""Which markers move, and what is told of them."""

import itertools
from pathlib import Path

import pytest

from components.receipts.settings import ReceiptServerSettings
from logs.records.receipts import EventPlace, FullyReadMoved, ReceiptMoved
from tests.component.receipts.receipts_house import (
    ALICE,
    BOB,
    ROOM,
    House,
    Type,
    event_ids,
    mark,
    running_house,
)

KINDS: tuple[Type, ...] = ("m.read", "m.read.private", "m.fully_read")


async def test_a_receipt_is_announced_as_it_was_sent(house: House) -> None:
    await house.put(
        mark("$one", 5, stream=7, ts=1234),
        mark("$one", 5, kind="m.read.private", ts=1235, thread_id="main"),
        mark("$one", 5, kind="m.fully_read"),
    )

    assert await house.outputs() == [
        ReceiptMoved(ROOM, ALICE, "m.read", "$one", 1234, None, EventPlace(5, 7)),
        ReceiptMoved(ROOM, ALICE, "m.read.private", "$one", 1235, "main", EventPlace(5)),
        FullyReadMoved(ROOM, ALICE, "$one"),
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_marker_only_moves_forward(house: House, kind: Type) -> None:
    await house.put(mark("$two", 2, kind=kind))
    await house.put(mark("$one", 1, kind=kind), mark("$two", 2, kind=kind))
    await house.put(mark("$three", 3, kind=kind), mark("$two", 2, kind=kind))

    assert event_ids(await house.outputs()) == ["$two", "$three"]


async def test_the_same_event_again_is_not_announced(house: House) -> None:
    await house.put(mark("$one", 1, stream=1), mark("$one", 1, stream=1, ts=1))
    await house.put(mark("$one", 1), mark("$one", 1, stream=9))

    assert event_ids(await house.outputs()) == ["$one"]


async def test_the_servers_own_order_goes_before_depth(house: House) -> None:
    # A server that was cut off adds events of little depth, another one claims any depth it likes.
    await house.put(mark("$ours", 900, stream=1), mark("$deep", 2**53, stream=2))
    await house.put(mark("$cut-off", 30, stream=3), mark("$deep", 2**53, stream=2))

    assert event_ids(await house.outputs()) == ["$ours", "$deep", "$cut-off"]


async def test_depth_decides_where_one_has_no_order(house: House) -> None:
    await house.put(mark("$one", 5, stream=50))
    await house.put(mark("$two", 4), mark("$three", 6))
    await house.put(mark("$four", 5, stream=99), mark("$five", 7, stream=10))

    assert event_ids(await house.outputs()) == ["$one", "$three", "$five"]


async def test_of_events_beside_each_other_the_newer_receipt_holds(house: House) -> None:
    await house.put(mark("$left", 5), mark("$right", 5))

    assert event_ids(await house.outputs()) == ["$left", "$right"]


async def test_markers_of_users_types_threads_and_rooms_do_not_touch_each_other(
    house: House,
) -> None:
    names = itertools.product((ALICE, BOB), KINDS[:2], (None, "main", "$root"))
    markers = [
        mark(f"$event{number}", 100 - number, user_id=user_id, kind=kind, thread_id=thread_id)
        for number, (user_id, kind, thread_id) in enumerate(names)
    ]
    await house.put(*markers[:5])
    await house.put(*markers[5:])
    await house.put(mark("$elsewhere", 1, room_id="!other:xylem.test"), room_id="!other:xylem.test")

    assert len(set(event_ids(await house.outputs()))) == len(markers) + 1


async def test_markers_stand_where_they_were_after_a_restart(
    tmp_path: Path, database_url: str
) -> None:
    threads = [f"$root{number}" for number in range(150)]
    async with running_house(tmp_path, database_url) as house:
        await house.put(*(mark("$ten", 10, thread_id=thread) for thread in threads))
        await house.outputs()
    async with running_house(tmp_path, database_url) as house:
        await house.put(*(mark("$nine", 9, thread_id=thread) for thread in threads))
        await house.put(*(mark("$eleven", 11, thread_id=thread) for thread in threads[:3]))

        outputs = await house.outputs()

    assert event_ids(outputs) == ["$ten"] * 150 + ["$eleven"] * 3


async def test_more_markers_than_fit_in_memory_move_forward_all_the_same(
    tmp_path: Path, database_url: str
) -> None:
    settings = ReceiptServerSettings(cached_receipts=2, max_batch_receipts=3)
    users = [f"@user{number}:xylem.test" for number in range(20)]
    async with running_house(tmp_path, database_url, settings) as house:
        for depth in (5, 4, 6):
            await house.put(*(mark(f"${depth}", depth, user_id=user_id) for user_id in users))

        assert event_ids(await house.outputs()) == ["$5"] * 20 + ["$6"] * 20


async def test_what_is_no_receipt_is_set_aside(house: House) -> None:
    await house.put(
        mark("$one", 1),
        b"\x80",
        mark("$one", 1, kind="m.fully_read", thread_id="main"),
        mark("$one", -1),
        mark("$one", 1, thread_id=""),
        mark("$two", 2),
    )

    assert event_ids(await house.outputs()) == ["$one", "$two"]
    assert [one.offset for one in await house.rejected(4)] == [1, 2, 3, 4]

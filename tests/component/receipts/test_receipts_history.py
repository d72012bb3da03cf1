"""Where receipts stand is read from one end to the other, for rebuilds."""

import pytest

from logs.records.receipts import FullyReadMoved, OutputReceipt, ReceiptMoved
from logs.topics import OUTPUT_RECEIPT
from matrix.identifiers import RoomID, UserID
from tests.component.receipts.receipts_house import ALICE, BOB, NOBODY, House, mark


def name_of(record: OutputReceipt) -> tuple[str, str, str, str | None]:
    if isinstance(record, FullyReadMoved):
        return record.room_id, record.user_id, "m.fully_read", None
    return record.room_id, record.user_id, record.receipt_type, record.thread_id


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_the_history_has_where_each_marker_stands_as_it_was_announced_last(
    house: House, limit: int
) -> None:
    for room_id in ("!one:xylem.test", "!other:xylem.test"):
        for user_id in (ALICE, BOB):
            await house.put(
                mark("$a", 1, user_id=user_id, room_id=room_id),
                mark("$b", 2, user_id=user_id, room_id=room_id),
                mark("$b", 2, user_id=user_id, room_id=room_id, thread_id="main"),
                mark("$c", 3, user_id=user_id, room_id=room_id, kind="m.read.private"),
                mark("$d", 4, user_id=user_id, room_id=room_id, kind="m.fully_read"),
            )
    announced = {name_of(record): record for record in await house.outputs()}

    found: list[OutputReceipt] = []
    place: list[str] | None = []
    while place is not None:
        page = await house.history.query_receipts(after=place, limit=limit)
        found += [OUTPUT_RECEIPT.decode(record) for record in page.records]
        place = page.next_place

    kept = [record for record in found if record.user_id != NOBODY]
    assert {name_of(record): record for record in kept} == announced
    assert len(kept) == len(announced) == 16
    assert any(isinstance(record, ReceiptMoved) and record.thread_id for record in kept)


async def test_a_fully_read_marker_is_known_where_it_stands(house: House) -> None:
    markers, room_id = house.server.markers, RoomID("!one:xylem.test")
    await house.put(
        mark("$a", 1, user_id=ALICE, room_id=room_id, kind="m.fully_read"),
        mark("$b", 2, user_id=ALICE, room_id=room_id, kind="m.fully_read"),
        mark("$c", 3, user_id=ALICE, room_id=room_id),
    )
    await house.outputs()

    assert await markers.query_fully_read(user_id=UserID(ALICE), room_id=room_id) == "$b"
    assert await markers.query_fully_read(user_id=UserID(BOB), room_id=room_id) is None

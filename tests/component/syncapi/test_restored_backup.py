"""A backup is restored, and clients come that have seen more than it holds."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from logs.positions import TokenContents, decode_token, encode_token
from tests.component.syncapi.answers import joined, timeline
from tests.component.syncapi.story import ALICE, BOB, House, Room, running_house


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[House]:
    """Start the server in its folder."""
    async with running_house(data, f"sqlite:///{data}/db") as house:
        yield house


@pytest.mark.parametrize("while_it_runs", [True, False])
@pytest.mark.parametrize("written", [0, 20])
async def test_who_has_seen_more_than_the_backup_holds_begins_anew(
    tmp_path: Path, *, while_it_runs: bool, written: int
) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    data.mkdir()
    room, lost = Room(), Room("lost")
    async with running(data) as house:
        await house.put(*room.created(BOB), room.message("kept"))
        before = await house.sync(BOB)
        await house.projected()
        if while_it_runs:
            # Nothing is written meanwhile: it is as a snapshot of one instant.
            shutil.copytree(data, backup)
            after = await gone_on(house, before, room, lost)
    if not while_it_runs:
        shutil.copytree(data, backup)
        async with running(data) as house:
            after = await gone_on(house, before, room, lost)

    shutil.rmtree(data)
    shutil.copytree(backup, data)
    async with running(data) as house:
        await house.put(*(room.message(f"new {number}") for number in range(written)))
        answer = await house.sync(BOB, after["next_batch"], timeout=30_000)
        page = await house.room(
            BOB,
            room,
            "messages",
            dir="b",
            from_=after["rooms"]["join"][room.room_id]["timeline"]["prev_batch"],
        )
        earlier = await house.sync(BOB, before["next_batch"])
        again = await house.sync(BOB, answer["next_batch"])

    new = [f"new {number}" for number in range(written)]
    assert (["kept", *new])[-10:] == timeline(answer, room)[-min(10, written + 1) :]
    assert joined(answer, room)["timeline"]["limited"] is True
    assert list(answer["rooms"]["join"]) == [room.room_id]
    assert (page.status, page.errcode) == (400, "M_INVALID_PARAM")
    assert again["rooms"] == {}
    # What was told of the backup's time still holds.
    assert (timeline(earlier, room) if written else []) == new[-10:]


async def gone_on(house: House, before: dict[str, Any], room: Room, lost: Room) -> dict[str, Any]:
    """Let things happen that the backup lacks; return what bob was told of them."""
    records = [room.message(f"lost {number}") for number in range(12)]
    await house.put(*records, *lost.created(BOB))
    answer = await house.sync(BOB, before["next_batch"])
    assert lost.room_id in answer["rooms"]["join"]
    return answer


async def test_runs_of_the_log_are_no_reason_to_begin_anew(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    room = Room()
    tokens: list[str] = []
    places: list[str] = []
    for number in range(3):
        async with running(data) as house:
            await house.put(*([room.message(str(number))] if number else room.created(BOB)))
            answer = await house.sync(BOB, tokens[-1] if tokens else None)
            tokens.append(answer["next_batch"])
            places.append(joined(answer, room)["timeline"]["prev_batch"])

    async with running(data) as house:
        told = [await house.sync(BOB, token) for token in tokens]
        pages = [await house.room(BOB, room, "messages", dir="f", from_=place) for place in places]

    assert [timeline(one, room) if one["rooms"] else [] for one in told] == [["1", "2"], ["2"], []]
    assert all(page.status == 200 for page in pages)


async def test_a_token_past_the_end_of_the_log_is_of_records_that_are_lost(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    token = (await house.sync(BOB))["next_batch"]
    generation = f"{house.log.generation}/{house.log.runs[-1].name}"
    offsets = decode_token(token, [generation]).offsets
    for topic in offsets:
        further = {one: offset + 1 for one, offset in offsets[topic].items()}
        past = encode_token(TokenContents(generation, {**offsets, topic: further}))

        answer = await house.sync(BOB, past, timeout=30_000)

        assert joined(answer, room)["timeline"]["limited"] is True
        assert answer["next_batch"] == token
    assert (await house.sync(ALICE, token))["rooms"] == {}

"""Receipts, fully-read markers and typing as clients see them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from components.syncapi.settings import SyncApiSettings
from components.syncapi.streams.catalogue import STREAMS
from components.syncapi.tokens import Era, Slot, SyncTokens
from logs.positions import TokenContents, decode_token, encode_token
from logs.records.receipts import FullyReadMoved, ReceiptMoved
from tests.component.syncapi.replicas import two_replicas
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, House, Room, running_house

_LONG_MS = 20_000


def ephemeral(answer: dict[str, Any], room: Room) -> list[dict[str, Any]]:
    """Return the ephemeral events of a room in an answer."""
    part = answer["rooms"].get("join", {}).get(room.room_id)
    return [] if part is None else part["ephemeral"]["events"]


def receipts(answer: dict[str, Any], room: Room) -> list[tuple[str, str, str, str]]:
    """Return event, type, user and thread of all receipts of a room."""
    return sorted(
        (event_id, kind, user_id, value.get("thread_id", ""))
        for event in ephemeral(answer, room)
        if event["type"] == "m.receipt"
        for event_id, kinds in event["content"].items()
        for kind, users in kinds.items()
        for user_id, value in users.items()
    )


def typing(answer: dict[str, Any], room: Room) -> list[list[str]]:
    return [
        event["content"]["user_ids"]
        for event in ephemeral(answer, room)
        if event["type"] == "m.typing"
    ]


async def until_typing(house: House, user_id: str, room: Room, *users: str) -> str:
    """Return a token from which on just these users are known to type."""
    async with asyncio.timeout(10):
        while True:
            answer = await house.sync(user_id)
            if typing(answer, room) == ([list(users)] if users else []):
                token: str = answer["next_batch"]
                return token


async def test_a_receipt_is_shown_to_all_who_are_in_the_room(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5))
    answer = await house.sync(BOB, since)

    assert ephemeral(answer, room) == [
        {"type": "m.receipt", "content": {"$one": {"m.read": {ALICE: {"ts": 5}}}}}
    ]
    assert answer["rooms"]["join"][room.room_id]["timeline"]["events"] == []
    assert receipts(await house.sync(BOB), room) == [("$one", "m.read", ALICE, "")]
    assert answer["next_batch"] != since
    assert (await house.sync(BOB, answer["next_batch"]))["rooms"] == {}
    assert CHARLIE not in (await house.sync(CHARLIE))["rooms"]


async def test_a_receipt_comes_with_the_event_that_it_is_about(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.put(message := room.message("hello"))
    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", message.event_id, 5))
    answer = await house.sync(BOB, since)

    assert receipts(answer, room) == [(message.event_id, "m.read", ALICE, "")]
    assert len(answer["rooms"]["join"][room.room_id]["timeline"]["events"]) == 1


async def test_a_private_receipt_is_for_its_own_user_alone(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    await house.move_receipts(
        ReceiptMoved(room.room_id, ALICE, "m.read.private", "$one", 5),
        ReceiptMoved(room.room_id, BOB, "m.read", "$one", 6),
    )

    seen = [("$one", "m.read", BOB, "")]
    own = [*seen, ("$one", "m.read.private", ALICE, "")]
    assert receipts(await house.sync(BOB, since), room) == seen
    assert receipts(await house.sync(ALICE, since), room) == own
    assert receipts(await house.sync(BOB), room) == seen
    assert receipts(await house.sync(ALICE), room) == own


async def test_receipts_of_threads_stand_beside_each_other(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    await house.move_receipts(
        ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5),
        ReceiptMoved(room.room_id, ALICE, "m.read", "$two", 6, "main"),
        ReceiptMoved(room.room_id, ALICE, "m.read", "$two", 7, "$root"),
    )

    expected = [
        ("$one", "m.read", ALICE, ""),
        ("$two", "m.read", ALICE, "$root"),
        ("$two", "m.read", ALICE, "main"),
    ]
    assert receipts(await house.sync(BOB, since), room) == expected
    assert receipts(await house.sync(BOB), room) == expected


@pytest.mark.parametrize("order", [1, -1])
async def test_a_receipt_for_all_threads_wins_over_one_of_a_thread_at_the_same_event(
    house: House, order: int
) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    moved = [
        ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5),
        ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 6, "main"),
        ReceiptMoved(room.room_id, ALICE, "m.read.private", "$one", 7, "main"),
    ]

    await house.move_receipts(*moved[::order])

    whole = ("$one", "m.read", ALICE, "")
    private = ("$one", "m.read.private", ALICE, "main")
    for token in (since, None):
        assert receipts(await house.sync(BOB, token), room) == [whole]
        assert receipts(await house.sync(ALICE, token), room) == [whole, private]


async def test_a_receipt_that_moves_on_takes_the_place_of_the_former(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    await house.move_receipts(
        ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5),
        ReceiptMoved(room.room_id, BOB, "m.read", "$one", 5),
    )
    await house.projected()
    since = (await house.sync(BOB))["next_batch"]

    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", "$two", 6))

    assert receipts(await house.sync(BOB, since), room) == [("$two", "m.read", ALICE, "")]
    assert receipts(await house.sync(BOB), room) == [
        ("$one", "m.read", BOB, ""),
        ("$two", "m.read", ALICE, ""),
    ]


async def test_a_fully_read_marker_is_account_data_of_the_room_of_its_user(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.move_receipts(FullyReadMoved(room.room_id, BOB, "$one"))
    marker = {"type": "m.fully_read", "content": {"event_id": "$one"}}

    for answer in (await house.sync(BOB, since), await house.sync(BOB)):
        part = answer["rooms"]["join"][room.room_id]
        assert part["account_data"]["events"] == [marker]
        assert part["ephemeral"]["events"] == []
    assert (await house.sync(ALICE, since))["rooms"] == {}

    await house.put_account_data(BOB, "m.tag", {"tags": {}}, room.room_id)
    await house.projected()
    part = (await house.sync(BOB))["rooms"]["join"][room.room_id]
    assert [one["type"] for one in part["account_data"]["events"]] == ["m.tag", "m.fully_read"]
    filtered = {"room": {"account_data": {"not_types": ["m.fully_read"]}}}
    part = (await house.sync(BOB, filter=filtered))["rooms"]["join"][room.room_id]
    assert [one["type"] for one in part["account_data"]["events"]] == ["m.tag"]


async def test_whoever_joins_gets_the_receipts_and_who_types(house: House) -> None:
    room = Room()
    await house.put(*room.created())
    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5))
    await house.let_type(room.room_id, ALICE)
    await until_typing(house, ALICE, room, ALICE)
    since = (await house.sync(BOB))["next_batch"]

    await house.put(room.member(BOB, "join"))
    answer = await house.sync(BOB, since)

    assert receipts(answer, room) == [("$one", "m.read", ALICE, "")]
    assert typing(answer, room) == [[ALICE]]


async def test_typing_is_shown_when_it_begins_and_when_it_ends(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    await house.let_type(room.room_id, ALICE)
    answer = await house.sync(BOB, since, timeout=_LONG_MS)
    assert ephemeral(answer, room) == [{"type": "m.typing", "content": {"user_ids": [ALICE]}}]
    assert typing(await house.sync(BOB), room) == [[ALICE]]

    await house.let_type(room.room_id)
    answer = await house.sync(BOB, answer["next_batch"], timeout=_LONG_MS)
    assert typing(answer, room) == [[]]
    assert typing(await house.sync(BOB), room) == []
    assert (await house.sync(BOB, answer["next_batch"]))["rooms"] == {}


async def test_a_list_that_is_announced_again_is_told_once(house: House) -> None:
    room, other = Room(), Room("!other:xylem.test")
    await house.put(*room.created(BOB), *other.created(BOB))
    await house.let_type(room.room_id, ALICE)
    await house.let_type(room.room_id)
    since = await until_typing(house, BOB, room)

    await house.let_type(room.room_id)
    await house.let_type(other.room_id, ALICE)
    answer = await house.sync(BOB, since, timeout=_LONG_MS)

    assert list(answer["rooms"]["join"]) == [other.room_id]


async def test_a_long_poll_is_woken_by_receipts_and_typing(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]

    poll = asyncio.create_task(house.get(BOB, "sync", since=since, timeout=_LONG_MS))
    await house.until_waiting(BOB)
    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5))
    answer = (await poll).json
    assert receipts(answer, room) == [("$one", "m.read", ALICE, "")]

    poll = asyncio.create_task(house.get(BOB, "sync", since=answer["next_batch"], timeout=_LONG_MS))
    await house.until_waiting(BOB)
    await house.let_type(room.room_id, ALICE)
    assert typing((await poll).json, room) == [[ALICE]]


@pytest.mark.parametrize(
    "room_filter",
    [
        {"ephemeral": {"types": []}},
        {"ephemeral": {"not_types": ["m.*"]}},
        {"ephemeral": {"not_rooms": ["!room:xylem.test"]}},
        {"ephemeral": {"rooms": []}},
        {"not_rooms": ["!room:xylem.test"]},
    ],
)
async def test_a_filter_leaves_ephemeral_events_out(
    house: House, room_filter: dict[str, Any]
) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5))
    await house.let_type(room.room_id, ALICE)
    await until_typing(house, BOB, room, ALICE)

    chosen = {"room": room_filter}
    assert (await house.sync(BOB, since, filter=chosen))["rooms"] == {}
    assert ephemeral(await house.sync(BOB, filter=chosen), room) == []


async def test_a_filter_chooses_types_and_senders(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(BOB))["next_batch"]
    await house.move_receipts(
        ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5),
        ReceiptMoved(room.room_id, BOB, "m.read", "$two", 5),
    )
    await house.let_type(room.room_id, ALICE, BOB)
    await until_typing(house, BOB, room, ALICE, BOB)

    only_typing = {"room": {"ephemeral": {"types": ["m.typing"]}}}
    answer = await house.sync(BOB, since, filter=only_typing)
    assert [event["type"] for event in ephemeral(answer, room)] == ["m.typing"]
    not_alice = {"room": {"ephemeral": {"not_senders": [ALICE]}}}
    for answer in (
        await house.sync(BOB, since, filter=not_alice),
        await house.sync(BOB, filter=not_alice),
    ):
        assert receipts(answer, room) == [("$two", "m.read", BOB, "")]
        assert typing(answer, room) == [[BOB]]


async def test_a_token_without_positions_of_receipts_counts_from_now_on(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5))
    await house.projected()
    token = (await house.sync(BOB))["next_batch"]
    generation = f"{house.log.generation}/{house.log.runs[-1].name}"
    offsets = decode_token(token, [generation]).offsets
    older = encode_token(TokenContents(generation, {topic: offsets[topic] for topic in (1, 2)}))

    answer = await house.sync(BOB, older)
    assert answer["rooms"] == {}
    await house.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", "$two", 6))

    answer = await house.sync(BOB, answer["next_batch"])
    assert receipts(answer, room) == [("$two", "m.read", ALICE, "")]


async def test_receipts_that_left_memory_come_from_the_database(
    tmp_path: Path, database_url: str
) -> None:
    settings = SyncApiSettings(recent_receipts=1)
    async with running_house(tmp_path, database_url, settings) as house:
        room = Room()
        await house.put(*room.created(BOB))
        await house.move_receipts(ReceiptMoved(room.room_id, CHARLIE, "m.read", "$nil", 1))
        await house.projected()
        since = (await house.sync(BOB))["next_batch"]
        await house.move_receipts(
            ReceiptMoved(room.room_id, ALICE, "m.read", "$one", 5),
            ReceiptMoved(room.room_id, ALICE, "m.read.private", "$one", 5),
            FullyReadMoved(room.room_id, BOB, "$one"),
            ReceiptMoved(room.room_id, BOB, "m.read", "$two", 6),
        )

        answer = await house.sync(BOB, since)

        assert receipts(answer, room) == [
            ("$one", "m.read", ALICE, ""),
            ("$two", "m.read", BOB, ""),
        ]
        part = answer["rooms"]["join"][room.room_id]
        assert [one["type"] for one in part["account_data"]["events"]] == ["m.fully_read"]


@pytest.mark.postgres
async def test_either_replica_tells_of_receipts_and_typing(
    tmp_path: Path, postgres_url: str
) -> None:
    async with two_replicas(tmp_path, postgres_url) as (one, other):
        room = Room()
        await one.put(*room.created(BOB))
        since = (await one.sync(BOB))["next_batch"]
        for number, replica in enumerate((one, other, one, other)):
            poll = asyncio.create_task(replica.answer(BOB, since, timeout=_LONG_MS))
            await replica.until_waiting(BOB)
            event_id = f"${number}"
            await one.move_receipts(ReceiptMoved(room.room_id, ALICE, "m.read", event_id, 5))
            answer = await poll
            assert receipts(answer, room) == [(event_id, "m.read", ALICE, "")]

            poll = asyncio.create_task(replica.answer(BOB, answer["next_batch"], timeout=_LONG_MS))
            await replica.until_waiting(BOB)
            await one.let_type(room.room_id, *[ALICE][: (number + 1) % 2])
            answer = await poll
            assert typing(answer, room) == [[ALICE][: (number + 1) % 2]]
            since = answer["next_batch"]


def test_a_token_of_many_partitions_stays_short() -> None:
    partitions = 16
    slots = [Slot(kind.number, partitions, kind.absent) for kind in STREAMS]
    offsets = tuple(10_000_000 + 34_000 * number for number in range(partitions))
    position = (offsets,) * len(STREAMS)

    token = SyncTokens([Era("generation", None)], slots).encode(position)

    assert len(token) <= 64 * len(STREAMS)
    assert SyncTokens([Era("generation", None)], slots).decode(token) == position

"""Whose lists of devices have changed, for those who share a room with them."""

import asyncio
from pathlib import Path

import pytest

from components.syncapi.settings import SyncApiSettings
from logs.records.key_changes import CrossSigningKeysChanged, UserSignaturesChanged
from logs.topics import OUTPUT_KEY_CHANGE, OUTPUT_ROOM_EVENT
from tests.component.syncapi.key_records import changes, counts_of, keys_of, told_lists
from tests.component.syncapi.story import (
    ALICE,
    BOB,
    CHARLIE,
    House,
    Room,
    bodies,
    running_house,
)

_LONG_MS = 30_000
_NOTHING: tuple[list[str], list[str]] = ([], [])


async def told(house: House, user_id: str, since: str) -> tuple[tuple[list[str], list[str]], str]:
    """Return what /sync tells, which /keys/changes has to tell as well, and the next token."""
    answer = await house.sync(user_id, since)
    lists = told_lists(answer)
    assert await changes(house, user_id, since, answer["next_batch"]) == lists
    return lists, answer["next_batch"]


@pytest.mark.parametrize(
    "record", [keys_of(BOB), keys_of(BOB, are_gone=True), CrossSigningKeysChanged(BOB, b"{}", None)]
)
async def test_who_shares_a_room_is_told_once_and_nobody_else(
    house: House, record: CrossSigningKeysChanged
) -> None:
    await house.put(*Room().created(BOB))
    since = {one: (await house.sync(one))["next_batch"] for one in (ALICE, BOB, CHARLIE)}
    await house.change_keys(record)

    alice, later = await told(house, ALICE, since[ALICE])
    again, _ = await told(house, ALICE, later)
    bob, _ = await told(house, BOB, since[BOB])
    charlie, _ = await told(house, CHARLIE, since[CHARLIE])

    assert (alice, again, bob, charlie) == (([BOB], []), _NOTHING, ([BOB], []), _NOTHING)


async def test_an_initial_sync_tells_no_lists(house: House) -> None:
    await house.put(*Room().created(BOB))
    await house.change_keys(keys_of(BOB), keys_of(ALICE))

    assert told_lists(await house.sync(ALICE)) == _NOTHING


async def test_counts_of_keys_change_no_list(house: House) -> None:
    await house.put(*Room().created(BOB))
    since = (await house.sync(ALICE))["next_batch"]
    await house.change_keys(counts_of(BOB, 50))

    assert (await told(house, ALICE, since))[0] == _NOTHING


async def test_only_the_signer_hears_of_whose_keys_they_have_signed(house: House) -> None:
    await house.put(*Room().created(BOB, CHARLIE))
    since = {one: (await house.sync(one))["next_batch"] for one in (ALICE, BOB, CHARLIE)}
    await house.change_keys(UserSignaturesChanged(ALICE, [BOB]))

    assert (await told(house, ALICE, since[ALICE]))[0] == ([BOB], [])
    assert (await told(house, BOB, since[BOB]))[0] == _NOTHING
    assert (await told(house, CHARLIE, since[CHARLIE]))[0] == _NOTHING


async def test_who_comes_to_share_a_first_room_is_told_on_both_sides(house: House) -> None:
    room = Room()
    await house.put(*room.created())
    since = {one: (await house.sync(one))["next_batch"] for one in (ALICE, BOB)}
    await house.put(room.member(BOB, "invite", by=ALICE))
    invited, alice = await told(house, ALICE, since[ALICE])
    await house.put(room.member(BOB, "join"))

    assert invited == _NOTHING
    assert (await told(house, ALICE, alice))[0] == ([BOB], [])
    assert (await told(house, BOB, since[BOB]))[0] == ([ALICE], [])


async def test_who_shares_a_room_already_is_not_told_of_a_second_one(house: House) -> None:
    room, other = Room("one"), Room("two")
    await house.put(*room.created(BOB), *other.created())
    since = {one: (await house.sync(one))["next_batch"] for one in (ALICE, BOB)}
    await house.put(other.member(BOB, "join"))
    alice, later = await told(house, ALICE, since[ALICE])
    bob, _ = await told(house, BOB, since[BOB])
    await house.put(room.member(BOB, "leave"))
    still, later = await told(house, ALICE, later)
    await house.put(other.member(BOB, "ban", by=ALICE))
    gone, _ = await told(house, ALICE, later)

    assert (alice, bob, still, gone) == (_NOTHING, _NOTHING, _NOTHING, ([], [BOB]))


async def test_who_leaves_the_last_shared_room_is_gone_on_both_sides(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB, CHARLIE))
    since = {one: (await house.sync(one))["next_batch"] for one in (ALICE, BOB)}
    await house.put(room.member(BOB, "leave"))
    await house.change_keys(keys_of(BOB))

    alice, later = await told(house, ALICE, since[ALICE])
    bob, _ = await told(house, BOB, since[BOB])
    await house.change_keys(keys_of(BOB))

    assert alice == ([], [BOB])
    assert bob == ([BOB], [ALICE, CHARLIE])
    assert (await told(house, ALICE, later))[0] == _NOTHING


async def test_who_rejoins_with_other_keys_is_told_whether_the_leave_was_heard_of_or_not(
    house: House,
) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    first = (await house.sync(ALICE))["next_batch"]
    await house.put(room.member(BOB, "leave"))
    left, second = await told(house, ALICE, first)
    await house.change_keys(keys_of(BOB))
    between, third = await told(house, ALICE, second)
    await house.put(room.member(BOB, "join"))

    assert (left, between) == (([], [BOB]), _NOTHING)
    assert (await told(house, ALICE, third))[0] == ([BOB], [])
    assert (await told(house, ALICE, first))[0] == ([BOB], [])


async def test_who_leaves_and_rejoins_unchanged_in_a_gap_is_not_told(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(ALICE))["next_batch"]
    await house.put(room.member(BOB, "leave"), room.member(BOB, "join"))

    assert (await told(house, ALICE, since))[0] == _NOTHING


async def test_who_leaves_without_having_joined_is_not_told(house: House) -> None:
    room = Room()
    await house.put(*room.created(), room.member(BOB, "invite", by=ALICE))
    since = (await house.sync(ALICE))["next_batch"]
    await house.put(room.member(BOB, "leave"), room.member(CHARLIE, "ban", by=ALICE))

    assert (await told(house, ALICE, since))[0] == _NOTHING


async def test_a_new_display_name_is_no_reason_to_ask_for_keys(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    since = (await house.sync(ALICE))["next_batch"]
    await house.put(room.member(BOB, "join", displayname="Bobby"))

    assert (await told(house, ALICE, since))[0] == _NOTHING


async def test_changed_keys_answer_the_long_polls_of_who_shares_a_room(house: House) -> None:
    await house.put(*Room().created(BOB))
    since = {one: (await house.sync(one))["next_batch"] for one in (ALICE, BOB, CHARLIE)}
    polls = {
        one: asyncio.create_task(house.sync(one, since[one], timeout=_LONG_MS)) for one in since
    }
    for one in since:
        await house.until_waiting(one)

    await house.change_keys(keys_of(BOB))
    async with asyncio.timeout(10):
        answers = [await polls[one] for one in (ALICE, BOB)]

    assert [told_lists(one) for one in answers] == [([BOB], [])] * 2
    assert not polls[CHARLIE].done()


async def test_signatures_answer_the_long_poll_of_the_signer(house: House) -> None:
    since = (await house.sync(ALICE))["next_batch"]
    poll = asyncio.create_task(house.sync(ALICE, since, timeout=_LONG_MS))
    await house.until_waiting(ALICE)

    await house.change_keys(UserSignaturesChanged(ALICE, [BOB]))

    async with asyncio.timeout(10):
        assert told_lists(await poll) == ([BOB], [])


async def test_an_encrypted_message_does_not_overtake_the_keys_of_its_device(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    async with running_house(tmp_path, database_url, held_back=OUTPUT_KEY_CHANGE.name) as house:
        await house.put(*room.created(BOB))
        await house.until_projected(OUTPUT_ROOM_EVENT.name)
        since = (await house.get(ALICE, "sync")).json["next_batch"]
        poll = asyncio.create_task(house.get(ALICE, "sync", since=since, timeout=_LONG_MS))
        await house.until_waiting(ALICE)

        # What was answered to Bob's new device is in the log, but nobody has projected it.
        await house.change_keys(keys_of(BOB, "NEW"))
        secret = room.build("m.room.encrypted", {"algorithm": "m.megolm"}, sender=BOB)
        await house.put(room.added(secret))
        await house.until_projected(OUTPUT_ROOM_EVENT.name)
        while house.sync_api.is_waiting(ALICE):  # noqa: ASYNC110 (nothing announces it)
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        is_held = not poll.done()
        house.release()
        answer = (await poll).json

    assert is_held
    timeline = answer["rooms"]["join"][room.room_id]["timeline"]
    assert bodies(timeline["events"]) == ["m.room.encrypted"]
    assert told_lists(answer) == ([BOB], [])


async def test_positions_that_memory_does_not_reach_are_compared_by_the_tables(
    tmp_path: Path, database_url: str
) -> None:
    room, other = Room("one"), Room("two")
    settings = SyncApiSettings(recent_events_bytes=1, recent_key_changes=1)
    async with running_house(tmp_path, database_url, settings, partitions=3) as house:
        await house.put(*room.created(BOB), *other.created())
        since = (await house.sync(ALICE))["next_batch"]
        await house.change_keys(keys_of(BOB), keys_of(CHARLIE), keys_of(ALICE))
        changed, second = await told(house, ALICE, since)
        await house.put(other.member(CHARLIE, "join"), room.member(BOB, "leave"))
        moved, _ = await told(house, ALICE, second)
        both, _ = await told(house, ALICE, since)

    assert changed == ([ALICE, BOB], [])
    assert moved == ([CHARLIE], [BOB])
    assert both == ([ALICE, CHARLIE], [BOB])


async def test_changes_are_told_between_any_two_tokens(house: House) -> None:
    room = Room()
    await house.put(*room.created(BOB))
    tokens = [(await house.sync(ALICE))["next_batch"]]
    for step in (
        house.change_keys(keys_of(BOB)),
        house.put(room.member(CHARLIE, "join")),
        house.put(room.member(BOB, "leave")),
        house.put(room.member(ALICE, "leave")),
    ):
        await step
        tokens.append((await house.sync(ALICE, tokens[-1]))["next_batch"])

    async def between(start: int, end: int) -> tuple[list[str], list[str]]:
        return await changes(house, ALICE, tokens[start], tokens[end])

    assert await between(0, 1) == ([BOB], [])
    assert await between(1, 2) == ([CHARLIE], [])
    assert await between(0, 2) == ([BOB, CHARLIE], [])
    assert await between(0, 3) == ([CHARLIE], [BOB])
    assert await between(2, 4) == ([], [BOB, CHARLIE])
    assert await between(0, 4) == ([], [BOB])
    assert await between(3, 3) == await between(3, 1) == _NOTHING


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"from_": "t"}, "M_MISSING_PARAM"),
        ({"from_": "nonsense", "to": "nonsense"}, "M_INVALID_PARAM"),
    ],
)
async def test_changes_are_told_between_two_tokens_of_this_server_alone(
    house: House, query: dict[str, str], errcode: str
) -> None:
    answer = await house.get(ALICE, "keys/changes", **query)

    assert (answer.status, answer.json["errcode"]) == (400, errcode)

"""Every answer of /sync says how many keys of the device can be claimed."""

import asyncio
from pathlib import Path

from tests.component.syncapi.key_records import CURVE, counts_of, keys_of, told_counts
from tests.component.syncapi.story import ALICE, BOB, House, Room, running_house

_LONG_MS = 30_000
_LAPTOP = f"{ALICE}/LAPTOP"


async def test_a_device_that_has_uploaded_no_keys_is_told_so(house: House) -> None:
    first = await house.sync(ALICE)
    second = await house.sync(ALICE, first["next_batch"])

    assert [told_counts(one) for one in (first, second)] == [({CURVE: 0}, [])] * 2


async def test_each_device_hears_of_its_own_keys_in_every_answer(house: House) -> None:
    await house.change_keys(
        counts_of(ALICE, 50, CURVE), counts_of(ALICE, 7, device_id="LAPTOP"), counts_of(BOB, 3)
    )
    first = await house.sync(ALICE)
    second = await house.sync(ALICE, first["next_batch"])
    laptop = await house.sync(_LAPTOP, first["next_batch"])

    assert [told_counts(one) for one in (first, second)] == [({CURVE: 50}, [CURVE])] * 2
    assert told_counts(laptop) == ({CURVE: 7}, [])


async def test_counts_that_have_not_changed_answer_no_long_poll(house: House) -> None:
    await house.change_keys(counts_of(ALICE, 50))
    since = (await house.sync(ALICE))["next_batch"]

    answer = await house.sync(ALICE, since, timeout=1)

    assert told_counts(answer) == ({CURVE: 50}, [])
    assert answer["rooms"] == {}


async def test_a_claimed_key_answers_the_long_poll_of_its_device_and_no_other(
    house: House,
) -> None:
    await house.change_keys(counts_of(ALICE, 50, CURVE))
    tokens = {one: (await house.sync(one))["next_batch"] for one in (ALICE, _LAPTOP)}
    laptop = asyncio.create_task(house.sync(_LAPTOP, tokens[_LAPTOP], timeout=_LONG_MS))
    await house.until_waiting(ALICE)
    phone = asyncio.create_task(house.sync(ALICE, tokens[ALICE], timeout=_LONG_MS))
    await house.sync(BOB)

    await house.change_keys(counts_of(ALICE, 49, CURVE))
    answer = await phone
    still_waits = not laptop.done() and house.sync_api.is_waiting(ALICE)
    await house.change_keys(counts_of(ALICE, 1, device_id="LAPTOP"))

    assert told_counts(answer) == ({CURVE: 49}, [CURVE])
    assert still_waits
    assert told_counts(await laptop) == ({CURVE: 1}, [])


async def test_counts_that_changed_before_a_long_poll_began_answer_it_at_once(
    house: House,
) -> None:
    since = (await house.sync(ALICE))["next_batch"]
    await house.change_keys(counts_of(ALICE, 50))

    async with asyncio.timeout(10):
        answer = await house.sync(ALICE, since, timeout=_LONG_MS)

    assert told_counts(answer) == ({CURVE: 50}, [])


async def test_the_keys_of_a_removed_device_are_not_its_successors(house: House) -> None:
    await house.change_keys(keys_of(ALICE), counts_of(ALICE, 50, CURVE))
    before = await house.sync(ALICE)
    await house.change_keys(keys_of(ALICE, are_gone=True))
    after = await house.sync(ALICE, before["next_batch"])
    await house.change_keys(
        keys_of(ALICE), counts_of(ALICE, 4), keys_of(ALICE, are_gone=True), counts_of(ALICE, 5)
    )
    again = await house.sync(ALICE, after["next_batch"])

    told = [told_counts(one) for one in (before, after, again)]
    assert told == [({CURVE: 50}, [CURVE]), ({CURVE: 0}, []), ({CURVE: 5}, [])]


async def test_counts_outlive_the_process_and_memory(tmp_path: Path, database_url: str) -> None:
    async with running_house(tmp_path, database_url) as house:
        await house.change_keys(
            keys_of(ALICE), counts_of(ALICE, 50), counts_of(ALICE, 8, device_id="LAPTOP")
        )
        await house.change_keys(keys_of(ALICE, are_gone=True))
        since = (await house.sync(ALICE))["next_batch"]

    async with running_house(tmp_path, database_url) as house:
        phone = await house.sync(ALICE, since)
        laptop = await house.sync(_LAPTOP)

    assert told_counts(phone) == ({CURVE: 0}, [])
    assert told_counts(laptop) == ({CURVE: 8}, [])


async def test_counts_are_told_beside_what_happens_in_rooms(house: House) -> None:
    room = Room()
    await house.put(*room.created())
    await house.change_keys(counts_of(ALICE, 50))
    since = (await house.sync(ALICE))["next_batch"]
    await house.put(room.message("hello"))

    assert told_counts(await house.sync(ALICE, since)) == ({CURVE: 50}, [])

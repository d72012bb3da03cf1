"""Tables that are made again know what is left of keys, and whose lists clients have to ask for."""

from pathlib import Path

from logs.records.key_changes import CrossSigningKeysChanged
from tests.component.syncapi.kept_histories import Announced, rebuilt
from tests.component.syncapi.key_records import CURVE, counts_of, keys_of, told_counts, told_lists
from tests.component.syncapi.story import ALICE, BOB, CHARLIE, Room, running_house
from tests.fixtures.dropped_records import drop_records

_LAPTOP = f"{ALICE}/LAPTOP"


async def test_counts_of_keys_are_what_they_were(tmp_path: Path, database_url: str) -> None:
    kept = Announced()
    kept.keys = [
        keys_of(ALICE),
        counts_of(ALICE, 50, CURVE),
        counts_of(ALICE, 7, device_id="LAPTOP"),
        CrossSigningKeysChanged(ALICE, b"{}", None),
    ]
    async with running_house(tmp_path, database_url) as house:
        await house.change_keys(*kept.keys)
        before = [told_counts(await house.sync(one)) for one in (ALICE, _LAPTOP, BOB)]
    await drop_records(tmp_path / "log")

    await rebuilt(tmp_path, database_url, kept)

    async with running_house(tmp_path, database_url) as house:
        first = await house.sync(ALICE)
        after = [told_counts(first)] + [
            told_counts(await house.sync(one)) for one in (_LAPTOP, BOB)
        ]
        await house.change_keys(counts_of(ALICE, 49, CURVE))
        later = told_counts(await house.sync(ALICE, first["next_batch"]))

    assert before == after == [({CURVE: 50}, [CURVE]), ({CURVE: 7}, []), ({CURVE: 0}, [])]
    assert later == ({CURVE: 49}, [CURVE])


async def test_who_comes_with_a_token_of_before_is_told_to_ask_for_all_lists(
    tmp_path: Path, database_url: str
) -> None:
    room, other = Room("room"), Room("other")
    records = [*room.created(BOB), *other.created(CHARLIE), other.member(ALICE, "leave")]
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records)
        since = (await house.sync(ALICE))["next_batch"]
        await house.change_keys(keys_of(BOB))

    await rebuilt(tmp_path, database_url, Announced(*records))

    async with running_house(tmp_path, database_url) as house:
        anew = await house.sync(ALICE, since)
        changes = await house.get(ALICE, "keys/changes", from_=since, to=anew["next_batch"])
        afterwards = await house.sync(ALICE, anew["next_batch"])
        first = await house.sync(ALICE)

    assert told_lists(anew) == ([ALICE, BOB], [])
    assert changes.json == {"changed": [ALICE, BOB], "left": []}
    assert told_lists(afterwards) == told_lists(first) == ([], [])


async def test_changes_after_a_rebuild_are_told_as_before_it(
    tmp_path: Path, database_url: str
) -> None:
    room = Room()
    records = room.created(BOB)
    kept = Announced(*records)
    kept.keys = [keys_of(BOB), counts_of(BOB, 1)]
    async with running_house(tmp_path, database_url) as house:
        await house.put(*records)
        await house.change_keys(*kept.keys)
        await house.projected()

    await rebuilt(tmp_path, database_url, kept)

    async with running_house(tmp_path, database_url) as house:
        since = (await house.sync(ALICE))["next_batch"]
        quiet = await house.sync(ALICE, since)
        await house.change_keys(keys_of(BOB))
        changed = await house.sync(ALICE, since)
        await house.put(room.member(BOB, "leave"))
        left = await house.sync(ALICE, changed["next_batch"])

    told = [told_lists(one) for one in (quiet, changed, left)]
    assert told == [([], []), ([BOB], []), ([], [BOB])]

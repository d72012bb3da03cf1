"""The keys in backups: which copy is kept, and what is told of them."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from base.database import open_database
from components.keyserver.assembly import SCHEMA
from components.keyserver.store.backed_up_keys import KEYS_DELETED
from logs.embedded import EmbeddedLog
from logs.records.client_data import AccountStatusChanged
from tests.component.keyserver.backup_requests import ROOM_KEYS, Backups, Key, a_key
from tests.component.keyserver.keyserver_house import (
    ALICE,
    BOB,
    DevicesOfTest,
    House,
    running_house,
)

ROOM = "!room:xylem.test"
OTHER_ROOM = "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"
MANY = 350


@pytest.fixture(name="backups")
async def fixture_backups(house: House) -> Backups:
    return Backups((await house.login(ALICE, "PHONE")).client)


async def test_keys_are_stored_and_shown_by_session_by_room_and_all_together(
    backups: Backups,
) -> None:
    version = await backups.made()
    one, two, three, four = (a_key(text=f"{number}") for number in range(4))

    answers = [
        await backups.store(version, one, ROOM, "a/b+c=d e"),
        await backups.store(version, {"sessions": {"two": two}}, ROOM),
        await backups.store_rooms(version, {ROOM: {"three": three}, OTHER_ROOM: {"two": four}}),
    ]

    assert [answer.json for answer in answers] == [
        {"count": 1, "etag": "1"},
        {"count": 2, "etag": "2"},
        {"count": 4, "etag": "3"},
    ]
    in_room = {"a/b+c=d e": one, "two": two, "three": three}
    assert await backups.rooms(version) == {ROOM: in_room, OTHER_ROOM: {"two": four}}
    assert (await backups.keys(version, ROOM)).json == {"sessions": in_room}
    assert (await backups.keys(version, ROOM, "a/b+c=d e")).json == one
    assert (await backups.keys(version, OTHER_ROOM, "two")).json == four
    about = (await backups.about()).json
    assert (about["count"], about["etag"]) == (4, "3")


async def test_what_is_not_there_is_shown_as_nothing_and_a_single_key_is_not_found(
    backups: Backups,
) -> None:
    version = await backups.made()

    assert (await backups.keys(version)).json == {"rooms": {}}
    assert (await backups.keys(version, ROOM)).json == {"sessions": {}}
    missing = await backups.keys(version, ROOM, "session")
    assert (missing.status, missing.errcode) == (404, "M_NOT_FOUND")


RANKED = [
    a_key(2, 1, is_verified=True),
    a_key(2, 3, is_verified=True),
    a_key(4, 0, is_verified=True),
    a_key(0, 5),
    a_key(1, 0),
    a_key(1, 2),
]
"""Of any two of these the first one is better."""


@pytest.mark.parametrize("worse", range(len(RANKED)))
@pytest.mark.parametrize("better", range(len(RANKED)))
async def test_the_better_copy_is_kept_whichever_comes_first(
    backups: Backups, better: int, worse: int
) -> None:
    version = await backups.made()

    await backups.store(version, RANKED[worse], ROOM, "session")
    answer = await backups.store(version, RANKED[better], ROOM, "session")

    is_change = better < worse
    assert answer.json == {"count": 1, "etag": "2" if is_change else "1"}
    kept = RANKED[min(better, worse)]
    assert (await backups.keys(version, ROOM, "session")).json == kept


async def test_of_equal_copies_the_first_is_kept(backups: Backups) -> None:
    version = await backups.made()
    await backups.store(version, a_key(text="first"), ROOM, "session")

    answer = await backups.store(version, a_key(text="second"), ROOM, "session")

    assert answer.json == {"count": 1, "etag": "1"}
    assert (await backups.keys(version, ROOM, "session")).json == a_key(text="first")


async def test_keys_are_only_stored_in_the_current_backup(backups: Backups) -> None:
    old, current = await backups.made(), await backups.made()

    for place, body in (
        ((), {"rooms": {}}),
        ((ROOM,), {"sessions": {"session": a_key()}}),
        ((ROOM, "session"), a_key()),
    ):
        refused = await backups.store(old, body, *place)
        assert (refused.status, refused.errcode) == (403, "M_WRONG_ROOM_KEYS_VERSION")
        assert refused.json["current_version"] == current
        assert (await backups.store("3", body, *place)).errcode == "M_NOT_FOUND"

    assert await backups.rooms(old) == {}


async def test_keys_of_an_older_backup_can_be_read_and_deleted(backups: Backups) -> None:
    old = await backups.made()
    await backups.store_rooms(old, {ROOM: {"one": a_key(), "two": a_key()}})
    current = await backups.made()

    assert (await backups.keys(old, ROOM, "one")).json == a_key()
    assert (await backups.remove(old, ROOM, "one")).json == {"count": 1, "etag": "2"}
    assert (await backups.about(old)).json["count"] == 1
    assert (await backups.about(current)).json["count"] == 0


async def test_keys_are_deleted_by_session_by_room_and_all_together(backups: Backups) -> None:
    version = await backups.made()
    sessions = {"one": a_key(), "two": a_key()}
    await backups.store_rooms(version, {ROOM: sessions, OTHER_ROOM: sessions, "!last": sessions})

    assert (await backups.remove(version, ROOM, "one")).json == {"count": 5, "etag": "2"}
    assert (await backups.remove(version, ROOM, "one")).json == {"count": 5, "etag": "2"}
    assert await backups.rooms(version) == {
        ROOM: {"two": a_key()},
        OTHER_ROOM: sessions,
        "!last": sessions,
    }
    assert (await backups.remove(version, OTHER_ROOM)).json == {"count": 3, "etag": "3"}
    assert await backups.rooms(version) == {ROOM: {"two": a_key()}, "!last": sessions}
    assert (await backups.remove(version)).json == {"count": 0, "etag": "4"}
    assert (await backups.remove(version)).json == {"count": 0, "etag": "4"}
    assert await backups.rooms(version) == {}
    assert (await backups.about()).json["version"] == version


@pytest.mark.parametrize(
    "change",
    [
        {"first_message_index": None},
        {"first_message_index": -1},
        {"first_message_index": 2**53},
        {"first_message_index": "1"},
        {"first_message_index": 1.5},
        {"forwarded_count": None},
        {"forwarded_count": True},
        {"forwarded_count": 2**63},
        {"is_verified": None},
        {"is_verified": 1},
        {"session_data": None},
        {"session_data": "opaque"},
    ],
)
async def test_a_malformed_key_is_refused_with_all_that_came_with_it(
    backups: Backups, change: Key
) -> None:
    version = await backups.made()

    answer = await backups.store_rooms(version, {ROOM: {"a": a_key(), "b": {**a_key(), **change}}})

    assert answer.status == 400
    assert await backups.rooms(version) == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rooms": []},
        {"rooms": {ROOM: []}},
        {"rooms": {ROOM: {}}},
        {"rooms": {ROOM: {"sessions": []}}},
        {"rooms": {ROOM: {"sessions": {"session": "key"}}}},
        {"rooms": {ROOM: {"sessions": {"nul\0": a_key()}}}},
        {"rooms": {ROOM: {"sessions": {"é" * 128: a_key()}}}},
        {"rooms": {"!nul\0": {"sessions": {"session": a_key()}}}},
        {"rooms": {"#alias:xylem.test": {"sessions": {"session": a_key()}}}},
    ],
)
async def test_keys_in_another_shape_are_refused(backups: Backups, body: Any) -> None:
    version = await backups.made()

    assert (await backups.store(version, body)).status == 400
    assert await backups.rooms(version) == {}


@pytest.mark.parametrize("method", ["get", "put", "delete"])
async def test_which_backup_is_meant_has_to_be_said(house: House, method: str) -> None:
    alice = await house.login(ALICE, "PHONE")
    await Backups(alice.client).made()

    answer = await alice.client.request(method.upper(), f"{ROOM_KEYS}/keys", {"rooms": {}})

    assert (answer.status, answer.errcode) == (400, "M_MISSING_PARAM")


async def test_too_many_or_too_large_keys_are_refused(
    log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> None:
    async with running_house(
        log, database_url, users, backed_up_keys_per_user_max=3, key_bytes_max=60
    ) as bounded:
        backups = Backups((await bounded.login(ALICE, "PHONE")).client)
        old = await backups.made()
        await backups.store_rooms(old, {ROOM: {"one": a_key(), "two": a_key()}})
        current = await backups.made()

        large = await backups.store_rooms(current, {ROOM: {"one": a_key(text="a" * 60)}})
        many = await backups.store_rooms(current, {ROOM: {"one": a_key(), "two": a_key()}})
        enough = await backups.store_rooms(current, {ROOM: {"one": a_key(4)}})
        better = await backups.store_rooms(current, {ROOM: {"one": a_key(3)}})

        assert [large.errcode, many.errcode] == ["M_TOO_LARGE", "M_TOO_LARGE"]
        assert enough.json == {"count": 1, "etag": "1"}
        assert better.json == {"count": 1, "etag": "2"}
        await backups.remove(old, ROOM, "one")
        more = await backups.store_rooms(current, {ROOM: {"two": a_key()}})
        assert more.json == {"count": 2, "etag": "3"}


async def test_many_keys_come_whole_however_they_are_spread_over_rooms(backups: Backups) -> None:
    version = await backups.made()
    stored: dict[str, dict[str, Key]] = {}
    for number in range(MANY):
        room_id = ROOM if number % 3 else f"!{number % 30}:xylem.test"
        stored.setdefault(room_id, {})[f"session{number}"] = a_key(number)

    answer = await backups.store_rooms(version, stored)

    assert answer.json == {"count": MANY, "etag": "1"}
    assert await backups.rooms(version) == stored
    assert (await backups.keys(version, ROOM)).json == {"sessions": stored[ROOM]}
    exactly_one_page = dict(list(stored[ROOM].items())[:100])
    await backups.remove(version)
    await backups.store_rooms(version, {ROOM: exactly_one_page})
    assert await backups.rooms(version) == {ROOM: exactly_one_page}


async def test_the_rows_of_a_deleted_backup_go_and_no_others(
    house: House, log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> None:
    alice = Backups((await house.login(ALICE, "PHONE")).client)
    bob = Backups((await house.login(BOB, "LAPTOP")).client)
    first, second = await alice.made(), await alice.made()
    many = {ROOM: {f"session{number}": a_key() for number in range(2 * KEYS_DELETED + 1)}}
    await alice.store_rooms(second, many)
    await bob.store_rooms(await bob.made(), {ROOM: {"session": a_key()}})
    await alice.drop(second)
    assert (await alice.keys(second)).errcode == "M_NOT_FOUND"
    await alice.store_rooms(first, {ROOM: {"session": a_key()}})

    async with running_house(log, database_url, users) as other:
        sweeps = (one.server.deleted_backups.sweep() for one in (house, other))
        await asyncio.gather(*sweeps)

    assert await rows(database_url) == 2
    await house.tell(
        AccountStatusChanged(
            ALICE, is_deactivated=True, is_erased=False, is_locked=False, is_suspended=False
        )
    )
    await house.server.deleted_backups.sweep()
    assert await rows(database_url) == 1


async def rows(database_url: str) -> int:
    """Return how many keys are stored."""
    database = await open_database(database_url, SCHEMA)
    query = sa.text("SELECT count(*) FROM backed_up_keys")
    count = await database.read(lambda connection: connection.execute(query).scalar_one())
    await database.close()
    return int(count)


@pytest.mark.parametrize("place", [(), (ROOM,)])
async def test_more_keys_are_deleted_than_go_at_once(backups: Backups, place: tuple[str]) -> None:
    version = await backups.made()
    many = {f"session{number}": a_key() for number in range(KEYS_DELETED + 1)}
    await backups.store_rooms(version, {ROOM: many, OTHER_ROOM: {"session": a_key()}})

    answer = await backups.remove(version, *place)

    left = {OTHER_ROOM: {"session": a_key()}} if place else {}
    assert answer.json["count"] == len(left)
    assert await backups.rooms(version) == left
    assert (await backups.about()).json["count"] == len(left)


async def test_devices_that_store_at_once_leave_the_best_copies_and_one_count(
    house: House, log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> None:
    version = await Backups((await house.login(ALICE, "PHONE")).client).made()
    names = [f"session{number}" for number in range(10)]
    async with running_house(log, database_url, users) as other:
        devices = [
            Backups((await (house, other)[number % 2].login(ALICE, "PHONE")).client)
            for number in range(8)
        ]

        answers = await asyncio.gather(
            *(
                device.store_rooms(
                    version,
                    {ROOM: {name: a_key((place + number) % 8) for place, name in enumerate(names)}},
                )
                for number, device in enumerate(devices)
            )
        )

        assert {answer.status for answer in answers} == {200}
        shown = [(await device.about()).json for device in devices]
        assert {one["count"] for one in shown} == {10}
        assert {one["etag"] for one in shown} == {max(a.json["etag"] for a in answers)}
        for device in devices:
            assert await device.rooms(version) == {ROOM: dict.fromkeys(names, a_key(0))}

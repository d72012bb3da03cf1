"""Backups of keys: their versions, and what becomes of these."""

from typing import Any

import pytest

from base.limits import Rate
from logs.embedded import EmbeddedLog
from logs.records.client_data import AccountStatusChanged
from tests.component.keyserver.backup_requests import ALGORITHM, Backups, a_key, the_backup
from tests.component.keyserver.keyserver_house import (
    ALICE,
    BOB,
    DevicesOfTest,
    House,
    running_house,
)

ENDED = AccountStatusChanged(
    ALICE, is_deactivated=True, is_erased=False, is_locked=False, is_suspended=False
)


@pytest.fixture(name="backups")
async def fixture_backups(house: House) -> Backups:
    return Backups((await house.login(ALICE, "PHONE")).client)


async def test_without_a_backup_there_is_none_to_show(backups: Backups) -> None:
    for answer in (
        await backups.about(),
        await backups.about("1"),
        await backups.change("1", the_backup()),
        await backups.drop("1"),
        await backups.keys("1"),
        await backups.store_rooms("1", {}),
        await backups.remove("1"),
    ):
        assert (answer.status, answer.errcode) == (404, "M_NOT_FOUND")


async def test_the_newest_backup_is_the_current_one_until_it_is_deleted(backups: Backups) -> None:
    first, second = await backups.made(), await backups.made()
    assert (await backups.about()).json == {
        **the_backup(),
        "version": second,
        "count": 0,
        "etag": "0",
    }
    assert (await backups.about(first)).json["version"] == first

    assert (await backups.drop(second)).json == {}

    assert (await backups.about()).json["version"] == first
    assert (await backups.about(second)).errcode == "M_NOT_FOUND"
    stored = await backups.store_rooms(first, {"!room:xylem.test": {"session": a_key()}})
    assert stored.json["count"] == 1


async def test_a_version_is_never_given_again_and_its_keys_are_gone(backups: Backups) -> None:
    version = await backups.made()
    await backups.store_rooms(version, {"!room:xylem.test": {"session": a_key()}})

    await backups.drop(version)
    again = await backups.made()

    assert again != version
    assert await backups.rooms(again) == {}
    assert (await backups.about(again)).json["count"] == 0
    assert (await backups.keys(version)).errcode == "M_NOT_FOUND"


async def test_a_deleted_backup_can_be_deleted_again_and_one_that_never_was_cannot(
    backups: Backups,
) -> None:
    version = await backups.made()
    await backups.drop(version)

    assert (await backups.drop(version)).status == 200
    for unknown in ("2", "0", "01", "-1", "bogus", "1" * 40, "\u0661"):
        assert (await backups.drop(unknown)).errcode == "M_NOT_FOUND", unknown
        assert (await backups.about(unknown)).errcode == "M_NOT_FOUND", unknown


async def test_only_the_data_of_a_backup_can_be_changed(backups: Backups) -> None:
    version, other = await backups.made(), await backups.made()
    new: dict[str, Any] = {"public_key": "other", "signatures": {ALICE: {"ed25519:X": "s"}}}

    for body in (
        the_backup(auth_data=new),
        the_backup(auth_data=new, version=version),
    ):
        assert (await backups.change(version, body)).json == {}
    for body in (the_backup(algorithm="other"), the_backup(version=other)):
        refused = await backups.change(version, body)
        assert (refused.status, refused.errcode) == (400, "M_INVALID_PARAM")

    about = (await backups.about(version)).json
    assert (about["auth_data"], about["etag"]) == (new, "0")
    assert (await backups.about(other)).json["auth_data"] == the_backup()["auth_data"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"algorithm": ALGORITHM},
        {"auth_data": {}},
        the_backup(algorithm=5),
        the_backup(algorithm="a\0b"),
        the_backup(algorithm="a" * 256),
        the_backup(auth_data="opaque"),
    ],
)
async def test_a_malformed_backup_is_refused(backups: Backups, body: Any) -> None:
    version = await backups.made()

    assert (await backups.make(body)).status == 400
    assert (await backups.change(version, body)).status == 400
    assert (await backups.about()).json["version"] == version


async def test_backups_are_of_one_user(house: House, backups: Backups) -> None:
    version = await backups.made()
    await backups.store_rooms(version, {"!room:xylem.test": {"session": a_key()}})
    of_bob = Backups((await house.login(BOB, "LAPTOP")).client)

    assert (await of_bob.about()).errcode == "M_NOT_FOUND"
    assert (await of_bob.keys(version)).errcode == "M_NOT_FOUND"
    assert await of_bob.made() == version
    assert await of_bob.rooms(version) == {}
    assert (await backups.about()).json["count"] == 1


@pytest.mark.parametrize("version", ["r0", "unstable"])
async def test_clients_may_ask_by_the_versions_of_the_path_from_before(
    house: House, version: str
) -> None:
    alice = await house.login(ALICE, "PHONE")
    backups = Backups(alice.client, f"/_matrix/client/{version}/room_keys")
    made = await backups.made()

    await backups.store(made, a_key(), "!room:xylem.test", "session")

    assert (await backups.keys(made, "!room:xylem.test", "session")).json == a_key()
    assert (await backups.remove(made, "!room:xylem.test")).json == {"count": 0, "etag": "2"}


async def test_another_algorithm_is_taken_as_it_is(house: House) -> None:
    alice = await house.login(ALICE, "PHONE")
    backups = Backups(alice.client, "/_matrix/client/unstable/room_keys")

    await backups.make({"algorithm": "m.megolm_backup.v1", "auth_data": {"foo": "bar"}})

    about = (await backups.about()).json
    assert (about["algorithm"], about["auth_data"]) == ("m.megolm_backup.v1", {"foo": "bar"})


async def test_a_user_has_so_many_backups_at_a_time(
    log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> None:
    async with running_house(
        log, database_url, users, backups_per_user_max=2, key_bytes_max=30
    ) as bounded:
        backups = Backups((await bounded.login(ALICE, "PHONE")).client)
        large = the_backup(auth_data={"public_key": "a" * 30})
        assert (await backups.make(large)).errcode == "M_TOO_LARGE"
        first, _ = await backups.made(), await backups.made()
        assert (await backups.change(first, large)).errcode == "M_TOO_LARGE"
        assert (await backups.make(the_backup())).errcode == "M_TOO_LARGE"

        await backups.drop(first)

        assert await backups.made() == "3"


async def test_a_deactivated_account_has_no_backups_and_makes_none(
    house: House, backups: Backups
) -> None:
    of_bob = Backups((await house.login(BOB, "LAPTOP")).client)
    for one in (backups, of_bob):
        version = await one.made()
        await one.store_rooms(version, {"!room:xylem.test": {"session": a_key()}})

    await house.tell(ENDED)

    # A request that was let in before finds this, too.
    for late in (
        await backups.make(the_backup()),
        await backups.store_rooms(version, {"!room:xylem.test": {"session": a_key()}}),
    ):
        assert (late.status, late.errcode) == (401, "M_UNKNOWN_TOKEN")
    assert (await backups.about()).errcode == "M_NOT_FOUND"
    assert (await backups.keys(version)).errcode == "M_NOT_FOUND"
    assert (await of_bob.about()).json["count"] == 1


async def test_an_account_that_ends_without_backups_makes_none_afterwards(
    house: House, backups: Backups
) -> None:
    await house.tell(ENDED)

    assert (await backups.make(the_backup())).errcode == "M_UNKNOWN_TOKEN"


async def test_more_requests_than_the_rate_allows_are_told_to_wait(
    log: EmbeddedLog, database_url: str, users: DevicesOfTest
) -> None:
    rate = Rate(per_second=1, burst=2)
    async with running_house(log, database_url, users, backup_rate_per_user=rate) as limited:
        backups = Backups((await limited.login(ALICE, "PHONE")).client)
        version = await backups.made()
        await backups.keys(version)

        refused = await backups.about()

        assert (refused.status, refused.errcode) == (429, "M_LIMIT_EXCEEDED")

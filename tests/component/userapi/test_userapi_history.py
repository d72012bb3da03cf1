"""What users keep is read from one end to the other as it was announced, for rebuilds."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest

from base.database import open_database
from components.userapi.assembly import SCHEMA, UserHistoryReader
from internalapi.userapi import UserHistoryPage
from logs.records.client_data import (
    AccountDataChanged,
    AccountStatusChanged,
    DeviceChanged,
    OutputClientData,
    ProfileChanged,
)
from logs.topics import OUTPUT_CLIENT_DATA
from tests.component.userapi.userapi_server import V3, User, UserApiServer

_ROOM = "!room:xylem.test"


async def pages(
    query: Callable[..., Awaitable[UserHistoryPage]], limit: int
) -> list[OutputClientData]:
    """Return the records of all pages."""
    found: list[OutputClientData] = []
    place: list[str] | None = []
    while place is not None:
        page = await query(after=place, limit=limit)
        assert len(page.records) <= limit
        found += [OUTPUT_CLIENT_DATA.decode(record) for record in page.records]
        place = page.next_place
    return found


def newest(records: list[OutputClientData]) -> list[OutputClientData]:
    """Return what still holds of what was announced, in no order."""
    held: dict[tuple[str | None, ...], OutputClientData] = {}
    for record in records:
        match record:
            case AccountDataChanged():
                held["data", record.user_id, record.room_id, record.type] = record
            case ProfileChanged(value=b"null"):
                held.pop(("profile", record.user_id, record.field), None)
            case ProfileChanged():
                held["profile", record.user_id, record.field] = record
            case _:
                pass
    return list(held.values())


async def a_story(alice: User, bob: User) -> None:
    """Let both set, change and remove things."""
    for user in (alice, bob):
        own = f"{V3}/user/{quote(user.user_id)}"
        for number in range(3):
            await user.client.put(f"{own}/account_data/test.{number}", {"of": user.user_id})
        await user.client.put(f"{own}/account_data/test.1", {"changed": True})
        await user.client.put(f"{own}/rooms/{quote(_ROOM)}/tags/u.tea", {"order": 0.5})
        profile = f"{V3}/profile/{quote(user.user_id)}"
        await user.client.put(f"{profile}/displayname", {"displayname": "Somebody"})
        await user.client.put(f"{profile}/avatar_url", {"avatar_url": "mxc://xylem.test/face"})
    rule = {"actions": ["notify"], "pattern": "tea"}
    await bob.client.put(f"{V3}/pushrules/global/content/tea", rule)


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_the_history_has_what_still_holds_of_all_that_was_announced(
    server: UserApiServer, alice: User, bob: User, database_url: str, limit: int
) -> None:
    await a_story(alice, bob)
    database = await open_database(database_url, SCHEMA, durable=True)

    found = await pages(UserHistoryReader(database).query_user_data, limit)

    await database.close()
    expected = newest(await server.all_announced())
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert len(found) > 10


@pytest.mark.parametrize("limit", [1, 1000])
async def test_the_history_has_the_devices_that_there_are(
    server: UserApiServer, alice: User, bob: User, database_url: str, limit: int
) -> None:
    login = await server.login("alice", device_id="GONE")
    await server.client.as_user(login.json["access_token"]).post(f"{V3}/logout")
    await server.login("alice", device_id="GONE", initial_device_display_name="Back again")
    await alice.client.put(f"{V3}/devices/{alice.device_id}", {"display_name": "Laptop"})
    database = await open_database(database_url, SCHEMA, durable=True)

    found = await pages(UserHistoryReader(database).query_devices, limit)

    await database.close()
    alices = [
        DeviceChanged(alice.user_id, "GONE", 3, "Back again"),
        DeviceChanged(alice.user_id, alice.device_id, 1, "Laptop"),
    ]
    alices.sort(key=lambda one: one.device_id)
    assert found == [*alices, DeviceChanged(bob.user_id, bob.device_id, 1)]
    announced = await server.all_announced()
    assert set(found) <= {one for one in announced if isinstance(one, DeviceChanged)}


@pytest.mark.parametrize("limit", [1, 1000])
async def test_the_history_has_the_accounts_that_are_not_as_at_first(
    server: UserApiServer, alice: User, bob: User, database_url: str, limit: int
) -> None:
    root = await server.admin()
    suspend = f"/_matrix/client/v1/admin/suspend/{quote(bob.user_id)}"
    assert (await root.client.put(suspend, {"suspended": True})).status == 200
    gone = {"auth": alice.proof(), "erase": True}
    assert (await alice.client.post(f"{V3}/account/deactivate", gone)).status == 200
    database = await open_database(database_url, SCHEMA, durable=True)

    found = await pages(UserHistoryReader(database).query_account_statuses, limit)

    await database.close()
    announced = await server.all_announced()
    assert found == sorted(
        (one for one in announced if isinstance(one, AccountStatusChanged)),
        key=lambda one: one.user_id,
    )
    assert [one.user_id for one in found] == [alice.user_id, bob.user_id]

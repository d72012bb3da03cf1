"""Tags of rooms, and account data as other components see it."""

from typing import Any

import pytest

from logs.records.client_data import AccountDataChanged
from matrix.errors import NotFound
from matrix.identifiers import RoomID, UserID
from tests.component.userapi.userapi_server import V3, User, UserApiServer

ALICE = UserID("@alice:xylem.test")
ROOM = RoomID("!room:xylem.test")
TAGS = f"{V3}/user/{ALICE}/rooms/{ROOM}/tags"


async def test_a_room_is_tagged_and_untagged(alice: User) -> None:
    assert (await alice.client.get(TAGS)).json == {"tags": {}}

    await alice.client.put(f"{TAGS}/m.favourite", {"order": 0.25})
    await alice.client.put(f"{TAGS}/u.work", {})
    both = await alice.client.get(TAGS)
    await alice.client.delete(f"{TAGS}/u.work")
    again = await alice.client.delete(f"{TAGS}/u.work")

    assert both.json == {"tags": {"m.favourite": {"order": 0.25}, "u.work": {}}}
    assert again.status == 200
    assert (await alice.client.get(TAGS)).json == {"tags": {"m.favourite": {"order": 0.25}}}


async def test_tags_are_account_data_of_the_room(server: UserApiServer, alice: User) -> None:
    path = f"{V3}/user/{ALICE}/rooms/{ROOM}/account_data/m.tag"
    before = len(await server.all_announced())

    await alice.client.put(f"{TAGS}/u.work", {"order": 1})
    assert (await alice.client.get(path)).json == {"tags": {"u.work": {"order": 1}}}
    await alice.client.put(path, {"tags": "nonsense"})

    assert (await alice.client.get(TAGS)).json == {"tags": {}}
    assert (await alice.client.delete(f"{TAGS}/u.work")).status == 200
    records = (await server.all_announced())[before:]
    assert records[0] == AccountDataChanged(
        ALICE, "m.tag", b'{"tags":{"u.work":{"order":1}}}', ROOM
    )


@pytest.mark.parametrize(
    ("path", "body", "status", "errcode"),
    [
        (f"{TAGS}/u.work", {"order": "0.5"}, 400, "M_BAD_JSON"),
        (f"{TAGS}/u.work", [], 400, "M_BAD_JSON"),
        (f"{TAGS}/{'u' * 256}", {}, 400, "M_INVALID_PARAM"),
        (f"{TAGS}/u.work", {"big": "x" * 65_536}, 413, "M_TOO_LARGE"),
        (f"{V3}/user/{ALICE}/rooms/room/tags/u.work", {}, 400, "M_INVALID_PARAM"),
        (f"{V3}/user/@bob:xylem.test/rooms/{ROOM}/tags/u.work", {}, 403, "M_FORBIDDEN"),
    ],
)
async def test_an_impossible_tag_is_refused(
    alice: User, path: str, body: Any, status: int, errcode: str
) -> None:
    answer = await alice.client.put(path, body)

    assert (answer.status, answer.errcode) == (status, errcode)


async def test_tags_of_another_user_are_out_of_reach(alice: User, bob: User) -> None:
    answers = [await bob.client.get(TAGS), await bob.client.delete(f"{TAGS}/u.work")]

    assert {(answer.status, answer.errcode) for answer in answers} == {(403, "M_FORBIDDEN")}
    assert alice.user_id == ALICE


async def test_other_components_set_what_clients_cannot(server: UserApiServer, alice: User) -> None:
    api = server.api.account_data
    content = {"event_id": "$event"}

    await api.perform_set_account_data(
        user_id=ALICE, room_id=ROOM, data_type="m.fully_read", content=content
    )

    stored = await api.query_account_data(user_id=ALICE, room_id=ROOM, data_type="m.fully_read")
    read = await alice.client.get(f"{V3}/user/{ALICE}/rooms/{ROOM}/account_data/m.fully_read")
    assert stored == read.json == content
    assert await api.query_account_data(user_id=ALICE, room_id=None, data_type="none") is None


async def test_nobody_without_an_account_has_account_data(server: UserApiServer) -> None:
    with pytest.raises(NotFound):
        await server.api.account_data.perform_set_account_data(
            user_id=ALICE, room_id=None, data_type="org.example", content={}
        )

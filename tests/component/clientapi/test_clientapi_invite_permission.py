"""Users who do not want to be invited, and rooms that users forget."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from base.database import open_database
from components.roomserver.assembly import SCHEMA
from components.roomserver.history import RoomHistoryReader
from components.roomserver.settings import RoomServerSettings
from matrix.identifiers import RoomID
from tests.component.clientapi.clientapi_server import V3, House, User, running_house, with_settings

BLOCKED = (403, "M_INVITE_BLOCKED")


async def deactivate(house: House, user_id: str, password: str) -> None:
    """End the account of a user who has this password."""
    identifier = {"type": "m.id.user", "user": user_id}
    proof = {"type": "m.login.password", "identifier": identifier, "password": password}
    login = await house.client.post(f"{V3}/login", proof)
    client = house.client.as_user(login.json["access_token"])
    answer = await client.post(f"{V3}/account/deactivate", {"auth": proof})
    assert answer.status == 200, answer


async def set_permission(user: User, content: dict[str, Any]) -> None:
    """Say who may invite a user."""
    path = f"/user/{quote(user.user_id)}/account_data/m.invite_permission_config"
    answer = await user.put(path, content)
    assert answer.status == 200, answer


async def test_who_blocks_invites_is_not_invited(house: House, alice: User, bob: User) -> None:
    room_id = await alice.create_room()
    await set_permission(bob, {"default_action": "block"})

    invited = await alice.in_room("invite", room_id, user_id=bob.user_id)
    as_state = await alice.set_state(
        room_id, "m.room.member", {"membership": "invite"}, bob.user_id
    )
    created = await alice.post("/createRoom", {"invite": [bob.user_id]})

    for answer in (invited, as_state, created):
        assert (answer.status, answer.errcode) == BLOCKED
    assert await house.membership(room_id, bob) is None


@pytest.mark.parametrize("content", [{}, {"default_action": "allow"}, {"default_action": 1}])
async def test_who_blocks_no_invites_is_invited(
    house: House, alice: User, bob: User, content: dict[str, Any]
) -> None:
    room_id = await alice.create_room()
    await set_permission(bob, {"default_action": "block"})
    await set_permission(bob, content)

    answer = await alice.in_room("invite", room_id, user_id=bob.user_id)

    assert answer.status == 200
    assert await house.membership(room_id, bob) == "invite"


async def test_who_is_gone_is_invited_no_more_than_who_never_was(alice: User, room_id: str) -> None:
    guest = await alice.house.guest()
    users = alice.house.users.accounts
    gone = (await users.perform_create_account(localpart="gone", password="correct horse")).user_id
    await deactivate(alice.house, gone, "correct horse")

    answers = [
        answer
        for user_id in (gone, "@nobody:xylem.test")
        for answer in (
            await alice.in_room("invite", room_id, user_id=user_id),
            await alice.post("/createRoom", {"invite": [user_id]}),
        )
    ]

    assert [(one.status, one.errcode) for one in answers] == [(404, "M_NOT_FOUND")] * 4
    assert (await alice.in_room("invite", room_id, user_id=guest.user_id)).status == 200


async def test_nobody_names_others(house: House, alice: User, bob: User) -> None:
    room_id = await alice.create_room()
    named = {"displayname": "Mallory", "avatar_url": "mxc://a/b", "reason": "hi"}

    for membership in ("invite", "leave", "ban", "leave"):
        content = {"membership": membership, **named}
        answer = await alice.set_state(room_id, "m.room.member", content, bob.user_id)

        assert answer.status == 200, answer
        shown = await house.content(room_id, "m.room.member", bob.user_id)
        profile = {"displayname": "bob"} if membership == "invite" else {}
        assert shown == {"membership": membership, "reason": "hi", **profile}


async def test_who_blocks_invites_joins_and_leaves(house: House, bob: User, room_id: str) -> None:
    await set_permission(bob, {"default_action": "block"})

    await bob.in_room("leave", room_id)

    assert (await bob.join(room_id)).status == 200
    assert await house.membership(room_id, bob) == "join"


async def test_who_leaves_forgets_where_the_server_has_it_so(tmp_path: Path) -> None:
    async with running_house(tmp_path, with_settings(forget_when_leaving=True)) as house:
        alice, bob = await house.user("alice"), await house.user("bob")
        room_id = await alice.create_room(invite=[bob.user_id])

        for _ in range(2):
            assert (await bob.in_room("leave", room_id)).status == 200

    database = await open_database(f"sqlite:///{tmp_path}/rooms", SCHEMA)
    history = RoomHistoryReader(database, RoomServerSettings())
    page = await history.query_room_history(room_id=RoomID(room_id), after_place=0, limit=100)
    await database.close()
    assert any(bob.user_id.encode() in one and b"forgotten" in one for one in page.records)

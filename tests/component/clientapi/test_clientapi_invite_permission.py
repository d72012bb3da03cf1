"""Users who do not want to be invited, and rooms that users forget."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from matrix.identifiers import RoomID
from tests.component.clientapi.clientapi_server import House, User, running_house, with_settings

BLOCKED = (403, "M_INVITE_BLOCKED")


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

        history = house.rooms.history
        page = await history.query_room_history(room_id=RoomID(room_id), after_place=0, limit=100)
        assert any(bob.user_id.encode() in one and b"forgotten" in one for one in page.records)

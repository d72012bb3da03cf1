"""Profiles: setting fields, and the rooms that hear of it."""

import asyncio
from typing import Any

import pytest

from tests.component.clientapi.clientapi_server import House, User


async def profile_of(user: User) -> Any:
    """Return a user's profile."""
    return (await user.get(f"/profile/{user.user_id}")).json


async def test_all_rooms_of_the_user_hear_of_a_new_name(house: House, alice: User) -> None:
    rooms = [await alice.create_room() for _ in range(15)]
    left = await alice.create_room()
    await alice.in_room("leave", left)

    answer = await alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Alice"})

    assert (answer.status, answer.json) == (200, {})
    assert (await profile_of(alice))["displayname"] == "Alice"
    for room_id in rooms:
        assert await house.content(room_id, "m.room.member", alice.user_id) == {
            "membership": "join",
            "displayname": "Alice",
        }
    assert await house.membership(left, alice) == "leave"


async def test_a_name_that_stays_makes_no_event(house: House, alice: User, room_id: str) -> None:
    path = f"/profile/{alice.user_id}/displayname"
    await alice.put(path, {"displayname": "Alice"})
    before = await house.history(room_id)

    answer = await alice.put(path, {"displayname": "Alice"})

    assert answer.status == 200
    assert len(await house.history(room_id)) == len(before)


async def test_an_avatar_comes_and_goes(house: House, alice: User, room_id: str) -> None:
    path = f"/profile/{alice.user_id}/avatar_url"
    uri = "mxc://xylem.test/alice"
    await alice.put(path, {"avatar_url": uri})
    shown = await house.content(room_id, "m.room.member", alice.user_id)

    removed = await alice.delete(path)

    assert shown["avatar_url"] == uri
    assert removed.status == 200
    assert "avatar_url" not in await house.content(room_id, "m.room.member", alice.user_id)
    assert "avatar_url" not in await profile_of(alice)


@pytest.mark.parametrize("empty", ["", None])
async def test_an_empty_name_is_none(
    house: House, alice: User, room_id: str, empty: str | None
) -> None:
    answer = await alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": empty})

    assert answer.status == 200
    assert "displayname" not in await profile_of(alice)
    assert await house.content(room_id, "m.room.member", alice.user_id) == {"membership": "join"}


async def test_a_reason_is_not_said_again_with_a_new_name(
    house: House, alice: User, bob: User
) -> None:
    room_id = await alice.create_room(preset="public_chat")
    await bob.in_room("join", room_id, reason="curious")

    await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"})

    assert "reason" not in await house.content(room_id, "m.room.member", bob.user_id)


async def test_members_of_restricted_rooms_change_their_name(
    house: House, alice: User, bob: User
) -> None:
    allowed = await alice.create_room(preset="public_chat")
    await bob.join(allowed)
    condition = {"type": "m.room_membership", "room_id": allowed}
    rule = {"join_rule": "restricted", "allow": [condition]}
    room_id = await alice.create_room(
        initial_state=[{"type": "m.room.join_rules", "content": rule}]
    )
    await bob.join(room_id)
    await alice.in_room("leave", room_id)

    await bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Robert"})

    content = await house.content(room_id, "m.room.member", bob.user_id)
    assert content == {"membership": "join", "displayname": "Robert"}


async def test_names_set_at_once_end_alike_everywhere(house: House, alice: User) -> None:
    rooms = [await alice.create_room() for _ in range(3)]
    path = f"/profile/{alice.user_id}/displayname"

    answers = await asyncio.gather(
        *(alice.put(path, {"displayname": f"Alice {number}"}) for number in range(5))
    )

    assert {answer.status for answer in answers} == {200}
    name = (await profile_of(alice))["displayname"]
    for room_id in rooms:
        content = await house.content(room_id, "m.room.member", alice.user_id)
        assert content["displayname"] == name


async def test_other_fields_are_kept_without_events(
    house: House, alice: User, room_id: str
) -> None:
    before = await house.history(room_id)

    answer = await alice.put(f"/profile/{alice.user_id}/org.example.a", {"org.example.a": [1]})

    assert answer.status == 200
    assert (await profile_of(alice))["org.example.a"] == [1]
    assert len(await house.history(room_id)) == len(before)


@pytest.mark.parametrize(
    ("field", "body", "refusal"),
    [
        ("displayname", {}, (400, "M_MISSING_PARAM")),
        ("displayname", {"avatar_url": "mxc://a/b"}, (400, "M_MISSING_PARAM")),
        ("displayname", {"displayname": 5}, (400, "M_BAD_JSON")),
        ("displayname", {"displayname": "a" * 257}, (400, "M_INVALID_PARAM")),
        ("avatar_url", {"avatar_url": "https://example.org/a.png"}, (400, "M_INVALID_PARAM")),
        ("avatar_url", {"avatar_url": "mxc://" + "a" * 1000}, (400, "M_INVALID_PARAM")),
        ("org.example", {"org.example": None}, (400, "M_BAD_JSON")),
        ("Not%20A%20Field", {"Not A Field": 1}, (400, "M_INVALID_PARAM")),
        ("a" * 256, {"a" * 256: 1}, (400, "M_KEY_TOO_LARGE")),
    ],
)
async def test_a_value_that_no_profile_can_have_is_refused(
    alice: User, field: str, body: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = await alice.put(f"/profile/{alice.user_id}/{field}", body)

    assert (answer.status, answer.errcode) == refusal


async def test_nobody_changes_the_profile_of_another(alice: User, bob: User) -> None:
    put = await alice.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"})
    removed = await alice.delete(f"/profile/{bob.user_id}/displayname")

    assert (put.status, put.errcode) == (403, "M_FORBIDDEN")
    assert (removed.status, removed.errcode) == (403, "M_FORBIDDEN")


async def test_a_guest_has_a_name_only(house: House) -> None:
    guest = await house.guest()

    named = await guest.put(f"/profile/{guest.user_id}/displayname", {"displayname": "Guest"})
    pictured = await guest.put(
        f"/profile/{guest.user_id}/avatar_url", {"avatar_url": "mxc://xylem.test/a"}
    )

    assert named.status == 200
    assert (pictured.status, pictured.errcode) == (403, "M_GUEST_ACCESS_FORBIDDEN")
